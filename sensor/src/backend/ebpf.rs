//! The eBPF backend: loads the probes, attaches what the kernel accepts, drains the ring.
//!
//! The only module that knows aya. Dropping [`Ebpf`] detaches every probe before it unmaps the ring.

use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::maps::{MapData, PerCpuArray, RingBuf, Stack};
use aya::programs::{BtfTracePoint, Iter, ProgramError, RawTracePoint};
use aya::util::KernelVersion;
use aya::{Btf, EbpfLoader, Endianness};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use ocellus_ebpf::abi::{KIND_COUNT, Kind, LOST_COUNT, LostCause};

use super::{BackendError, CaptureSettings, LostCounts, ProbeOutcome, ProbeStatus, TaskStart};
use crate::doctor::{BTF_PATH, Lockdown, Privileges};

/// Scratch slots for each CPU: one for the probe that runs, one for a probe that it preempted.
const SLOTS_PER_CPU: usize = 2;
/// At least so many slots, for machines with one or two CPUs.
const SLOTS_MIN: usize = 8;
/// At most so many, 13 MB: more probes never are at the same instant inside an exec or fork.
const SLOTS_MAX: usize = 128;
/// Lines of the verifier's log that an error quotes: the last ones say what it objects to.
const LOG_LINES: usize = 4;
/// What the task iterator may write at most: four million processes, the kernel's own limit.
const TASK_BYTES_MAX: u64 = TaskStart::SIZE_BYTES as u64 * (1 << 22);

/// The tracepoint of each probe that makes records, and its name without the suffix of a variant.
const PROBES: [(&str, &str, &str); 3] = [
    ("fork", "oc_fork", "sched_process_fork"),
    ("exec", "oc_exec", "sched_process_exec"),
    ("exit", "oc_exit", "sched_process_exit"),
];
const TASKS_PROGRAM: &str = "oc_tasks";

/// The probes, attached, and the ring that they write to.
pub struct Ebpf {
    // Dropped in this order: the programs detach first.
    programs: aya::Ebpf,
    ring: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    probes: Vec<ProbeStatus>,
}

/// What only tests choose.
struct Variant {
    slots: u32,
    free_slots: u32,
    only_raw: bool,
}

impl Default for Variant {
    fn default() -> Self {
        let slots = scratch_slots();
        Variant { slots, free_slots: slots, only_raw: false }
    }
}

impl std::fmt::Debug for Ebpf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ebpf").field("probes", &self.probes).finish_non_exhaustive()
    }
}

impl Ebpf {
    /// Loads and attaches. From here on records gather in the ring.
    ///
    /// A probe that the kernel refuses is skipped and says so in [`Ebpf::probes`]; it is an error
    /// only when none of fork, exec and exit attaches.
    pub fn open(settings: &CaptureSettings) -> Result<Ebpf, BackendError> {
        Ebpf::open_with(settings, &Variant::default())
    }

    /// For tests: no scratch slot is ever free, so that each fork and exec is counted as lost.
    #[doc(hidden)]
    pub fn open_starved(settings: &CaptureSettings) -> Result<Ebpf, BackendError> {
        Ebpf::open_with(settings, &Variant { free_slots: 0, ..Variant::default() })
    }

    /// For tests: as on a kernel that refuses tp_btf.
    #[doc(hidden)]
    pub fn open_raw(settings: &CaptureSettings) -> Result<Ebpf, BackendError> {
        Ebpf::open_with(settings, &Variant { only_raw: true, ..Variant::default() })
    }

    fn open_with(settings: &CaptureSettings, variant: &Variant) -> Result<Ebpf, BackendError> {
        settings.check()?;
        check_permitted()?;
        raise_memory_limit();
        let mut loader = EbpfLoader::new();
        // The loader read all of the kernel's BTF, 15 MB of it; that goes before ours is read.
        loader.btf(None);
        let btf = kernel_btf()?;
        let mut programs = loader
            .btf(Some(&btf))
            .map_max_entries("ring", settings.ring_bytes)
            .map_max_entries("scratch", variant.slots)
            .map_max_entries("free_slots", variant.slots)
            .override_global("oc_config", &[settings.args_max, settings.env_max], true)
            .load(ocellus_ebpf::object())
            .map_err(|error| BackendError::Object { message: chain(&error) })?;
        fill_slots(&mut programs, variant.free_slots)?;
        let ring = take_map(&mut programs, "ring")?;
        let lost = take_map(&mut programs, "lost")?;

        let mut probes = attach_probes(&mut programs, &btf, variant.only_raw);
        if !probes.iter().any(ProbeStatus::attached) {
            let reasons: Vec<String> = probes.iter().map(ProbeStatus::to_string).collect();
            return Err(BackendError::NoProbe { reasons: reasons.join("; ") });
        }
        probes.push(load_tasks(&mut programs, &btf));
        Ok(Ebpf { programs, ring, lost, probes })
    }

