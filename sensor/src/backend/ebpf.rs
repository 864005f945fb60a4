//! The eBPF backend: loads the probes, attaches what the kernel accepts, drains the ring.
//!
//! The only module that knows aya. Dropping [`Ebpf`] detaches every probe before it unmaps the
//! ring.

mod attach;
mod connector;
mod ids;

use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::maps::{MapData, PerCpuArray, RingBuf, Stack};
use aya::programs::{Iter, ProgramError};
use aya::util::KernelVersion;
use aya::{Btf, EbpfLoader, Endianness};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use ocellus_ebpf::abi::{KIND_COUNT, Kind, LOST_COUNT, LostCause};
use ocellus_ebpf::btf::cut_for_probes;

use attach::{Attached, Spares, TASKS_PROGRAM, attach_probes, load_tasks};
use connector::Connector;
use ids::{Ids, Without, attach_ids};

use super::trial::trial;
use super::{BackendError, CaptureSettings, LostCounts, ProbeStatus, TaskStart};
use crate::doctor::{Lockdown, Privileges};
use crate::privilege::without_files;

/// Scratch slots for each CPU: one for the probe that runs, one for a probe that it preempted.
const SLOTS_PER_CPU: usize = 2;
/// At least so many slots, for machines with one or two CPUs.
const SLOTS_MIN: usize = 8;
/// At most so many, 13 MB: more probes never are at the same instant inside an exec or fork.
const SLOTS_MAX: usize = 128;
/// What the task iterator may write at most: four million processes, the kernel's own limit.
const TASK_BYTES_MAX: u64 = TaskStart::SIZE_BYTES as u64 * (1 << 22);

/// The probes, attached, and the ring that they write to.
pub struct Ebpf {
    // Dropped in this order: the programs detach first.
    programs: aya::Ebpf,
    /// Where functions of the kernel cannot be probed.
    _connector: Option<Connector>,
    ring: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    probes: Vec<ProbeStatus>,
    attached: Vec<Attached>,
    /// What was reported as lost to preemption: two counters that are not read at the same instant
    /// make the difference, and it must not shrink.
    preempted: LostCounts,
}

/// What only tests choose.
struct Variant {
    slots: u32,
    free_slots: u32,
    only_raw: bool,
    spares: Spares,
    ids_without: Without,
}

