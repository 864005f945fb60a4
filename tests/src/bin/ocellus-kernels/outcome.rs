//! How the checks of one kernel ended.

use ocellus_tests::vm::Kernel;

/// The backends, by the names that `--backend` knows.
pub const BACKENDS: [&str; 2] = ["ebpf", "kprobe"];

/// How something ended that was tried on a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    /// The kernel or the backend cannot give it, for the reason with this number in
    /// [`crate::limits`], or in its own words.
    Limited(String),
    /// What went wrong.
    Fails(String),
}

impl Outcome {
    /// `Holds` where nothing is wrong.
    pub fn of(result: Result<(), String>) -> Outcome {
        result.map_or_else(Outcome::Fails, |()| Outcome::Holds)
    }

    pub fn fails(&self) -> bool {
        matches!(self, Outcome::Fails(_))
    }
}

/// One thing that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    pub name: String,
    pub outcome: Outcome,
}

/// All that was tried on a kernel.
#[derive(Clone, Debug)]
pub struct Report {
    pub kernel: Kernel,
    /// The scenarios, by backend as in [`BACKENDS`].
    pub scenarios: [Vec<Tried>; 2],
    /// How each probe was attached, by backend: `exec: tp_btf/sched_process_exec`.
    pub probes: [Vec<String>; 2],
    pub checks: Vec<Tried>,
}

impl Report {
    /// What went wrong, with the name of what was tried.
    pub fn failures(&self) -> Vec<(String, &str)> {
        let mut failures = Vec::new();
        let named = |prefix: &str, name: &str| format!("{prefix}{name}");
        for (backend, tried) in BACKENDS.iter().zip(&self.scenarios) {
            for Tried { name, outcome } in tried {
                if let Outcome::Fails(words) = outcome {
                    failures.push((named(&format!("{backend}, scenario: "), name), words.as_str()));
                }
            }
        }
        for Tried { name, outcome } in &self.checks {
            if let Outcome::Fails(words) = outcome {
                failures.push((named("", name), words.as_str()));
            }
        }
        failures
    }
}
