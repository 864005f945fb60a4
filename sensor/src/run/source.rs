//! The backend that was chosen, and the snapshot of running processes that goes with it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use crate::backend::ebpf::Ebpf;
use crate::backend::kprobe::{Kprobe, LACKS};
use crate::backend::{BackendError, CaptureSettings, LostCounts, ProbeOutcome, ProbeStatus};
use crate::config::{Backend, Capture};
use crate::error_chain::ErrorChain;
use crate::host::boottime_ns;
use crate::metrics;
use crate::snapshot::{self, SnapshotSettings, TaskStarts};

/// Where raw events come from.
#[derive(Debug)]
pub(crate) struct Source {
    probes: Probes,
    /// When the probes were attached, boottime: what happened since then is in the ring.
    pub opened_ns: u64,
    /// What was lost when somebody last asked.
    lost: LostCounts,
}

/// The backend in use.
#[derive(Debug)]
enum Probes {
    Ebpf(Box<Ebpf>),
    Kprobe(Box<Kprobe>),
}

impl Source {
    pub(crate) fn open(capture: &Capture) -> Result<Source, BackendError> {
        let settings = CaptureSettings {
            ring_bytes: capture.ring_bytes.0 as u32,
            args_max: capture.args_max.0 as u32,
            env_max: capture.env.map_or(0, |size| size.0 as u32),
            btf: capture.btf.clone(),
            ids: capture.ids,
        };
        settings.check()?;
        let probes = Probes::open(capture.backend, &settings)?;
        for probe in probes.statuses() {
            if probe.attached() {
                tracing::info!("probe {probe}");
            } else {
                tracing::warn!("probe {probe}");
            }
        }
        Ok(Source { probes, opened_ns: boottime_ns(), lost: LostCounts::default() })
    }

    /// One line for the log and the start event.
    pub(crate) fn describe(&self) -> String {
        let statuses = self.probes.statuses();
        let attached = statuses.iter().filter(|probe| probe.attached()).count();
        let (all, backend) = (statuses.len(), self.probes.name());
        let version = env!("CARGO_PKG_VERSION");
        format!("Ocellus {version} started: backend {backend}, {attached} of {all} probes attached")
    }

    /// Name of the backend in use.
    pub(crate) fn backend(&self) -> &'static str {
        self.probes.name()
    }

    /// The probes, as the report has them.
    pub(crate) fn probes(&self) -> Vec<metrics::Probe> {
        let probe = |status: &ProbeStatus| metrics::Probe {
            name: status.name.to_owned(),
            attached: status.attached(),
            detail: match &status.outcome {
                ProbeOutcome::Attached => status.attach.clone(),
                ProbeOutcome::Skipped { reason } => reason.clone(),
            },
        };
        self.probes.statuses().iter().map(probe).collect()
    }

    /// Whether the loop looks at other processes in /proc for this backend.
    pub(crate) fn reads_processes(&self) -> bool {
        matches!(self.probes, Probes::Kprobe(_))
    }

    /// Whether all that is read from the probes later can be read by the calling thread as it is.
    pub(crate) fn can_be_read(&mut self) -> bool {
        let has_tasks = |status: &ProbeStatus| status.name == "tasks" && status.attached();
        let has_tasks = self.probes.statuses().iter().any(has_tasks);
        match &mut self.probes {
            Probes::Ebpf(ebpf) => ebpf.lost().is_ok() && (!has_tasks || ebpf.task_starts().is_ok()),
            Probes::Kprobe(_) => true,
        }
    }

    /// Takes at most `max` records out of the ring; how many there were.
    pub(crate) fn drain(&mut self, max: usize, each: impl FnMut(&[u8])) -> usize {
        match &mut self.probes {
            Probes::Ebpf(ebpf) => ebpf.drain(max, each),
            Probes::Kprobe(kprobe) => kprobe.drain(max, each),
        }
    }

    /// A descriptor of its own that is readable when there are records.
    pub(crate) fn ring_fd(&self) -> io::Result<OwnedFd> {
        match &self.probes {
            Probes::Ebpf(ebpf) => ebpf.as_fd().try_clone_to_owned(),
            Probes::Kprobe(kprobe) => kprobe.as_fd().try_clone_to_owned(),
        }
    }

    /// What was lost since the last call: cause, kind and count of each.
    pub(crate) fn lost_since(&mut self) -> Vec<(&'static str, &'static str, u64)> {
        let lost = match self.probes.lost() {
            Ok(lost) => lost,
            Err(error) => {
                tracing::error!(error = %error, "cannot read how many events the kernel lost");
                return Vec::new();
            }
        };
        let grown = lost.since(&self.lost);
        self.lost = lost;
        grown
            .iter()
            .filter(|(_, _, count)| *count > 0)
            .map(|(cause, kind, count)| (cause.name(), kind.name(), count))
            .collect()
    }

    /// Exact start times of the running processes; without them those of /proc have to do.
    pub(crate) fn task_starts(&mut self) -> TaskStarts {
        let starts = match &mut self.probes {
            Probes::Ebpf(ebpf) => ebpf.task_starts().unwrap_or_else(|error| {
                let rounded = "start times of running processes are rounded to 10 ms";
                tracing::warn!(error = %error, "{rounded}");
                Vec::new()
            }),
            Probes::Kprobe(kprobe) => kprobe.task_starts(),
        };
        starts.into_iter().collect()
    }
}

