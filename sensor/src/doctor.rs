//! What this kernel and these privileges let the sensor do. `ocellus doctor` prints it.

mod host;

use std::fmt;

use serde::Serialize;

pub use host::{BTF_PATH, Lockdown, MemoryLimit, Privileges};
pub(crate) use host::{kernel_release, release_below};

use crate::backend::ebpf::Ebpf;
use crate::backend::{CaptureSettings, ProbeOutcome, ProbeStatus};

/// Column in which the values of the report begin.
const LABEL_WIDTH: usize = 14;

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub kernel: String,
    pub architecture: &'static str,
    /// CPUs online.
    pub cpus: usize,
    /// Where the kernel's BTF was found.
    pub btf: Option<&'static str>,
    pub privileges: Privileges,
    pub lockdown: Lockdown,
    /// Where tracefs is mounted. eBPF does without it, the kprobe backend does not.
    pub tracefs: Option<String>,
    pub memory_limit: MemoryLimit,
    /// Bytes of the ring that the probes were tried with.
    pub ring_bytes: u32,
    /// Empty when nothing could be loaded; `failure` says why.
    pub probes: Vec<ProbeStatus>,
    /// Why the eBPF backend did not start at all.
    pub failure: Option<String>,
    pub verdict: Verdict,
}

/// The summary, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub state: State,
    pub summary: String,
    /// One sentence for each thing that would improve matters.
    pub advice: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All of it works.
    Ready,
    /// The sensor runs and sees less.
    Degraded,
    /// The eBPF backend cannot run.
    Unable,
}

