//! The process table: what is known of each process, by identity.
//!
//! A pid alone is never a key. A process is its pid and the time at which it started; a fork
//! that finds its pid taken by another start time has found a process whose exit was lost.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::input::HashResult;
use crate::leaves::Leaves;
use crate::lineage::Ancestor;
use crate::raw::{Image, Kind, Marked, RawEvent, Task};
use ocellus_ebpf::abi::{self, SpanId};

/// Length of a clock tick of /proc/PID/stat: USER_HZ is 100 on every architecture that the sensor
/// runs on (proc(5)).
pub const TICK_NS: u64 = 10_000_000;

/// Identity of a process on this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    pub pid: u32,
    /// Boottime.
    pub start_ns: u64,
}

impl ProcessId {
    /// The process that a raw event is about.
    pub fn of(raw: &RawEvent) -> ProcessId {
        ProcessId { pid: raw.task.pid, start_ns: raw.task.start_ns }
    }

    /// Its parent.
    pub fn parent_of(task: &Task) -> ProcessId {
        ProcessId { pid: task.ppid, start_ns: task.parent_start_ns }
    }

    fn same_tick(self, other: ProcessId) -> bool {
        self.pid == other.pid && self.start_ns / TICK_NS == other.start_ns / TICK_NS
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Boottime.
    pub time_ns: u64,
    /// As wait(2) has it; none for an end that was inferred.
    pub status: Option<u32>,
}

/// What is known of one process.
#[derive(Clone, Debug)]
pub struct Process {
    pub id: ProcessId,
    /// Written once.
    pub entity_id: Arc<str>,
    /// As the kernel last told.
    pub task: Task,
    pub comm: Arc<str>,
    /// `comm` has bytes that are not UTF-8.
    pub comm_escaped: bool,
    /// Shared with the parent until the first exec.
    pub image: Option<Arc<Image>>,
    /// The image before the last exec.
    pub previous: Option<Arc<Image>>,
    /// `image.args` joined by a space.
    pub command_line: Option<Arc<str>>,
    pub cwd: Option<Marked<Arc<str>>>,
    pub cgroup: Option<Marked<Arc<str>>>,
    pub container: Option<ContainerRef>,
    pub hash: Option<Arc<HashResult>>,
    /// Who forked it, and who forked those.
    pub lineage: Option<Arc<Ancestor>>,
    /// The session's way into this host: the process through which it came.
    pub entry: Option<Entry>,
    pub exit: Option<Exit>,
    /// The fork was not seen: the process ran before the sensor, or the fork was lost. Who forked
    /// it is then only known as far as its parent is still the same.
    pub fork_unseen: bool,
    /// Start time has tick precision: the process was found in /proc only.
    pub ticks: bool,
    pub kernel_thread: bool,
    /// The sensor itself, or a process that descends from it.
    pub ours: bool,
    /// Its live children in the table.
    children: u32,
    /// Whose live child it counts as.
    child_of: Option<ProcessId>,
    /// Number in the order in which processes came.
    arrival: u64,
    /// When the kernel or /proc last told of it.
    seen_ns: u64,
    /// This process as an ancestor, made when it forks and dropped when it executes.
    as_ancestor: Option<Arc<Ancestor>>,
    /// What it was before, as long as forks of that time may still wait, oldest first.
    earlier: Vec<Earlier>,
}

/// What a process was until then. A run is applied as a whole, and a child that was forked in
/// between is applied after it.
#[derive(Clone, Debug)]
struct Earlier {
    until_ns: u64,
    image: Option<Arc<Image>>,
    command_line: Option<Arc<str>>,
    hash: Option<Arc<HashResult>>,
    comm: Arc<str>,
}

/// The container that a process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRef {
    pub id: Arc<str>,
    pub runtime: Option<&'static str>,
}

impl ContainerRef {
    fn of(cgroup: &str) -> Option<ContainerRef> {
        let container = crate::container::of_cgroup(cgroup)?;
        Some(ContainerRef { id: container.id.into(), runtime: container.runtime })
    }
}

/// How a session came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub leader: ProcessId,
    pub how: &'static str,
}

