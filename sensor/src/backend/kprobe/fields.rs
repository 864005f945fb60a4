//! What a probe reads: each field, where it lies by the kernel's BTF, and how to ask for it.
//!
//! A probe can follow pointers and copy a fixed number of words. It cannot compare, count or loop,
//! and it cannot say that a pointer led nowhere: then the field has whatever was in the buffer. So
//! next to each field that lies behind a pointer that may be NULL stands that pointer itself, and
//! `decode` looks at it first.

use ocellus_ebpf::btf::{Members, Route, RouteError};

use super::tracefs::Format;

/// Bytes of argv that a probe copies, each word by a read of its own. Beyond the end of the stack,
/// which is near where there is little environment, each read costs a page fault. What is longer
/// comes from /proc.
pub(super) const ARGS_WINDOW_BYTES: usize = 192;
/// Bytes of the name that was passed to exec.
pub(super) const FILENAME_WINDOW_BYTES: usize = 128;
/// Levels of nested pid namespaces for which the number of a process is known. Containers in
/// containers need three.
pub(super) const PID_LEVELS: usize = 3;

/// How a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// A number as wide as the kernel has it.
    Number,
    /// An array of so many numbers of this width in bytes.
    Array(usize, usize),
    /// Words at the user address that lies there. It is read like a kernel address: the prefix for
    /// user addresses makes no arrays, and addresses below the kernel's are known for what they are
    /// where both cannot be the same, as on x86_64 and arm64.
    User(usize),
    /// A word behind a structure of this name that begins there.
    Behind(&'static str),
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Task,
    Bprm,
}

macro_rules! fields {
    ($($group:ident {
        $($field:ident $name:literal $root:ident $read:expr, $path:literal;)*
    })*) => {
        /// A field of a sample. Those after the macro's are arguments of the probe, and what every
        /// sample has: the thread that ran the probe.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum FieldId { $($($field,)*)* Dead, OldTid, CommonPid }

        const NAMES: &[&str] = &[$($($name,)*)* "dead", "old_tid", "common_pid"];

        $(pub(super) const $group: &[Wanted] = &[$(Wanted {
            id: FieldId::$field,
            root: Root::$root,
            read: $read,
            path: $path,
        },)*];)*
    };
}

/// A field to read, and its path in the kernel's structures: the first of the alternatives,
/// separated by `|`, that the kernel has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub id: FieldId,
    root: Root,
    read: Read,
    path: &'static str,
}

use Read::{Array, Behind, Number, User};

