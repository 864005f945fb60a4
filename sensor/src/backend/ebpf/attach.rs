//! Loads and attaches the programs, each as the kernel accepts it.

use aya::Btf;
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError, RawTracePoint};
use ocellus_ebpf::abi::Kind;

use super::chain;
use crate::backend::{ProbeStatus, Way, WayResult};

/// Lines of the verifier's log that an error quotes: the last ones say what it objects to.
const LOG_LINES: usize = 4;

pub(super) const TASKS_PROGRAM: &str = "oc_tasks";

/// A probe that makes records.
struct Probe {
    kind: Kind,
    tracepoint: &'static str,
    /// The program for tp_btf.
    btf: &'static str,
    /// The same for raw_tp, twice.
    raw: [&'static str; 2],
    /// What the status calls those as spares of the other.
    spare_names: [&'static str; 2],
}

/// In the order in which they are attached, some 100 ms apart. The end comes first: whose fork is
/// seen, of that process every later event is.
const PROBES: [Probe; 3] = [
    Probe {
        kind: Kind::Exit,
        tracepoint: "sched_process_exit",
        btf: "oc_exit_btf",
        raw: ["oc_exit_raw", "oc_exit_raw2"],
        spare_names: ["exit spare", "exit spare 2"],
    },
    Probe {
        kind: Kind::Exec,
        tracepoint: "sched_process_exec",
        btf: "oc_exec_btf",
        raw: ["oc_exec_raw", "oc_exec_raw2"],
        spare_names: ["exec spare", "exec spare 2"],
    },
    Probe {
        kind: Kind::Fork,
        tracepoint: "sched_process_fork",
        btf: "oc_fork_btf",
        raw: ["oc_fork_raw", "oc_fork_raw2"],
        spare_names: ["fork spare", "fork spare 2"],
    },
];

/// Which program makes the records of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attached {
    pub(super) kind: Kind,
    pub(super) program: &'static str,
    /// Others stand in where the kernel did not run this one.
    pub(super) has_spare: bool,
}

/// Attaches fork, exec and exit, each as tp_btf, or as raw_tp where the kernel refuses that or
/// `only_raw` is set. With `spare`, both raw_tp programs are attached behind tp_btf.
pub(super) fn attach_probes(
    programs: &mut aya::Ebpf,
    btf: &Btf,
    only_raw: bool,
    spare: bool,
) -> (Vec<ProbeStatus>, Vec<Attached>) {
    let (mut statuses, mut all) = (Vec::new(), Vec::new());
    for Probe { kind, tracepoint, btf: btf_program, raw, spare_names } in PROBES {
        let by_raw = format!("raw_tp/{tracepoint}");
        let mut ways = Vec::new();
        if !only_raw {
            let tried = attach_btf(programs, btf_program, tracepoint, btf);
            let attached = tried.is_ok();
            ways.push(way(format!("tp_btf/{tracepoint}"), tried));
            if attached {
                ways.push(Way { attach: by_raw.clone(), result: WayResult::Untried });
                statuses.push(ProbeStatus::of(kind.name(), ways));
                let mut has_spare = false;
                for (raw, name) in raw.iter().zip(spare_names).filter(|_| spare) {
                    let tried = attach_raw(programs, raw, tracepoint);
                    has_spare |= tried.is_ok();
                    statuses.push(status(name, by_raw.clone(), tried));
                }
                all.push(Attached { kind, program: btf_program, has_spare });
                continue;
            }
        }
        let tried = attach_raw(programs, raw[0], tracepoint);
        if tried.is_ok() {
            all.push(Attached { kind, program: raw[0], has_spare: false });
        }
        ways.push(way(by_raw, tried));
        statuses.push(ProbeStatus::of(kind.name(), ways));
    }
    (statuses, all)
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