    /// What became of each probe.
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.probes
    }

    /// Hands over up to `max_records` records, oldest first, and returns how many there were.
    ///
    /// Fewer than `max_records` means that the ring was empty. The descriptor stays readable as
    /// long as it is not. A record wakes the reader only if the ring was empty before, at a cost of
    /// 13 µs to the process that is observed (measured in a virtual machine; the record itself costs
    /// 1 to 3): let records gather for some milliseconds before draining.
    pub fn drain(&mut self, max_records: usize, mut each: impl FnMut(&[u8])) -> usize {
        for taken in 0..max_records {
            let Some(record) = self.ring.next() else {
                return taken;
            };
            each(&record);
        }
        max_records
    }

    /// Records lost since the backend was opened, summed over CPUs.
    pub fn lost(&mut self) -> Result<LostCounts, BackendError> {
        let mut counts = LostCounts::default();
        for cause in LostCause::ALL {
            for kind in Kind::PROBED {
                let index = (cause as usize * KIND_COUNT + kind as usize) as u32;
                let per_cpu = self
                    .lost
                    .get(&index, 0)
                    .map_err(|error| BackendError::LostCounters { message: chain(&error) })?;
                counts.add(cause, kind, per_cpu.iter().sum());
            }
        }
        Ok(counts)
    }

    /// The processes that there are now, with start times as exact as those in the records.
    ///
    /// Processes that start or end meanwhile may be in the list or not.
    pub fn task_starts(&mut self) -> Result<Vec<TaskStart>, BackendError> {
        let failed = |message: String| BackendError::TaskIterator { message };
        let program: &mut Iter = self
            .programs
            .program_mut(TASKS_PROGRAM)
            .ok_or_else(|| failed(format!("the object has no program {TASKS_PROGRAM}")))?
            .try_into()
            .map_err(|error: ProgramError| failed(chain(&error)))?;
        let link = program.attach().map_err(|error| failed(chain(&error)))?;
        let link = program.take_link(link).map_err(|error| failed(chain(&error)))?;
        let file = link.into_file().map_err(|error| failed(chain(&error)))?;
        let mut bytes = Vec::new();
        file.take(TASK_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| failed(chain(&error)))?;
        Ok(TaskStart::parse_all(&bytes).collect())
    }
}

/// The ring's descriptor, readable when there are records.
impl AsFd for Ebpf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for Ebpf {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

/// Refuses with clear words what the kernel would refuse with EPERM.
fn check_permitted() -> Result<(), BackendError> {
    let privileges = Privileges::read();
    let missing = privileges.missing_for_ebpf();
    if !missing.is_empty() {
        return Err(BackendError::NotPermitted { missing: privileges.listed(&missing) });
    }
    if Lockdown::read() == Lockdown::Confidentiality {
        return Err(BackendError::LockedDown);
    }
    Ok(())
}

/// The kernel's BTF, without the types that the probes do not use: loading takes half the time, and
/// the sensor stays smaller by 20 MB that the allocator would not give back.
fn kernel_btf() -> Result<Btf, BackendError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| BackendError::NoBtf {
        path: BTF_PATH,
        source,
    };
    let whole = std::fs::read(BTF_PATH).map_err(|error| failed(Box::new(error)))?;
    let reduced = ocellus_ebpf::btf::reduced_for_probes(&whole).unwrap_or(whole);
    Btf::parse(&reduced, Endianness::default()).map_err(|error| failed(Box::new(error)))
}

/// Kernels before 5.11 count maps against RLIMIT_MEMLOCK. If this fails, creating the maps tells.
fn raise_memory_limit() {
    let charged = KernelVersion::current().is_ok_and(|now| now < KernelVersion::new(5, 11, 0));
    if charged {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    }
}

fn scratch_slots() -> u32 {
    let cpus = aya::util::online_cpus().map_or(1, |cpus| cpus.len());
    (cpus * SLOTS_PER_CPU).clamp(SLOTS_MIN, SLOTS_MAX) as u32
}

