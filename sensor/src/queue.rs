//! Puts raw events in order of time and hands them out once they are ripe.
//!
//! Records of different CPUs arrive out of order, and the merge of a short process wants its exit
//! before its fork leaves. So each raw event is held for a while. The hold time shrinks as the
//! queue fills: memory is bounded without losing anything.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::aggregate::{Join, Joined, Policy};
use crate::process::ProcessId;
use crate::raw::RawEvent;

/// Raw events in the queue at most: at 200,000 raw events/s, what the default hold time keeps.
/// A raw event of an ordinary exec takes about 1 KiB, so a full queue stays near 10 MiB.
pub const QUEUE_EVENTS_MAX: usize = 10_000;

/// Part of the hold time for which the last raw event that joins a run must have waited: one that
/// belongs before it may still be on its way. Records overtake each other by less than a drain of
/// the rings takes, some ms.
const SETTLE_DIVISOR: u64 = 4;

/// Order of raw events: time, then arrival.
type Key = (u64, u64);

/// Raw events of one process that became one event: the leader, then those that joined it.
pub type Run = Vec<Box<RawEvent>>;

/// Raw events that wait.
#[derive(Debug)]
pub struct Queue {
    by_time: BTreeMap<Key, Box<RawEvent>>,
    /// Keys of each process's waiting raw events, in order.
    by_process: FxHashMap<ProcessId, Vec<Key>>,
    hold_ns: u64,
    policy: Policy,
    arrivals: u64,
}

impl Queue {
    pub fn new(hold_ns: u64, policy: Policy) -> Queue {
        Queue {
            by_time: BTreeMap::new(),
            by_process: FxHashMap::default(),
            hold_ns,
            policy,
            arrivals: 0,
        }
    }

    /// How many raw events wait.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub fn push(&mut self, raw: Box<RawEvent>) {
        let key = (raw.time_ns, self.arrivals);
        self.arrivals += 1;
        let keys = self.by_process.entry(ProcessId::of(&raw)).or_default();
        // Nearly always at the end: one process's records rarely overtake each other.
        let at = keys.partition_point(|other| *other < key);
        keys.insert(at, key);
        self.by_time.insert(key, raw);
    }

    /// How long a raw event waits now, in ns: the configured time up to a tenth full, then less in
    /// proportion, nothing from nine tenths on.
    pub fn hold_ns(&self) -> u64 {
        const STEPS: u64 = 8;
        let tenths = (self.len() * 10 / QUEUE_EVENTS_MAX) as u64;
        self.hold_ns * (STEPS.saturating_sub(tenths.saturating_sub(1))).min(STEPS) / STEPS
    }

    /// The oldest raw event, whether ripe or not.
    pub fn oldest(&self) -> Option<&RawEvent> {
        self.by_time.first_key_value().map(|(_, raw)| &**raw)
    }

    /// When the oldest raw event, and what joins it, is ripe; boottime ns.
    pub fn ripe_at(&self) -> Option<u64> {
        let hold_ns = self.hold_ns();
        let mut run = self.next_run();
        let first_ns = run.next()?.time_ns.saturating_add(hold_ns);
        let last_ns =
            run.last().map_or(0, |raw| raw.time_ns.saturating_add(hold_ns / SETTLE_DIVISOR));
        Some(first_ns.max(last_ns))
    }

    /// True when the queue is so full that waiting is over.
    pub fn is_pressed(&self) -> bool {
        self.len() >= QUEUE_EVENTS_MAX / 10 * 9
    }

    /// The oldest raw event and those that would join it, in order.
    pub fn next_run(&self) -> impl Iterator<Item = &RawEvent> {
        let leader = self.oldest();
        let keys = leader.and_then(|leader| self.by_process.get(&ProcessId::of(leader)));
        let mut run = leader.map(|leader| Joining::new(self.policy, leader));
        keys.into_iter()
            .flatten()
            .map_while(move |key| {
                let raw = &**self.by_time.get(key)?;
                match run.as_mut()?.join(raw) {
                    Join::Never => None,
                    Join::Apart => Some(None),
                    _ => Some(Some(raw)),
                }
            })
            .flatten()
    }

    /// Takes the oldest raw event with those that join it.
    pub fn pop(&mut self) -> Option<Run> {
        let leader = self.oldest()?;
        let id = ProcessId::of(leader);
        let mut joining = Joining::new(self.policy, leader);
        let mut run = Run::new();
        let mut ended = false;
        let keys = self.by_process.get_mut(&id)?;
        keys.retain(|key| {
            let Some(raw) = self.by_time.get(key).filter(|_| !ended) else { return true };
            match joining.join(raw) {
                Join::Never => ended = true,
                Join::Apart => {}
                _ => {
                    run.extend(self.by_time.remove(key));
                    return false;
                }
            }
            true
        });
        if keys.is_empty() {
            self.by_process.remove(&id);
        }
        Some(run)
    }
}

