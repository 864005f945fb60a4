//! What became of the events that were offered to one output.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bytesize::ByteSize;

/// Causes of drops that have a name of their own. A receiver may name more (`refused_…`), so the
/// rest counts as [`cause::OTHER`].
const CAUSES_MAX: usize = 32;

/// Why an output dropped an event.
pub mod cause {
    /// The queue in memory was full.
    pub const FULL: &str = "queue_full";
    /// Writing failed, a full disk for example.
    pub const ERROR: &str = "write_failed";
    /// Nobody reads the output any more.
    pub const CLOSED: &str = "closed";
    /// Nobody took the event before the sensor ended.
    pub const UNREACHABLE: &str = "unreachable";
    /// The event is larger than the output takes.
    pub const TOO_LARGE: &str = "too_large";
    /// The spool had reached its size.
    pub const SPOOL_FULL: &str = "spool_full";
    /// The spool could not be written, or not be read.
    pub const SPOOL_ERROR: &str = "spool_failed";
    /// What the spool held was damaged.
    pub const SPOOL_CORRUPT: &str = "spool_corrupt";
    /// The receiver refused the event; what it says is wrong is added.
    pub const REFUSED: &str = "refused";
    /// Any more causes than there is room for.
    pub const OTHER: &str = "refused_otherwise";
}

/// Events of one output by what became of them. At any moment, `found + pushed` is the sum of
/// `filtered`, `delivered`, `dropped` and of those that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SinkStats {
    /// In the spool when the output was opened: an earlier run accepted them.
    pub found: u64,
    /// Offered to the output in this run.
    pub pushed: u64,
    /// Not of those that the output is to have.
    pub filtered: u64,
    /// Written; where the receiver acknowledges, acknowledged.
    pub delivered: u64,
    /// By cause.
    pub dropped: BTreeMap<String, u64>,
    /// In the queue, in the hands of a thread, or in the spool.
    pub waiting: u64,
    /// Of `waiting`, those that are safe in the spool.
    pub spooled: u64,
    /// Of `delivered`, those that the receiver knew already.
    pub repeated: u64,
    /// Sent again, once for each time and event.
    pub retried: u64,
    /// Attempts to write, to connect or to send that failed.
    pub failures: u64,
    /// Bytes written or sent, without what a protocol adds.
    pub bytes: u64,
}

impl SinkStats {
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Accepted events of which it is known what became of them. Events leave an output in order:
    /// one has left when this reaches what [`SinkStats::accepted`] was right after it came.
    pub fn settled(&self) -> u64 {
        self.delivered + self.dropped_total()
    }

    /// Events that the output was to deliver.
    pub fn accepted(&self) -> u64 {
        self.found + self.pushed - self.filtered
    }

    /// How many were dropped by one cause.
    pub fn dropped_by(&self, cause: &str) -> u64 {
        self.dropped.get(cause).copied().unwrap_or(0)
    }

    /// What came minus all that became of it: 0 unless there is a bug.
    pub fn unaccounted(&self) -> i128 {
        let known = self.filtered + self.delivered + self.dropped_total() + self.waiting;
        i128::from(self.found + self.pushed) - i128::from(known)
    }

    pub(super) fn drop_by(&mut self, cause: &str, count: u64) {
        if count == 0 {
            return;
        }
        let is_known = self.dropped.contains_key(cause) || self.dropped.len() < CAUSES_MAX;
        let cause = if is_known { cause } else { cause::OTHER };
        *self.dropped.entry(cause.to_owned()).or_default() += count;
    }

    /// Some that were counted as dropped were not.
    pub(super) fn undo_drop(&mut self, cause: &str, count: u64) {
        if let Some(dropped) = self.dropped.get_mut(cause) {
            *dropped -= count;
        }
    }
}

impl fmt::Display for SinkStats {
    /// The line of the totals that a run ends with, after the output's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.found > 0 {
            write!(f, "{} found + ", self.found)?;
        }
        write!(f, "{} pushed = {} delivered", self.pushed, self.delivered)?;
        if self.filtered > 0 {
            write!(f, " + {} filtered", self.filtered)?;
        }
        write!(f, " + {} dropped", self.dropped_total())?;
        if !self.dropped.is_empty() {
            let causes = self.dropped.iter().map(|(cause, count)| format!("{cause} {count}"));
            write!(f, " ({})", causes.collect::<Vec<_>>().join(", "))?;
        }
        write!(f, " + {} waiting", self.waiting)?;
        if self.spooled > 0 {
            write!(f, " ({} in the spool)", self.spooled)?;
        }
        write!(f, "; {}", ByteSize(self.bytes))?;
        for (count, what) in
            [(self.retried, "retried"), (self.repeated, "repeated"), (self.failures, "failures")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        match self.unaccounted() {
            0 => Ok(()),
            missing => write!(f, "\nUNACCOUNTED {missing}: this is a bug, please report it"),
        }
    }
}

/// The counters that the threads of one output share. `waiting` and `spooled` are not kept here:
/// whoever asks looks at the queue and at the spool, so that the sum is a check.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<SinkStats>);

impl Tally {
    pub(super) fn lock(&self) -> MutexGuard<'_, SinkStats> {
        // Counters are right after every statement, also where a panic came between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn drop_by(&self, cause: &str, count: u64) {
        self.lock().drop_by(cause, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_where_each_event_went() {
        let mut stats = SinkStats { found: 2, pushed: 10, filtered: 3, ..SinkStats::default() };
        stats.delivered = 4;
        stats.drop_by(cause::FULL, 1);
        stats.drop_by(cause::SPOOL_FULL, 2);
        stats.drop_by(cause::ERROR, 0);
        (stats.waiting, stats.spooled, stats.bytes, stats.retried) = (2, 2, 2048, 7);
        assert_eq!(
            stats.to_string(),
            "2 found + 10 pushed = 4 delivered + 3 filtered + 3 dropped (queue_full 1, spool_full \
             2) + 2 waiting (2 in the spool); 2 KiB, 7 retried"
        );
        stats.waiting = 1;
        assert_eq!(stats.unaccounted(), 1);
        assert!(stats.to_string().contains("UNACCOUNTED 1"));
    }

    #[test]
    fn a_receiver_cannot_fill_the_memory_with_causes() {
        let mut stats = SinkStats::default();
        for number in 0..1_000 {
            stats.drop_by(&format!("refused_{number}"), 1);
        }
        assert_eq!((stats.dropped.len(), stats.dropped_total()), (CAUSES_MAX + 1, 1_000));
        assert_eq!(stats.dropped_by(cause::OTHER), 1_000 - CAUSES_MAX as u64);
    }
}
