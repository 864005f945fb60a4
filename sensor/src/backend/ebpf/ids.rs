//! Attaches what tells of changed credentials, sessions, process groups and names.
//!
//! No tracepoint tells of the first three. Where the kernel lets functions be probed, two of them
//! do, and cost nothing but when something changes. Else the process connector tells of most of it,
//! or the end of each system call of all, for a price (`bpf/ids.h`).

use aya::Btf;
use aya::programs::{FEntry, ProgramError, SocketFilter};
use ocellus_ebpf::abi::Kind;

use super::attach::{
    Attached, NAMES, Spares, attach_kprobe, attach_probe, attach_raw, find, reason, status,
};
use super::chain;
use super::connector::Connector;
use crate::backend::{IdProbes, ProbeStatus, WAITS_FOR_SYSCALLS, Way, WayResult};

const SYSCALL: &str = "raw_tp/sys_exit";
const CONNECTOR: &str = "socket filter on cn_proc";

/// What tests leave out, as if the kernel refused it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Without {
    pub(super) fentry: bool,
    pub(super) kprobe: bool,
}

/// What was attached.
#[derive(Debug, Default)]
pub(super) struct Ids {
    pub(super) statuses: Vec<ProbeStatus>,
    pub(super) attached: Vec<Attached>,
    /// Its filter runs as long as it is open.
    pub(super) connector: Option<Connector>,
}

/// A function of the kernel that is called with each change of some kind.
struct Function {
    name: &'static str,
    kind: Kind,
    /// Programs for the forms that it has had; the newest first, which older kernels refuse.
    fentry: &'static [&'static str],
    /// Whether a task may be preempted in its probe, so that the probe gets a spare, and what the
    /// status calls that.
    spare: Option<&'static str>,
    kprobe: &'static str,
}

const CREDENTIALS: Function = Function {
    name: "commit_creds",
    kind: Kind::Ids,
    fentry: &["oc_creds_fentry"],
    spare: Some("credentials spare"),
    kprobe: "oc_creds_kprobe",
};

/// Called with a lock that only one task has, so that its probe is never passed by.
const PIDS: Function = Function {
    name: "change_pid",
    kind: Kind::Pgid,
    fentry: &["oc_pids_fentry4", "oc_pids_fentry3"],
    spare: None,
    kprobe: "oc_pids_kprobe",
};

/// What stands in for a function.
enum Fallback {
    Syscall,
    Connector,
    /// Why there is none.
    None(String),
}

/// Attaches each in the cheapest way that the kernel accepts.
pub(super) fn attach_ids(
    programs: &mut aya::Ebpf,
    btf: &Btf,
    only_raw: bool,
    wanted: IdProbes,
    (spares, without): (Spares, Without),
) -> Ids {
    let mut ids = Ids::default();
    if wanted == IdProbes::Off {
        return ids;
    }
    let (credentials, pids) = (
        ids.spared_function(programs, btf, &CREDENTIALS, (spares, without)),
        ids.function(programs, btf, &PIDS, without),
    );
    let fallback = match (&credentials, &pids) {
        (Ok(_), Ok(_)) => None,
        _ => Some(ids.fall_back(programs, wanted)),
    };
    let fallback = fallback.as_ref();
    let rows = [
        row("credentials", &credentials, fallback, Some("; not of capabilities alone")),
        row("sessions", &pids, fallback, Some("")),
        row("process_groups", &pids, fallback, None),
    ];
    ids.statuses.splice(..0, rows);
    let ways = (only_raw, spares.tracepoints);
    ids.attached.extend(attach_probe(programs, btf, &NAMES, ways, &mut ids.statuses));
    ids
}

/// What became of one probe. `by_connector`: what to say of the connector, if it tells of this.
fn row(
    name: &'static str,
    function: &Result<String, String>,
    fallback: Option<&Fallback>,
    by_connector: Option<&str>,
) -> ProbeStatus {
    let way = |attach: &str, result| Way { attach: attach.to_owned(), result };
    let refused = |reason: &str| WayResult::Refused { reason: reason.to_owned() };
    let by_function = match function {
        Ok(attach) => return ProbeStatus::of(name, vec![way(attach, WayResult::Attached)]),
        Err(reasons) => way("its function", refused(reasons.trim_end_matches("; "))),
    };
    let instead = match (fallback, by_connector) {
        (Some(Fallback::Syscall), _) => way(SYSCALL, WayResult::Attached),
        (Some(Fallback::Connector), Some(but)) => {
            way(&format!("{CONNECTOR}{but}"), WayResult::Attached)
        }
        (Some(Fallback::None(reason)), _) => way(SYSCALL, refused(reason)),
        _ => way(SYSCALL, refused(WAITS_FOR_SYSCALLS)),
    };
    ProbeStatus::of(name, vec![by_function, instead])
}