/// What happened to the table, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableStats {
    /// Processes forgotten because the table was full.
    pub processes_evicted: u64,
    /// Processes whose exit never came: found when their pid was reused, or by a resync.
    pub exits_inferred: u64,
}

/// All processes known.
#[derive(Debug, Default)]
pub struct Table {
    processes: FxHashMap<ProcessId, Process>,
    /// Who holds a pid now, or held it last.
    holders: FxHashMap<u32, ProcessId>,
    /// By entity id, which rules know processes by.
    names: FxHashMap<Arc<str>, ProcessId>,
    /// Exited processes and when to forget them, oldest first.
    exited: VecDeque<(u64, ProcessId)>,
    leaves: Leaves,
    max: usize,
    grace_ns: u64,
    pub stats: TableStats,
}

impl Table {
    /// `max` processes at most; exited ones stay known for `grace_ns`.
    pub fn new(max: usize, grace_ns: u64) -> Table {
        Table {
            processes: FxHashMap::default(),
            holders: FxHashMap::default(),
            names: FxHashMap::default(),
            exited: VecDeque::new(),
            leaves: Leaves::default(),
            max: max.max(1),
            grace_ns,
            stats: TableStats::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.processes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The process of this identity. A start time of tick precision, on either side, matches any
    /// within the tick.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.processes.get(&id).or_else(|| {
            let process = self.processes.get(self.holders.get(&id.pid)?)?;
            let loose = process.ticks || id.start_ns.is_multiple_of(TICK_NS);
            (loose && process.id.same_tick(id)).then_some(process)
        })
    }

    /// The process of an entity id.
    pub fn by_entity_id(&self, entity_id: &str) -> Option<&Process> {
        self.processes.get(self.names.get(entity_id)?)
    }

    /// Who holds this pid now, or held it last.
    pub fn holder(&self, pid: u32) -> Option<&Process> {
        self.processes.get(self.holders.get(&pid)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// Applies one raw event. The process it is about is in the table afterwards. `waiting_ns` is
    /// the time of the oldest raw event that is not applied yet, if there is one.
    pub fn apply(
        &mut self,
        raw: &RawEvent,
        waiting_ns: Option<u64>,
        name: impl FnOnce(ProcessId) -> Arc<str>,
    ) {
        let known = self.get(ProcessId::of(raw)).map(|process| process.id);
        let id = match known {
            Some(id) => id,
            None => self.insert(raw, name),
        };
        let grace_ns = self.grace_ns;
        let Some(process) = self.processes.get_mut(&id) else {
            unreachable!("the process was found or inserted above")
        };
        process.keep_earlier(raw, waiting_ns);
        process.update(raw);
        if raw.kind == Kind::Exit && process.exit.is_none() {
            process.exit = Some(Exit { time_ns: raw.time_ns, status: Some(raw.exit_status) });
            self.exited.push_back((raw.time_ns.saturating_add(grace_ns), id));
            self.bereave(id);
        } else if process.exit.is_none() {
            self.adopt(id);
        }
    }

    /// Counts a live process as a child of the parent that it has now.
    fn adopt(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else { return };
        let (told, counted) = (ProcessId::parent_of(&process.task), process.child_of);
        if counted == Some(told) {
            return;
        }
        let parent = self.get(told).map(|parent| parent.id);
        if parent == counted {
            return;
        }
        self.disown(id);
        if let Some(parent) = parent.and_then(|id| self.processes.get_mut(&id)) {
            parent.children += 1;
            self.leaves.remove(parent.arrival);
            let parent = Some(parent.id);
            self.processes.entry(id).and_modify(|process| process.child_of = parent);
        }
    }

    /// No longer counts a process as a child of who it was one of.
    fn disown(&mut self, id: ProcessId) {
        let parent = self.processes.get_mut(&id).and_then(|process| process.child_of.take());
        let Some(parent) = parent.and_then(|id| self.processes.get_mut(&id)) else { return };
        // It may have been forgotten and have come again since, with no child counted.
        parent.children = parent.children.saturating_sub(1);
        if parent.children == 0 && parent.exit.is_none() {
            self.leaves.insert(parent.arrival, parent.id);
        }
    }

    /// A process has ended: it is nobody's live child any more, nor the one to be forgotten early.
    fn bereave(&mut self, id: ProcessId) {
        self.disown(id);
        if let Some(process) = self.processes.get(&id) {
            self.leaves.remove(process.arrival);
        }
    }

    fn insert(&mut self, raw: &RawEvent, name: impl FnOnce(ProcessId) -> Arc<str>) -> ProcessId {
        let id = ProcessId::of(raw);
        if self.processes.len() >= self.max {
            self.evict();
        }
        let mut process = Process::new(id, name(id), raw);
        let parent = self.get(ProcessId::parent_of(&raw.task)).map(|parent| parent.id);
        if let Some(parent) = parent.and_then(|id| self.processes.get_mut(&id)) {
            process.inherit(parent, raw);
        }
        if let Some(stale) = self.holders.insert(id.pid, id) {
            self.infer_exit(stale, raw.time_ns);
        }
        process.arrival = self.leaves.next_arrival();
        self.leaves.insert(process.arrival, id);
        self.names.insert(process.entity_id.clone(), id);
        self.processes.insert(id, process);
        id
    }

    /// Ends a process whose exit never came.
    fn infer_exit(&mut self, id: ProcessId, now_ns: u64) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if process.exit.is_none() {
            process.exit = Some(Exit { time_ns: now_ns, status: None });
            self.exited.push_back((now_ns.saturating_add(self.grace_ns), id));
            self.stats.exits_inferred += 1;
            self.bereave(id);
        }
    }

    /// A snapshot that began then is complete: who lives by the table and was not in it is gone.
    pub fn snapshot_ended(&mut self, began_ns: u64) {
        let gone: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| process.exit.is_none() && process.seen_ns < began_ns)
            .map(|process| process.id)
            .collect();
        for id in gone {
            self.infer_exit(id, began_ns);
        }
    }

    /// Forgets exited processes whose grace time is over.
    pub fn sweep(&mut self, now_ns: u64) {
        while let Some((_, id)) = self.exited.pop_front_if(|(forget_ns, _)| *forget_ns <= now_ns) {
            self.remove(id);
        }
    }

    /// Makes room: the process that exited first, else the oldest live one without live children.
    fn evict(&mut self) {
        self.stats.processes_evicted += 1;
        let exited = self.exited.pop_front().map(|(_, id)| id);
        // Of processes some have no children, unless the records lie; then it is anyone.
        let victim = exited.or_else(|| self.leaves.first());
        if let Some(id) = victim.or_else(|| self.processes.keys().next().copied()) {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: ProcessId) {
        self.bereave(id);
        let Some(process) = self.processes.remove(&id) else { return };
        self.names.remove(&process.entity_id);
        if self.holders.get(&id.pid) == Some(&id) {
            self.holders.remove(&id.pid);
        }
    }

    /// Keeps the hash of an executable with the process that runs it.
    pub fn set_hash(&mut self, id: ProcessId, hash: Arc<HashResult>) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.hash = Some(hash);
        }
    }

    pub fn set_entry(&mut self, id: ProcessId, entry: Option<Entry>) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.entry = entry;
        }
    }

    /// Marks the sensor itself; what it forks is marked with it.
    pub fn set_ours(&mut self, pid: u32) {
        if let Some(process) = self.holders.get(&pid).and_then(|id| self.processes.get_mut(id)) {
            process.ours = true;
        }
    }
}