/// Looks at the machine and tries each probe for a moment. Needs no privileges to answer.
pub fn examine() -> Report {
    let settings = CaptureSettings::default();
    let (probes, failure) = match Ebpf::open(&settings) {
        Ok(backend) => (backend.probes().to_vec(), None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let mut report = Report {
        kernel: host::kernel_release(),
        architecture: std::env::consts::ARCH,
        cpus: host::cpus_online(),
        btf: host::btf_readable().then_some(BTF_PATH),
        privileges: Privileges::read(),
        lockdown: Lockdown::read(),
        tracefs: host::tracefs_mount(),
        memory_limit: MemoryLimit::read(),
        ring_bytes: settings.ring_bytes,
        probes,
        failure,
        verdict: Verdict { state: State::Unable, summary: String::new(), advice: Vec::new() },
    };
    report.verdict = judge(&report);
    report
}

fn judge(report: &Report) -> Verdict {
    let advice = advise(report);
    let skipped: Vec<&str> =
        report.probes.iter().filter(|probe| !probe.attached()).map(|probe| probe.name).collect();
    let (state, summary) = if report.failure.is_some() {
        (State::Unable, "the eBPF backend cannot run here".to_owned())
    } else if !skipped.is_empty() {
        (State::Degraded, format!("the eBPF backend runs without {}", skipped.join(", ")))
    } else if !report.privileges.missing_for_files().is_empty() {
        let summary = "every probe attaches, but files of other users stay closed";
        (State::Degraded, summary.to_owned())
    } else {
        (State::Ready, "the eBPF backend runs with every probe".to_owned())
    };
    Verdict { state, summary, advice }
}

fn advise(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    let missing = report.privileges.missing_for_ebpf();
    if !missing.is_empty() {
        advice.push(format!("run as root, or with {}", report.privileges.listed(&missing)));
    }
    if report.btf.is_none() {
        advice.push(format!(
            "{BTF_PATH} is not there: run a kernel built with CONFIG_DEBUG_INFO_BTF=y, or use \
             --backend kprobe"
        ));
    }
    if report.lockdown == Lockdown::Confidentiality {
        advice.push("boot with lockdown=integrity or none: confidentiality stops eBPF".to_owned());
    }
    let files = report.privileges.missing_for_files();
    if missing.is_empty() && !files.is_empty() {
        advice.push(format!(
            "add {} to read executables of other users",
            report.privileges.listed(&files)
        ));
    }
    if report.memory_limit.charged && report.memory_limit.hard_bytes.is_some() {
        advice.push(
            "this kernel counts maps against RLIMIT_MEMLOCK: set LimitMEMLOCK=infinity".to_owned(),
        );
    }
    let skipped = report.probes.iter().any(|probe| !probe.attached());
    if advice.is_empty() && (skipped || report.failure.is_some()) {
        advice.push("report this with the lines above, the kernel refuses what it has".to_owned());
    }
    advice
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, value: &str| writeln!(f, "{label:<LABEL_WIDTH$}{value}");
        line("kernel", &format!("{} ({})", self.kernel, self.architecture))?;
        line("CPUs", &self.cpus.to_string())?;
        line("BTF", self.btf.unwrap_or("none"))?;
        line("privileges", &self.privileges.to_string())?;
        line("lockdown", self.lockdown.name())?;
        line("tracefs", self.tracefs.as_deref().unwrap_or("not mounted (eBPF needs none)"))?;
        line("memlock", &self.memory_limit.to_string())?;
        line("ring", &format!("{} KiB", self.ring_bytes / 1024))?;
        let mut label = "probes";
        for probe in &self.probes {
            line(label, &probe_line(probe))?;
            label = "";
        }
        if let Some(failure) = &self.failure {
            line(label, &format!("none: {failure}"))?;
        }
        let state = match self.verdict.state {
            State::Ready => "ready",
            State::Degraded => "degraded",
            State::Unable => "unable",
        };
        line("verdict", &format!("{state}: {}", self.verdict.summary))?;
        let mut label = "to do";
        for advice in &self.verdict.advice {
            line(label, advice)?;
            label = "";
        }
        Ok(())
    }
}

fn probe_line(probe: &ProbeStatus) -> String {
    match &probe.outcome {
        ProbeOutcome::Attached => format!("{:<15}attached  {}", probe.name, probe.attach),
        ProbeOutcome::Skipped { reason } => format!("{:<15}skipped   {reason}", probe.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report {
            kernel: "6.1.0".to_owned(),
            architecture: "x86_64",
            cpus: 2,
            btf: Some(BTF_PATH),
            privileges: Privileges::from_sets(0, u64::MAX, true),
            lockdown: Lockdown::None,
            tracefs: None,
            memory_limit: MemoryLimit { soft_bytes: None, hard_bytes: None, charged: false },
            ring_bytes: 1 << 23,
            probes: vec![ProbeStatus {
                name: "exec",
                attach: "tp_btf/sched_process_exec".to_owned(),
                outcome: ProbeOutcome::Attached,
            }],
            failure: None,
            verdict: Verdict { state: State::Unable, summary: String::new(), advice: Vec::new() },
        };
        report.verdict = judge(&report);
        report
    }

    #[test]
    fn all_attached_is_ready_and_asks_for_nothing() {
        let report = report();
        assert_eq!(report.verdict.state, State::Ready);
        assert!(report.verdict.advice.is_empty());
        let text = report.to_string();
        assert!(
            text.contains("probes        exec           attached  tp_btf/sched_process_exec\n"),
            "{text}"
        );
        assert!(text.contains("verdict       ready: "), "{text}");
    }

    #[test]
    fn a_skipped_probe_degrades() {
        let mut report = report();
        let outcome = ProbeOutcome::Skipped { reason: "no such tracepoint".to_owned() };
        report.probes.push(ProbeStatus { name: "exit", attach: "tp_btf/x".to_owned(), outcome });
        let verdict = judge(&report);
        assert_eq!(verdict.state, State::Degraded);
        assert!(verdict.summary.contains("exit"), "{}", verdict.summary);
        assert_eq!(verdict.advice.len(), 1);
    }

    #[test]
    fn an_ordinary_user_learns_what_is_missing() {
        let mut report = report();
        report.probes.clear();
        report.privileges = Privileges::from_sets(1000, 0, true);
        report.failure = Some("no".to_owned());
        let verdict = judge(&report);
        assert_eq!(verdict.state, State::Unable);
        assert_eq!(verdict.advice, ["run as root, or with CAP_PERFMON and CAP_BPF"]);
    }

    #[test]
    fn each_obstacle_has_its_advice() {
        let mut report = report();
        report.failure = Some("no".to_owned());
        report.btf = None;
        report.lockdown = Lockdown::Confidentiality;
        report.memory_limit =
            MemoryLimit { soft_bytes: Some(65536), hard_bytes: Some(65536), charged: true };
        let advice = judge(&report).advice.join("\n");
        for word in ["CONFIG_DEBUG_INFO_BTF", "lockdown=integrity", "LimitMEMLOCK"] {
            assert!(advice.contains(word), "{advice}");
        }
    }

    #[test]
    fn examining_works_with_any_privileges() {
        let report = examine();
        assert!(!report.kernel.is_empty());
        assert!(report.cpus > 0);
        assert_eq!(report.failure.is_some(), report.probes.is_empty());
        assert!(serde_json::to_value(&report).expect("it is plain data")["verdict"].is_object());
    }
}