/// Puts the number of each scratch slot on the stack of free ones.
fn fill_slots(programs: &mut aya::Ebpf, slots: u32) -> Result<(), BackendError> {
    // Borrowed, not taken: the programs are not loaded yet and need the map's descriptor.
    let map = programs.map_mut("free_slots").ok_or_else(|| no_map("free_slots"))?;
    let mut free = Stack::<_, u32>::try_from(map)
        .map_err(|error| BackendError::Object { message: chain(&error) })?;
    for slot in 0..slots {
        free.push(slot, 0).map_err(|error| BackendError::Object { message: chain(&error) })?;
    }
    Ok(())
}

fn take_map<M>(programs: &mut aya::Ebpf, name: &str) -> Result<M, BackendError>
where
    M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    let map = programs.take_map(name).ok_or_else(|| no_map(name))?;
    M::try_from(map).map_err(|error| BackendError::Object { message: chain(&error) })
}

fn no_map(name: &str) -> BackendError {
    BackendError::Object { message: format!("the object has no map {name}") }
}

/// Attaches each probe as tp_btf, or as raw_tp where the kernel refuses that.
fn attach_probes(programs: &mut aya::Ebpf, btf: &Btf, only_raw: bool) -> Vec<ProbeStatus> {
    let mut probes = Vec::new();
    for (name, program, tracepoint) in PROBES {
        let mut reasons = Vec::new();
        if !only_raw {
            match attach_btf(programs, &format!("{program}_btf"), tracepoint, btf) {
                Ok(()) => {
                    probes.push(attached(name, format!("tp_btf/{tracepoint}")));
                    continue;
                }
                Err(error) => reasons.push(format!("tp_btf: {}", reason(&error))),
            }
        }
        match attach_raw(programs, &format!("{program}_raw"), tracepoint) {
            Ok(()) => probes.push(attached(name, format!("raw_tp/{tracepoint}"))),
            Err(error) => {
                reasons.push(format!("raw_tp: {}", reason(&error)));
                let outcome = ProbeOutcome::Skipped { reason: reasons.join("; ") };
                probes.push(ProbeStatus { name, attach: format!("tp_btf/{tracepoint}"), outcome });
            }
        }
    }
    probes
}

fn attached(name: &'static str, attach: String) -> ProbeStatus {
    ProbeStatus { name, attach, outcome: ProbeOutcome::Attached }
}

fn attach_btf(
    programs: &mut aya::Ebpf,
    program: &str,
    tracepoint: &str,
    btf: &Btf,
) -> Result<(), ProgramError> {
    let found = programs.program_mut(program).ok_or(ProgramError::UnexpectedProgramType)?;
    let program: &mut BtfTracePoint = found.try_into()?;
    program.load(tracepoint, btf)?;
    program.attach()?;
    Ok(())
}

fn attach_raw(
    programs: &mut aya::Ebpf,
    program: &str,
    tracepoint: &str,
) -> Result<(), ProgramError> {
    let found = programs.program_mut(program).ok_or(ProgramError::UnexpectedProgramType)?;
    let program: &mut RawTracePoint = found.try_into()?;
    program.load()?;
    program.attach(tracepoint)?;
    Ok(())
}

/// Loads the task iterator, which attaches each time that it is asked.
fn load_tasks(programs: &mut aya::Ebpf, btf: &Btf) -> ProbeStatus {
    let mut load = || -> Result<(), ProgramError> {
        let found =
            programs.program_mut(TASKS_PROGRAM).ok_or(ProgramError::UnexpectedProgramType)?;
        let program: &mut Iter = found.try_into()?;
        program.load("task", btf)
    };
    let outcome = match load() {
        Ok(()) => ProbeOutcome::Attached,
        Err(error) => ProbeOutcome::Skipped { reason: reason(&error) },
    };
    ProbeStatus { name: "tasks", attach: "iter/task".to_owned(), outcome }
}

/// One line on why a program was refused, with the end of the verifier's log if there is one.
fn reason(error: &ProgramError) -> String {
    let ProgramError::LoadError { io_error, verifier_log } = error else {
        return chain(error);
    };
    let log = verifier_log.to_string();
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return format!("the kernel refused to load it: {io_error}");
    }
    let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
    format!("the verifier refused it ({io_error}): {}", tail.join(" | "))
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

const _: () = assert!(LOST_COUNT * KIND_COUNT == 12, "the probes count in as many slots");
