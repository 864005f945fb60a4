//! The processes that run already, read from /proc in the form of kernel records.
//!
//! The rings are open before a snapshot is taken, so a process is in one of them or in the other,
//! or in both. Processes that end while they are read are nothing unusual: they are counted, and
//! their exit is in the ring.

pub(crate) mod dir;
pub(crate) mod image;
pub(crate) mod text;

use std::io;

use nix::errno::Errno;
use nix::unistd::{SysconfVar, sysconf};
use ocellus_ebpf::abi::{self, Kind, Record, SPAN_COUNT, SpanId, Task, TaskStart};
use rustc_hash::FxHashMap;

use crate::host::boottime_ns;
use crate::snapshot::dir::{Link, List, ProcDir, USUAL_BYTES};
use crate::snapshot::text::Stat;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// How much of each process to take. The same bounds as those of the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// Bytes of argv.
    pub args_max: usize,
    /// Bytes of the environment; 0 for none.
    pub env_max: usize,
}

/// What snapshots have met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Processes read.
    pub read: u64,
    /// Processes that ended before they were read.
    pub vanished: u64,
    /// Processes that had ended and waited for their parent.
    pub zombies: u64,
    /// Processes that could not be read or made sense of.
    pub unreadable: u64,
}

/// Exact start times by pid, from the kernel's task iterator. /proc has them in clock ticks.
#[derive(Clone, Debug, Default)]
pub struct TaskStarts(FxHashMap<u32, TaskStart>);

impl FromIterator<TaskStart> for TaskStarts {
    fn from_iter<I: IntoIterator<Item = TaskStart>>(starts: I) -> TaskStarts {
        TaskStarts(starts.into_iter().map(|start| (start.pid, start)).collect())
    }
}

/// Reads processes.
#[derive(Debug)]
pub struct Snapshot {
    settings: SnapshotSettings,
    since_ns: Option<u64>,
    ns_per_tick: u64,
    memfd_device: Option<u64>,
    buffer: Vec<u8>,
    stats: SnapshotStats,
}

/// Where a process stands among the others.
#[derive(Clone, Copy, Debug)]
struct Place {
    pid: u32,
    ppid: u32,
    start_ticks: u64,
}

impl Snapshot {
    pub fn new(settings: SnapshotSettings) -> Snapshot {
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
        // 100 on every architecture that Linux has user space on today.
        let ticks = ticks.and_then(|ticks| u64::try_from(ticks).ok()).filter(|ticks| *ticks > 0);
        Snapshot {
            settings,
            since_ns: None,
            ns_per_tick: NS_PER_SECOND / ticks.unwrap_or(100),
            memfd_device: image::memfd_device(),
            buffer: Vec::with_capacity(USUAL_BYTES),
            stats: SnapshotStats::default(),
        }
    }

    /// Tells of processes that ran at that time as of then, and not as of the time at which they
    /// are read: in order of time they come before what they have done since, and before the
    /// children that they have forked since.
    #[must_use]
    pub fn since(mut self, since_ns: u64) -> Snapshot {
        self.since_ns = Some(since_ns);
        self
    }

