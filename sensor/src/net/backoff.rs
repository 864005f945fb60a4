//! How long to wait before another attempt.

use std::time::Duration;

use super::random;

const FIRST: Duration = Duration::from_millis(100);
/// A receiver that comes back gets its events soon after; and a thousand hosts that wait for it
/// knock a hundred times a second.
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double with each failure, each shortened by up to a half at random, so that hosts
/// that lost the same receiver do not come back at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: FIRST }
    }
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(LONGEST);
        longest - longest.mul_f64(fraction() / 2.0)
    }

    /// It went well.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}

/// From 0 to 1, at random.
fn fraction() -> f64 {
    (random() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        let mut backoff = Backoff::default();
        let mut expected = FIRST;
        for _ in 0..20 {
            let wait = backoff.next();
            assert!(wait <= expected && wait >= expected / 2, "{wait:?} for {expected:?}");
            expected = (expected * 2).min(LONGEST);
        }
        assert_eq!(expected, LONGEST);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
        let waits: std::collections::HashSet<Duration> =
            (0..32).map(|_| Backoff::default().next()).collect();
        assert!(waits.len() > 16, "{waits:?}");
    }
}