/// A run that is being put together, from its leader on.
struct Joining {
    joined: Joined,
    begun: bool,
}

impl Joining {
    fn new(policy: Policy, leader: &RawEvent) -> Joining {
        Joining { joined: Joined::leader(policy, leader.kind), begun: false }
    }

    /// Whether the next raw event of the process is of the run: `Many`, `Apart` or `Never`. The
    /// first one is the leader.
    fn join(&mut self, raw: &RawEvent) -> Join {
        if std::mem::replace(&mut self.begun, true) {
            self.joined.join(raw.kind)
        } else {
            Join::Many
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::Decoder;
    use ocellus_ebpf::abi::{Kind, Record};

    const HOLD_NS: u64 = 100;

    fn raw(kind: Kind, pid: u32, time_ns: u64) -> Box<RawEvent> {
        let mut record = Record::default();
        record.head.kind = kind as u16;
        record.head.time_ns = time_ns;
        record.task.pid = pid;
        Decoder::default().decode(&record.encode([&[]; 6])).expect("it is a record")
    }

    fn times(run: Option<Run>) -> Vec<u64> {
        run.expect("there is a run").iter().map(|raw| raw.time_ns).collect()
    }

    #[test]
    fn order_is_by_time_whatever_the_arrival() {
        let mut queue = Queue::new(HOLD_NS, Policy::Full);
        queue.push(raw(Kind::Exit, 1, 30));
        queue.push(raw(Kind::Fork, 2, 15));
        queue.push(raw(Kind::Fork, 1, 10));
        queue.push(raw(Kind::Exec, 1, 20));
        assert_eq!(queue.ripe_at(), Some(10 + HOLD_NS));
        assert_eq!(queue.next_run().count(), 3);
        assert_eq!(times(queue.pop()), [10, 20, 30]);
        assert_eq!(times(queue.pop()), [15]);
        assert!(queue.pop().is_none() && queue.is_empty());
        assert!(queue.by_process.is_empty());
    }

    #[test]
    fn what_is_of_another_class_leaves_alone_and_later() {
        let mut queue = Queue::new(HOLD_NS, Policy::Full);
        for (kind, time_ns) in
            [(Kind::Fork, 10), (Kind::Existing, 15), (Kind::Exec, 20), (Kind::Exit, 30)]
        {
            queue.push(raw(kind, 1, time_ns));
        }
        assert_eq!(queue.next_run().map(|raw| raw.time_ns).collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!(times(queue.pop()), [10, 20, 30]);
        assert_eq!(times(queue.pop()), [15]);
        assert!(queue.is_empty() && queue.by_process.is_empty());
    }

    #[test]
    fn pid_reuse_is_two_processes() {
        let mut queue = Queue::new(HOLD_NS, Policy::Full);
        let mut second = raw(Kind::Exec, 1, 20);
        second.task.start_ns = 15;
        queue.push(raw(Kind::Fork, 1, 10));
        queue.push(second);
        assert_eq!(times(queue.pop()), [10]);
        assert_eq!(times(queue.pop()), [20]);
    }

    #[test]
    fn hold_time_shrinks_as_the_queue_fills() {
        let mut queue = Queue::new(800, Policy::Full);
        let mut last = queue.hold_ns();
        assert_eq!(last, 800);
        for n in 0..QUEUE_EVENTS_MAX as u64 {
            queue.push(raw(Kind::Fork, n as u32, n));
            assert!(queue.hold_ns() <= last);
            last = queue.hold_ns();
        }
        assert_eq!(last, 0);
        assert!(queue.is_pressed());
    }
}
