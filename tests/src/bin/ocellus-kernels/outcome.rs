//! How the checks of one kernel ended.

use std::io;
use std::path::PathBuf;

use ocellus_tests::prebuilt::root;
use ocellus_tests::vm::{Architecture, Series};
use serde::{Deserialize, Serialize};

/// The backends, by the names that `--backend` knows.
pub const BACKENDS: [&str; 2] = ["ebpf", "kprobe"];

/// How something ended that was tried on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tried {
    pub name: String,
    pub outcome: Outcome,
}

/// All that was tried on a kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub architecture: Architecture,
    pub series: Series,
    /// As uname(1) prints it.
    pub release: String,
    /// The scenarios, by backend as in [`BACKENDS`].
    pub scenarios: [Vec<Tried>; 2],
    /// How each probe was attached, by backend: `exec: tp_btf/sched_process_exec`.
    pub probes: [Vec<String>; 2],
    pub checks: Vec<Tried>,
}

impl Report {
    /// The kernel, as tables name it: `6.1`, or `6.1 arm64`.
    pub fn label(&self) -> String {
        match self.architecture {
            Architecture::Amd64 => self.series.to_string(),
            other => format!("{} {other}", self.series),
        }
    }

    /// Keeps it for the pages, in place of the one of the kernel's run before.
    pub fn save(&self) -> io::Result<()> {
        let folder = folder();
        std::fs::create_dir_all(&folder)?;
        let json = serde_json::to_vec_pretty(self)?;
        std::fs::write(folder.join(format!("{}-{}.json", self.architecture, self.series)), json)
    }

    /// The last of each kernel, by architecture, the oldest kernel first.
    pub fn saved() -> io::Result<Vec<Report>> {
        let mut reports = Vec::new();
        for entry in std::fs::read_dir(folder())? {
            reports.push(serde_json::from_slice::<Report>(&std::fs::read(entry?.path())?)?);
        }
        reports.sort_by_key(|report| (report.architecture, report.series));
        Ok(reports)
    }

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

/// Where reports are kept: a run of all kernels takes an hour or two, and may be made in parts.
fn folder() -> PathBuf {
    root().join("target/kernels")
}
