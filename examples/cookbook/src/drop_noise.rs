use ocellus_sdk::prelude::*;

const CHECK: &str = "/usr/bin/pg_isready";
const RUNTIMES: [&str; 2] = ["containerd-shim", "runc"];

/// A health check that runs each second: dropped, and counted under this rule's name.
#[derive(Default)]
pub struct HealthCheck;

impl Rule for HealthCheck {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-drop", "Health checks are noise").asks_to_drop()
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec()
                .one_of(fields::PROCESS_EXECUTABLE, [CHECK])
                .one_of(fields::PROCESS_PARENT_NAME, RUNTIMES),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        // As narrow as it can be: whoever fits in here is not seen.
        let is_check = event.process_executable()? == *CHECK
            && RUNTIMES.contains(&event.process_parent_name()?.as_str())
            && event.process_args().len() == 1;
        is_check.then(drop_event)
    }
}