impl Process {
    fn new(id: ProcessId, entity_id: Arc<str>, raw: &RawEvent) -> Process {
        Process {
            id,
            entity_id,
            task: raw.task,
            comm: raw.comm.clone(),
            comm_escaped: raw.comm_escaped,
            image: None,
            previous: None,
            command_line: None,
            cwd: None,
            cgroup: None,
            container: None,
            hash: None,
            lineage: None,
            entry: None,
            exit: None,
            fork_unseen: raw.kind != Kind::Fork,
            ticks: raw.flags & abi::F_TICKS != 0,
            kernel_thread: raw.is_kernel_thread(),
            ours: false,
            children: 0,
            child_of: None,
            arrival: 0,
            seen_ns: raw.time_ns,
            as_ancestor: None,
            earlier: Vec::new(),
        }
    }

    /// What a new process has from the one that forked it.
    fn inherit(&mut self, parent: &mut Process, raw: &RawEvent) {
        let earlier = parent.earlier.iter().find(|earlier| earlier.until_ns > raw.time_ns);
        let earlier = earlier.cloned();
        self.lineage = Some(match &earlier {
            Some(earlier) => parent.ancestor_as(&earlier.comm, earlier.image.as_deref()),
            None => parent.ancestor(),
        });
        self.entry = parent.entry.clone();
        self.ours = parent.ours;
        if raw.kind == Kind::Fork {
            let Earlier { image, command_line, hash, .. } =
                earlier.unwrap_or_else(|| parent.until(raw.time_ns));
            (self.image, self.command_line, self.hash) = (image, command_line, hash);
            self.cwd = parent.cwd.clone();
            self.cgroup = parent.cgroup.clone();
            self.container = parent.container.clone();
        }
    }

