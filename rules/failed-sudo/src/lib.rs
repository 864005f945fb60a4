//! Somebody guesses passwords: sudo and its like fail again and again for one user.

#![forbid(unsafe_code)]

use std::time::Duration;

use ocellus_sdk::prelude::*;

/// Programs that ask for a password and give other rights.
const PROGRAMS: [&str; 4] = ["sudo", "su", "doas", "pkexec"];
/// Failures within the window that make a burst, unless the operator says otherwise.
const FAILURES: u64 = 5;
/// Length of the window, seconds.
const WINDOW_S: u64 = 60;
/// How long it is remembered that a program ran something, at least.
const RAN: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
pub struct FailedSudo {
    failures: u64,
    window: Duration,
}

impl Default for FailedSudo {
    fn default() -> FailedSudo {
        FailedSudo { failures: FAILURES, window: Duration::from_secs(WINDOW_S) }
    }
}

impl Rule for FailedSudo {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("failed-sudo", "A burst of failed sudo")
            .description(
                "sudo, su, doas or pkexec failed several times within a minute for one user, \
                 without running anything.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1548.003", "T1110.001"])
            .false_positives([
                "Scripts that try `sudo -n` in a loop",
                "Somebody who has forgotten the password",
            ])
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.failures = config.number("failures")?.unwrap_or(FAILURES).max(1);
        self.window = Duration::from_secs(config.number("window_s")?.unwrap_or(WINDOW_S).max(1));
        Ok(())
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exit()
                .one_of(fields::PROCESS_NAME, PROGRAMS)
                .range(fields::PROCESS_EXIT_CODE, 1..=255),
            Interest::exec().one_of(fields::PROCESS_PARENT_NAME, PROGRAMS),
        ]
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let is_one = |name: &str| PROGRAMS.contains(&name);
        if event.has_kind("process.exec")
            && event.process_parent_name().is_some_and(|it| is_one(&it))
        {
            // It let the user through: its exit code is then that of what it ran.
            let ran =
                |entity_id: &str| state::set(&format!("failed-sudo ran {entity_id}"), "", RAN);
            ran(&event.process_parent_entity_id()?);
            // With a pseudo-terminal for the command, sudo runs it from a child of its own.
            let (names, ids) =
                (event.ocellus_ancestors_name(), event.ocellus_ancestors_entity_id());
            let above = names.iter().zip(&ids).skip(1).take_while(|(name, _)| is_one(name));
            above.for_each(|(_, id)| ran(id));
            return None;
        }
        let failed = event.has_kind("process.exit") && event.process_exit_code().unwrap_or(0) > 0;
        let name = event.process_name()?;
        if !failed || !is_one(&name) {
            return None;
        }
        let own = event.process_entity_id()?;
        let ran = format!("failed-sudo ran {own}");
        if state::get(&ran).is_some() {
            state::remove(&ran);
            return None;
        }
        let user = event.user_id()?;
        let count = state::add(&format!("failed-sudo of {user}"), 1, self.window);
        // Once a burst, not with each further failure.
        (count == self.failures).then(|| {
            let (who, window_s) = (event.user_name().unwrap_or(user), self.window.as_secs());
            alert(HIGH, format!("{who} failed {count} times at {name} within {window_s} s"))
        })
    }
}

ocellus_sdk::rule!(FailedSudo);
