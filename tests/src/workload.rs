//! Made-up kernel records: processes that fork, execute and exit, as the probes would tell of them.

use std::borrow::Cow;

use ocellus::input::{FileId, HostInfo, Input};
use ocellus_ebpf::abi::{F_KTHREAD, File, Kind, Record};

/// Cgroup of every process that has no other.
const CGROUP: &str = "/user.slice/session-1.scope";

/// A process of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proc {
    pub pid: u32,
    pub start_ns: u64,
    pub ppid: u32,
    pub parent_start_ns: u64,
    /// Effective user id, and that for access to files; real and saved one are root's.
    pub euid: u32,
    pub egid: u32,
    pub cap_effective: u64,
    pub sid: u32,
    pub pgid: u32,
}

impl Proc {
    /// The first process.
    pub const INIT: Proc = Proc {
        pid: 1,
        start_ns: 10,
        ppid: 0,
        parent_start_ns: 0,
        euid: 0,
        egid: 0,
        cap_effective: 0,
        sid: 1,
        pgid: 1,
    };

    /// A child of this process that starts at that time.
    pub fn child(self, pid: u32, start_ns: u64) -> Proc {
        let (ppid, parent_start_ns) = (self.pid, self.start_ns);
        Proc { pid, start_ns, ppid, parent_start_ns, pgid: pid, ..self }
    }

    fn record(self, kind: Kind, time_ns: u64, comm: &str) -> Record {
        let mut record = Record::default();
        record.head.kind = kind as u16;
        record.head.time_ns = time_ns;
        record.task.start_ns = self.start_ns;
        record.task.parent_start_ns = self.parent_start_ns;
        record.task.pid = self.pid;
        record.task.tid = self.pid;
        record.task.ppid = self.ppid;
        record.task.euid = self.euid;
        record.task.fsuid = self.euid;
        record.task.egid = self.egid;
        record.task.fsgid = self.egid;
        record.task.cap_effective = self.cap_effective;
        record.task.pgid = self.pgid;
        record.task.sid = self.sid;
        record.task.vpid = self.pid;
        record.task.cap_bounding = (1 << 41) - 1;
        record.task.ns_pid = 0xf000_0001;
        record.task.ns_mnt = 0xf000_0002;
        let bytes = comm.as_bytes();
        let len = bytes.len().min(15);
        record.task.comm[..len].copy_from_slice(&bytes[..len]);
        record
    }

    /// It was forked.
    pub fn fork(self, time_ns: u64, comm: &str) -> Vec<u8> {
        self.fork_in(time_ns, comm, CGROUP)
    }

    /// The same in another cgroup.
    pub fn fork_in(self, time_ns: u64, comm: &str, cgroup: &str) -> Vec<u8> {
        let spans: [&[u8]; 6] = [b"", b"", b"/srv", cgroup.as_bytes(), b"", b""];
        self.record(Kind::Fork, time_ns, comm).encode(spans)
    }

    /// It executes `exe` with these arguments.
    pub fn exec(self, time_ns: u64, exe: &str, args: &[&str]) -> Vec<u8> {
        let comm = exe.rsplit('/').next().unwrap_or(exe);
        let mut record = self.record(Kind::Exec, time_ns, comm);
        record.argc = args.len() as u32;
        record.file = file_of(exe);
        let mut argv = Vec::new();
        for arg in args {
            argv.extend_from_slice(arg.as_bytes());
            argv.push(0);
        }
        let cgroup = CGROUP.as_bytes();
        record.encode([exe.as_bytes(), exe.as_bytes(), b"/srv", cgroup, &argv, b""])
    }

    /// Its user, group, capabilities or session are what they are now.
    pub fn changed(self, time_ns: u64, comm: &str) -> Vec<u8> {
        self.record(Kind::Ids, time_ns, comm).encode([&[]; 6])
    }

    /// The same, told by one of its threads.
    pub fn changed_by(self, tid: u32, time_ns: u64, comm: &str) -> Vec<u8> {
        let mut record = self.record(Kind::Ids, time_ns, comm);
        record.task.tid = tid;
        record.encode([&[]; 6])
    }

    /// It is called so now.
    pub fn renamed(self, time_ns: u64, comm: &str) -> Vec<u8> {
        self.record(Kind::Name, time_ns, comm).encode([&[]; 6])
    }

    /// It is in the process group that it is in now.
    pub fn moved(self, time_ns: u64, comm: &str) -> Vec<u8> {
        self.record(Kind::Pgid, time_ns, comm).encode([&[]; 6])
    }

    /// A kernel thread that was running when the sensor started.
    pub fn kernel_thread(self, time_ns: u64, comm: &str) -> Vec<u8> {
        let mut record = self.record(Kind::Existing, time_ns, comm);
        record.head.flags = F_KTHREAD;
        record.encode([&[]; 6])
    }

