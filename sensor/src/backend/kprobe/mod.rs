//! The kprobe backend: no BPF at all. Probes are defined through tracefs, their samples come in
//! perf rings, one for each probe and CPU, and where members of kernel structures lie is known from
//! BTF.
//!
//! A probe cannot walk a path or copy arguments of any length. Those are read from /proc while the
//! process lives, held against what the kernel said, and marked in the record.

mod attach;
mod decode;
mod fields;
#[cfg(test)]
mod made;
mod maker;
mod perf;
mod places;
mod record;
mod rings;
mod taken;
mod tracefs;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{self, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};
use ocellus_ebpf::abi::{Kind, LostCause, TaskStart};
use ocellus_ebpf::btf::{Btf, Members};

use super::trial::trial;
use super::{BackendError, CaptureSettings, LostCounts, ProbeStatus};
use crate::doctor::Lockdown;
use crate::host::boottime_ns;
use attach::{Attached, Probe, Variant, attach_all};
use fields::Fields;
use maker::{Hit, Maker, Tells};
use perf::PerfEvent;
use record::{Clock, Entry};
use rings::{Cpus, Ring};
use taken::{Taken, TakenHit};
use tracefs::Definitions;

/// How long a fork or an exit lies in its ring at most, unless something else wakes the reader. A
/// fraction of the time for which raw events are held anyway; an idle sensor wakes as often.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);

/// The probes, attached, and the rings that they write to.
#[derive(Debug)]
pub struct Kprobe {
    // Dropped in this order: a probe that is in use cannot be removed.
    probes: Vec<Probe>,
    definitions: Definitions,
    epoll: Epoll,
    timer: TimerFd,
    cpus: Cpus,
    statuses: Vec<ProbeStatus>,
    maker: Maker,
    taken: Taken,
    /// Found in the rings.
    lost: LostCounts,
}

/// What this backend does not give, in the words of the log and of `ocellus doctor`.
pub const LACKS: [&str; 5] = [
    "paths, cgroups and environments are read from /proc afterwards: they are missing for \
     processes that end at once, and named in ocellus.inferred otherwise",
    "so are arguments beyond 192 bytes, which are cut and marked for processes that end at once",
    "start times of processes that run already are rounded to 10 ms",
    "changes of ids and names are no events and show with the next one of their process",
    "capabilities that a file gave are not flagged",
];
const _: () = assert!(fields::ARGS_WINDOW_BYTES == 192, "LACKS says so");

/// Whether the kernel has what this backend needs, and lets us use it.
pub fn available() -> Result<(), BackendError> {
    if Lockdown::read() == Lockdown::Confidentiality {
        return Err(BackendError::LockedDown);
    }
    tracefs::find()?;
    // Any other error is for the probes to tell: an odd machine may lack this one event only.
    match PerfEvent::open(&record::dummy_attr(), 0, perf::page_bytes()) {
        Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(BackendError::PerfNotPermitted { source })
        }
        _ => Ok(()),
    }
}

impl Kprobe {
    /// Attaches the probes. From here on samples gather in the rings.
    ///
    /// A probe that the kernel refuses is skipped and says so in [`Kprobe::probes`]; it is an error
    /// only when none of fork, exec and exit attaches.
    ///
    /// With a file of BTF, a first set of probes is tried on a process of ours, as offsets of
    /// another kernel would make records of rubbish.
    pub fn open(settings: &CaptureSettings) -> Result<Kprobe, BackendError> {
        if settings.btf.is_some() {
            let mut tried = Kprobe::open_with(settings, Variant::default())?;
            tried.try_out().map_err(|what| settings.misfit(what))?;
        }
        Kprobe::open_with(settings, Variant::default())
    }

    /// Starts a process and compares what the probes tell of it with what is known of it. Records
    /// of others are thrown away. An error says which probe told what.
    pub fn try_out(&mut self) -> Result<(), String> {
        let kinds: Vec<Kind> = self.probes.iter().filter_map(|probe| probe.tells.kind()).collect();
        trial(&kinds, |each| {
            self.drain(usize::MAX, each);
        })
    }

