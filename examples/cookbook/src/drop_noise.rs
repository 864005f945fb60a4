use ocellus_sdk::prelude::*;

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
                .one_of(fields::PROCESS_EXECUTABLE, ["/usr/bin/pg_isready"])
                .one_of(fields::PROCESS_PARENT_NAME, ["containerd-shim", "runc"]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        // As narrow as it can be: whoever fits in here is not seen.
        (event.process_args().len() == 1).then(drop_event)
    }
}
