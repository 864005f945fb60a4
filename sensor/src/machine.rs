//! The machine: inputs and the time go in, judged events come out.
//!
//! It reads no clock, no file and no socket. The same inputs at the same times give the same
//! events, to the byte; that is what a recording relies on.

mod judge;

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::actions::Actions;
use crate::aggregate::Policy;
use crate::changes::{self, Before};
use crate::counters::Counters;
use crate::digest::cache::{Cache, CacheStats, Lookup};
use crate::enrich::Enricher;
use crate::entry;
use crate::event::{Event, Field, Kinds};
use crate::input::{ContainerRequest, HashRequest, HashResult, Input, Lost};
use crate::process::{ProcessId, Table, TableStats};
use crate::queue::{QUEUE_EVENTS_MAX, Queue, Run};
use crate::raw::{Decoder, Image, Kind, RawEvent};
use crate::redact::Redactor;
use crate::rules::RuleSet;
use crate::throttle::{Limits, Throttle};
use crate::users::Questions;
use judge::Unjudged;
use ocellus_ebpf::abi;

/// Under this name, raw events of kernel threads are dropped: they execute nothing.
pub const DROP_KERNEL_THREADS: &str = "ocellus.kernel_threads";

/// Under this name, processes that ran before the sensor are dropped when nobody wants them.
pub const DROP_SNAPSHOT: &str = "ocellus.no_snapshot";

/// How the machine works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a raw event waits for others, in ms.
    pub hold_time_ms: u64,
    pub policy: Policy,
    pub actions: Actions,
    /// Processes in the table at most.
    pub processes_max: usize,
    /// How long an exited process stays known, in ms.
    pub grace_ms: u64,
    /// Ancestors named in an event at most.
    pub ancestors_max: usize,
    /// Whether running processes become events; they are known either way.
    pub snapshot_events: bool,
    /// None switches hashing off.
    pub hashing: Option<Hashing>,
    /// Replaces secrets in arguments and environments.
    pub redactor: Redactor,
    pub limits: Limits,
}

/// How the machine waits for hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Files whose hash is remembered.
    pub cache_entries: NonZeroUsize,
    /// How long an event waits for its hash, in ms.
    pub wait_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            hold_time_ms: 50,
            policy: Policy::default(),
            actions: Actions::default(),
            processes_max: 65_536,
            grace_ms: 4_000,
            ancestors_max: 8,
            snapshot_events: true,
            hashing: Some(Hashing {
                cache_entries: NonZeroUsize::new(4_096).expect("it is not zero"),
                wait_ms: 1_000,
            }),
            redactor: Redactor::default(),
            limits: Limits::default(),
        }
    }
}

const NS_PER_MS: u64 = 1_000_000;

/// Everything between the backend and the sinks.
#[derive(Debug)]
pub struct Sensor {
    decoder: Decoder,
    queue: Queue,
    table: Table,
    enricher: Enricher,
    hashes: Option<Cache>,
    hash_requests: Vec<HashRequest>,
    /// A snapshot that is complete, but whose raw events may still wait: when it began and ended.
    snapshot: Option<(u64, u64)>,
    snapshot_events: bool,
    sensor_pid: u32,
    throttle: Throttle,
    counters: Counters,
    unjudged: Unjudged,
    /// Judge every event; the rim changes them between two steps.
    pub rules: RuleSet,
}

impl Sensor {
    pub fn new(settings: &Settings, rules: RuleSet) -> Sensor {
        let hold_ns = settings.hold_time_ms * NS_PER_MS;
        let hashes = settings
            .hashing
            .map(|hashing| Cache::new(hashing.cache_entries, hashing.wait_ms * NS_PER_MS));
        Sensor {
            decoder: Decoder::new(settings.redactor.clone()),
            queue: Queue::new(hold_ns, settings.policy),
            table: Table::new(settings.processes_max, settings.grace_ms * NS_PER_MS),
            enricher: Enricher::new(settings.actions, settings.ancestors_max, hashes.is_some()),
            hashes,
            hash_requests: Vec::new(),
            snapshot: None,
            snapshot_events: settings.snapshot_events,
            sensor_pid: 0,
            throttle: Throttle::new(settings.limits),
            counters: Counters::default(),
            unjudged: Unjudged::default(),
            rules,
        }
    }

