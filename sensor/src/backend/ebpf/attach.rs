//! Loads and attaches the programs, each as the kernel accepts it.

use aya::Btf;
use aya::programs::{BtfTracePoint, Iter, KProbe, Program, ProgramError, RawTracePoint};
use aya::util::KernelVersion;
use nix::sys::utsname::uname;
use ocellus_ebpf::abi::{Kind, LOST_COUNT, LostCause};

use super::chain;
use crate::backend::{ProbeStatus, Way, WayResult};

/// Lines of the verifier's log that an error quotes: the last ones say what it objects to.
const LOG_LINES: usize = 4;

pub(super) const TASKS_PROGRAM: &str = "oc_tasks";

/// A probe of a tracepoint that makes records.
pub(super) struct Probe {
    /// What the status calls it.
    name: &'static str,
    kind: Kind,
    tracepoint: &'static str,
    /// The program for tp_btf.
    btf: &'static str,
    /// The same for raw_tp, twice.
    raw: [&'static str; 2],
    /// The same by kprobe, on the function that calls the probes of the tracepoint.
    kprobe: &'static str,
    /// What the status calls those as spares of the other.
    spare_names: [&'static str; 2],
}

/// In the order in which they are attached, some 100 ms apart. The end comes first: whose fork is
/// seen, of that process every later event is.
const PROBES: [Probe; 3] = [
    Probe {
        name: "exit",
        kind: Kind::Exit,
        tracepoint: "sched_process_exit",
        btf: "oc_exit_btf",
        raw: ["oc_exit_raw", "oc_exit_raw2"],
        kprobe: "oc_exit_kprobe",
        spare_names: ["exit spare", "exit spare 2"],
    },
    Probe {
        name: "exec",
        kind: Kind::Exec,
        tracepoint: "sched_process_exec",
        btf: "oc_exec_btf",
        raw: ["oc_exec_raw", "oc_exec_raw2"],
        kprobe: "oc_exec_kprobe",
        spare_names: ["exec spare", "exec spare 2"],
    },
    Probe {
        name: "fork",
        kind: Kind::Fork,
        tracepoint: "sched_process_fork",
        btf: "oc_fork_btf",
        raw: ["oc_fork_raw", "oc_fork_raw2"],
        kprobe: "oc_fork_kprobe",
        spare_names: ["fork spare", "fork spare 2"],
    },
];

pub(super) const NAMES: Probe = Probe {
    name: "names",
    kind: Kind::Name,
    tracepoint: "task_rename",
    btf: "oc_name_btf",
    raw: ["oc_name_raw", "oc_name_raw2"],
    kprobe: "oc_name_kprobe",
    spare_names: ["names spare", "names spare 2"],
};

/// What gets spare programs (`marks.h`): what this kernel may preempt. Others would only cost time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spares {
    pub(super) tracepoints: bool,
    pub(super) functions: bool,
}

/// From this kernel on tasks may be preempted inside the probe of a tracepoint.
const PREEMPTS_TRACEPOINTS_SINCE: (u8, u8) = (6, 19);
/// From this kernel on the probe of a function does not run twice at once on a CPU.
const GUARDS_FUNCTIONS_SINCE: (u8, u8) = (5, 12);
/// Part of the version (uname -v) of kernels that may preempt a task in the kernel. Some do so only
/// when told by a parameter, which cannot be read everywhere.
const PREEMPTS: &str = "PREEMPT";

impl Spares {
    /// What the running kernel needs.
    pub(super) fn needed() -> Spares {
        let version = uname().map(|it| it.version().to_string_lossy().into_owned());
        let preempts = version.map_or(true, |version| version.contains(PREEMPTS));
        let is_since = |(major, minor)| {
            let since = KernelVersion::new(major, minor, 0);
            preempts && KernelVersion::current().map_or(true, |now| now >= since)
        };
        Spares {
            tracepoints: is_since(PREEMPTS_TRACEPOINTS_SINCE),
            functions: is_since(GUARDS_FUNCTIONS_SINCE),
        }
    }

    pub(super) const ALL: Spares = Spares { tracepoints: true, functions: true };

    /// The kinds that get them, as the probes want to know it.
    pub(super) fn bits(self) -> u32 {
        let of = |chosen: bool, kinds: &[Kind]| {
            kinds.iter().filter(|_| chosen).fold(0, |bits, kind| bits | 1 << *kind as u32)
        };
        of(self.tracepoints, &[Kind::Fork, Kind::Exec, Kind::Exit, Kind::Name])
            | of(self.functions, &[Kind::Ids])
    }
}

/// Which program makes the records of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attached {
    pub(super) kind: Kind,
    pub(super) program: &'static str,
    /// Where others count what they see because the kernel did not run this one.
    pub(super) spares: &'static [usize],
    /// What they had counted when this one was attached.
    pub(super) seen_before: u64,
}

/// Rows of the map "lost": what programs in the second place (`marks.h`) and behind it saw.
const SEEN_SECOND: usize = LOST_COUNT;
const SEEN_SPARE: usize = LostCause::Preempted as usize;

impl Attached {
    /// The only program of its kind.
    pub(super) fn alone(kind: Kind, program: &'static str) -> Attached {
        Attached { kind, program, spares: &[], seen_before: 0 }
    }

    /// Before one by tp_btf or fentry, and others behind that.
    pub(super) fn by_kprobe(kind: Kind, program: &'static str) -> Attached {
        Attached { spares: &[SEEN_SECOND, SEEN_SPARE], ..Attached::alone(kind, program) }
    }