/// Both reasons, or the one that both have.
fn neither(why: BackendError, kprobe: &BackendError) -> BackendError {
    let (ebpf, kprobe) = (ErrorChain(&why).to_string(), ErrorChain(kprobe).to_string());
    if ebpf == kprobe { why } else { BackendError::Neither { ebpf, kprobe } }
}

impl Probes {
    fn open(backend: Backend, settings: &CaptureSettings) -> Result<Probes, BackendError> {
        let ebpf = || Ebpf::open(settings).map(|ebpf| Probes::Ebpf(Box::new(ebpf)));
        let kprobe = || Kprobe::open(settings).map(|kprobe| Probes::Kprobe(Box::new(kprobe)));
        match backend {
            Backend::Ebpf => ebpf(),
            Backend::Kprobe => kprobe(),
            Backend::Auto => ebpf().or_else(|why| {
                let probes = match kprobe() {
                    Ok(probes) => probes,
                    Err(error) => return Err(neither(why, &error)),
                };
                let why = ErrorChain(&why).to_string();
                let lacks = LACKS.join("; ");
                tracing::warn!("eBPF cannot run here, kprobes do instead: {lacks}. {why}");
                Ok(probes)
            }),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Probes::Ebpf(_) => "ebpf",
            Probes::Kprobe(_) => "kprobe",
        }
    }

    fn statuses(&self) -> &[ProbeStatus] {
        match self {
            Probes::Ebpf(ebpf) => ebpf.probes(),
            Probes::Kprobe(kprobe) => kprobe.probes(),
        }
    }

    fn lost(&mut self) -> Result<LostCounts, BackendError> {
        match self {
            Probes::Ebpf(ebpf) => ebpf.lost(),
            Probes::Kprobe(kprobe) => kprobe.lost(),
        }
    }
}

/// The running processes, as records of kind existing.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Boottime. What happened since then is in the ring.
    pub began_ns: u64,
    pub records: Vec<Vec<u8>>,
}

impl Snapshot {
    /// Reads /proc; takes some tens of microseconds for each process.
    pub(crate) fn take(starts: &TaskStarts, settings: SnapshotSettings, began_ns: u64) -> Snapshot {
        let mut snapshot = snapshot::Snapshot::new(settings).since(began_ns);
        let records = match snapshot.take(starts) {
            Ok(records) => records.collect(),
            Err(error) => {
                tracing::error!(%error, "cannot list /proc: running processes are not known");
                Vec::new()
            }
        };
        tracing::debug!(stats = ?snapshot.stats(), "read the running processes");
        Snapshot { began_ns, records }
    }
}
