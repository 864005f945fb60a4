//! The safe mirror of `bpf/abi.h`: the record that probes hand to user space.
//!
//! [`Record::parse`] is total: any bytes give a record or an error, never a panic.
//! [`Record::encode`] is its inverse, for tests, recordings and simulated workloads.

use crate::layout::{Cursor, Wire, mirror};

pub use crate::layout::Member;

/// Version of the layout below; a record of another version is refused.
pub const ABI_VERSION: u16 = 1;

/// Number of kinds including the unused number 0, as `OC_KIND_COUNT` in `abi.h`.
pub const KIND_COUNT: usize = 7;

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Kind {
    /// A new thread group; the record describes the child.
    Fork = 1,
    /// A thread group replaced its image.
    Exec = 2,
    /// The last thread of a group is gone.
    Exit = 3,
    /// A thread's credentials, or the session, changed; the record has what came of it.
    Ids = 4,
    /// A process has another name (comm), and not by an exec.
    Name = 5,
    /// A process moved to another process group.
    Pgid = 6,
    /// A process that ran before the sensor did. Made by user space from /proc, never by a probe.
    Existing = 64,
}

impl Kind {
    /// Every kind that probes send, in the order of their numbers.
    pub const PROBED: [Kind; KIND_COUNT - 1] =
        [Kind::Fork, Kind::Exec, Kind::Exit, Kind::Ids, Kind::Name, Kind::Pgid];

    /// The kind with this number in `oc_head.kind`.
    pub fn from_number(number: u16) -> Option<Kind> {
        let mut all = Kind::PROBED.into_iter().chain([Kind::Existing]);
        all.find(|kind| *kind as u16 == number)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Existing => "existing",
            Kind::Fork => "fork",
            Kind::Exec => "exec",
            Kind::Exit => "exit",
            Kind::Ids => "id_change",
            Kind::Name => "name_change",
            Kind::Pgid => "pgid_change",
        }
    }
}

/// Why the kernel side lost a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LostCause {
    /// The ring had no room: user space reads too slowly.
    RingFull = 0,
    /// No scratch slot was free to build the record in.
    NoScratch = 1,
    /// The kernel did not run the probe, since the same one was under way on that CPU in a task
    /// that had been preempted, nor a spare probe.
    Preempted = 2,
    /// The kernel did not run the probe, as another one of its kind was at work on that CPU
    /// (kprobes only).
    Missed = 3,
}

/// Number of loss causes, as `OC_LOST_COUNT` in `abi.h`.
pub const LOST_COUNT: usize = 4;

impl LostCause {
    /// Every cause, in the order of their numbers.
    pub const ALL: [LostCause; LOST_COUNT] =
        [LostCause::RingFull, LostCause::NoScratch, LostCause::Preempted, LostCause::Missed];

    pub fn name(self) -> &'static str {
        match self {
            LostCause::RingFull => "ring_full",
            LostCause::NoScratch => "no_scratch",
            LostCause::Preempted => "preempted",
            LostCause::Missed => "missed",
        }
    }
}

/// `oc_task_start.flags`, and `oc_head.flags` of a snapshot: a kernel thread (PF_KTHREAD). Probes
/// make no records of kernel threads.
pub const F_KTHREAD: u32 = 1 << 0;
/// `oc_head.flags`: exec by a thread that was not the leader.
pub const F_THREAD_EXEC: u32 = 1 << 1;
/// `oc_head.flags`: part of argv could not be read.
pub const F_ARGS_FAULT: u32 = 1 << 2;
/// `oc_head.flags`: part of the environment could not be read.
pub const F_ENV_FAULT: u32 = 1 << 3;
/// `oc_head.flags`: start times have clock-tick precision (from /proc).
pub const F_TICKS: u32 = 1 << 4;
/// `oc_head.flags`: the file gave an exec rights that the caller had not, or a security module
/// asked for the same care (AT_SECURE).
pub const F_SECURE_EXEC: u32 = 1 << 5;

/// `oc_head.flags`: this span is not from the kernel at that moment. User space read it from /proc
/// afterwards, or could not find it out and left it empty.
pub const fn f_inferred(span: SpanId) -> u32 {
    1 << (8 + span as u32)
}

/// `oc_file.flags`: lives in the kernel's internal shm mount (memfd and its like).
pub const FILE_MEMFD: u32 = 1 << 0;
/// `oc_file.flags`: no name is left for the file.
pub const FILE_DELETED: u32 = 1 << 1;
/// `oc_file.flags`: in the upper layer of an overlay.
pub const FILE_UPPER: u32 = 1 << 2;
/// `oc_file.flags`: on an overlay.
pub const FILE_OVERLAY: u32 = 1 << 3;