    /// It was running when the sensor started.
    pub fn existing(self, time_ns: u64, exe: &str) -> Vec<u8> {
        let comm = exe.rsplit('/').next().unwrap_or(exe);
        self.existing_as(time_ns, exe, comm)
    }

    /// The same, and it has given itself a name.
    pub fn existing_as(self, time_ns: u64, exe: &str, comm: &str) -> Vec<u8> {
        let mut record = self.record(Kind::Existing, time_ns, comm);
        record.argc = 1;
        record.file = file_of(exe);
        let argv = [exe.as_bytes(), b"\0"].concat();
        record.encode([exe.as_bytes(), b"", b"/", b"/init.scope", &argv, b""])
    }

    /// Its last thread is gone; `status` is as wait(2) has it.
    pub fn exit(self, time_ns: u64, comm: &str, status: u32) -> Vec<u8> {
        let mut record = self.record(Kind::Exit, time_ns, comm);
        record.exit_status = status;
        record.encode([&[]; 6])
    }
}

/// A made-up executable: the same path is the same file.
pub fn file_of(exe: &str) -> File {
    let inode = exe.bytes().fold(1_000, |sum: u64, byte| sum * 31 % 1_000_003 + u64::from(byte));
    File {
        inode,
        size: 4_096,
        mtime_ns: 1_700_000_000_000_000_000,
        ctime_ns: 1_700_000_000_000_000_000,
        dev_major: 254,
        nlink: 1,
        mode: 0o100_755,
        ..File::default()
    }
}

/// The identity of that executable.
pub fn file_id_of(exe: &str) -> FileId {
    let file = file_of(exe);
    FileId {
        dev_major: file.dev_major,
        dev_minor: file.dev_minor,
        inode: file.inode,
        size: file.size,
        mtime_ns: file.mtime_ns,
        ctime_ns: file.ctime_ns,
    }
}

/// The inputs that come first: a made-up host, its clock and a few names.
pub fn preamble() -> Vec<Input<'static>> {
    let host = HostInfo {
        id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        boot_id: Some("01234567-89ab-cdef-0123-456789abcdef".to_owned()),
        hostname: Some("workload".to_owned()),
        architecture: Some("x86_64".to_owned()),
        kernel: Some("6.1.0".to_owned()),
        ..HostInfo::default()
    };
    let names = ocellus::input::Names {
        users: [(0, "root".to_owned()), (1000, "user".to_owned())].into(),
        groups: [(0, "root".to_owned())].into(),
    };
    vec![
        Input::Host(host),
        Input::Clock { wall_offset_ns: 1_700_000_000_000_000_000 },
        Input::Names(names),
    ]
}

/// One kernel record as an input.
pub fn raw(bytes: Vec<u8>) -> Input<'static> {
    Input::Raw(Cow::Owned(bytes))
}

/// Programs that the storm runs.
const PROGRAMS: [(&str, &[&str]); 6] = [
    ("/usr/bin/true", &["true"]),
    ("/usr/bin/sh", &["sh", "-c", "exec make -C /srv/build all"]),
    ("/usr/bin/cc", &["cc", "-O2", "-c", "main.c", "-o", "main.o", "-I", "/usr/include/x"]),
    ("/usr/bin/grep", &["grep", "-rn", "pattern", "/srv/build"]),
    ("/usr/lib/git-core/git", &["git", "rev-parse", "--show-toplevel"]),
    ("/usr/bin/python3.11", &["python3", "/srv/tools/report.py", "--format", "json"]),
];

/// Raw events in order of time: short processes that fork, execute and exit, one after the other
/// on `workers` workers, `step_ns` between two raw events.
pub fn storm(processes: u32, workers: u32, step_ns: u64) -> Vec<(u64, Vec<u8>)> {
    let mut records = Vec::with_capacity(processes as usize * 3);
    let mut now_ns = 1_000_000_000;
    let mut running: Vec<(Proc, &str)> = Vec::new();
    let shells: Vec<Proc> = (0..workers).map(|n| Proc::INIT.child(100 + n, 20)).collect();
    let mut tick = || {
        now_ns += step_ns;
        now_ns
    };
    for n in 0..processes {
        let shell = shells[(n % workers) as usize];
        let (exe, args) = PROGRAMS[n as usize % PROGRAMS.len()];
        let start_ns = tick();
        let child = shell.child(1_000 + n % 30_000, start_ns);
        records.push((start_ns, child.fork(start_ns, "sh")));
        let exec_ns = tick();
        records.push((exec_ns, child.exec(exec_ns, exe, args)));
        running.push((child, exe.rsplit('/').next().unwrap_or(exe)));
        if running.len() >= workers as usize {
            let (done, comm) = running.remove(0);
            let exit_ns = tick();
            records.push((exit_ns, done.exit(exit_ns, comm, u32::from(n % 7 == 0) << 8)));
        }
    }
    for (done, comm) in running {
        let exit_ns = tick();
        records.push((exit_ns, done.exit(exit_ns, comm, 0)));
    }
    records
}