impl Ids {
    /// Probes a function twice where a task may be preempted in its probe: by kprobe, which is not
    /// preempted, with fentry as its spare (`marks.h`). Else, and where kprobe is refused, once.
    fn spared_function(
        &mut self,
        programs: &mut aya::Ebpf,
        btf: &Btf,
        function: &Function,
        (spares, without): (Spares, Without),
    ) -> Result<String, String> {
        let spare = function.spare.filter(|_| spares.functions && !without.kprobe);
        let Some(name) =
            spare.filter(|_| attach_kprobe(programs, function.kprobe, function.name).is_ok())
        else {
            return self.function(programs, btf, function, without);
        };
        for program in function.fentry.iter().filter(|_| !without.fentry) {
            let tried = attach_fentry(programs, program, function.name, btf);
            self.statuses.push(status(name, format!("fentry/{}", function.name), tried));
        }
        self.attached.push(Attached::by_kprobe(function.kind, function.kprobe));
        Ok(format!("kprobe/{}", function.name))
    }

    /// Probes a function: how, or why not, each reason ended by `; `.
    fn function(
        &mut self,
        programs: &mut aya::Ebpf,
        btf: &Btf,
        function: &Function,
        without: Without,
    ) -> Result<String, String> {
        let mut refused = Vec::new();
        for program in function.fentry.iter().filter(|_| !without.fentry) {
            match attach_fentry(programs, program, function.name, btf) {
                Ok(()) => {
                    self.attached(function.kind, program);
                    return Ok(format!("fentry/{}", function.name));
                }
                Err(error) => refused.push(format!("fentry: {}; ", reason(&error))),
            }
        }
        // Of several forms, the last one is the oldest: its refusal says it all.
        let refused = refused.pop().unwrap_or_default();
        if without.kprobe {
            return Err(refused);
        }
        match attach_kprobe(programs, function.kprobe, function.name) {
            Ok(()) => {
                self.attached(function.kind, function.kprobe);
                Ok(format!("kprobe/{}", function.name))
            }
            Err(error) => Err(format!("{refused}kprobe: {}; ", reason(&error))),
        }
    }

    fn fall_back(&mut self, programs: &mut aya::Ebpf, wanted: IdProbes) -> Fallback {
        let mut refused = String::new();
        if wanted == IdProbes::Syscalls {
            match attach_raw(programs, "oc_ids_syscall", "sys_exit") {
                Ok(()) => {
                    self.attached(Kind::Ids, "oc_ids_syscall");
                    return Fallback::Syscall;
                }
                Err(error) => refused = format!("{SYSCALL}: {}; ", reason(&error)),
            }
        }
        match attach_connector(programs) {
            Ok(connector) => {
                self.connector = Some(connector);
                Fallback::Connector
            }
            Err(error) => Fallback::None(format!("{refused}cn_proc: {error}")),
        }
    }

    fn attached(&mut self, kind: Kind, program: &'static str) {
        self.attached.push(Attached::alone(kind, program));
    }
}

fn attach_fentry(
    programs: &mut aya::Ebpf,
    program: &str,
    function: &str,
    btf: &Btf,
) -> Result<(), ProgramError> {
    let program: &mut FEntry = find(programs, program)?;
    program.load(function, btf)?;
    program.attach()?;
    Ok(())
}

/// Opens the process connector with our filter on it, or says why not.
fn attach_connector(programs: &mut aya::Ebpf) -> Result<Connector, String> {
    let filter = load_filter(programs).map_err(|error| reason(&error))?;
    // The filter comes before the first message.
    let connector = Connector::open().map_err(|error| chain(&error))?;
    filter.attach(&connector).map_err(|error| chain(&error))?;
    connector.listen().map_err(|error| chain(&error))?;
    Ok(connector)
}

fn load_filter(programs: &mut aya::Ebpf) -> Result<&mut SocketFilter, ProgramError> {
    let program: &mut SocketFilter = find(programs, "oc_ids_connector")?;
    program.load()?;
    Ok(program)
}