    /// All processes, parents before their children. They are read as the iterator goes, kernel
    /// threads too. Fails when /proc cannot be listed.
    pub fn take<'a>(
        &'a mut self,
        starts: &'a TaskStarts,
    ) -> io::Result<impl Iterator<Item = Vec<u8>> + use<'a>> {
        let mut places = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                places.extend(self.place(pid));
            }
        }
        let ticks: FxHashMap<u32, u64> =
            places.iter().map(|place| (place.pid, place.start_ticks)).collect();
        let order = parents_first(places);
        Ok(order.into_iter().filter_map(move |pid| self.read(pid, starts, &ticks)))
    }

    /// One process; none when there is none with that pid (any more), or when it is a zombie.
    pub fn read_one(&mut self, pid: u32, starts: &TaskStarts) -> Option<Vec<u8>> {
        self.read(pid, starts, &FxHashMap::default())
    }

    pub fn stats(&self) -> SnapshotStats {
        self.stats
    }

    fn place(&mut self, pid: u32) -> Option<Place> {
        let read = ProcDir::open(pid)
            .map_err(io::Error::from)
            .and_then(|dir| dir.read("stat", &mut self.buffer));
        self.read_or_count(read)?;
        let Some(Stat { ppid, start_ticks, .. }) = text::stat(&self.buffer) else {
            self.stats.unreadable += 1;
            return None;
        };
        Some(Place { pid, ppid, start_ticks })
    }

    /// Start of a process that is a parent; none when it is gone.
    fn start_ticks(&mut self, pid: u32) -> Option<u64> {
        if pid == 0 {
            return None;
        }
        ProcDir::open(pid).ok()?.read("stat", &mut self.buffer).ok()?;
        text::stat(&self.buffer).map(|stat| stat.start_ticks)
    }

    fn read_or_count<T>(&mut self, read: io::Result<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                let errno = error.raw_os_error().map(Errno::from_raw);
                match errno {
                    Some(Errno::ENOENT | Errno::ESRCH) => self.stats.vanished += 1,
                    _ => self.stats.unreadable += 1,
                }
                None
            }
        }
    }

    fn read(
        &mut self,
        pid: u32,
        starts: &TaskStarts,
        ticks: &FxHashMap<u32, u64>,
    ) -> Option<Vec<u8>> {
        let mut record = Record::default();
        // Before anything is read: what happens meanwhile is later.
        record.head.time_ns = boottime_ns();
        record.head.kind = Kind::Existing as u16;
        let dir = ProcDir::open(pid).map_err(io::Error::from);
        let dir = self.read_or_count(dir)?;
        let read = dir.read("stat", &mut self.buffer);
        self.read_or_count(read)?;
        let Some(stat) = text::stat(&self.buffer) else {
            self.stats.unreadable += 1;
            return None;
        };
        if stat.is_zombie && stat.threads <= 1 {
            self.stats.zombies += 1;
            return None;
        }
        fill_from_stat(&mut record, pid, &stat);
        let (is_zombie, start_ticks) = (stat.is_zombie, stat.start_ticks);
        self.set_starts(&mut record, start_ticks, starts, ticks);
        if let Some(since_ns) = self.since_ns.filter(|ns| record.task.start_ns < *ns) {
            record.head.time_ns = since_ns;
        }

        let read = dir.read("status", &mut self.buffer);
        self.read_or_count(read)?;
        if !text::status(&self.buffer, &mut record.task) {
            self.stats.unreadable += 1;
            return None;
        }
        // A leader that has ended has no memory and no files; its threads share what it had.
        let living = if is_zombie { dir.live_thread(pid) } else { Some(dir) };
        let living = self.read_or_count(living.ok_or_else(|| Errno::ESRCH.into()))?;
        set_namespaces(&mut record.task, &living);
        let cgroup = match living.read("cgroup", &mut self.buffer) {
            Ok(()) => text::cgroup(&self.buffer).unwrap_or_default().to_vec(),
            Err(_) => Vec::new(),
        };
        let bytes = self.with_image(record, &living, &cgroup);
        self.stats.read += 1;
        Some(bytes)
    }

    /// Start times of the process and its parent: exact where the kernel's own list agrees with
    /// /proc, else in ticks, which the record then says.
    fn set_starts(
        &mut self,
        record: &mut Record,
        start_ticks: u64,
        starts: &TaskStarts,
        ticks: &FxHashMap<u32, u64>,
    ) {
        let ns_per_tick = self.ns_per_tick;
        let exact = |exact_ns: Option<u64>, ticks: u64| {
            exact_ns.filter(|exact_ns| exact_ns / ns_per_tick == ticks)
        };
        let Task { pid, ppid, .. } = record.task;
        let own_ns = exact(starts.0.get(&pid).map(|start| start.start_ns), start_ticks);
        record.task.start_ns = own_ns.unwrap_or(start_ticks * ns_per_tick);

        let parent_ticks = ticks.get(&ppid).copied().or_else(|| self.start_ticks(ppid));
        // A parent is older than its child, adopted ones too. Another has its number by now.
        let parent_ticks = parent_ticks.filter(|parent_ticks| *parent_ticks <= start_ticks);
        let parent_ns = parent_ticks.and_then(|parent_ticks| {
            exact(starts.0.get(&ppid).map(|start| start.start_ns), parent_ticks)
        });
        let coarse_ns = parent_ticks.map_or(0, |parent_ticks| parent_ticks * ns_per_tick);
        record.task.parent_start_ns = parent_ns.unwrap_or(coarse_ns);
        if own_ns.is_none() || parent_ns.is_none() && parent_ticks.is_some() {
            record.head.flags |= abi::F_TICKS;
        }
    }

    /// Adds what is executed and where, unless it is a kernel thread, and makes the bytes.
    fn with_image(&self, mut record: Record, dir: &ProcDir, cgroup: &[u8]) -> Vec<u8> {
        let (mut exe, mut cwd) = (Link::default(), Link::default());
        let (mut args, mut env) = (List::default(), List::default());
        if record.head.flags & abi::F_KTHREAD == 0 {
            let root = dir.link("root").bytes;
            (exe, record.file) = image::executable(dir, &root, self.memfd_device);
            cwd = image::working_directory(dir, &root);
            args = dir.list("cmdline", self.settings.args_max);
            if self.settings.env_max > 0 {
                env = dir.list("environ", self.settings.env_max);
            }
        }
        record.argc = args.count;
        record.envc = env.count;
        let mut set_full = |id: SpanId, full| record.span[id as usize].full = full;
        set_full(SpanId::Args, args.full_bytes);
        set_full(SpanId::Env, env.full_bytes);
        set_full(SpanId::Exe, u32::from(exe.is_lost));
        set_full(SpanId::Cwd, u32::from(cwd.is_lost));
        let mut spans: [&[u8]; SPAN_COUNT] = [&[]; SPAN_COUNT];
        spans[SpanId::Exe as usize] = &exe.bytes;
        spans[SpanId::Cwd as usize] = &cwd.bytes;
        spans[SpanId::Cgroup as usize] = cgroup;
        spans[SpanId::Args as usize] = &args.bytes;
        spans[SpanId::Env as usize] = &env.bytes;
        record.encode(spans)
    }
}

