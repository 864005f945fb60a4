use std::time::Duration;

use ocellus_sdk::prelude::*;

const PROGRAMS: [&str; 2] = ["sudo", "su"];
const FAILURES: u64 = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// Somebody guesses at sudo.
#[derive(Default)]
pub struct SudoFailures;

impl Rule for SudoFailures {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-burst", "A burst of failed sudo").attack(["T1548.003"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exit()
                .one_of(fields::PROCESS_NAME, PROGRAMS)
                .range(fields::PROCESS_EXIT_CODE, 1..=255),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let failed = event.process_exit_code()? > 0;
        if !failed || !PROGRAMS.contains(&event.process_name()?.as_str()) {
            return None;
        }
        // Kept by the sensor: it outlives a new version of this rule, and forgets by itself.
        let user = event.user_id()?;
        let failures = state::add(&format!("burst {user}"), 1, WINDOW);
        // Once a burst, not with each further failure.
        (failures == FAILURES)
            .then(|| alert(HIGH, format!("{} failed {FAILURES} times in a minute", event.who())))
    }
}