    /// For tests: as on a kernel before 6.5, which has no probes on tracepoints.
    #[doc(hidden)]
    pub fn open_functions(settings: &CaptureSettings) -> Result<Kprobe, BackendError> {
        Kprobe::open_with(settings, Variant { without_tracepoints: true, ..Variant::default() })
    }

    /// For tests: as on a kernel without task statistics.
    #[doc(hidden)]
    pub fn open_without_taskstats(settings: &CaptureSettings) -> Result<Kprobe, BackendError> {
        Kprobe::open_with(settings, Variant { without_first_exit: true, ..Variant::default() })
    }

    fn open_with(settings: &CaptureSettings, variant: Variant) -> Result<Kprobe, BackendError> {
        settings.check()?;
        available()?;
        let btf = settings.read_btf()?;
        let mut definitions = Definitions::new()?;
        let cpus = Cpus::online();
        let ring_bytes = settings.ring_bytes as usize / cpus.count();
        let parsed =
            Btf::parse(&btf).ok_or_else(|| settings.bad_btf("it is not BTF as we know it"))?;
        let members = Members::new(parsed);
        let Attached { probes, statuses } =
            attach_all(&mut definitions, &members, &cpus, ring_bytes, variant);
        let (epoll, timer) =
            wakers().map_err(|errno| BackendError::Rings { source: errno.into() })?;
        // Made before the probes start: what it looks at takes a while.
        let maker = Maker::new(settings);
        let this = Kprobe {
            probes,
            definitions,
            epoll,
            timer,
            cpus,
            statuses,
            maker,
            taken: Taken::default(),
            lost: LostCounts::default(),
        };
        if !this.statuses.iter().any(ProbeStatus::attached) {
            let reasons: Vec<String> = this.statuses.iter().map(ProbeStatus::to_string).collect();
            return Err(BackendError::NoProbe { reasons: reasons.join("; ") });
        }
        for probe in &this.probes {
            probe.rings.start(&this.epoll).map_err(|source| BackendError::Rings { source })?;
        }
        Ok(this)
    }