fields! {
    TASK {
        Pid "pid" Task Number, "tgid";
        Tid "tid" Task Number, "pid";
        Flags "flags" Task Number, "flags";
        Start "start" Task Number, "group_leader->start_boottime";
        ParentStart "pstart" Task Number, "real_parent->group_leader->start_boottime";
        ParentPid "ppid" Task Number, "real_parent->tgid";
        Pgid "pgid" Task Number, "signal->pids[PIDTYPE_PGID]->numbers[0].nr";
        Sid "sid" Task Number, "signal->pids[PIDTYPE_SID]->numbers[0].nr";
        Comm "comm" Task Array(2, 8), "group_leader->comm";
        PidLevel "level" Task Number, "group_leader->thread_pid->level";
        PidNumbers "numbers" Task Array(2 * PID_LEVELS, 8), "group_leader->thread_pid->numbers";
        Tty "tty" Task Number, "signal->tty";
        TtyNumbers "tnumbers" Task Array(2, 4), "signal->tty->driver->major";
        TtyIndex "tindex" Task Number, "signal->tty->index";
        Ids "ids" Task Array(4, 8), "real_cred->uid";
        Caps "caps" Task Array(5, 8), "real_cred->cap_inheritable";
        NsUser "nsuser" Task Number, "real_cred->user_ns->ns.inum";
        Nsproxy "nsproxy" Task Number, "nsproxy";
        NsUts "nsuts" Task Number, "nsproxy->uts_ns->ns.inum";
        NsIpc "nsipc" Task Number, "nsproxy->ipc_ns->ns.inum";
        NsMnt "nsmnt" Task Number, "nsproxy->mnt_ns->ns.inum";
        NsNet "nsnet" Task Number, "nsproxy->net_ns->ns.inum";
        NsCgroup "nscgroup" Task Number, "nsproxy->cgroup_ns->ns.inum";
        NsTime "nstime" Task Number, "nsproxy->time_ns->ns.inum";
        NsPid "nspid" Task Number, "nsproxy->pid_ns_for_children->ns.inum";
        NsPidAddress "nspidp" Task Number, "nsproxy->pid_ns_for_children";
    }
    PLACES {
        Fs "fs" Task Number, "fs";
        CwdInode "cwdino" Task Number, "fs->pwd.dentry->d_inode->i_ino";
        CwdDevice "cwddev" Task Number, "fs->pwd.dentry->d_sb->s_dev";
        CwdDentry "cwdent" Task Number, "fs->pwd.dentry";
        CwdName "cwdname" Task Number, "fs->pwd.dentry->d_name.hash_len";
        CwdMount "cwdmnt" Task Number, "fs->pwd.mnt";
        RootInode "rootino" Task Number, "fs->root.dentry->d_inode->i_ino";
        RootDevice "rootdev" Task Number, "fs->root.dentry->d_sb->s_dev";
        CgroupUnified "cgroup" Task Number, "cgroups->dfl_cgrp->kn->id";
        CgroupPids "pids" Task Number, "cgroups->subsys[pids_cgrp_id]->cgroup->kn->id";
    }
    FORK {
        ExitSignal "exit_signal" Task Number, "exit_signal";
    }
    EXEC {
        Mm "mm" Task Number, "mm";
        ExeFile "exe" Task Number, "mm->exe_file";
        ExeMount "exemnt" Task Number, "mm->exe_file->f_path.mnt";
        ExeDentry "exedent" Task Number, "mm->exe_file->f_path.dentry";
        ExeName "exename" Task Number, "mm->exe_file->f_path.dentry->d_name.hash_len";
        ExeHashed "exehash" Task Number, "mm->exe_file->f_path.dentry->d_hash.pprev";
        ExeInode "ino" Task Number, "mm->exe_file->f_inode->i_ino";
        ExeSize "size" Task Number, "mm->exe_file->f_inode->i_size";
        ExeMode "mode" Task Number, "mm->exe_file->f_inode->i_mode";
        ExeLinks "nlink" Task Number, "mm->exe_file->f_inode->i_nlink";
        ExeUid "fuid" Task Number, "mm->exe_file->f_inode->i_uid";
        ExeGid "fgid" Task Number, "mm->exe_file->f_inode->i_gid";
        ExeMtimeSec "mtime" Task Number, "mm->exe_file->f_inode->i_mtime_sec|\
            mm->exe_file->f_inode->__i_mtime.tv_sec|mm->exe_file->f_inode->i_mtime.tv_sec";
        ExeMtimeNsec "mtimens" Task Number, "mm->exe_file->f_inode->i_mtime_nsec|\
            mm->exe_file->f_inode->__i_mtime.tv_nsec|mm->exe_file->f_inode->i_mtime.tv_nsec";
        ExeCtimeSec "ctime" Task Number, "mm->exe_file->f_inode->i_ctime_sec|\
            mm->exe_file->f_inode->__i_ctime.tv_sec|mm->exe_file->f_inode->i_ctime.tv_sec";
        ExeCtimeNsec "ctimens" Task Number, "mm->exe_file->f_inode->i_ctime_nsec|\
            mm->exe_file->f_inode->__i_ctime.tv_nsec|mm->exe_file->f_inode->i_ctime.tv_nsec";
        ExeDevice "dev" Task Number, "mm->exe_file->f_inode->i_sb->s_dev";
        ExeMagic "magic" Task Number, "mm->exe_file->f_inode->i_sb->s_magic";
        ExeSuperFlags "sflags" Task Number, "mm->exe_file->f_inode->i_sb->s_flags";
        ExeUpper "upper" Task Behind("inode"), "mm->exe_file->f_inode->";
        ArgStart "args0" Task Number, "mm->arg_start";
        ArgEnd "args1" Task Number, "mm->arg_end";
        Args "args" Task User(ARGS_WINDOW_BYTES / 8), "mm->arg_start";
    }
    NAME {
        Argc "argc" Bprm Number, "argc";
        Envc "envc" Bprm Number, "envc";
        Filename "filename" Bprm Array(FILENAME_WINDOW_BYTES / 8, 8), "filename->";
    }
    EXIT {
        SignalFlags "sigflags" Task Number, "signal->flags";
        GroupExitCode "gcode" Task Number, "signal->group_exit_code";
        LeaderExitCode "lcode" Task Number, "group_leader->exit_code";
    }
    LIVE {
        Live "live" Task Number, "signal->live.counter";
    }
}

