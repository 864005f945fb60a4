//! Which probes there are, where each may be attached, and how.

use ocellus_ebpf::btf::Members;

use super::fields::{self, Arguments, Layout, Wanted};
use super::maker::Tells;
use super::rings::{Cpus, Rings};
use super::tracefs::Definitions;
use crate::backend::{ProbeStatus, Way as TriedWay, WayResult};

/// A kind of hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    /// The beginning of a kernel function.
    Function,
    /// A tracepoint, since 6.5: it has its arguments, as nothing else of tracefs has.
    Tracepoint,
}

/// One way to attach a probe.
#[derive(Clone, Copy, Debug)]
struct Way {
    hook: Hook,
    target: &'static str,
    arguments: Arguments,
    /// The fields that this way needs beyond those of the probe.
    more: &'static [Wanted],
    /// What the kernel need not even write down.
    filter: Option<&'static str>,
}

/// A probe and its ways, the best first.
struct Plan {
    name: &'static str,
    tells: Tells,
    wanted: &'static [&'static [Wanted]],
    ways: &'static [Way],
}

const fn task(argument: &'static str) -> Arguments {
    Arguments { task: Some(argument), bprm: None, dead: None, old_tid: None }
}

const fn function(target: &'static str) -> Way {
    let arguments = task("$arg1");
    Way { hook: Hook::Function, target, arguments, more: &[], filter: None }
}

const fn tracepoint(target: &'static str, arguments: Arguments) -> Way {
    Way { hook: Hook::Tracepoint, target, arguments, more: &[], filter: None }
}

/// Threads have no exit signal; PF_KTHREAD is 0x200000.
const NO_THREADS: Option<&str> = Some("exit_signal != -1 && !(flags & 0x200000)");
const LAST_THREADS: Option<&str> = Some("live == 0 && !(flags & 0x200000)");

const FORK: Plan = Plan {
    name: "fork",
    tells: Tells::Fork,
    wanted: &[fields::TASK, fields::PLACES, fields::FORK],
    ways: &[
        Way { filter: NO_THREADS, ..function("wake_up_new_task") },
        Way { filter: NO_THREADS, ..tracepoint("sched_process_fork", task("$arg2")) },
    ],
};

/// With the tracepoint's arguments one probe tells all. A function that is called at that moment
/// has the task, but not the name, which then comes from a second probe. It also serves a second
/// sensor: kernels allow one probe on a tracepoint (seen on 6.12).
const EXEC: Plan = Plan {
    name: "exec",
    tells: Tells::Exec,
    wanted: &[fields::TASK, fields::PLACES, fields::EXEC],
    ways: &[
        Way {
            more: fields::NAME,
            ..tracepoint(
                "sched_process_exec",
                Arguments { bprm: Some("$arg3"), old_tid: Some("$arg2"), ..task("$arg1") },
            )
        },
        function("proc_exec_connector"),
    ],
};

const EXEC_NAME: Plan = Plan {
    name: "exec_name",
    tells: Tells::ExecName,
    wanted: &[fields::NAME],
    ways: &[Way {
        arguments: Arguments { task: None, bprm: Some("$arg1"), dead: None, old_tid: None },
        ..function("begin_new_exec")
    }],
};

/// taskstats_exit is told whether the group is dead, and is compiled out of some kernels. The
/// others are called by each thread that exits, after the count of live ones went down.
const EXIT: Plan = Plan {
    name: "exit",
    tells: Tells::Exit,
    wanted: &[fields::TASK, fields::EXIT],
    ways: &[
        Way {
            arguments: Arguments { dead: Some("$arg2"), ..task("$arg1") },
            filter: Some("dead != 0 && !(flags & 0x200000)"),
            ..function("taskstats_exit")
        },
        Way { more: fields::LIVE, filter: LAST_THREADS, ..function("exit_files") },
        Way { more: fields::LIVE, filter: LAST_THREADS, ..function("exit_sem") },
        Way {
            more: fields::LIVE,
            filter: LAST_THREADS,
            ..tracepoint("sched_process_exit", task("$arg1"))
        },
    ],
};