    /// By tp_btf, and others behind it.
    fn by_btf(kind: Kind, program: &'static str) -> Attached {
        Attached { spares: &[SEEN_SPARE], ..Attached::alone(kind, program) }
    }
}

/// Attaches fork, exec and exit.
pub(super) fn attach_probes(
    programs: &mut aya::Ebpf,
    btf: &Btf,
    only_raw: bool,
    spare: bool,
) -> (Vec<ProbeStatus>, Vec<Attached>) {
    let (mut statuses, mut all) = (Vec::new(), Vec::new());
    for probe in &PROBES {
        all.extend(attach_probe(programs, btf, probe, (only_raw, spare), &mut statuses));
    }
    (statuses, all)
}

/// Attaches a probe as tp_btf, or as raw_tp where the kernel refuses that or `only_raw` is set.
/// With `spare`, others stand by the one by tp_btf. Adds what became of each.
pub(super) fn attach_probe(
    programs: &mut aya::Ebpf,
    btf: &Btf,
    probe: &Probe,
    (only_raw, spare): (bool, bool),
    statuses: &mut Vec<ProbeStatus>,
) -> Option<Attached> {
    let Probe { name, kind, tracepoint, btf: btf_program, raw, .. } = *probe;
    let by_raw = format!("raw_tp/{tracepoint}");
    let mut ways = Vec::new();
    if !only_raw {
        let tried = attach_btf(programs, btf_program, tracepoint, btf);
        let attached = tried.is_ok();
        ways.push(way(format!("tp_btf/{tracepoint}"), tried));
        if attached {
            ways.push(Way { attach: by_raw.clone(), result: WayResult::Untried });
            statuses.push(ProbeStatus::of(name, ways));
            return Some(match spare {
                true => attach_spares(programs, probe, statuses),
                false => Attached::alone(kind, btf_program),
            });
        }
    }
    let tried = attach_raw(programs, raw[0], tracepoint);
    let attached = tried.is_ok().then_some(Attached::alone(kind, raw[0]));
    ways.push(way(by_raw, tried));
    statuses.push(ProbeStatus::of(name, ways));
    attached
}

/// Attaches what stands by a probe by tp_btf: one by raw_tp behind it, and one by kprobe before it,
/// or another raw_tp.
fn attach_spares(
    programs: &mut aya::Ebpf,
    probe: &Probe,
    statuses: &mut Vec<ProbeStatus>,
) -> Attached {
    let Probe { kind, tracepoint, btf, raw, kprobe, spare_names, .. } = *probe;
    let by_raw = format!("raw_tp/{tracepoint}");
    // Of two probes: only for several is there a function that calls them.
    let tried = attach_raw(programs, raw[0], tracepoint);
    statuses.push(status(spare_names[0], by_raw.clone(), tried));
    let caller = format!("__traceiter_{tracepoint}");
    let tried = attach_kprobe(programs, kprobe, &caller);
    let has_kprobe = tried.is_ok();
    let mut ways = vec![way(format!("kprobe/{caller}"), tried)];
    if !has_kprobe {
        ways.push(way(by_raw, attach_raw(programs, raw[1], tracepoint)));
    }
    statuses.push(ProbeStatus::of(spare_names[1], ways));
    match has_kprobe {
        true => Attached::by_kprobe(kind, kprobe),
        false => Attached::by_btf(kind, btf),
    }
}

/// What became of a probe that has one way only.
pub(super) fn status(
    name: &'static str,
    attach: String,
    tried: Result<(), ProgramError>,
) -> ProbeStatus {
    ProbeStatus::of(name, vec![way(attach, tried)])
}

pub(super) fn way(attach: String, tried: Result<(), ProgramError>) -> Way {
    let result = match tried {
        Ok(()) => WayResult::Attached,
        Err(error) => WayResult::Refused { reason: reason(&error) },
    };
    Way { attach, result }
}

/// The program of this name, which is of this type.
pub(super) fn find<'a, P>(
    programs: &'a mut aya::Ebpf,
    name: &str,
) -> Result<&'a mut P, ProgramError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    programs.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?.try_into()
}

pub(super) fn attach_btf(
    programs: &mut aya::Ebpf,
    program: &str,
    tracepoint: &str,
    btf: &Btf,
) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = find(programs, program)?;
    program.load(tracepoint, btf)?;
    program.attach()?;
    Ok(())
}

pub(super) fn attach_raw(
    programs: &mut aya::Ebpf,
    program: &str,
    tracepoint: &str,
) -> Result<(), ProgramError> {
    let program: &mut RawTracePoint = find(programs, program)?;
    program.load()?;
    program.attach(tracepoint)?;
    Ok(())
}

pub(super) fn attach_kprobe(
    programs: &mut aya::Ebpf,
    program: &str,
    function: &str,
) -> Result<(), ProgramError> {
    let program: &mut KProbe = find(programs, program)?;
    program.load()?;
    program.attach(function, 0)?;
    Ok(())
}

/// Loads the task iterator, which attaches each time that it is asked.
pub(super) fn load_tasks(programs: &mut aya::Ebpf, btf: &Btf) -> ProbeStatus {
    let mut load = || -> Result<(), ProgramError> {
        let program: &mut Iter = find(programs, TASKS_PROGRAM)?;
        program.load("task", btf)
    };
    let tried = load();
    status("tasks", "iter/task".to_owned(), tried)
}

/// One line on why a program was refused, with the end of the verifier's log if there is one.
pub(super) fn reason(error: &ProgramError) -> String {
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
