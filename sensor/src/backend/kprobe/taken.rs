//! What was taken out of the rings and waits to be handed over, in the order of time.

use std::collections::VecDeque;
use std::ops::Range;

use super::maker::Hit;

/// Samples of all rings.
#[derive(Debug, Default)]
pub(super) struct Taken {
    bytes: Vec<u8>,
    /// In the order of time.
    hits: VecDeque<TakenHit>,
    /// Later than what other rings may still have held when they were read: for the next time.
    early: VecDeque<TakenHit>,
    /// The bytes of the time before.
    before: Vec<u8>,
}

/// One sample.
#[derive(Clone, Debug)]
pub(super) struct TakenHit {
    pub hit: Hit,
    /// Index of the probe.
    pub probe: usize,
    /// What it wrote.
    pub raw: Range<usize>,
}

impl Taken {
    pub(super) fn pop(&mut self) -> Option<TakenHit> {
        self.hits.pop_front()
    }

    /// What a sample's probe wrote.
    pub(super) fn raw(&self, taken: &TakenHit) -> &[u8] {
        self.bytes.get(taken.raw.clone()).unwrap_or_default()
    }

    /// Starts anew, with what came too early. Everything else was popped.
    pub(super) fn begin(&mut self) {
        debug_assert!(self.hits.is_empty(), "{} samples are dropped", self.hits.len());
        std::mem::swap(&mut self.bytes, &mut self.before);
        self.bytes.clear();
        for taken in self.early.drain(..) {
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(self.before.get(taken.raw).unwrap_or_default());
            self.hits.push_back(TakenHit { raw: begin..self.bytes.len(), ..taken });
        }
    }

    /// Where a ring is emptied to, and where the samples in it are named.
    pub(super) fn parts(&mut self) -> (&mut Vec<u8>, &mut VecDeque<TakenHit>) {
        (&mut self.bytes, &mut self.hits)
    }

    /// Puts all in order. What is later than `until_ns`, when the first ring was read, stays for
    /// the next time if anything came: between two rings the reader may have been made to wait, and
    /// a ring that was read before may hold something earlier by now. How much there is.
    pub(super) fn sort(
        &mut self,
        came: usize,
        until_ns: u64,
        is_name: impl Fn(usize) -> bool,
    ) -> usize {
        let hits = self.hits.make_contiguous();
        // A name comes before its exec even where both have the same time.
        hits.sort_by_key(|taken| (taken.hit.time_ns, !is_name(taken.probe)));
        let all = hits.len();
        if came > 0 {
            let due = hits.partition_point(|taken| taken.hit.time_ns <= until_ns);
            self.early = self.hits.split_off(due);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of these times, as one ring has them; each wrote its time.
    fn take(taken: &mut Taken, times: &[u64], until_ns: u64) -> usize {
        taken.begin();
        for time_ns in times {
            let (bytes, hits) = taken.parts();
            let begin = bytes.len();
            bytes.extend_from_slice(&time_ns.to_ne_bytes());
            let hit = Hit { time_ns: *time_ns, cpu: 0, pid: 0 };
            hits.push_back(TakenHit { hit, probe: 0, raw: begin..begin + 8 });
        }
        taken.sort(times.len(), until_ns, |_| false)
    }

    fn popped(taken: &mut Taken) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(next) = taken.pop() {
            assert_eq!(taken.raw(&next), next.hit.time_ns.to_ne_bytes());
            times.push(next.hit.time_ns);
        }
        times
    }

    #[test]
    fn what_is_later_than_the_first_look_waits_for_what_was_missed() {
        let mut taken = Taken::default();
        // The second ring was read long after the first.
        assert_eq!(take(&mut taken, &[10, 4, 90, 80], 50), 4);
        assert_eq!(popped(&mut taken), [4, 10]);
        // Meanwhile the first one got something earlier than that.
        assert_eq!(take(&mut taken, &[60, 130], 120), 4);
        assert_eq!(popped(&mut taken), [60, 80, 90]);
        assert_eq!(take(&mut taken, &[], 125), 1);
        assert_eq!(popped(&mut taken), [130]);
        assert_eq!(take(&mut taken, &[], 200), 0);
    }

    #[test]
    fn a_clock_that_runs_ahead_holds_nothing_back_for_ever() {
        let mut taken = Taken::default();
        assert_eq!(take(&mut taken, &[1_000, 2_000], 5), 2);
        assert!(popped(&mut taken).is_empty());
        assert_eq!(take(&mut taken, &[], 6), 2);
        assert_eq!(popped(&mut taken), [1_000, 2_000]);
    }
}
