//! What a kernel or a backend cannot give, each with its reason. A scenario that is listed here
//! must fail, and in this way: one that passes is a failure of the list.

use ocellus_tests::vm::Series;

/// A scenario that some kernels cannot pass with a backend.
#[derive(Debug)]
pub struct Limit {
    pub backend: &'static str,
    pub scenario: &'static str,
    /// Kernels before this; none: all.
    pub before: Option<Series>,
    /// Part of what the scenario says when it fails, or of why it is unsupported.
    pub says: &'static str,
    pub reason: &'static str,
}

pub const LIMITS: &[Limit] = &[Limit {
    backend: "kprobe",
    scenario: "sensor started after 200 processes",
    before: None,
    says: " is not told: ",
    reason: "without eBPF, only /proc tells when a process started that ran before the sensor, in \
             ticks of 10 ms; its entity id is made of that, and named in ocellus.inferred",
}];

/// The limit of a scenario on a kernel, if there is one.
pub fn limit(backend: &str, scenario: &str, series: Series) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| {
        limit.backend == backend
            && limit.scenario == scenario
            && limit.before.is_none_or(|before| series < before)
    })
}
