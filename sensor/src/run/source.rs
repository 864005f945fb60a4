//! The backend that was chosen, and the snapshot of running processes that goes with it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use crate::backend::ebpf::Ebpf;
use crate::backend::{BackendError, CaptureSettings, LostCounts};
use crate::config::{Backend, Capture};
use crate::host::boottime_ns;
use crate::snapshot::{self, SnapshotSettings, TaskStarts};

/// Where raw events come from.
#[derive(Debug)]
pub(crate) struct Source {
    ebpf: Ebpf,
    /// When the probes were attached, boottime: what happened since then is in the ring.
    pub opened_ns: u64,
    /// What was lost when somebody last asked.
    lost: LostCounts,
}

impl Source {
    pub(crate) fn open(capture: &Capture) -> Result<Source, BackendError> {
        let settings = CaptureSettings {
            ring_bytes: capture.ring_bytes.0 as u32,
            args_max: capture.args_max.0 as u32,
            env_max: capture.env.map_or(0, |size| size.0 as u32),
        };
        if capture.backend == Backend::Kprobe {
            return Err(BackendError::NoKprobe);
        }
        let ebpf = Ebpf::open(&settings)?;
        for probe in ebpf.probes() {
            if probe.attached() {
                tracing::info!("probe {probe}");
            } else {
                tracing::warn!("probe {probe}");
            }
        }
        Ok(Source { ebpf, opened_ns: boottime_ns(), lost: LostCounts::default() })
    }

    /// One line for the log and the start event.
    pub(crate) fn describe(&self) -> String {
        let attached = self.ebpf.probes().iter().filter(|probe| probe.attached()).count();
        let all = self.ebpf.probes().len();
        let version = env!("CARGO_PKG_VERSION");
        format!("Ocellus {version} started: backend ebpf, {attached} of {all} probes attached")
    }

    /// Takes at most `max` records out of the ring; how many there were.
    pub(crate) fn drain(&mut self, max: usize, each: impl FnMut(&[u8])) -> usize {
        self.ebpf.drain(max, each)
    }

    /// A descriptor of its own that is readable when there are records.
    pub(crate) fn ring_fd(&self) -> io::Result<OwnedFd> {
        self.ebpf.as_fd().try_clone_to_owned()
    }

    /// What was lost since the last call: cause, kind and count of each.
    pub(crate) fn lost_since(&mut self) -> Vec<(&'static str, &'static str, u64)> {
        let lost = match self.ebpf.lost() {
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
        let starts = self.ebpf.task_starts().unwrap_or_else(|error| {
            tracing::warn!(error = %error, "start times of running processes are rounded to 10 ms");
            Vec::new()
        });
        starts.into_iter().collect()
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
