//! Counters of components and rules. They go on when a component is replaced by a new version.

use std::sync::Arc;

use super::contract::World;
use super::histogram::Histogram;
use super::keyed::StateCounters;
use super::load::Mode;

/// What became of the hits of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RuleCounters {
    /// Events that one of the rule's interests let through.
    pub candidates: u64,
    /// Verdicts on events that it does not want, which were ignored.
    pub unwanted: u64,
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
    /// Time that its candidates took, in nanoseconds, reckoned from the calls that were measured; a
    /// call for several rules is divided among them evenly.
    pub time_ns: u64,
    /// Time of the event of the last verdict, in nanoseconds since the epoch; 0 when there is none.
    pub last_hit_ns: u64,
}

/// What a component did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ComponentCounters {
    /// Events that one of its rules wanted.
    pub candidates: u64,
    /// Calls of `on-event` or `on-batch`.
    pub calls: u64,
    /// Fuel that these took; 0 where time is measured by the clock.
    pub fuel: u64,
    /// Bytes of events that it was given: texts that it asked for, and batches.
    pub bytes: u64,
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
    /// Times that a version took over the memory of the one before, and times that this failed.
    pub carries: u64,
    pub carries_failed: u64,
}

impl ComponentCounters {
    /// Faults of all causes.
    pub fn faults(&self) -> u64 {
        self.traps + self.timeouts + self.memory_faults + self.output_faults
    }
}

/// What an event costs in a component, in nanoseconds: measured at one call in
/// [`CALLS_PER_SAMPLE`](super::component::CALLS_PER_SAMPLE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cost {
    /// Calls that were measured.
    pub samples: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
}

impl Cost {
    pub(super) fn of(histogram: &Histogram) -> Cost {
        Cost {
            samples: histogram.count(),
            p50_ns: histogram.percentile(50),
            p99_ns: histogram.percentile(99),
            max_ns: histogram.max(),
        }
    }
}

/// Counters of one rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RuleStats {
    pub id: Arc<str>,
    pub mode: Mode,
    #[serde(flatten)]
    pub counters: RuleCounters,
}

/// Counters of one component and its rules.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ComponentStats {
    pub name: Arc<str>,
    pub world: World,
    pub mode: Mode,
    /// SHA-256 of the component, lower-case hex.
    #[serde(default)]
    pub digest: Arc<str>,
    /// Who vouches for it, in words, if anybody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched_for: Option<Arc<str>>,
    /// Until when it is in quarantine, if it is.
    pub quarantined_until_ns: Option<u64>,
    /// Linear memory that it holds.
    pub memory_bytes: usize,
    /// What it keeps in the interface `state`.
    pub state_entries: usize,
    pub state_bytes: usize,
    pub state: StateCounters,
    /// What an event costs.
    pub cost: Cost,
    #[serde(flatten)]
    pub counters: ComponentCounters,
    pub rules: Vec<RuleStats>,
}

impl ComponentStats {
    /// The mode of the component, or of a rule of it, in a word: while the component is in
    /// quarantine, that is what counts.
    pub(crate) fn state(&self, mode: Mode) -> &'static str {
        match self.quarantined_until_ns {
            Some(_) => "quarantine",
            None => mode.as_str(),
        }
    }
}
