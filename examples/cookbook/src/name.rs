use ocellus_sdk::prelude::*;

/// A database starts an interpreter.
#[derive(Default)]
pub struct InterpreterOfDatabase;

impl Rule for InterpreterOfDatabase {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-name", "A database started an interpreter").attack(["T1059"])
    }

    fn interests(&self) -> Vec<Interest> {
        let interpreters = ["python3", "perl", "ruby", "php", "node", "lua"];
        vec![
            Interest::exec()
                .one_of(fields::PROCESS_PARENT_NAME, ["postgres", "mysqld", "mariadbd", "mongod"])
                .one_of(fields::PROCESS_NAME, interpreters),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let parent = event.process_parent_name()?;
        Some(alert(HIGH, format!("{parent} started {}", event.command())))
    }
}
