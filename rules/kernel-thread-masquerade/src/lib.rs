//! A program that looks like a kernel thread in a process list.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Beginnings of command names of kernel threads that no program in distributions shares.
const BEGINNINGS: [&str; 20] = [
    "kworker",
    "ksoftirqd",
    "kswapd",
    "kthreadd",
    "kdevtmpfs",
    "khugepaged",
    "kcompactd",
    "khungtaskd",
    "kintegrityd",
    "kblockd",
    "kauditd",
    "rcu_",
    "migration/",
    "cpuhp/",
    "idle_inject/",
    "jbd2/",
    "xfsaild/",
    "scsi_eh_",
    "oom_reaper",
    "writeback",
];

#[derive(Debug, Default)]
pub struct KernelThreadMasquerade;

impl Rule for KernelThreadMasquerade {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("kernel-thread-masquerade", "Program that poses as a kernel thread")
            .description(
                "A program was executed under the name of a kernel thread, or with a first \
                 argument in brackets, as ps shows kernel threads. Kernel threads execute nothing.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1036.004", "T1036.009"])
            .false_positives(["None known"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec().prefix(fields::PROCESS_NAME, BEGINNINGS),
            Interest::exec().prefix(fields::PROCESS_COMMAND_LINE, ["["]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let path = event.process_executable()?;
        let name = event.process_name()?;
        if BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) {
            let who = event.who();
            return Some(alert(HIGH, format!("{who} executed {path} as kernel thread {name}")));
        }
        let shown = event.process_args().into_iter().next()?;
        // The command `[` is there too, and a sentence in brackets is no thread's name.
        let inner = shown.strip_prefix('[')?.strip_suffix(']')?;
        let thread = !inner.is_empty() && !inner.contains(' ');
        thread.then(|| alert(HIGH, format!("{} executed {path} as {shown}", event.who())))
    }
}

ocellus_sdk::rule!(KernelThreadMasquerade);