    /// What became of each probe.
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.statuses
    }

    /// Hands over up to `max_records` records, and returns how many there were. Those that were in
    /// the rings at one moment come in the order of their time.
    ///
    /// Fewer than `max_records` means that the rings were empty. The descriptor becomes readable
    /// anew with each exec, and some 25 times a second; it says nothing of samples that were there
    /// when it was last asked.
    pub fn drain(&mut self, max_records: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut handed = 0;
        while handed < max_records {
            let Some(next) = self.taken.pop() else {
                if self.take() == 0 {
                    return handed;
                }
                continue;
            };
            let Some(probe) = self.probes.get(next.probe) else { continue };
            let raw = self.taken.raw(&next);
            let made = match Fields::new(&probe.layout, raw) {
                Some(fields) => self.maker.make(probe.tells, &next.hit, &fields),
                // Shorter than the kernel said that it would be. It is no record either, and
                // whoever reads it counts it as malformed.
                None => Some(raw.to_vec()),
            };
            if let Some(record) = made {
                each(&record);
                handed += 1;
            }
        }
        handed
    }

    /// Empties the rings, and puts what was in them in the order of time. How much there was.
    fn take(&mut self) -> usize {
        // So that the descriptor is not readable any more. It cannot fail but for being too early.
        let _ = self.timer.wait();
        self.taken.begin();
        let (bytes, hits) = self.taken.parts();
        let mut came = 0;
        let until_ns = boottime_ns();
        let monotonic_offset_ns = monotonic_offset_ns();
        for (index, probe) in in_taking_order(&mut self.probes) {
            let offset_ns = match probe.rings.clock() {
                Clock::Boot => 0,
                Clock::Monotonic => monotonic_offset_ns,
            };
            for ring in probe.rings.iter_mut() {
                let begin = bytes.len();
                ring.take(bytes);
                for entry in record::entries(&bytes[begin..]) {
                    match entry {
                        Entry::Sample(sample) => {
                            ring.note_sample();
                            came += 1;
                            hits.push_back(TakenHit {
                                hit: Hit {
                                    time_ns: sample.time_ns.wrapping_add(offset_ns),
                                    cpu: sample.cpu,
                                    pid: sample.pid,
                                },
                                probe: index,
                                raw: begin + sample.raw.start..begin + sample.raw.end,
                            });
                        }
                        Entry::Lost(count) => {
                            let count = ring.note_lost(count);
                            if let Some(kind) = probe.tells.kind() {
                                self.lost.add(LostCause::RingFull, kind, count);
                            }
                        }
                        Entry::Other => {}
                        Entry::Broken => tracing::error!(probe = probe.name, "a ring is broken"),
                    }
                }
            }
        }
        let probes = &self.probes;
        let is_name = |index: usize| probes[index].tells == Tells::ExecName;
        self.taken.sort(came, until_ns, is_name)
    }

    /// Records lost since the backend was opened, summed over CPUs. Follows CPUs that come and go.
    pub fn lost(&mut self) -> Result<LostCounts, BackendError> {
        self.follow_cpus()?;
        for probe in &mut self.probes {
            let count = probe.rings.iter_mut().map(Ring::find_lost).sum();
            if let Some(kind) = probe.tells.kind() {
                self.lost.add(LostCause::RingFull, kind, count);
            }
        }
        let mut counts = self.lost;
        for (name, missed) in self.definitions.missed() {
            let probe = self.probes.iter().find(|probe| probe.name == name);
            if let Some(kind) = probe.and_then(|probe| probe.tells.kind()) {
                counts.add(LostCause::Missed, kind, missed);
            }
        }
        Ok(counts)
    }

    fn follow_cpus(&mut self) -> Result<(), BackendError> {
        let cpus = Cpus::online();
        if cpus == self.cpus {
            return Ok(());
        }
        let failed = |source| BackendError::Rings { source };
        for probe in &mut self.probes {
            if probe.rings.follow(&cpus).map_err(failed)? {
                probe.rings.start(&self.epoll).map_err(failed)?;
            }
        }
        tracing::info!(cpus = cpus.count(), "the CPUs have changed");
        self.cpus = cpus;
        Ok(())
    }

    /// None: nothing without eBPF lists processes with exact start times.
    pub fn task_starts(&mut self) -> Vec<TaskStart> {
        Vec::new()
    }
}

/// Readable when there may be new samples.
impl AsFd for Kprobe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl AsRawFd for Kprobe {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }
}

impl Tells {
    /// What is lost when a sample is; none for one that only completes another.
    fn kind(self) -> Option<Kind> {
        match self {
            Tells::Fork => Some(Kind::Fork),
            Tells::Exec => Some(Kind::Exec),
            Tells::Exit => Some(Kind::Exit),
            Tells::ExecName => None,
        }
    }
}

/// Probes in the order in which their rings are emptied. An event that another one precedes comes
/// first, so that the earlier one is there when the later one is: names after execs, execs after
/// exits, forks last.
fn in_taking_order(probes: &mut [Probe]) -> impl Iterator<Item = (usize, &mut Probe)> {
    let mut probes: Vec<(usize, &mut Probe)> = probes.iter_mut().enumerate().collect();
    probes.sort_by_key(|(_, probe)| match probe.tells {
        Tells::Exit => 0,
        Tells::Exec => 1,
        Tells::ExecName => 2,
        Tells::Fork => 3,
    });
    probes.into_iter()
}

/// What wakes the reader: the rings, and a timer.
fn wakers() -> nix::Result<(Epoll, TimerFd)> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(timerfd::ClockId::CLOCK_MONOTONIC, flags)?;
    let interval = Expiration::Interval(TimeSpec::from_duration(LOOK_INTERVAL));
    timer.set(interval, TimerSetTimeFlags::empty())?;
    // Rings are known by their CPU.
    epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, u64::MAX))?;
    Ok((epoll, timer))
}

fn monotonic_offset_ns() -> u64 {
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec());
    boottime_ns().saturating_sub(monotonic as u64)
}