/// What only tests choose: which ways are not taken, as on a kernel that has not got them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Variant {
    pub without_tracepoints: bool,
    pub without_first_exit: bool,
}

/// A probe that is attached.
#[derive(Debug)]
pub(super) struct Probe {
    pub name: &'static str,
    pub tells: Tells,
    pub layout: Layout,
    pub rings: Rings,
}

/// The probes that could be attached, and what became of each.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub probes: Vec<Probe>,
    pub statuses: Vec<ProbeStatus>,
}

/// Attaches each probe in the first way that the kernel accepts.
pub(super) fn attach_all(
    definitions: &mut Definitions,
    members: &Members<'_>,
    cpus: &Cpus,
    ring_bytes: usize,
    variant: Variant,
) -> Attached {
    let mut attached = Attached::default();
    for plan in [FORK, EXEC, EXIT] {
        attached.add(attach(definitions, members, cpus, ring_bytes, &plan, variant));
    }
    let needs_names = attached
        .probes
        .iter()
        .any(|probe| probe.tells == Tells::Exec && !probe.layout.has(fields::FieldId::Filename));
    if needs_names {
        attached.add(attach(definitions, members, cpus, ring_bytes, &EXEC_NAME, variant));
    }
    attached
}

impl Attached {
    fn add(&mut self, (probe, status): (Option<Probe>, ProbeStatus)) {
        self.probes.extend(probe);
        self.statuses.push(status);
    }
}

fn attach(
    definitions: &mut Definitions,
    members: &Members<'_>,
    cpus: &Cpus,
    ring_bytes: usize,
    plan: &Plan,
    variant: Variant,
) -> (Option<Probe>, ProbeStatus) {
    let (mut probe, mut tried) = (None, Vec::new());
    for way in plan.ways.iter().filter(|way| !way.is_left_out(variant)) {
        let result = if probe.is_some() {
            WayResult::Untried
        } else {
            match attach_way(definitions, members, cpus, ring_bytes, plan, way) {
                Ok(attached) => {
                    probe = Some(attached);
                    WayResult::Attached
                }
                Err(reason) => WayResult::Refused { reason },
            }
        };
        if let WayResult::Refused { reason } = &result {
            tracing::debug!("probe {}: not by {}: {reason}", plan.name, way.describe());
        }
        tried.push(TriedWay { attach: way.describe(), result });
    }
    (probe, ProbeStatus::of(plan.name, tried))
}

fn attach_way(
    definitions: &mut Definitions,
    members: &Members<'_>,
    cpus: &Cpus,
    ring_bytes: usize,
    plan: &Plan,
    way: &Way,
) -> Result<Probe, String> {
    let wanted = plan.wanted.iter().copied().flatten().chain(way.more);
    let fetches = fields::fetches(members, &way.arguments, wanted)
        .map_err(|error| format!("the kernel's BTF has {error}"))?;
    for missing in &fetches.missing {
        tracing::warn!(
            "probe {}: the kernel's BTF has {missing}: its field stays empty",
            plan.name
        );
    }
    definitions.define(way.letter(), plan.name, way.target, &fetches.text)?;
    let open = || {
        let layout = Layout::new(&definitions.format(plan.name)?);
        let number = definitions.number(plan.name)?;
        let rings = Rings::open(number, cpus, ring_bytes, plan.tells, way.filter)?;
        Ok(Probe { name: plan.name, tells: plan.tells, layout, rings })
    };
    let opened = open();
    if opened.is_err() {
        definitions.remove(plan.name);
    }
    opened
}

impl Way {
    fn is_left_out(&self, variant: Variant) -> bool {
        variant.without_tracepoints && self.hook == Hook::Tracepoint
            || variant.without_first_exit && self.target == "taskstats_exit"
    }

    fn letter(&self) -> char {
        match self.hook {
            Hook::Function => 'p',
            Hook::Tracepoint => 't',
        }
    }

    fn describe(&self) -> String {
        let kind = match self.hook {
            Hook::Function => "kprobe",
            Hook::Tracepoint => "tracepoint",
        };
        format!("{kind}/{}", self.target)
    }
}
