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
        let user = event.user_name().unwrap_or_else(|| "someone".into());
        Some(alert(MEDIUM, format!("{user} started {}", event.process_command_line()?)))
    }
}

ocellus_sdk::rule!(Netcat);

#[cfg(test)]
mod tests {
    use super::*;
    use ocellus_sdk::testing::{FakeEvent, Tester};

    #[test]
    fn netcat_alerts_and_others_pass() {
        let mut rule = Tester::<Netcat>::new();
        let alert = rule.expect_alert(&FakeEvent::exec("/usr/bin/nc", ["nc", "-l", "4444"]));
        assert_eq!(alert.message, "user started nc -l 4444");
        rule.expect_pass(&FakeEvent::exec("/usr/bin/ls", ["ls"]));
    }
}
