//! When a component that fails is left alone, and for how long.

use std::collections::VecDeque;

/// So many faults within [`FAULT_WINDOW_NS`] put a component into quarantine.
pub const FAULTS_MAX: usize = 5;
/// See [`FAULTS_MAX`]; and how long a released component is on probation.
pub const FAULT_WINDOW_NS: u64 = 60 * SECOND_NS;
/// A restart that takes so long counts as one more fault. Five faults with slow restarts could hold
/// up the events for more than a second; so they cannot for more than half of one in a minute.
pub const RESTART_MS_PER_FAULT: u64 = 50;
/// Length of the first quarantine; each further one is twice as long.
pub const QUARANTINE_NS: u64 = 30 * SECOND_NS;
/// Longest quarantine. With a fault that costs a whole time budget and a replacement, a component
/// that always fails then takes a quarter of a second an hour.
pub const QUARANTINE_MAX_NS: u64 = 3600 * SECOND_NS;

const SECOND_NS: u64 = 1_000_000_000;

/// The record of one component's faults.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Times of the last faults, at most [`FAULTS_MAX`].
    faults: VecDeque<u64>,
    /// Quarantines in a row.
    quarantines: u32,
    /// End of the current quarantine, or of the last one.
    until_ns: u64,
    quarantined: bool,
}

/// Whether a component may judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// Its quarantine has just ended.
    Released,
    Quarantined,
}

impl Health {
    pub(super) fn readiness(&mut self, now_ns: u64) -> Readiness {
        if !self.quarantined {
            return Readiness::Ready;
        }
        if now_ns < self.until_ns {
            return Readiness::Quarantined;
        }
        self.quarantined = false;
        Readiness::Released
    }

    /// An operator wants the component to be left alone, for the time of a first quarantine.
    pub(super) fn confine(&mut self, now_ns: u64) {
        self.until_ns = now_ns + QUARANTINE_NS;
        self.quarantined = true;
    }

    /// An operator wants the component back, and its faults forgotten.
    pub(super) fn forgive(&mut self) {
        *self = Health::default();
    }

    /// Until when the component is in quarantine.
    pub(super) fn quarantined_until_ns(&self) -> Option<u64> {
        self.quarantined.then_some(self.until_ns)
    }

    /// Record a fault, after which a fresh instance was last made in `restart_ms`. Gives the end of
    /// the quarantine that it leads to.
    pub(super) fn fault(&mut self, now_ns: u64, restart_ms: u64) -> Option<u64> {
        let probation = self.quarantines > 0 && now_ns < self.until_ns + FAULT_WINDOW_NS;
        if !probation && self.quarantines > 0 {
            self.quarantines = 0;
        }
        while self
            .faults
            .front()
            .is_some_and(|then| now_ns.saturating_sub(*then) >= FAULT_WINDOW_NS)
        {
            self.faults.pop_front();
        }
        let weight = 1 + (restart_ms / RESTART_MS_PER_FAULT) as usize;
        self.faults.extend(std::iter::repeat_n(now_ns, weight.min(FAULTS_MAX)));
        if !probation && self.faults.len() < FAULTS_MAX {
            return None;
        }
        self.faults.clear();
        let length_ns = QUARANTINE_NS.saturating_mul(1 << self.quarantines.min(20));
        self.until_ns = now_ns + length_ns.min(QUARANTINE_MAX_NS);
        self.quarantines += 1;
        self.quarantined = true;
        Some(self.until_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_faults_far_apart_are_forgiven() {
        let mut health = Health::default();
        for fault in 0..100 {
            assert_eq!(health.fault(fault * FAULT_WINDOW_NS / 4, 0), None);
        }
        assert_eq!(health.readiness(0), Readiness::Ready);
    }

    #[test]
    fn repeated_faults_are_quarantined_and_released() {
        let mut health = Health::default();
        for fault in 1..5 {
            assert_eq!(health.fault(fault, 0), None);
        }
        assert_eq!(health.fault(5, 0), Some(5 + QUARANTINE_NS));
        assert_eq!(health.readiness(6), Readiness::Quarantined);
        assert_eq!(health.readiness(5 + QUARANTINE_NS), Readiness::Released);
        assert_eq!(health.readiness(5 + QUARANTINE_NS), Readiness::Ready);
    }

    #[test]
    fn quarantine_doubles_up_to_its_bound_and_starts_anew() {
        let mut health = Health::default();
        let mut now_ns = 0;
        let mut lengths = Vec::new();
        while lengths.len() < 9 {
            if let Some(until_ns) = health.fault(now_ns, 0) {
                lengths.push((until_ns - now_ns) / SECOND_NS);
                assert_eq!(health.readiness(until_ns), Readiness::Released);
                now_ns = until_ns;
            }
        }
        assert_eq!(lengths, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        now_ns += FAULT_WINDOW_NS;
        for _ in 1..FAULTS_MAX {
            assert_eq!(health.fault(now_ns, 0), None);
        }
        assert_eq!(health.fault(now_ns, 0), Some(now_ns + QUARANTINE_NS));
    }

    #[test]
    fn slow_restarts_weigh_more() {
        let mut health = Health::default();
        assert_eq!(health.fault(1, RESTART_MS_PER_FAULT), None);
        assert_eq!(health.fault(2, RESTART_MS_PER_FAULT), None);
        assert_eq!(health.fault(3, 0), Some(3 + QUARANTINE_NS));
        let mut health = Health::default();
        assert_eq!(health.fault(1, u64::MAX), Some(1 + QUARANTINE_NS));
    }
}
