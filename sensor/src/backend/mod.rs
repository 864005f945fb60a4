//! Where raw events come from: what every backend shares.

pub mod ebpf;
pub mod kprobe;
mod trial;

use std::fmt;
use std::path::{Path, PathBuf};

use ocellus_ebpf::abi::{KIND_COUNT, Kind, LOST_COUNT, LostCause};
use serde::{Deserialize, Serialize};

pub use ocellus_ebpf::abi::TaskStart;

use crate::doctor::{BTF_PATH, kernel_release};

/// The most bytes of argv, and of the environment, that a record carries: as `OC_ARGS_MAX` and
/// `OC_ENV_MAX` in the probes. With more, few records would fill the ring.
pub const ARGS_BYTES_MAX: u32 = 32 * 1024;

/// The smallest ring that holds a record of the largest size beside others.
pub const RING_BYTES_MIN: u32 = 256 * 1024;

/// The largest ring: the kernel's memory, not ours, and ample for a stall of seconds.
pub const RING_BYTES_MAX: u32 = 512 * 1024 * 1024;

/// What the kernel side captures and in how much memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureSettings {
    /// Size of the ring: a power of two. It counts twice as resident memory, as the kernel maps it
    /// twice. The default holds some ten thousand processes, seconds on a busy machine.
    pub ring_bytes: u32,
    /// Bytes of argv copied at most, up to [`ARGS_BYTES_MAX`].
    pub args_max: u32,
    /// Bytes of the environment copied at most, up to [`ARGS_BYTES_MAX`]; 0: none is captured.
    pub env_max: u32,
    /// A file with the kernel's BTF, in place of what the kernel offers itself.
    pub btf: Option<PathBuf>,
    pub ids: IdProbes,
}

/// How changes of credentials, sessions, process groups and names are taken.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum IdProbes {
    /// Not at all.
    Off,
    /// In ways that cost nothing but when something changes.
    #[default]
    On,
    /// Where those do not tell everything, at the end of each system call of the host, which makes
    /// each of them some 100 instructions longer.
    Syscalls,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        CaptureSettings {
            ring_bytes: 8 * 1024 * 1024,
            args_max: ARGS_BYTES_MAX,
            env_max: 0,
            btf: None,
            ids: IdProbes::default(),
        }
    }
}

impl CaptureSettings {
    /// Checks what the kernel would refuse with less clear words.
    pub fn check(&self) -> Result<(), BackendError> {
        let ring_range = RING_BYTES_MIN..=RING_BYTES_MAX;
        if !self.ring_bytes.is_power_of_two() || !ring_range.contains(&self.ring_bytes) {
            return Err(BackendError::RingSize { ring_bytes: self.ring_bytes });
        }
        for (name, bytes) in [("args_max", self.args_max), ("env_max", self.env_max)] {
            if bytes > ARGS_BYTES_MAX {
                return Err(BackendError::CaptureSize { name, bytes });
            }
        }
        Ok(())
    }

    /// Where the kernel's types are described.
    fn btf_path(&self) -> &Path {
        self.btf.as_deref().unwrap_or(Path::new(BTF_PATH))
    }

    /// Reads that description. An error says what to do, which is another thing for a file that was
    /// named than for a kernel without BTF.
    fn read_btf(&self) -> Result<Vec<u8>, BackendError> {
        std::fs::read(self.btf_path()).map_err(|error| self.bad_btf(error))
    }

    fn bad_btf(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackendError {
        let source = source.into();
        match &self.btf {
            None => BackendError::NoBtf { path: BTF_PATH, source },
            Some(path) => BackendError::BadBtf { path: path.clone(), source },
        }
    }

    /// The error of probes that were made after a file and tell what is not so.
    fn misfit(&self, what: String) -> BackendError {
        let (path, release) = (self.btf_path().to_owned(), kernel_release());
        BackendError::Misfit { path, release, what }
    }
}

/// One kernel program of ours and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeStatus {
    /// What it tells: `fork`, `exec`, `exit`, `credentials`, `sessions`, `process_groups`, `names`,
    /// `tasks`, `exec_name`.
    pub name: &'static str,
    /// Where it attaches, for example `tp_btf/sched_process_exec`.
    pub attach: String,
    #[serde(flatten)]
    pub outcome: ProbeOutcome,
    /// Each way to attach it, in the order in which they are tried.
    pub ways: Vec<Way>,
}

/// One way to attach a probe, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// As `attach` of [`ProbeStatus`].
    pub attach: String,
    #[serde(flatten)]
    pub result: WayResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum WayResult {
    Attached,
    Refused {
        reason: String,
    },
    /// An earlier one did.
    Untried,
}

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ProbeOutcome {
    Attached,
    /// The sensor runs without it; the reason names each way that was tried.
    Skipped {
        reason: String,
    },
}

impl ProbeStatus {
    /// A probe that was tried in these ways. It is attached if one of them is.
    pub fn of(name: &'static str, ways: Vec<Way>) -> ProbeStatus {
        let is_attached = |way: &&Way| way.result == WayResult::Attached;
        if let Some(way) = ways.iter().find(is_attached) {
            let attach = way.attach.clone();
            return ProbeStatus { name, attach, outcome: ProbeOutcome::Attached, ways };
        }
        let reasons: Vec<String> = ways
            .iter()
            .filter_map(|Way { attach, result }| match result {
                WayResult::Refused { reason } => Some(format!("{attach}: {reason}")),
                _ => None,
            })
            .collect();
        let attach = ways.first().map(|way| way.attach.clone()).unwrap_or_default();
        let outcome = ProbeOutcome::Skipped { reason: reasons.join("; ") };
        ProbeStatus { name, attach, outcome, ways }
    }

