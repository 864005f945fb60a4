//! A program that has no file: run from memory (memfd), or deleted before it was run.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Names of the memory files that container runtimes copy themselves into.
const RUNTIME_MEMFDS: [&str; 3] = ["runc_cloned:", "crun", "lxc"];

static RUNTIMES: Set = Set::of(known::CONTAINER_RUNTIMES);

#[derive(Debug, Default)]
pub struct ExecFromMemory;

impl Rule for ExecFromMemory {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("exec-from-memory", "Program executed from memory or after its deletion")
            .description(
                "A program was executed that no path leads to: it lives in a memfd, or its file \
                 was deleted before. Loaders do so to leave nothing for scanners to read.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1620", "T1070.004"])
            .false_positives([
                "Container runtimes, which copy themselves into a memfd (known ones pass)",
                "Programs outside of /usr and /opt that start themselves again after an update",
            ])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec().flag(fields::OCELLUS_EXE_MEMFD),
            Interest::exec().flag(fields::OCELLUS_EXE_DELETED),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let path = event.process_executable().unwrap_or_default();
        let who = event.who();
        if event.ocellus_exe_memfd() {
            let name = path.split_once("memfd:").map_or(path.as_str(), |(_, name)| name);
            let of_runtime = RUNTIME_MEMFDS.iter().any(|known| name.starts_with(known))
                && event.has_ancestor(&RUNTIMES);
            let message = format!("{who} executed a program from memory: {}", event.command());
            return (!of_runtime).then(|| alert(CRITICAL, message).with_tag("memfd"));
        }
        // A package that was updated while it ran: its old program starts itself again.
        let is_system = known::SYSTEM_PROGRAMS.iter().any(|folder| path.starts_with(folder));
        if is_system || !event.ocellus_exe_deleted() {
            return None;
        }
        Some(alert(HIGH, format!("{who} executed a deleted program: {path}")).with_tag("deleted"))
    }
}

ocellus_sdk::rule!(ExecFromMemory);