/// Without these a record would not say whom it is about, or lie.
const ESSENTIAL: [FieldId; 8] = [
    FieldId::Pid,
    FieldId::Tid,
    FieldId::Flags,
    FieldId::Start,
    FieldId::ParentPid,
    FieldId::ParentStart,
    FieldId::Comm,
    FieldId::Live,
];

const FIELDS: usize = NAMES.len();

impl FieldId {
    /// What the field is called in definitions, filters and formats.
    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// Members that are read in one piece, in the order of the record's fields: where, which, and how
/// wide each is in bytes.
const PIECES: [(FieldId, &str, &[&str], usize); 3] = [
    (
        FieldId::Ids,
        "cred",
        &["uid", "gid", "suid", "sgid", "euid", "egid", "fsuid", "fsgid"],
        size_of::<u32>(),
    ),
    (
        FieldId::Caps,
        "cred",
        &["cap_inheritable", "cap_permitted", "cap_effective", "cap_bset", "cap_ambient"],
        size_of::<u64>(),
    ),
    (FieldId::TtyNumbers, "tty_driver", &["major", "minor_start"], size_of::<u32>()),
];

/// What a probe calls its arguments, for example `$arg1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments {
    pub task: Option<&'static str>,
    pub bprm: Option<&'static str>,
    pub dead: Option<&'static str>,
    pub old_tid: Option<&'static str>,
}

/// The fetch arguments of a probe's definition, and what of it the kernel's BTF does not have.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    pub text: String,
    pub missing: Vec<RouteError>,
}

/// Builds the fetch arguments for these fields. An error names an essential one that is missing.
pub(super) fn fetches<'w>(
    members: &Members<'_>,
    arguments: &Arguments,
    wanted: impl IntoIterator<Item = &'w Wanted>,
) -> Result<Fetches, RouteError> {
    let mut fetches = Fetches::default();
    for (id, argument, kind) in
        [(FieldId::Dead, arguments.dead, "u8"), (FieldId::OldTid, arguments.old_tid, "u32")]
    {
        if let Some(argument) = argument {
            fetches.push(id, &format!("{argument}:{kind}"));
        }
    }
    for field in wanted {
        match fetch(members, arguments, field) {
            Ok(Some(text)) => fetches.push(field.id, &text),
            Ok(None) => {}
            Err(error) if ESSENTIAL.contains(&field.id) => return Err(error),
            Err(error) => fetches.missing.push(error),
        }
    }
    Ok(fetches)
}

impl Fetches {
    fn push(&mut self, id: FieldId, text: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(id.name());
        self.text.push('=');
        self.text.push_str(text);
    }
}

