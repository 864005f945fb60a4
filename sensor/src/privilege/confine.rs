//! Puts the domains into force, and tries afterwards whether they hold.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::Command;

use landlock::{
    ABI, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

use super::capabilities::{Capability, effective, keep};
use super::{Needs, filter};
use crate::config::Privileges;
use crate::error_chain::ErrorChain;

/// What the readers need, always.
const READERS: [Capability; 2] = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH];

/// The newest rights of Landlock that are used; an older kernel enforces what it knows.
const LANDLOCK_ABI: ABI = ABI::V4;

/// Confines the process, and gives the calling thread, and those that it starts from now on, the
/// rights of a reader, and what the loop needs. One line for each step, for the report.
pub fn confine_process(settings: &Privileges, needs: &Needs) -> Vec<String> {
    let mut lines = Vec::new();
    // A core dump would hold command lines and environments of everybody.
    let no_dumps = prctl::set_dumpable(false).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
    lines.push(line("core dumps", "none", no_dumps));
    lines.push(line("new privileges", "none", prctl::set_no_new_privs()));
    if settings.capabilities {
        let own = needs.capabilities.iter().map(|(capability, _)| *capability);
        let kept: Vec<Capability> = READERS.into_iter().chain(own).collect();
        let shown = names(&READERS);
        lines.push(line("capabilities of the threads that read files", &shown, keep(&kept)));
    }
    if settings.seccomp {
        let shown = format!("{} are allowed", filter::calls_count());
        lines.push(line("system calls", &shown, filter::apply()));
    }
    lines
}

/// Confines the calling thread, and those that it starts from now on, to what the loop needs.
pub fn confine_loop(settings: &Privileges, needs: &Needs) -> Vec<String> {
    let mut lines = Vec::new();
    if settings.capabilities {
        let kept: Vec<Capability> = needs.capabilities.iter().map(|(it, _)| *it).collect();
        let kept = keep(&kept).and_then(|()| effective());
        let shown = kept.as_ref().map_or(String::new(), |kept| names(kept));
        lines.push(line("capabilities of the event loop", &shown, kept));
        for (capability, reason) in &needs.capabilities {
            lines.push(format!("{capability} is kept, since {reason}"));
        }
    }
    if settings.landlock && needs.reads_processes {
        lines.push("landlock: off, since this backend reads other processes".to_owned());
    } else if settings.landlock {
        lines.push(landlock(needs));
    }
    lines.extend(verify(settings, needs));
    lines
}

fn landlock(needs: &Needs) -> String {
    for dir in &needs.own_dirs {
        // What is not there yet cannot be named; the caller finds out if it cannot be made.
        if let Err(error) = DirBuilder::new().mode(0o700).recursive(true).create(dir) {
            tracing::debug!(%error, "cannot make {}", dir.display());
        }
    }
    let dirs: Vec<String> = needs.write_dirs.iter().map(|dir| dir.display().to_string()).collect();
    match restrict(needs) {
        Ok(RulesetStatus::NotEnforced) => "landlock: this kernel has none".to_owned(),
        Ok(_) => format!("landlock: writes below {} only, opens no port", dirs.join(", ")),
        Err(error) => {
            let error = ErrorChain(&error).to_string();
            tracing::warn!("landlock is not in force: {error}");
            format!("landlock: NOT IN FORCE: {error}")
        }
    }
}

/// Reading is left alone: a file of a container lies outside of every path that could be named.
fn restrict(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    let write = AccessFs::from_write(LANDLOCK_ABI);
    let handled: BitFlags<AccessFs> = write | AccessFs::Execute;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .handle_access(AccessNet::BindTcp)?
        .create()?;
    for dir in &needs.write_dirs {
        if let Ok(fd) = PathFd::new(dir) {
            ruleset = ruleset.add_rule(PathBeneath::new(fd, write))?;
        }
    }
    // Libraries open it to throw something away.
    if let Ok(fd) = PathFd::new("/dev/null") {
        ruleset = ruleset.add_rule(PathBeneath::new(fd, AccessFs::WriteFile))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Tries what must fail.
fn verify(settings: &Privileges, needs: &Needs) -> Vec<String> {
    let mut lines = Vec::new();
    let mut must_fail = |what: &str, outcome: io::Result<()>| match outcome {
        Err(error) => lines.push(format!("tried: {what}: refused ({error})")),
        Ok(()) => {
            tracing::error!("{what} is possible, though it should not be");
            lines.push(format!("tried: {what}: POSSIBLE, though it should not be"));
        }
    };
    if settings.seccomp {
        let spawned = Command::new("/proc/self/exe").arg("--version").spawn();
        must_fail("to start a program", spawned.map(drop));
    }
    if settings.landlock && !needs.reads_processes && landlock_is_there() {
        // Opened, not written.
        let opened = File::options().write(true).open("/proc/self/oom_score_adj");
        must_fail("to open a file for writing", opened.map(drop));
        must_fail("to bind a port", std::net::TcpListener::bind("127.0.0.1:0").map(drop));
    }
    lines
}

/// Whether this kernel enforces anything.
fn landlock_is_there() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Execute)
        .and_then(Ruleset::create)
        .is_ok()
}

fn line<T, E: std::error::Error + 'static>(what: &str, shown: &str, done: Result<T, E>) -> String {
    match done {
        Ok(_) => format!("{what}: {shown}"),
        Err(error) => {
            let error = ErrorChain(&error).to_string();
            tracing::warn!("{what}: cannot be given up: {error}");
            format!("{what}: NOT GIVEN UP: {error}")
        }
    }
}

fn names(capabilities: &[Capability]) -> String {
    match capabilities {
        [] => "none".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
