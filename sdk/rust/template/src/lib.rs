//! Alerts when netcat is started, and says by whom. Begin with `interests` and `on_event`.

use ocellus_sdk::prelude::*;

#[derive(Debug, Default)]
pub struct Detection;

impl Rule for Detection {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("{{name}}", "Netcat was started")
            .description("Any start of netcat")
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1095"])
            .false_positives(["Administrators who test a port"])
    }

    /// What the sensor tests itself, before it calls this rule.
    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().one_of(fields::PROCESS_NAME, ["nc", "ncat", "netcat"])]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let user = event.user_name().unwrap_or_else(|| "someone".into());
        Some(alert(MEDIUM, format!("{user} started {}", event.process_command_line()?)))
    }
}

ocellus_sdk::rule!(Detection);

#[cfg(test)]
mod tests {
    use super::*;
    use ocellus_sdk::testing::{FakeEvent, Tester};

    #[test]
    fn netcat_alerts_and_others_pass() {
        let mut rule = Tester::<Detection>::new();
        let alert = rule.expect_alert(&FakeEvent::exec("/usr/bin/nc", ["nc", "-l", "4444"]));
        assert_eq!(alert.message, "user started nc -l 4444");
        rule.expect_pass(&FakeEvent::exec("/usr/bin/ls", ["ls"]));
    }
}