/// One fetch argument; none where the probe has not got what the path begins with.
fn fetch(
    members: &Members<'_>,
    arguments: &Arguments,
    field: &Wanted,
) -> Result<Option<String>, RouteError> {
    let (structure, argument) = match field.root {
        Root::Task => ("task_struct", arguments.task),
        Root::Bprm => ("linux_binprm", arguments.bprm),
    };
    let Some(argument) = argument else { return Ok(None) };
    check_order(members, field)?;
    // What follows a last arrow has no name: it begins where the pointer leads.
    let mut first_error = None;
    for path in field.path.split('|') {
        let (path, at_pointer) = match path.strip_suffix("->") {
            Some(path) => (path, true),
            None => (path, false),
        };
        match members.route(structure, path) {
            Ok(route) => {
                let base = dereference(argument, &route);
                return text(members, field.read, &base, &route, at_pointer).map(Some);
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(RouteError::Structure { name: structure.to_owned() }))
}

fn text(
    members: &Members<'_>,
    read: Read,
    base: &str,
    route: &Route,
    at_pointer: bool,
) -> Result<String, RouteError> {
    let base = if at_pointer && !matches!(read, Behind(_)) {
        format!("+0({base})")
    } else {
        base.to_owned()
    };
    Ok(match read {
        Number => format!("{base}:u{}", 8 * route.size_bytes),
        Array(count, width_bytes) => format!("{base}:u{}[{count}]", 8 * width_bytes),
        User(words) => format!("+0({base}):u64[{words}]"),
        Behind(structure) => {
            let size = members.size_bytes(structure);
            let size = size.ok_or_else(|| RouteError::Structure { name: structure.to_owned() })?;
            format!("+{size}({base}):u64")
        }
    })
}

/// `+12(+34($arg1))` for the offsets 34 and 12.
fn dereference(argument: &str, route: &Route) -> String {
    let mut text = argument.to_owned();
    for offset in &route.offsets {
        text = format!("+{offset}({text})");
    }
    text
}

/// A kernel that orders what is read in one piece otherwise would be misread.
fn check_order(members: &Members<'_>, field: &Wanted) -> Result<(), RouteError> {
    let Some((_, structure, names, width)) = PIECES.iter().find(|(id, ..)| *id == field.id) else {
        return Ok(());
    };
    let first = members.route(structure, names[0])?.offsets[0];
    for (index, name) in names.iter().enumerate() {
        let route = members.route(structure, name)?;
        if route.offsets[0] != first + index * width || route.size_bytes != *width {
            let path = field.path.to_owned();
            return Err(RouteError::Member { member: format!("{name} in its usual place"), path });
        }
    }
    Ok(())
}

/// Where the fields of a sample lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    places: [Option<(usize, usize)>; FIELDS],
    /// Bytes of a sample that has all of them.
    bytes: usize,
}

impl Layout {
    pub(super) fn new(format: &Format) -> Layout {
        let place = |name: &str| {
            let found = format.iter().find(|(found, _, _)| found == name);
            found.map(|(_, offset, size)| (*offset, *size))
        };
        let places: [_; FIELDS] = std::array::from_fn(|index| place(NAMES[index]));
        let bytes = places.iter().flatten().map(|(offset, size)| offset + size).max().unwrap_or(0);
        Layout { places, bytes }
    }

    pub(super) fn has(&self, id: FieldId) -> bool {
        self.places[id as usize].is_some()
    }
}

/// The fields of one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    layout: &'a Layout,
    raw: &'a [u8],
}

impl<'a> Fields<'a> {
    /// None when the sample is shorter than its layout.
    pub(super) fn new(layout: &'a Layout, raw: &'a [u8]) -> Option<Fields<'a>> {
        (layout.bytes <= raw.len()).then_some(Fields { layout, raw })
    }

    /// Bytes of a field; empty where the probe does not read it.
    pub(super) fn bytes(&self, id: FieldId) -> &'a [u8] {
        let place = self.layout.places[id as usize];
        place.and_then(|(offset, size)| self.raw.get(offset..offset + size)).unwrap_or_default()
    }

    /// A number of up to eight bytes; 0 where the probe does not read it.
    pub(super) fn number(&self, id: FieldId) -> u64 {
        number(self.bytes(id))
    }

    /// The low half of a number.
    pub(super) fn short(&self, id: FieldId) -> u32 {
        self.number(id) as u32
    }

    /// The elements of an array, each `width_bytes` wide; endless zeros where there are no more.
    pub(super) fn array(&self, id: FieldId, width_bytes: usize) -> impl Iterator<Item = u64> {
        let elements = self.bytes(id).chunks_exact(width_bytes).map(number);
        elements.chain(std::iter::repeat(0))
    }

    pub(super) fn has(&self, id: FieldId) -> bool {
        self.layout.has(id)
    }
}

fn number(bytes: &[u8]) -> u64 {
    match *bytes {
        [byte] => byte.into(),
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
        _ => bytes.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word)),
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
