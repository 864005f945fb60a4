//! The entry leader: the process through which a session came into the host.
//!
//! A session leader whose parent is a login service, a container runtime or a terminal starts an
//! entry; every other process has that of the process that forked it. The cases are those of
//! quark (peers: quark, section "entry leader"), and OpenSSH's `sshd-session` (9.8 and later).

use crate::process::{Entry, Process};

/// Programs that set a container up or stand guard in it, by the beginning of their names: their
/// own sessions are not where a user comes in.
const CONTAINER_HELPERS: [&str; 6] =
    ["runc", "containerd-shim", "calico-node", "check-status", "pause", "conmon"];

/// Programs whose children that lead a session are the first process of a container.
const CONTAINER_PARENTS: [&str; 4] = ["containerd-shim", "runc", "crun", "conmon"];

/// Major number of consoles and serial lines (admin-guide/devices.txt of the kernel); minors below
/// 64 are virtual consoles.
const TTY_MAJOR: u32 = 4;
const SERIAL_MINOR_MIN: u32 = 64;

/// Major numbers of pseudo terminals (same source).
const PTS_MAJORS: std::ops::RangeInclusive<u32> = 136..=143;

/// The entry of a process, given the one that is its parent now.
pub fn entry(process: &Process, parent: Option<&Process>) -> Option<Entry> {
    if process.id.pid == 1 {
        return Some(Entry { leader: process.id, how: "init" });
    }
    if process.kernel_thread {
        return None;
    }
    if let Some(how) = own_entry(process, parent) {
        return Some(Entry { leader: process.id, how });
    }
    process.entry.clone().or_else(|| parent.and_then(|parent| parent.entry.clone()))
}

fn own_entry(process: &Process, parent: Option<&Process>) -> Option<&'static str> {
    let name = base_name(process);
    if process.task.sid != process.id.pid || starts_with_any(name, &CONTAINER_HELPERS) {
        return None;
    }
    let (major, minor) = (process.task.tty_major, process.task.tty_minor);
    if major == TTY_MAJOR && (minor >= SERIAL_MINOR_MIN || name == "login") {
        return Some("terminal");
    }
    let parent_name = base_name(parent?);
    let is_sshd = |name: &str| name == "sshd" || name == "sshd-session";
    if is_sshd(parent_name) && !is_sshd(name) {
        return Some("sshd");
    }
    if parent_name == "ssm-session-worker" && PTS_MAJORS.contains(&major) {
        return Some("ssm");
    }
    starts_with_any(parent_name, &CONTAINER_PARENTS).then_some("container")
}

fn base_name(process: &Process) -> &str {
    let name = process.executable().map(|path| path.rsplit('/').next().unwrap_or(path));
    name.unwrap_or(&process.comm)
}

fn starts_with_any(name: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| name.starts_with(beginning))
}