    pub fn attached(&self) -> bool {
        self.outcome == ProbeOutcome::Attached
    }
}

impl fmt::Display for ProbeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            ProbeOutcome::Attached => write!(f, "{}: attached ({})", self.name, self.attach),
            ProbeOutcome::Skipped { reason } => write!(f, "{}: skipped, {reason}", self.name),
        }
    }
}

/// Records lost in the kernel since the backend was opened, by cause and kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LostCounts {
    counts: [[u64; KIND_COUNT]; LOST_COUNT],
}

impl LostCounts {
    pub fn get(&self, cause: LostCause, kind: Kind) -> u64 {
        self.counts[cause as usize][kind as usize]
    }

    /// Adds to one count.
    pub fn add(&mut self, cause: LostCause, kind: Kind, count: u64) {
        self.counts[cause as usize][kind as usize] += count;
    }

    /// Each cause and kind with its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (LostCause, Kind, u64)> + '_ {
        LostCause::ALL.into_iter().flat_map(move |cause| {
            Kind::PROBED.into_iter().map(move |kind| (cause, kind, self.get(cause, kind)))
        })
    }

    pub fn total(&self) -> u64 {
        self.iter().map(|(_, _, count)| count).sum()
    }

    /// What was lost since `earlier`, which was taken from the same backend.
    pub fn since(&self, earlier: &LostCounts) -> LostCounts {
        let mut grown = LostCounts::default();
        for (cause, kind, count) in self.iter() {
            grown.add(cause, kind, count.saturating_sub(earlier.get(cause, kind)));
        }
        grown
    }
}

/// Why a probe waits: the end of a skipped probe's reason.
pub const WAITS_FOR_SYSCALLS: &str = "it waits for capture.ids = \"syscalls\", as \
    it makes every system call of the host slower";

/// Why a backend cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error(
        "ring of {ring_bytes} bytes: ring_bytes must be a power of two from {RING_BYTES_MIN} to \
         {RING_BYTES_MAX}"
    )]
    RingSize { ring_bytes: u32 },
    #[error("{name} of {bytes} bytes: it may be {ARGS_BYTES_MAX} at most")]
    CaptureSize { name: &'static str, bytes: u32 },
    #[error(
        "eBPF needs {missing}: run as root, or give the capabilities to the program, for example \
         with AmbientCapabilities= in its systemd unit"
    )]
    NotPermitted { missing: String },
    #[error(
        "this kernel has no readable BTF at {path}, which the probes need to find its structures: \
         use a kernel built with CONFIG_DEBUG_INFO_BTF=y, or name a file with its BTF by --btf"
    )]
    NoBtf {
        path: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{} does not describe the types of a kernel", path.display())]
    BadBtf {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "{} does not fit this kernel: {what}. It must be the BTF of exactly this kernel, {release}",
        path.display()
    )]
    Misfit { path: PathBuf, release: String, what: String },
    #[error(
        "the kernel is locked down for confidentiality, so that probes may not read its memory: \
         boot with lockdown=integrity or none"
    )]
    LockedDown,
    #[error(
        "tracefs is not mounted, and kprobes are defined there: \
         `mount -t tracefs nodev /sys/kernel/tracing`"
    )]
    NoTracefs,
    #[error(
        "this kernel has no kprobes: use one built with CONFIG_KPROBE_EVENTS=y, or the eBPF backend"
    )]
    NoKprobes,
    #[error("kprobes cannot be defined in {}: run as root", path.display())]
    Tracefs {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "perf events of all processes are not permitted: run as root, or give CAP_PERFMON; where \
         kernel.perf_event_paranoid is above 2, some distributions ask for CAP_SYS_ADMIN"
    )]
    PerfNotPermitted {
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read the rings of the kprobes")]
    Rings {
        #[source]
        source: std::io::Error,
    },
    #[error("neither backend can run here. eBPF: {ebpf}. kprobes: {kprobe}")]
    Neither { ebpf: String, kprobe: String },
    #[error("the kernel refused the probes' maps and data: {message}")]
    Object { message: String },
    #[error("no probe could be attached: {reasons}")]
    NoProbe { reasons: String },
    #[error("cannot list processes with the task iterator: {message}")]
    TaskIterator { message: String },
    #[error("cannot read the counters of lost records: {message}")]
    LostCounters { message: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let good = CaptureSettings::default();
        assert!(good.check().is_ok());
        for ring_bytes in [0, 4096, RING_BYTES_MIN + 1, RING_BYTES_MAX * 2] {
            let bad = CaptureSettings { ring_bytes, ..good.clone() };
            assert!(matches!(bad.check(), Err(BackendError::RingSize { .. })), "{ring_bytes}");
        }
        let bad = CaptureSettings { env_max: ARGS_BYTES_MAX + 1, ..good };
        assert!(matches!(bad.check(), Err(BackendError::CaptureSize { name: "env_max", .. })));
    }

    #[test]
    fn lost_counts_add_up() {
        let mut counts = LostCounts::default();
        counts.add(LostCause::RingFull, Kind::Exec, 3);
        let earlier = counts;
        counts.add(LostCause::NoScratch, Kind::Fork, 2);
        assert_eq!(counts.total(), 5);
        assert_eq!(counts.get(LostCause::RingFull, Kind::Exec), 3);
        let grown = counts.since(&earlier);
        assert_eq!(grown.total(), 2);
        assert_eq!(grown.get(LostCause::NoScratch, Kind::Fork), 2);
    }
}