impl Default for Variant {
    fn default() -> Self {
        let slots = scratch_slots();
        Variant {
            slots,
            free_slots: slots,
            only_raw: false,
            spares: Spares::needed(),
            ids_without: Without::default(),
        }
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
    ///
    /// With a file of BTF, a first set of probes is tried on a process of ours, as offsets of
    /// another kernel would make records of rubbish.
    pub fn open(settings: &CaptureSettings) -> Result<Ebpf, BackendError> {
        if settings.btf.is_some() {
            let mut tried = Ebpf::open_with(settings, &Variant::default())?;
            tried.try_out().map_err(|what| settings.misfit(what))?;
        }
        Ebpf::open_with(settings, &Variant::default())
    }

    /// Starts a process and compares what the probes tell of it with what is known of it. Records
    /// of others are thrown away. An error says which probe told what.
    pub fn try_out(&mut self) -> Result<(), String> {
        let kinds: Vec<Kind> = self.attached.iter().map(|attached| attached.kind).collect();
        trial(&kinds, |each| {
            self.drain(usize::MAX, each);
        })
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

    /// For tests: each probe that has spares gets them, on any kernel, or none does.
    #[doc(hidden)]
    pub fn open_with_spares(
        settings: &CaptureSettings,
        spares: bool,
    ) -> Result<Ebpf, BackendError> {
        let spares = if spares { Spares::ALL } else { Spares::default() };
        Ebpf::open_with(settings, &Variant { spares, ..Variant::default() })
    }

    /// For tests: as on a kernel that refuses probes of functions by fentry, and by kprobe too.
    #[doc(hidden)]
    pub fn open_without_functions(
        settings: &CaptureSettings,
        fentry: bool,
        kprobe: bool,
    ) -> Result<Ebpf, BackendError> {
        let ids_without = Without { fentry, kprobe };
        Ebpf::open_with(settings, &Variant { ids_without, ..Variant::default() })
    }

    fn open_with(settings: &CaptureSettings, variant: &Variant) -> Result<Ebpf, BackendError> {
        settings.check()?;
        check_permitted()?;
        raise_memory_limit();
        // A new loader reads and parses all of the kernel's BTF if it can, 15 MB of memory and a
        // quarter of the start, and has no way to be told that it gets another one.
        let mut loader = without_files(EbpfLoader::new).map_err(|error| BackendError::Object {
            message: format!("no thread for the loader: {error}"),
        })?;
        let btf = read_btf(settings)?;
        // The kernel knows its tracepoints by the numbers of its own types. One without BTF has
        // none of these ways.
        let own = match &settings.btf {
            Some(_) => read_btf(&CaptureSettings::default()).ok(),
            None => None,
        };
        let kernel_has_btf = settings.btf.is_none() || own.is_some();
        let config = [settings.args_max, settings.env_max, variant.spares.bits()];
        let mut programs = loader
            .btf(Some(&btf.types))
            .map_max_entries("ring", settings.ring_bytes)
            .map_max_entries("scratch", variant.slots)
            .map_max_entries("free_slots", variant.slots)
            .override_global("oc_config", &config, true)
            .load(ocellus_ebpf::object())
            .map_err(|error| BackendError::Object { message: chain(&error) })?;
        fill_slots(&mut programs, variant.free_slots)?;
        let ring = take_map(&mut programs, "ring")?;
        let lost = take_map(&mut programs, "lost")?;

        let own = &own.as_ref().unwrap_or(&btf).targets;
        let only_raw = variant.only_raw || !kernel_has_btf;
        // Before forks: whose fork is seen, of that process every change is.
        let Ids { statuses: id_probes, attached: ids, connector } = attach_ids(
            &mut programs,
            own,
            only_raw,
            settings.ids,
            (variant.spares, variant.ids_without),
        );
        let (mut probes, mut attached) =
            attach_probes(&mut programs, own, only_raw, variant.spares.tracepoints);
        attached.extend(ids);
        if !probes.iter().any(ProbeStatus::attached) {
            let reasons: Vec<String> = probes.iter().map(ProbeStatus::to_string).collect();
            return Err(BackendError::NoProbe { reasons: reasons.join("; ") });
        }
        probes.extend(id_probes);
        probes.push(load_tasks(&mut programs, own));
        let preempted = LostCounts::default();
        let mut opened =
            Ebpf { programs, _connector: connector, ring, lost, probes, attached, preempted };
        for index in 0..opened.attached.len() {
            let seen_before = opened.seen_instead(&opened.attached[index])?;
            opened.attached[index].seen_before = seen_before;
        }
        Ok(opened)
    }

    /// What became of each probe.
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.probes
    }

    /// Hands over up to `max_records` records, oldest first, and returns how many there were.
    ///
    /// Fewer than `max_records` means that the ring was empty. The descriptor stays readable as
    /// long as it is not. A record wakes the reader only if the ring was empty before, at a cost of
    /// 13 µs to the process that is observed (measured in a virtual machine; the record itself
    /// costs 1 to 3): let records gather for some milliseconds before draining.
    pub fn drain(&mut self, max_records: usize, mut each: impl FnMut(&[u8])) -> usize {
        for taken in 0..max_records {
            let Some(record) = self.ring.next() else {
                return taken;
            };
            each(&record);
        }
        max_records
    }

    /// For tests: how many events of a kind the spare probes saw instead of the first one.
    #[doc(hidden)]
    pub fn stood_in(&self, kind: Kind) -> Result<u64, BackendError> {
        let of_kind = self.attached.iter().filter(|attached| attached.kind == kind);
        of_kind.map(|attached| self.seen_instead(attached)).sum()
    }

    /// How many events the spares of a program have seen since it was attached.
    fn seen_instead(&self, attached: &Attached) -> Result<u64, BackendError> {
        let counters = attached.spares.iter().map(|row| self.counter(*row, attached.kind));
        Ok(counters.sum::<Result<u64, _>>()?.saturating_sub(attached.seen_before))
    }

    /// Records lost since the backend was opened, summed over CPUs.
    pub fn lost(&mut self) -> Result<LostCounts, BackendError> {
        let mut counts = LostCounts::default();
        for kind in Kind::PROBED {
            for cause in [LostCause::RingFull, LostCause::NoScratch] {
                counts.add(cause, kind, self.counter(cause as usize, kind)?);
            }
        }
        for attached in self.attached.clone() {
            let Attached { kind, program, .. } = attached;
            let missed = self.missed(program);
            // Read later, so it is not too small.
            let seen = self.seen_instead(&attached)?;
            let known = self.preempted.get(LostCause::Preempted, kind);
            let grown = missed.saturating_sub(seen).saturating_sub(known);
            self.preempted.add(LostCause::Preempted, kind, grown);
            counts.add(LostCause::Preempted, kind, known + grown);
        }
        Ok(counts)
    }

    /// A counter of the probes, by its row in the map "lost", summed over CPUs.
    fn counter(&self, row: usize, kind: Kind) -> Result<u64, BackendError> {
        let index = (row * KIND_COUNT + kind as usize) as u32;
        let failed = |error| BackendError::LostCounters { message: chain(&error) };
        Ok(self.lost.get(&index, 0).map_err(failed)?.iter().sum())
    }

    /// How often the kernel did not run a program because it was under way on that CPU. Kernels
    /// before 5.12 do not tell.
    fn missed(&self, program: &str) -> u64 {
        let Some(Ok(fd)) = self.programs.program(program).map(|program| program.fd()) else {
            return 0;
        };
        let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
        let info = std::fs::read_to_string(path).unwrap_or_default();
        let count = info.lines().find_map(|line| line.strip_prefix("recursion_misses:"));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
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

/// The kernel's BTF, as far as a loader needs it: it is looked through for each type that the
/// probes use, and for each probe.
struct KernelTypes {
    /// Where the members of structures lie.
    types: Btf,
    /// The numbers of what programs attach to.
    targets: Btf,
}

/// Without what the probes do not use, loading takes half the time, and the sensor stays smaller by
/// 20 MB that the allocator would not give back.
fn read_btf(settings: &CaptureSettings) -> Result<KernelTypes, BackendError> {
    let whole = settings.read_btf()?;
    let parse = |bytes: &[u8]| {
        Btf::parse(bytes, Endianness::default()).map_err(|error| settings.bad_btf(error))
    };
    match cut_for_probes(&whole) {
        Some(cut) => Ok(KernelTypes { types: parse(&cut.types)?, targets: parse(&cut.targets)? }),
        None => Ok(KernelTypes { types: parse(&whole)?, targets: parse(&whole)? }),
    }
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

const _: () = assert!((LOST_COUNT + 1) * KIND_COUNT == 35, "the probes count in as many slots");