/// Spans of a record, in the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanId {
    /// Absolute path of the executable, from the task's root.
    Exe = 0,
    /// What was passed to exec; a script's own path.
    Filename = 1,
    Cwd = 2,
    /// Of the pids controller on a system with version 1 unless that is `/`, else of the unified
    /// hierarchy.
    Cgroup = 3,
    /// argv, each argument ended by NUL.
    Args = 4,
    /// The environment in the same form, only when configured.
    Env = 5,
}

/// Number of spans in a record.
pub const SPAN_COUNT: usize = 6;

mirror! {
    pub struct Head = "oc_head", 24 bytes {
        /// Bytes of the whole record, spans included.
        pub size: u32,
        /// A [`Kind`] as a number.
        pub kind: u16,
        /// [`ABI_VERSION`].
        pub version: u16,
        /// CLOCK_BOOTTIME when the probe ran.
        pub time_ns: u64,
        pub cpu: u32,
        /// `F_*`.
        pub flags: u32,
    }
}

mirror! {
    /// Numbers are those of the initial namespaces unless said otherwise.
    pub struct Task = "oc_task", 168 bytes {
        /// Start of the thread group, boottime.
        pub start_ns: u64,
        /// The same of the real parent.
        pub parent_start_ns: u64,
        pub cap_effective: u64,
        pub cap_permitted: u64,
        pub cap_inheritable: u64,
        pub cap_bounding: u64,
        pub cap_ambient: u64,
        /// Thread group id.
        pub pid: u32,
        /// The thread that ran the probe (fork: the child's; exec: its id before the exec; ids: the
        /// one whose credentials these are; name, pgid: the process's own).
        pub tid: u32,
        /// Thread group of the real parent.
        pub ppid: u32,
        pub pgid: u32,
        pub sid: u32,
        /// Thread group id in the process's own pid namespace.
        pub vpid: u32,
        pub uid: u32,
        pub euid: u32,
        pub suid: u32,
        pub fsuid: u32,
        pub gid: u32,
        pub egid: u32,
        pub sgid: u32,
        pub fsgid: u32,
        /// Major and minor 0: no controlling terminal.
        pub tty_major: u32,
        pub tty_minor: u32,
        /// Inode numbers of namespaces; 0: not known.
        pub ns_cgroup: u32,
        pub ns_ipc: u32,
        pub ns_mnt: u32,
        pub ns_net: u32,
        pub ns_pid: u32,
        pub ns_time: u32,
        pub ns_user: u32,
        pub ns_uts: u32,
        /// NUL-padded.
        pub comm: [u8; 16],
    }
}

mirror! {
    /// The executable, as the kernel had it at exec. All zero in other kinds.
    pub struct File = "oc_file", 64 bytes {
        pub inode: u64,
        pub size: u64,
        /// Since the epoch.
        pub mtime_ns: u64,
        /// Since the epoch.
        pub ctime_ns: u64,
        pub dev_major: u32,
        pub dev_minor: u32,
        pub nlink: u32,
        pub mode: u32,
        pub uid: u32,
        pub gid: u32,
        /// `FILE_*`.
        pub flags: u32,
        pub pad: u32,
    }
}

mirror! {
    pub struct Span = "oc_span", 8 bytes {
        /// Bytes in this record.
        pub len: u32,
        /// Bytes that there were; more than `len`: truncated. A path that lost leading components
        /// has `len + 1` and does not start with `/`. Neither does the executable of a memfd,
        /// `memfd:NAME`, whose `full` is `len`.
        pub full: u32,
    }
}

mirror! {
    pub struct Record = "oc_record", 320 bytes {
        pub head: Head,
        pub task: Task,
        pub file: File,
        /// As wait(2) has it: code << 8 | core << 7 | signal.
        pub exit_status: u32,
        /// True counts, whatever was read (exec).
        pub argc: u32,
        pub envc: u32,
        pub pad: u32,
        pub span: [Span; SPAN_COUNT],
    }
}

mirror! {
    /// What the task iterator writes for each thread group leader.
    pub struct TaskStart = "oc_task_start", 32 bytes {
        /// As in [`Task`].
        pub start_ns: u64,
        pub parent_start_ns: u64,
        pub pid: u32,
        pub ppid: u32,
        /// [`F_KTHREAD`] or 0.
        pub flags: u32,
        pub pad: u32,
    }
}

