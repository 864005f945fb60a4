use ocellus_sdk::prelude::*;

#[derive(Debug, Default)]
pub struct ShellFromService;

impl Rule for ShellFromService {
    fn info(&self) -> RuleInfo { RuleInfo::new("shell-from-service", "A shell") }
    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().one_of(fields::PROCESS_NAME, ["sh"]).one_of(fields::PROCESS_PARENT_NAME, ["nginx"])]
    }
    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        Some(alert(HIGH, format!("shell: {}", event.process_command_line()?)))
    }
}

ocellus_sdk::rule!(ShellFromService);
