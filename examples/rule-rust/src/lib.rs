//! Alerts when netcat is started, and says by whom. Build it with
//! `ocellus rules build examples/rule-rust`.

use ocellus_sdk::prelude::*;

#[derive(Debug, Default)]
pub struct Netcat;

impl Rule for Netcat {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("example-netcat-rust", "Netcat was started")
            .description("Any start of netcat: an example in Rust")
            .attack(["T1095"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().one_of(fields::PROCESS_NAME, ["nc", "ncat", "netcat"])]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let user = event.user_name().unwrap_or_else(|| "someone".to_owned());
        Some(alert(MEDIUM, format!("{user} started {}", event.process_command_line()?)))
    }
}

ocellus_sdk::rule!(Netcat);
