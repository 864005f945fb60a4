//! What this kernel and these privileges let the sensor do. `ocellus doctor` prints it.

mod host;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use host::{BTF_PATH, Lockdown, MemoryLimit, Privileges};
pub(crate) use host::{kernel_release, release_below};

use crate::backend::ebpf::Ebpf;
use crate::backend::kprobe::{self, Kprobe};
use crate::backend::{
    BackendError, CaptureSettings, ProbeStatus, WAITS_FOR_SYSCALLS, Way, WayResult,
};
use crate::error_chain::ErrorChain;

/// Column in which the values of the report begin.
const LABEL_WIDTH: usize = 14;

/// Column in which what became of a probe begins.
const PROBE_WIDTH: usize = 19;

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub kernel: String,
    pub architecture: &'static str,
    /// CPUs online.
    pub cpus: usize,
    /// Where the kernel's BTF was found.
    pub btf: Option<PathBuf>,
    pub privileges: Privileges,
    pub lockdown: Lockdown,
    /// Where tracefs is mounted. eBPF does without it, the kprobe backend does not.
    pub tracefs: Option<String>,
    pub memory_limit: MemoryLimit,
    /// Bytes of the ring that the probes were tried with.
    pub ring_bytes: u32,
    /// In the order in which `--backend auto` tries them.
    pub backends: Vec<BackendReport>,
    pub verdict: Verdict,
}

/// What became of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendReport {
    /// As `--backend` knows it.
    pub name: &'static str,
    /// Empty when nothing could be loaded; `failure` says why.
    pub probes: Vec<ProbeStatus>,
    /// Why it did not start at all, or what it told that is not true.
    pub failure: Option<String>,
    /// What it does not give, on any kernel.
    pub lacks: &'static [&'static str],
}

/// The summary, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub state: State,
    /// The backend that `--backend auto` takes.
    pub backend: Option<&'static str>,
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
    /// No backend can run.
    Unable,
}

/// Looks at the machine and tries each probe of each backend for a moment: attaches it, starts a
/// process, and compares what the probe tells of that with what is true. Needs no privileges to
/// answer. `btf` is a file in place of the kernel's own BTF.
pub fn examine(btf: Option<&Path>) -> Report {
    let settings = CaptureSettings { btf: btf.map(Path::to_owned), ..CaptureSettings::default() };
    let btf_path = btf.unwrap_or(Path::new(BTF_PATH));
    let mut report = Report {
        kernel: host::kernel_release(),
        architecture: std::env::consts::ARCH,
        cpus: host::cpus_online(),
        btf: host::is_readable(btf_path).then(|| btf_path.to_owned()),
        privileges: Privileges::read(),
        lockdown: Lockdown::read(),
        tracefs: host::tracefs_mount(),
        memory_limit: MemoryLimit::read(),
        ring_bytes: settings.ring_bytes,
        backends: vec![try_ebpf(&settings), try_kprobe(&settings)],
        verdict: Verdict {
            state: State::Unable,
            backend: None,
            summary: String::new(),
            advice: Vec::new(),
        },
    };
    report.verdict = judge(&report);
    report
}

fn try_ebpf(settings: &CaptureSettings) -> BackendReport {
    let tried =
        Ebpf::open(settings).map(|mut backend| (backend.probes().to_vec(), backend.try_out()));
    BackendReport::of("ebpf", &[], tried)
}

fn try_kprobe(settings: &CaptureSettings) -> BackendReport {
    let tried =
        Kprobe::open(settings).map(|mut backend| (backend.probes().to_vec(), backend.try_out()));
    BackendReport::of("kprobe", &kprobe::LACKS, tried)
}

/// Probes that attached, and whether what they told was true.
type Tried = Result<(Vec<ProbeStatus>, Result<(), String>), BackendError>;

impl BackendReport {
    fn of(name: &'static str, lacks: &'static [&'static str], tried: Tried) -> BackendReport {
        let (probes, failure) = match tried {
            Ok((probes, told)) => (probes, told.err()),
            Err(error) => (Vec::new(), Some(ErrorChain(&error).to_string())),
        };
        BackendReport { name, probes, failure, lacks }
    }

    fn runs(&self) -> bool {
        self.failure.is_none()
    }

    fn skipped(&self) -> Vec<&'static str> {
        self.probes.iter().filter(|probe| !probe.attached()).map(|probe| probe.name).collect()
    }
}