    /// This process, as its children have it among their ancestors.
    fn ancestor(&mut self) -> Arc<Ancestor> {
        if let Some(ancestor) = &self.as_ancestor {
            return ancestor.clone();
        }
        let ancestor = self.ancestor_as(&self.comm, self.image.as_deref());
        self.as_ancestor.insert(ancestor).clone()
    }

    fn ancestor_as(&self, comm: &Arc<str>, image: Option<&Image>) -> Arc<Ancestor> {
        let executable = image.and_then(|image| image.exe.as_ref());
        Ancestor::above(
            self.entity_id.clone(),
            comm.clone(),
            executable.map(|exe| exe.value.clone()),
            self.lineage.as_ref(),
        )
    }

    /// What it is, until that time.
    fn until(&self, until_ns: u64) -> Earlier {
        Earlier {
            until_ns,
            image: self.image.clone(),
            command_line: self.command_line.clone(),
            hash: self.hash.clone(),
            comm: self.comm.clone(),
        }
    }

    /// Before an update: keeps what a raw event that waits may need, and forgets what none does.
    fn keep_earlier(&mut self, raw: &RawEvent, waiting_ns: Option<u64>) {
        let waiting_ns = waiting_ns.unwrap_or(u64::MAX);
        if !self.earlier.is_empty() {
            self.earlier.retain(|earlier| earlier.until_ns > waiting_ns);
        }
        let changes = raw.image.is_some() || self.comm != raw.comm;
        if changes && raw.time_ns > waiting_ns {
            self.earlier.push(self.until(raw.time_ns));
        }
    }

    fn update(&mut self, raw: &RawEvent) {
        // What /proc showed before the kernel told more is out of date.
        if raw.kind == Kind::Existing && raw.time_ns < self.seen_ns {
            return;
        }
        self.seen_ns = self.seen_ns.max(raw.time_ns);
        // Identity stays what it was: a snapshot's start time has less precision.
        self.task = Task { start_ns: self.id.start_ns, ..raw.task };
        if *self.comm != *raw.comm {
            self.comm = raw.comm.clone();
            self.comm_escaped = raw.comm_escaped;
            self.as_ancestor = None;
        }
        if raw.cwd.is_some() {
            self.cwd.clone_from(&raw.cwd);
        } else if let Some(cwd) = &mut self.cwd {
            cwd.marks.inferred |= raw.flags & abi::f_inferred(SpanId::Cwd) != 0;
        }
        if let (None, Some(cgroup)) = (&raw.cgroup, &mut self.cgroup) {
            cgroup.marks.inferred |= raw.flags & abi::f_inferred(SpanId::Cgroup) != 0;
        }
        if raw.cgroup.is_some() && raw.cgroup != self.cgroup {
            self.cgroup.clone_from(&raw.cgroup);
            self.container = self.cgroup.as_ref().and_then(|path| ContainerRef::of(&path.value));
        }
        let Some(image) = &raw.image else { return };
        self.as_ancestor = None;
        self.hash = None;
        let args = image.args.as_ref();
        self.command_line = args.map(|args| args.value.joined().into());
        let before = self.image.replace(image.clone());
        if raw.kind == Kind::Exec {
            self.previous = before;
        }
    }

    /// The path of the executable.
    pub fn executable(&self) -> Option<&Arc<str>> {
        Some(&self.image.as_ref()?.exe.as_ref()?.value)
    }
}
