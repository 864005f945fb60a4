//! What the sensor knows about itself: one [`Report`], and the metrics, the status page and
//! `ocellus top` that are made from it.

mod page;
mod table;
mod top;
mod usage;
mod view;

use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::digest::cache::CacheStats;
use crate::digest::pool::PoolStats;
use crate::fleet::FleetStatus;
use crate::process::TableStats;
use crate::rules::ComponentStats;
use crate::sink::{Outputs, SinkStats};

pub use page::{metrics_page, prometheus};
pub use table::{Metric, MetricKind, Samples, metrics};
pub use top::top;
pub use usage::Usage;
pub use view::{rules_list, rules_stats, status};

/// Everything that a running sensor tells of itself, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub version: String,
    pub pid: u32,
    /// Seconds since the sensor was started.
    pub uptime_s: f64,
    /// `ebpf` or `kprobe`.
    pub backend: String,
    pub log_level: String,
    pub health: Health,
    pub probes: Vec<Probe>,
    pub events: Counters,
    /// Raw events come in faster than they can wait for each other.
    pub queue_pressed: bool,
    pub processes: Processes,
    /// Absent when hashing is switched off.
    pub hashing: Option<Hashing>,
    pub rules: Rules,
    pub outputs: Vec<Output>,
    pub self_test: SelfTest,
    pub control: Control,
    pub privileges: Vec<String>,
    pub usage: Usage,
}

/// Whether the sensor does what it is there for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub state: State,
    /// What is wrong, one sentence each; empty when all is well.
    pub problems: Vec<String>,
}

/// The state of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The first snapshot is not in yet.
    #[default]
    Starting,
    Healthy,
    /// Events arrive, but something is missing.
    Degraded,
    /// Events do not arrive.
    Failing,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Healthy => "healthy",
            State::Degraded => "degraded",
            State::Failing => "failing",
        }
    }
}

impl Health {
    /// Adds a problem; the state is the worst of all.
    pub fn add(&mut self, state: State, problem: String) {
        self.state = self.state.max(state);
        self.problems.push(problem);
    }
}

/// One kernel program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub name: String,
    pub attached: bool,
    /// Where it is attached, or why it is not.
    pub detail: String,
}

/// The process table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processes {
    pub known: usize,
    /// Times that all running processes were read.
    pub snapshots: u64,
    #[serde(flatten)]
    pub stats: TableStats,
}

/// Hashing of executables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hashing {
    pub cache: CacheStats,
    pub pool: PoolStats,
}

/// The rules in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    pub dir: Option<String>,
    /// Present where rules come from a fleet's bucket.
    pub fleet: Option<FleetStatus>,
    pub generation: u64,
    /// Events dropped by rules that are not loaded any more.
    pub events_dropped_before: u64,
    pub changes: u64,
    pub refused: u64,
    pub components: Vec<ComponentStats>,
}

/// One output, and what became of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    pub name: String,
    #[serde(flatten)]
    pub stats: SinkStats,
}

impl Output {
    /// Each output, as it is now.
    pub fn all(outputs: &Outputs) -> Vec<Output> {
        let stats = outputs.stats().into_iter();
        stats.map(|(name, stats)| Output { name, stats }).collect()
    }
}

/// The delivery self-test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelfTest {
    pub enabled: bool,
    pub passed: u64,
    pub failed: u64,
    /// Time from the start of the child to the last output that had written its event; of the last
    /// test that passed.
    pub latency_s: f64,
    /// Why the last test failed, if it did.
    pub problem: Option<String>,
}

/// The control socket and the metrics page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Control {
    /// Requests that were answered.
    pub requests: u64,
    /// Connections that were turned away because there were too many.
    pub refused_busy: u64,
    /// Requests of users who may not ask.
    pub refused_peers: u64,
    /// Requests that were too long, not understood, or not sent or read in time.
    pub failed: u64,
}