fn judge(report: &Report) -> Verdict {
    let chosen = report.backends.iter().find(|backend| backend.runs());
    let (state, summary) = match chosen {
        None => (State::Unable, "no backend can run here".to_owned()),
        Some(chosen) if !chosen.skipped().is_empty() => {
            let (name, skipped) = (chosen.name, chosen.skipped().join(", "));
            (State::Degraded, format!("the {name} backend runs without {skipped}"))
        }
        Some(chosen) if chosen.name != "ebpf" => {
            let summary = "eBPF cannot run, kprobes stand in and give less";
            (State::Degraded, summary.to_owned())
        }
        Some(_) if !report.privileges.missing_for_files().is_empty() => {
            let summary = "every probe attaches, but files of other users stay closed";
            (State::Degraded, summary.to_owned())
        }
        Some(_) => (State::Ready, "the ebpf backend runs with every probe".to_owned()),
    };
    let backend = chosen.map(|chosen| chosen.name);
    Verdict { state, backend, summary, advice: advise(report) }
}

fn advise(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    let missing = report.privileges.missing_for_ebpf();
    if !missing.is_empty() {
        advice.push(format!("run as root, or with {}", report.privileges.listed(&missing)));
    }
    if report.btf.is_none() {
        advice.push(format!(
            "{BTF_PATH} is not there: run a kernel built with CONFIG_DEBUG_INFO_BTF=y, or name a \
             file with its BTF by --btf"
        ));
    }
    if report.lockdown == Lockdown::Confidentiality {
        advice
            .push("boot with lockdown=integrity or none: confidentiality stops probes".to_owned());
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
    let Some(best) = report.backends.first() else { return advice };
    let waits = |probe: &&ProbeStatus| {
        let waits = |way: &Way| match &way.result {
            WayResult::Refused { reason } => reason.ends_with(WAITS_FOR_SYSCALLS),
            _ => false,
        };
        !probe.attached() && probe.ways.iter().any(waits)
    };
    if let Some(probe) = best.probes.iter().find(waits) {
        advice.push(format!(
            "for {} too, set ids = \"syscalls\" in the section [capture] of the configuration: \
             each system call of the host then takes some 100 instructions more",
            probe.name
        ));
    }
    let skipped = best.probes.iter().any(|probe| !probe.attached() && !waits(&probe));
    if advice.is_empty() && (skipped || !best.runs()) {
        advice.push("report this with the lines above, the kernel refuses what it has".to_owned());
    }
    advice
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, value: &str| writeln!(f, "{label:<LABEL_WIDTH$}{value}");
        line("kernel", &format!("{} ({})", self.kernel, self.architecture))?;
        line("CPUs", &self.cpus.to_string())?;
        let btf = self.btf.as_ref().map(|path| path.display().to_string());
        line("BTF", btf.as_deref().unwrap_or("none"))?;
        line("privileges", &self.privileges.to_string())?;
        line("lockdown", self.lockdown.name())?;
        line("tracefs", self.tracefs.as_deref().unwrap_or("not mounted (eBPF needs none)"))?;
        line("memlock", &self.memory_limit.to_string())?;
        line("ring", &format!("{} KiB", self.ring_bytes / 1024))?;
        for backend in &self.backends {
            let mut label = backend.name;
            for text in backend.lines() {
                line(label, &text)?;
                label = "";
            }
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

impl BackendReport {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.probes.iter().flat_map(probe_lines).collect();
        match &self.failure {
            Some(failure) => lines.push(format!("cannot run: {failure}")),
            None => lines.extend(self.lacks.iter().map(|lack| format!("less: {lack}"))),
        }
        lines
    }
}

/// One line on a probe, and one for each way that was refused before.
fn probe_lines(probe: &ProbeStatus) -> Vec<String> {
    let (name, width) = (probe.name, PROBE_WIDTH);
    let mut lines = Vec::new();
    if probe.attached() {
        lines.push(format!("{name:<width$}attached  {}", probe.attach));
    } else {
        lines.push(format!("{name:<width$}skipped"));
    }
    for Way { attach, result } in &probe.ways {
        if let WayResult::Refused { reason } = result {
            lines.push(format!("{:<width$}refused   {attach}: {reason}", ""));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report {
            kernel: "6.1.0".to_owned(),
            architecture: "x86_64",
            cpus: 2,
            btf: Some(BTF_PATH.into()),
            privileges: Privileges::from_sets(0, u64::MAX, true),
            lockdown: Lockdown::None,
            tracefs: None,
            memory_limit: MemoryLimit { soft_bytes: None, hard_bytes: None, charged: false },
            ring_bytes: 1 << 23,
            backends: vec![
                backend("ebpf", vec![probe("exec", "tp_btf/sched_process_exec", None)]),
                backend("kprobe", vec![probe("exec", "kprobe/proc_exec_connector", None)]),
            ],
            verdict: Verdict {
                state: State::Unable,
                backend: None,
                summary: String::new(),
                advice: Vec::new(),
            },
        };
        report.verdict = judge(&report);
        report
    }

    fn backend(name: &'static str, probes: Vec<ProbeStatus>) -> BackendReport {
        BackendReport { name, probes, failure: None, lacks: &[] }
    }

    /// A probe with one way; refused where there is a reason.
    fn probe(name: &'static str, attach: &str, refused: Option<&str>) -> ProbeStatus {
        let result = match refused {
            None => WayResult::Attached,
            Some(reason) => WayResult::Refused { reason: reason.to_owned() },
        };
        ProbeStatus::of(name, vec![Way { attach: attach.to_owned(), result }])
    }

    fn fail(report: &mut Report) {
        for backend in &mut report.backends {
            backend.probes.clear();
            backend.failure = Some("no".to_owned());
        }
    }

    #[test]
    fn all_attached_is_ready_and_asks_for_nothing() {
        let report = report();
        assert_eq!(report.verdict.state, State::Ready);
        assert!(report.verdict.advice.is_empty());
        let text = report.to_string();
        assert!(
            text.contains("ebpf          exec               attached  tp_btf/sched_process_exec\n"),
            "{text}"
        );
        assert!(text.contains("verdict       ready: "), "{text}");
    }

    #[test]
    fn a_skipped_probe_degrades() {
        let mut report = report();
        let refused = probe("exit", "tp_btf/x", Some("no such tracepoint"));
        report.backends[0].probes.push(refused);
        assert!(report.to_string().contains("refused   tp_btf/x: no such tracepoint"));
        let verdict = judge(&report);
        assert_eq!(verdict.state, State::Degraded);
        assert!(verdict.summary.contains("exit"), "{}", verdict.summary);
        assert_eq!(verdict.advice.len(), 1);
    }

    #[test]
    fn kprobes_stand_in_where_ebpf_cannot_run() {
        let mut report = report();
        report.backends[0].failure = Some("no".to_owned());
        let verdict = judge(&report);
        assert_eq!((verdict.state, verdict.backend), (State::Degraded, Some("kprobe")));
        assert!(verdict.summary.contains("give less"), "{}", verdict.summary);
    }

    #[test]
    fn a_probe_that_waits_for_a_setting_names_it() {
        let mut report = report();
        let refused = probe("process_groups", "raw_tp/sys_exit", Some(WAITS_FOR_SYSCALLS));
        report.backends[0].probes.push(refused);
        let verdict = judge(&report);
        assert_eq!(verdict.state, State::Degraded);
        let [advice] = &verdict.advice[..] else { panic!("{:?}", verdict.advice) };
        assert!(advice.contains("ids = \"syscalls\""), "{advice}");
    }

    #[test]
    fn an_ordinary_user_learns_what_is_missing() {
        let mut report = report();
        fail(&mut report);
        report.privileges = Privileges::from_sets(1000, 0, true);
        let verdict = judge(&report);
        assert_eq!(verdict.state, State::Unable);
        assert_eq!(verdict.advice, ["run as root, or with CAP_PERFMON and CAP_BPF"]);
    }

    #[test]
    fn each_obstacle_has_its_advice() {
        let mut report = report();
        fail(&mut report);
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
        let report = examine(None);
        assert!(!report.kernel.is_empty());
        assert!(report.cpus > 0);
        for backend in &report.backends {
            assert_eq!(backend.failure.is_some(), backend.probes.is_empty(), "{backend:?}");
        }
        assert!(serde_json::to_value(&report).expect("it is plain data")["verdict"].is_object());
    }
}
