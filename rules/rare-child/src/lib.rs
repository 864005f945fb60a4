//! A well-known program starts one that it never started before.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Children that a program must have started before one can be rare, unless the operator says
/// otherwise.
const CHILDREN: u64 = 200;

/// Names of programs that start whatever people type, or whatever is installed.
const STARTS_ANYTHING: [&str; 12] = [
    "sudo", "su", "doas", "env", "xargs", "find", "make", "ninja", "tmux", "screen", "systemd",
    "init",
];

#[derive(Debug)]
pub struct RareChild {
    children: u64,
}

impl Default for RareChild {
    fn default() -> RareChild {
        RareChild { children: CHILDREN }
    }
}

impl Rule for RareChild {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("rare-child", "A program started one that it never started before")
            .description(
                "A program of the system's folders, which has started many others, started one \
                 whose name it had not started before.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1059.004", "T1190"])
            .false_positives([
                "Work that is done once a month",
                "A service that was changed to run another helper",
            ])
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.children = config.number("children")?.unwrap_or(CHILDREN).max(1);
        Ok(())
    }

    fn interests(&self) -> Vec<Interest> {
        let system = ["/usr/", "/bin/", "/sbin/", "/opt/"];
        vec![Interest::exec().prefix(fields::PROCESS_PARENT_EXECUTABLE, system)]
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let (parent, child) = (event.process_parent_name()?, event.process_name()?);
        let anything = known::SHELLS.iter().chain(known::PACKAGE_MANAGERS).chain(&STARTS_ANYTHING);
        if parent == *child || anything.copied().any(|name| parent == name) {
            return None;
        }
        // `php-fpm8.2` and `worker-17` are one program, whatever their numbers.
        let (parent, child) = (without_digits(&parent), without_digits(&child));
        let before = state::add(&format!("rare-child of {parent}"), 1, state::FOREVER) - 1;
        let pair = state::add(&format!("rare-child {parent} {child}"), 1, state::FOREVER);
        (pair == 1 && before >= self.children).then(|| {
            let command = event.command();
            alert(LOW, format!("{parent} started {command}, the first {child} in {before}"))
        })
    }
}

fn without_digits(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

ocellus_sdk::rule!(RareChild);
