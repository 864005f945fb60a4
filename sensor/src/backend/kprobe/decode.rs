//! A probe's sample → what the kernel told in it, in the form of the eBPF backend's records.

use ocellus_ebpf::abi::{self, File, Record, Task};

use super::fields::{FieldId, Fields, PID_LEVELS};

/// PF_KTHREAD, SIGNAL_GROUP_EXIT, SB_KERNMOUNT: the kernel's numbers, the same in all that we run
/// on.
const PF_KTHREAD: u32 = 0x0020_0000;
const SIGNAL_GROUP_EXIT: u32 = 0x4;
const SB_KERNMOUNT: u64 = 1 << 22;

/// File systems of memory (linux/magic.h).
const MEMORY_MAGICS: [u64; 3] = [0x0102_1994, 0x9584_58f6, 0x8584_58f6];
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

const NS_PER_SECOND: u64 = 1_000_000_000;
/// Bit 31 of the nanoseconds marks a timestamp that was asked for, and is no part of the time.
const TIME_NSEC_MASK: u64 = 0x7fff_ffff;

/// struct upid: a number, and the namespace in which it counts.
const UPID_BYTES: usize = 16;

/// From where a process sees its files: mount namespace and root directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub ns_mnt: u32,
    pub root_inode: u64,
    /// As the kernel has it: major << 20 | minor.
    pub root_device: u32,
}

/// A directory, as the kernel knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DirectoryId {
    pub view: View,
    pub inode: u64,
    pub device: u32,
    /// Addresses of its mount and name in the kernel, and a hash of the name under its parent.
    pub name: [u64; 3],
}

/// The cgroups of a process: in the unified hierarchy, and that of the pids controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CgroupIds {
    pub unified: u64,
    pub pids: u64,
}

/// What the kernel said of an executable, and by which name it was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageId {
    pub view: View,
    pub file: File,
    pub name: [u64; 3],
}

/// argv as far as a probe copies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Args<'a> {
    pub bytes: &'a [u8],
    /// Bytes that there were.
    pub full_bytes: u32,
}

/// Fills what every kind of record says of the process.
pub(super) fn task(fields: &Fields<'_>) -> Task {
    use FieldId as Id;
    let mut task = Task {
        start_ns: fields.number(Id::Start),
        parent_start_ns: fields.number(Id::ParentStart),
        pid: fields.short(Id::Pid),
        tid: fields.short(Id::Tid),
        ppid: fields.short(Id::ParentPid),
        pgid: fields.short(Id::Pgid),
        sid: fields.short(Id::Sid),
        ns_user: fields.short(Id::NsUser),
        ..Task::default()
    };
    let comm = fields.bytes(Id::Comm);
    let len = comm.iter().position(|byte| *byte == 0).unwrap_or(comm.len()).min(15);
    task.comm[..len].copy_from_slice(&comm[..len]);
    credentials(fields, &mut task);
    if fields.number(Id::Tty) != 0 {
        let mut numbers = fields.array(Id::TtyNumbers, 4).map(|number| number as u32);
        task.tty_major = numbers.next().unwrap_or(0);
        task.tty_minor = numbers.next().unwrap_or(0).wrapping_add(fields.short(Id::TtyIndex));
    }
    if fields.number(Id::Nsproxy) != 0 {
        task.ns_uts = fields.short(Id::NsUts);
        task.ns_ipc = fields.short(Id::NsIpc);
        task.ns_mnt = fields.short(Id::NsMnt);
        task.ns_net = fields.short(Id::NsNet);
        task.ns_cgroup = fields.short(Id::NsCgroup);
        task.ns_time = fields.short(Id::NsTime);
    }
    own_pid(fields, &mut task);
    task
}

fn credentials(fields: &Fields<'_>, task: &mut Task) {
    let ids = fields.array(FieldId::Ids, 4);
    let into = [
        &mut task.uid,
        &mut task.gid,
        &mut task.suid,
        &mut task.sgid,
        &mut task.euid,
        &mut task.egid,
        &mut task.fsuid,
        &mut task.fsgid,
    ];
    for (into, id) in into.into_iter().zip(ids) {
        *into = id as u32;
    }
    let sets = fields.array(FieldId::Caps, 8);
    let into = [
        &mut task.cap_inheritable,
        &mut task.cap_permitted,
        &mut task.cap_effective,
        &mut task.cap_bounding,
        &mut task.cap_ambient,
    ];
    for (into, set) in into.into_iter().zip(sets) {
        *into = set;
    }
}

/// The number of the process in its own pid namespace, which is the innermost one, and that
/// namespace. The probe cannot read the latter's number through an index; where it is the one that
/// children are put into, as nearly always, it is known from there.
fn own_pid(fields: &Fields<'_>, task: &mut Task) {
    let level = fields.number(FieldId::PidLevel) as usize;
    let numbers = fields.bytes(FieldId::PidNumbers);
    let Some(own) = numbers.chunks_exact(UPID_BYTES).take(PID_LEVELS).nth(level) else { return };
    task.vpid = own.first_chunk().map_or(0, |number| u32::from_ne_bytes(*number));
    let namespace = own.last_chunk().map_or(0, |address| u64::from_ne_bytes(*address));
    let is_childrens = namespace != 0 && namespace == fields.number(FieldId::NsPidAddress);
    if is_childrens && fields.number(FieldId::Nsproxy) != 0 {
        task.ns_pid = fields.short(FieldId::NsPid);
    }
}

pub(super) fn is_kernel_thread(fields: &Fields<'_>) -> bool {
    fields.short(FieldId::Flags) & PF_KTHREAD != 0
}