fn fill_from_stat(record: &mut Record, pid: u32, stat: &Stat<'_>) {
    let task = &mut record.task;
    (task.pid, task.tid, task.ppid) = (pid, pid, stat.ppid);
    (task.pgid, task.sid) = (stat.pgid, stat.sid);
    (task.tty_major, task.tty_minor) = (stat.tty_major, stat.tty_minor);
    // As the kernel's own: 15 bytes and a NUL. /proc shows more of kernel workers.
    let len = stat.comm.len().min(task.comm.len() - 1);
    task.comm[..len].copy_from_slice(&stat.comm[..len]);
    if stat.is_kthread {
        record.head.flags |= abi::F_KTHREAD;
    }
}

fn set_namespaces(task: &mut Task, dir: &ProcDir) {
    task.ns_cgroup = dir.namespace("cgroup");
    task.ns_ipc = dir.namespace("ipc");
    task.ns_mnt = dir.namespace("mnt");
    task.ns_net = dir.namespace("net");
    task.ns_pid = dir.namespace("pid");
    task.ns_time = dir.namespace("time");
    task.ns_user = dir.namespace("user");
    task.ns_uts = dir.namespace("uts");
}

/// Pids in the order of their start, and each after its parent where that started in the same
/// tick under a larger number.
fn parents_first(mut places: Vec<Place>) -> Vec<u32> {
    places.sort_unstable_by_key(|place| (place.start_ticks, place.pid));
    let index: FxHashMap<u32, usize> =
        places.iter().enumerate().map(|(index, place)| (place.pid, index)).collect();
    let mut is_placed = vec![false; places.len()];
    let mut order = Vec::with_capacity(places.len());
    let mut chain = Vec::new();
    for start in 0..places.len() {
        let mut next = Some(start);
        // Marking on the way up ends a cycle, which pids that are used again can make.
        while let Some(place) = next.filter(|place| !is_placed[*place]) {
            is_placed[place] = true;
            chain.push(places[place].pid);
            next = index.get(&places[place].ppid).copied();
        }
        order.extend(chain.drain(..).rev());
    }
    order
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
