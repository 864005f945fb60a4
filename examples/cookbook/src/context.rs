use ocellus_sdk::prelude::*;

const TOOLS: [&str; 3] = ["useradd", "usermod", "adduser"];
static PACKAGES: Set = Set::of(known::PACKAGE_MANAGERS);

/// An account is made or changed: noise from a package, routine at a terminal, news otherwise.
#[derive(Default)]
pub struct AccountChange;

impl Rule for AccountChange {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-context", "An account was made or changed")
            .attack(["T1136.001", "T1098"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().one_of(fields::PROCESS_NAME, TOOLS)]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        if !TOOLS.contains(&event.process_name()?.as_str()) {
            return None;
        }
        if event.has_ancestor(&PACKAGES) {
            return Some(tag("account-change"));
        }
        let severity = match (event.process_interactive(), event.container_id()) {
            (_, Some(_)) => CRITICAL,
            (true, None) => LOW,
            (false, None) => HIGH,
        };
        Some(alert(severity, format!("{}: {}", event.who(), event.command())))
    }
}