    /// Takes one input in. Events that it makes ripe come with the next [`step`](Sensor::step);
    /// `out` gets the sensor's own at once.
    pub fn feed(&mut self, input: &Input<'_>, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        match input {
            Input::Raw(bytes) => self.feed_raw(bytes, now_ns, out),
            Input::Host(host) => {
                self.sensor_pid = host.sensor_pid;
                self.table.set_ours(host.sensor_pid);
                self.enricher.set_host(host);
            }
            Input::Clock { wall_offset_ns } => self.enricher.set_wall_offset_ns(*wall_offset_ns),
            Input::Names(names) => self.enricher.users.replace(names),
            Input::MoreNames(answers) => self.enricher.users.answer(answers),
            Input::SnapshotEnd { began_ns } => self.snapshot = Some((*began_ns, now_ns)),
            Input::Lost(lost) => self.lost(lost, now_ns, out),
            Input::Hash(result) => self.hashed(result, now_ns),
            Input::Container(answer) => self.enricher.containers.answer(answer, now_ns),
            Input::Tick => {}
        }
    }

    /// One kernel record: decode it, ask for its hash and its container, queue it.
    pub fn feed_raw(&mut self, bytes: &[u8], now_ns: u64, out: &mut Vec<Arc<Event>>) {
        let raw = match self.decoder.decode(bytes) {
            Ok(raw) => raw,
            Err(error) => {
                tracing::debug!(%error, "a kernel record cannot be read");
                self.counters.lose("malformed", "unknown", 1);
                return;
            }
        };
        self.counters.receive(raw.kind);
        if let Some(image) = &raw.image {
            // As early as can be: the process may be gone in a moment, and its file with it.
            self.hash_of(image, raw.task.pid, now_ns);
        }
        if let Some(cgroup) = &raw.cgroup {
            self.enricher.containers.seen(&cgroup.value, now_ns);
        }
        while self.queue.len() >= QUEUE_EVENTS_MAX {
            self.deliver_next(now_ns, out);
        }
        self.queue.push(raw);
    }

    /// Delivers what is ripe: this is the walk of an event.
    pub fn step(&mut self, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        while self.next_is_ripe(now_ns) {
            self.deliver_next(now_ns, out);
        }
        self.judge_all(now_ns, out);
        self.tell_throttled(now_ns, false, out);
        self.end_snapshot(now_ns);
        self.table.sweep(now_ns);
    }

    /// Delivers all that is held, ripe or not.
    pub fn drain(&mut self, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        while !self.queue.is_empty() {
            self.deliver_next(now_ns, out);
        }
        self.judge_all(now_ns, out);
        self.tell_throttled(now_ns, true, out);
        self.end_snapshot(now_ns);
    }

    fn deliver_next(&mut self, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        let Some(run) = self.queue.pop() else { return };
        let Some((id, before)) = self.apply(&run, now_ns) else { return };
        let Some(process) = self.table.get(id) else { return };
        let event = self.enricher.process_event(&self.table, process, &run, before.as_ref());
        self.counters.merged += run.len() as u64 - 1;
        // What the sensor does itself is told in any case: the self-test waits for it.
        let tree = (!process.ours).then(|| {
            let leader = process.entry.as_ref().map(|entry| entry.leader);
            leader.unwrap_or_else(|| ProcessId::parent_of(&process.task))
        });
        self.judge(event, tree, now_ns, out);
    }

    fn next_is_ripe(&mut self, now_ns: u64) -> bool {
        if self.queue.ripe_at().is_none_or(|ripe_ns| ripe_ns > now_ns) {
            return false;
        }
        let Some(hashes) = &mut self.hashes else { return true };
        let mut images = self.queue.next_run().filter_map(|raw| raw.image.as_ref()?.file_id());
        self.queue.is_pressed() || !images.any(|id| hashes.lookup(&id, now_ns) == Lookup::InFlight)
    }

    /// Puts a run into the process table: which process it is about, and how that was before. None
    /// when it makes no event: it is counted then.
    fn apply(&mut self, run: &Run, now_ns: u64) -> Option<(ProcessId, Option<Before>)> {
        let first = run.first()?;
        let mut told_before = self.is_known_already(first);
        let before = Before::of(self.table.get(ProcessId::of(first)), first);
        let mut news = false;
        let waiting_ns = self.queue.oldest().map(|raw| raw.time_ns);
        for raw in run {
            news = news || changes::is_news(self.table.get(ProcessId::of(raw)), raw);
            let identity = &self.enricher.identity;
            self.table.apply(raw, waiting_ns, |id| identity.entity_id(id).into());
            if raw.task.pid == self.sensor_pid {
                self.table.set_ours(self.sensor_pid);
            }
        }
        told_before |= !news;
        let process = self.table.get(ProcessId::of(first))?;
        let id = process.id;
        let entry = entry::entry(process, self.table.get(ProcessId::parent_of(&process.task)));
        if process.entry != entry {
            self.table.set_entry(id, entry);
        }
        self.join_hash(id, now_ns);
        let all = run.len() as u64;
        if first.is_kernel_thread() {
            self.counters.drop_by(DROP_KERNEL_THREADS);
            self.counters.merged += all - 1;
        } else if told_before {
            self.counters.merged += all;
        } else if first.kind == Kind::Existing && !self.snapshot_events {
            self.counters.drop_by(DROP_SNAPSHOT);
            self.counters.merged += all - 1;
        } else {
            return Some((id, before));
        }
        None
    }

    /// A snapshot of a process that is in the table, or the second exit of two threads that
    /// were the last at the same time.
    fn is_known_already(&self, raw: &RawEvent) -> bool {
        let Some(process) = self.table.get(ProcessId::of(raw)) else { return false };
        match raw.kind {
            Kind::Existing => true,
            Kind::Exit => process.exit.is_some_and(|exit| exit.status.is_some()),
            _ => false,
        }
    }

    fn end_snapshot(&mut self, now_ns: u64) {
        let Some((began_ns, ended_ns)) = self.snapshot else { return };
        if self.queue.oldest().is_none_or(|raw| raw.time_ns > ended_ns) {
            self.table.snapshot_ended(began_ns);
            self.snapshot = None;
            tracing::debug!(now_ns, processes = self.table.len(), "the process table is complete");
        }
    }

    /// The hash of an executable that `pid` runs, if it is known; otherwise it is on its way then.
    fn hash_of(&mut self, image: &Image, pid: u32, now_ns: u64) -> Option<Arc<HashResult>> {
        let (Some(hashes), Some(id)) = (&mut self.hashes, image.file_id()) else { return None };
        match hashes.lookup(&id, now_ns) {
            Lookup::Hit(result) => return Some(result),
            Lookup::InFlight => {}
            Lookup::Miss => {
                hashes.began(id, now_ns);
                let overlay = image.file.is_some_and(|file| file.flags & abi::FILE_OVERLAY != 0);
                let path = image.exe_bytes.to_vec();
                self.hash_requests.push(HashRequest { id, pid, path, overlay });
            }
        }
        None
    }

    /// Gives the process the hash of its executable, if it has come. Asks again for one that others
    /// have pushed out of the cache meanwhile.
    fn join_hash(&mut self, id: ProcessId, now_ns: u64) {
        let process = self.table.get(id).filter(|process| process.hash.is_none());
        let Some(image) = process.and_then(|process| process.image.clone()) else { return };
        if let Some(result) = self.hash_of(&image, id.pid, now_ns) {
            self.table.set_hash(id, result);
        }
    }

    fn hashed(&mut self, result: &HashResult, now_ns: u64) {
        if let Some(hashes) = &mut self.hashes {
            hashes.finish(result.clone(), now_ns);
        }
    }

    fn lost(&mut self, lost: &Lost, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        self.counters.lose(&lost.cause, &lost.kind, lost.count);
        let mut event = self.enricher.sensor_event(Kinds::SENSOR_LOSS, now_ns, "events_lost");
        event.set_number(Field::OCELLUS_LOST_COUNT, lost.count);
        event.set_text(Field::OCELLUS_LOST_CAUSE, lost.cause.as_str());
        event.set_text(Field::OCELLUS_LOST_KIND, lost.kind.as_str());
        let Lost { cause, kind, count } = lost;
        event.set_text(Field::MESSAGE, format!("Lost {count} raw {kind} events: {cause}"));
        self.judge_own(event, now_ns, out);
    }

    /// An event of the sensor itself: it started, its rules changed.
    pub fn say(
        &mut self,
        kinds: Kinds,
        action: &'static str,
        component: Option<&str>,
        message: String,
        now_ns: u64,
        out: &mut Vec<Arc<Event>>,
    ) {
        let mut event = self.enricher.sensor_event(kinds, now_ns, action);
        event.set_text(Field::MESSAGE, message);
        if let Some(component) = component {
            event.set_text(Field::OCELLUS_COMPONENT, component);
        }
        self.judge_own(event, now_ns, out);
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.throttle.set(limits);
    }

    /// Another redactor from now on.
    pub fn set_redactor(&mut self, redactor: Redactor) {
        self.decoder.set_redactor(redactor);
    }

    /// When [`step`](Sensor::step) may have something to deliver, boottime ns.
    pub fn next_step_ns(&self) -> Option<u64> {
        if self.unjudged.is_empty() { self.queue.ripe_at() } else { Some(0) }
    }

    /// Files to hash.
    pub fn take_hash_requests(&mut self) -> Vec<HashRequest> {
        std::mem::take(&mut self.hash_requests)
    }

    /// Containers whose names to look up.
    pub fn take_container_requests(&mut self) -> Vec<ContainerRequest> {
        self.enricher.containers.take_requests()
    }

    /// Ids whose names to look up.
    pub fn take_questions(&mut self) -> Questions {
        self.enricher.users.take_questions()
    }

    /// The rim could not ask these.
    pub fn put_back(&mut self, questions: &Questions) {
        self.enricher.users.put_back(questions);
    }

    /// True when raw events come in faster than they can wait: then nothing waits.
    pub fn is_pressed(&self) -> bool {
        self.queue.is_pressed()
    }

    pub fn counters(&self) -> Counters {
        self.counters.settled(self.queue.len() + self.unjudged.len())
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    pub fn table_stats(&self) -> TableStats {
        self.table.stats
    }

    pub fn hash_stats(&self) -> Option<CacheStats> {
        self.hashes.as_ref().map(Cache::stats)
    }
}
