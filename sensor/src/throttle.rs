//! Too many events from one process tree, or from all: one event that says so takes their place.
//!
//! Throttling comes last. Rules have judged each event by then, and alerts are never throttled, so
//! that nobody hides in a flood; what is spared is the outputs and whoever stores what they write.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::process::ProcessId;

/// Trees whose rate is known. Of more, those that were quiet for longest start anew.
const TREES_MAX: usize = 4_096;

/// Between two events about the same tree, in ns: what was throttled meanwhile is in one of them.
const SUMMARY_NS: u64 = 10_000_000_000;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Events a second, in the long run, and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// 0 is no limit.
    pub per_second: u32,
    /// Events that may come at once after a quiet time.
    pub burst: u32,
}

/// The limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of one process tree: all that came in through the same entry leader.
    pub tree: Option<Rate>,
    /// Of all together.
    pub global: Option<Rate>,
}

/// What an event would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    Tree,
    Global,
}

impl Limit {
    /// Under this name its events are dropped.
    pub fn drop_name(self) -> &'static str {
        match self {
            Limit::Tree => "ocellus.throttle_tree",
            Limit::Global => "ocellus.throttle_global",
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Tree => "tree",
            Limit::Global => "global",
        }
    }
}

/// What was throttled, to be told in one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub limit: Limit,
    /// The leader of the tree; none for the global limit.
    pub tree: Option<ProcessId>,
    pub events: u64,
    /// Since when.
    pub since_ns: u64,
}

/// Counts events against the limits.
#[derive(Debug)]
pub struct Throttle {
    limits: Limits,
    trees: LruCache<ProcessId, Bucket>,
    global: Bucket,
    /// What is throttled now, and since when. At most one entry a tree that is known.
    throttled: BTreeMap<(Limit, Option<ProcessId>), (u64, u64)>,
}

/// A bucket as the time at which it will be empty again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    empty_ns: u64,
}

impl Bucket {
    /// Takes one event in, if there is room.
    fn take(&mut self, rate: Rate, now_ns: u64) -> bool {
        let interval_ns = NS_PER_SECOND / u64::from(rate.per_second.max(1));
        let next_ns = self.empty_ns.max(now_ns) + interval_ns;
        let has_room = next_ns - now_ns <= interval_ns * u64::from(rate.burst.max(1));
        if has_room {
            self.empty_ns = next_ns;
        }
        has_room
    }
}

impl Throttle {
    pub fn new(limits: Limits) -> Throttle {
        let trees = NonZeroUsize::new(TREES_MAX).unwrap_or(NonZeroUsize::MIN);
        Throttle {
            limits,
            trees: LruCache::new(trees),
            global: Bucket::default(),
            throttled: BTreeMap::new(),
        }
    }

    /// Other limits from now on.
    pub fn set(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether an event of this tree may pass; which limit it would exceed if not.
    pub fn check(&mut self, tree: ProcessId, now_ns: u64) -> Result<(), Limit> {
        let is_set = |rate: &Rate| rate.per_second > 0;
        if let Some(rate) = self.limits.tree.filter(is_set) {
            let bucket = self.trees.get_or_insert_mut(tree, Bucket::default);
            if !bucket.take(rate, now_ns) {
                self.count(Limit::Tree, Some(tree), now_ns);
                return Err(Limit::Tree);
            }
        }
        if let Some(rate) = self.limits.global.filter(is_set)
            && !self.global.take(rate, now_ns)
        {
            self.count(Limit::Global, None, now_ns);
            return Err(Limit::Global);
        }
        Ok(())
    }

    fn count(&mut self, limit: Limit, tree: Option<ProcessId>, now_ns: u64) {
        // Beyond the bound, the trees that came last are told together.
        let is_known = self.throttled.contains_key(&(limit, tree));
        let tree = tree.filter(|_| is_known || self.throttled.len() < TREES_MAX);
        self.throttled.entry((limit, tree)).or_insert((0, now_ns)).0 += 1;
    }

    /// What is to be told now; all of it at the end.
    pub fn take_summaries(&mut self, now_ns: u64, at_end: bool) -> Vec<Summary> {
        if self.throttled.is_empty() {
            return Vec::new();
        }
        let mut due = Vec::new();
        self.throttled.retain(|(limit, tree), (events, since_ns)| {
            let is_due = at_end || now_ns.saturating_sub(*since_ns) >= SUMMARY_NS;
            if is_due {
                let (limit, tree, events, since_ns) = (*limit, *tree, *events, *since_ns);
                due.push(Summary { limit, tree, events, since_ns });
            }
            !is_due
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(pid: u32) -> ProcessId {
        ProcessId { pid, start_ns: 1 }
    }

    fn limits(tree: u32, global: u32) -> Limits {
        let rate = |per_second| Some(Rate { per_second, burst: 3 });
        Limits { tree: rate(tree), global: rate(global) }
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut throttle = Throttle::new(limits(10, 0));
        let passed = |throttle: &mut Throttle, now_ns| {
            (0..20).filter(|_| throttle.check(tree(1), now_ns).is_ok()).count()
        };
        assert_eq!(passed(&mut throttle, NS_PER_SECOND), 3);
        assert_eq!(passed(&mut throttle, NS_PER_SECOND + NS_PER_SECOND / 10), 1);
        assert_eq!(passed(&mut throttle, 3 * NS_PER_SECOND), 3);
        // Time that goes back, as between CPUs, gives nothing for free and breaks nothing.
        assert_eq!(passed(&mut throttle, NS_PER_SECOND), 0);
        // Another tree has a bucket of its own.
        assert!(throttle.check(tree(2), NS_PER_SECOND).is_ok());
    }

    #[test]
    fn what_was_throttled_is_told_once_in_a_while_and_at_the_end() {
        let mut throttle = Throttle::new(limits(1, 5));
        let outcomes: Vec<_> = (0..5).map(|_| throttle.check(tree(1), 0)).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
        assert_eq!(throttle.check(tree(2), 0), Err(Limit::Global));
        assert!(throttle.take_summaries(SUMMARY_NS - 1, false).is_empty());
        let told = throttle.take_summaries(SUMMARY_NS, false);
        let expected = [
            Summary { limit: Limit::Tree, tree: Some(tree(1)), events: 2, since_ns: 0 },
            Summary { limit: Limit::Global, tree: None, events: 1, since_ns: 0 },
        ];
        assert_eq!(told, expected);
        assert!(throttle.take_summaries(u64::MAX, true).is_empty());
        for _ in 0..4 {
            let _ = throttle.check(tree(3), SUMMARY_NS);
        }
        assert_eq!(throttle.take_summaries(SUMMARY_NS, true).len(), 1);
    }

    #[test]
    fn a_flood_of_trees_is_bounded_and_every_event_is_told() {
        let mut throttle = Throttle::new(limits(1, 0));
        let trees = 2 * TREES_MAX as u32;
        for pid in 0..trees {
            for _ in 0..4 {
                let _ = throttle.check(tree(pid), 0);
            }
        }
        assert!(throttle.trees.len() <= TREES_MAX && throttle.throttled.len() <= TREES_MAX + 1);
        let told: u64 = throttle.take_summaries(0, true).iter().map(|it| it.events).sum();
        assert_eq!(told, u64::from(trees));
    }
}