mirror! {
    /// What the loader sets before the object is loaded: variable `oc_config`.
    pub struct Config = "oc_config", 12 bytes {
        /// Bytes of argv copied at most.
        pub args_max: u32,
        /// Bytes of the environment copied at most; 0: none.
        pub env_max: u32,
        /// Bits of kinds of which several programs tell, spares for what the kernel does not run.
        pub spares: u32,
    }
}

impl TaskStart {
    /// Every whole entry of what was read from the iterator.
    pub fn parse_all(bytes: &[u8]) -> impl Iterator<Item = TaskStart> {
        bytes
            .chunks_exact(TaskStart::SIZE_BYTES)
            .map(|entry| TaskStart::read(&mut Cursor::new(entry)))
    }
}

/// A record taken apart. The spans borrow the bytes that were parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    pub kind: Kind,
    pub record: Record,
    /// Indexed by [`SpanId`].
    pub spans: [&'a [u8]; SPAN_COUNT],
}

impl<'a> Parsed<'a> {
    /// The bytes of one span.
    pub fn span(&self, id: SpanId) -> &'a [u8] {
        self.spans[id as usize]
    }

    /// True when the kernel had more bytes than this record carries.
    pub fn truncated(&self, id: SpanId) -> bool {
        let span = self.record.span[id as usize];
        span.full > span.len
    }
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error(
        "record of {have} bytes is shorter than its fixed part of {} bytes",
        Record::SIZE_BYTES
    )]
    Short { have: usize },
    #[error("record says that it has {said} bytes and has {have}")]
    Size { said: u32, have: usize },
    #[error("record has version {have}, this build reads version {ABI_VERSION}")]
    Version { have: u16 },
    #[error("record is of unknown kind {have}")]
    Kind { have: u16 },
    #[error("spans of {said} bytes do not fill the {have} bytes after the fixed part")]
    Spans { said: u64, have: usize },
    #[error("span {index} carries {len} bytes of {full}")]
    SpanFull { index: usize, len: u32, full: u32 },
}

impl Record {
    /// Takes one record apart. `bytes` is exactly one record, as the ring hands it over.
    pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, ParseError> {
        let have = bytes.len();
        let Some((fixed, mut rest)) = bytes.split_at_checked(Record::SIZE_BYTES) else {
            return Err(ParseError::Short { have });
        };
        let record = Record::read(&mut Cursor::new(fixed));
        let head = record.head;
        if head.size as usize != have {
            return Err(ParseError::Size { said: head.size, have });
        }
        if head.version != ABI_VERSION {
            return Err(ParseError::Version { have: head.version });
        }
        let Some(kind) = Kind::from_number(head.kind) else {
            return Err(ParseError::Kind { have: head.kind });
        };
        let said: u64 = record.span.iter().map(|span| u64::from(span.len)).sum();
        let mismatch = ParseError::Spans { said, have: rest.len() };
        if said != rest.len() as u64 {
            return Err(mismatch);
        }
        let mut spans: [&[u8]; SPAN_COUNT] = [&[]; SPAN_COUNT];
        for (index, (slot, span)) in spans.iter_mut().zip(record.span).enumerate() {
            let Span { len, full } = span;
            if full < len {
                return Err(ParseError::SpanFull { index, len, full });
            }
            (*slot, rest) = rest.split_at_checked(len as usize).ok_or(mismatch)?;
        }
        Ok(Parsed { kind, record, spans })
    }

    /// The bytes of a record with these spans. Sets what follows from the spans and from this
    /// build (`size`, `version`, each `len`) and raises `full` to `len` where it is below.
    ///
    /// Spans of more than 4 GiB in all do not fit the format; such bytes do not parse again.
    pub fn encode(&self, spans: [&[u8]; SPAN_COUNT]) -> Vec<u8> {
        let mut record = *self;
        let size_bytes = Record::SIZE_BYTES + spans.iter().map(|span| span.len()).sum::<usize>();
        record.head.size = size_bytes as u32;
        record.head.version = ABI_VERSION;
        for (span, bytes) in record.span.iter_mut().zip(spans) {
            span.len = bytes.len() as u32;
            span.full = span.full.max(span.len);
        }
        let mut out = Vec::with_capacity(size_bytes);
        record.write(&mut out);
        for bytes in spans {
            out.extend_from_slice(bytes);
        }
        out
    }
}
