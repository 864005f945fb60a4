//! Counters of components and rules. They go on when a component is replaced by a new version.

use std::sync::Arc;

use super::load::Mode;

/// What became of the hits of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RuleCounters {
    /// Verdicts that the rule gave. Each is one of those below.
    pub hits: u64,
    pub tags: u64,
    pub alerts: u64,
    /// Events that were dropped under this rule's name.
    pub drops: u64,
    /// Drops that an alert overruled, or that concerned an event of the sensor's own.
    pub drops_overruled: u64,
    /// Drops of events that a rule before it dropped already.
    pub drops_repeated: u64,
    /// Verdicts that the rule has no permission for.
    pub refused: u64,
    /// Verdicts in shadow mode, which changed nothing.
    pub shadowed: u64,
}

/// What a component did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ComponentCounters {
    /// Events that its interests wanted.
    pub candidates: u64,
    /// Calls of `on-event`.
    pub calls: u64,
    /// Fuel that these took; 0 where time is measured by the clock.
    pub fuel: u64,
    /// Candidates that it did not see, because it was in quarantine or could not be restarted.
    pub skipped: u64,
    /// Faults by cause.
    pub traps: u64,
    pub timeouts: u64,
    pub memory_faults: u64,
    pub output_faults: u64,
    /// Times that it was put into quarantine.
    pub quarantines: u64,
    /// Fresh instances after a fault.
    pub restarts: u64,
    /// Log lines over the limit of rate.
    pub log_lines_suppressed: u64,
}

impl ComponentCounters {
    /// Faults of all causes.
    pub fn faults(&self) -> u64 {
        self.traps + self.timeouts + self.memory_faults + self.output_faults
    }
}

/// Counters of one rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RuleStats {
    pub id: Arc<str>,
    #[serde(flatten)]
    pub counters: RuleCounters,
}

/// Counters of one component and its rules.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ComponentStats {
    pub name: Arc<str>,
    pub mode: Mode,
    /// Until when it is in quarantine, if it is.
    pub quarantined_until_ns: Option<u64>,
    /// Linear memory that it holds.
    pub memory_bytes: usize,
    #[serde(flatten)]
    pub counters: ComponentCounters,
    pub rules: Vec<RuleStats>,
}