/// Whether the exiting thread is the last one.
pub(super) fn is_group_dead(fields: &Fields<'_>) -> bool {
    match fields.has(FieldId::Dead) {
        true => fields.number(FieldId::Dead) != 0,
        false => fields.number(FieldId::Live) == 0,
    }
}

/// As wait(2) has it: the group's status if it was told to exit, else the leader's.
pub(super) fn exit_status(fields: &Fields<'_>) -> u32 {
    match fields.short(FieldId::SignalFlags) & SIGNAL_GROUP_EXIT != 0 {
        true => fields.short(FieldId::GroupExitCode),
        false => fields.short(FieldId::LeaderExitCode),
    }
}

fn view(fields: &Fields<'_>, task: &Task) -> View {
    View {
        ns_mnt: task.ns_mnt,
        root_inode: fields.number(FieldId::RootInode),
        root_device: fields.short(FieldId::RootDevice),
    }
}

/// The working directory; none of a task that has given its own up.
pub(super) fn directory(fields: &Fields<'_>, task: &Task) -> Option<DirectoryId> {
    use FieldId as Id;
    let id = DirectoryId {
        view: view(fields, task),
        inode: fields.number(Id::CwdInode),
        device: fields.short(Id::CwdDevice),
        name: [Id::CwdMount, Id::CwdDentry, Id::CwdName].map(|id| fields.number(id)),
    };
    (fields.number(Id::Fs) != 0 && id.inode != 0).then_some(id)
}

pub(super) fn cgroup(fields: &Fields<'_>) -> CgroupIds {
    CgroupIds {
        unified: fields.number(FieldId::CgroupUnified),
        pids: fields.number(FieldId::CgroupPids),
    }
}

/// The executable; none of a task without memory of its own.
pub(super) fn image(fields: &Fields<'_>, task: &Task) -> Option<ImageId> {
    use FieldId as Id;
    if fields.number(Id::Mm) == 0 || fields.number(Id::ExeFile) == 0 {
        return None;
    }
    let time = |seconds, nanoseconds| {
        let seconds = fields.number(seconds).wrapping_mul(NS_PER_SECOND);
        seconds.wrapping_add(fields.number(nanoseconds) & TIME_NSEC_MASK)
    };
    let device = fields.short(Id::ExeDevice);
    let file = File {
        inode: fields.number(Id::ExeInode),
        size: fields.number(Id::ExeSize),
        mtime_ns: time(Id::ExeMtimeSec, Id::ExeMtimeNsec),
        ctime_ns: time(Id::ExeCtimeSec, Id::ExeCtimeNsec),
        dev_major: device >> 20,
        dev_minor: device & 0xf_ffff,
        nlink: fields.short(Id::ExeLinks),
        mode: fields.short(Id::ExeMode),
        uid: fields.short(Id::ExeUid),
        gid: fields.short(Id::ExeGid),
        flags: file_flags(fields),
        pad: 0,
    };
    let name = [Id::ExeMount, Id::ExeDentry, Id::ExeName].map(|id| fields.number(id));
    (file.inode != 0).then_some(ImageId { view: view(fields, task), file, name })
}

fn file_flags(fields: &Fields<'_>) -> u32 {
    let magic = fields.number(FieldId::ExeMagic);
    let mut flags = 0;
    let of_kernel = fields.number(FieldId::ExeSuperFlags) & SB_KERNMOUNT != 0;
    if MEMORY_MAGICS.contains(&magic) && of_kernel {
        flags |= abi::FILE_MEMFD;
    }
    // A name that was removed is taken out of its hash chain; another one may keep the file.
    let is_unhashed = fields.has(FieldId::ExeHashed) && fields.number(FieldId::ExeHashed) == 0;
    if fields.number(FieldId::ExeLinks) == 0 || is_unhashed {
        flags |= abi::FILE_DELETED;
    }
    if magic == OVERLAYFS_MAGIC {
        flags |= abi::FILE_OVERLAY;
        if fields.number(FieldId::ExeUpper) != 0 {
            flags |= abi::FILE_UPPER;
        }
    }
    flags
}

/// What was copied of argv. A page that was swapped out reads as anything, without a word of it:
/// arguments that do not end where they should, or are not as many as `argc`, are not believed and
/// are given without bytes.
pub(super) fn args<'a>(fields: &Fields<'a>, argc: Option<u32>) -> Args<'a> {
    let (start, end) = (fields.number(FieldId::ArgStart), fields.number(FieldId::ArgEnd));
    if fields.number(FieldId::Mm) == 0 || end <= start {
        return Args::default();
    }
    let full_bytes = u32::try_from(end - start).unwrap_or(u32::MAX);
    let window = fields.bytes(FieldId::Args);
    let bytes = window.get(..full_bytes as usize).unwrap_or(window);
    let count = bytes.iter().filter(|byte| **byte == 0).count();
    let is_whole = bytes.len() == full_bytes as usize;
    let is_right = match argc {
        Some(argc) if is_whole => bytes.ends_with(&[0]) && count == argc as usize,
        Some(argc) => count < argc as usize,
        None => !is_whole || bytes.ends_with(&[0]),
    };
    Args { bytes: if is_right { bytes } else { &[] }, full_bytes }
}

/// The name that was passed to exec, up to its end or to that of the window.
pub(super) fn filename<'a>(fields: &Fields<'a>) -> &'a [u8] {
    let window = fields.bytes(FieldId::Filename);
    window.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A record of this kind, with the fields that do not depend on it.
pub(super) fn record(kind: abi::Kind, time_ns: u64, cpu: u32, task: Task) -> Record {
    let mut record = Record { task, ..Record::default() };
    record.head.kind = kind as u16;
    record.head.time_ns = time_ns;
    record.head.cpu = cpu;
    record
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
