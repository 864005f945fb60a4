//! An ordinary execution, as the sensor shows one, from nothing but a command line: so that a
//! fixture names only what matters to its rule.

use crate::event::{Event, Field, Kinds, Texts, Value};

/// Longest command name that the kernel keeps, in bytes.
const COMM_BYTES: usize = 15;
/// Process id of the first execution of a test.
const FIRST_PID: u64 = 4_321;

/// A process of `user` (1000) that a login shell forked, and that executed a program.
#[derive(Clone, Debug)]
pub struct Execution {
    program: Program,
    parent: Program,
    user: String,
}

/// A program that runs: its executable and its arguments.
#[derive(Clone, Debug)]
struct Program {
    executable: String,
    args: Vec<String>,
}

impl Program {
    /// The first word is the program: a path, or the name of a program in `/usr/bin`.
    fn of(args: &[String]) -> Result<Program, String> {
        match args.first() {
            None => Err("a command line has no program".into()),
            Some(word) if word.is_empty() => Err("a command line has an empty program".into()),
            Some(path) if path.starts_with('/') => {
                Ok(Program { executable: path.clone(), args: args.to_vec() })
            }
            Some(name) => {
                Ok(Program { executable: format!("/usr/bin/{name}"), args: args.to_vec() })
            }
        }
    }

    /// The command name that the kernel gives to it.
    fn name(&self) -> &str {
        let name = self.executable.rsplit('/').next().unwrap_or_default();
        &name[..name.floor_char_boundary(COMM_BYTES)]
    }
}

impl Execution {
    /// The execution of a command line.
    pub fn of(args: &[String]) -> Result<Execution, String> {
        let parent = Program { executable: "/usr/bin/bash".into(), args: vec!["-bash".into()] };
        Ok(Execution { program: Program::of(args)?, parent, user: "user".into() })
    }

    /// Its executable, where that is not what the first word of the command line says.
    #[must_use]
    pub fn with_executable(mut self, path: Option<&str>) -> Execution {
        if let Some(path) = path {
            self.program.executable = path.to_owned();
        }
        self
    }

    /// Who started it.
    pub fn with_parent(mut self, args: Option<&[String]>) -> Result<Execution, String> {
        if let Some(args) = args {
            self.parent = Program::of(args).map_err(|why| format!("`parent`: {why}"))?;
        }
        Ok(self)
    }

    /// As whom: `root` has the id 0, everybody else 1000.
    #[must_use]
    pub fn with_user(mut self, name: Option<&str>) -> Execution {
        if let Some(name) = name {
            self.user = name.to_owned();
        }
        self
    }

    /// The event. `position` tells it apart from others of the same parent.
    pub fn event(&self, position: usize) -> Event {
        let mut event = Event::default();
        event.kinds = Kinds::PROCESS_FORK.with(Kinds::PROCESS_EXEC);
        let kinds = event.kinds.names().collect();
        event.set(Field::OCELLUS_KINDS, Value::Texts(kinds));
        let Execution { program, parent, user } = self;
        event.set_number(Field::PROCESS_PID, FIRST_PID + position as u64);
        event.set_text(Field::PROCESS_ENTITY_ID, format!("process-{}", position + 1));
        event.set_text(Field::PROCESS_EXECUTABLE, program.executable.as_str());
        event.set_text(Field::OCELLUS_FILENAME, program.executable.as_str());
        event.set_text(Field::PROCESS_NAME, program.name());
        event.set_number(Field::PROCESS_ARGS_COUNT, program.args.len() as u64);
        event.set_text(Field::PROCESS_COMMAND_LINE, program.args.join(" "));
        event.set(Field::PROCESS_ARGS, Value::Texts(program.args.iter().collect()));
        event.set_text(Field::PROCESS_WORKING_DIRECTORY, "/home/user");
        event.set_static(Field::OCELLUS_EXE_MODE, "0755");
        event.set_number(Field::PROCESS_PARENT_PID, FIRST_PID - 1);
        event.set_static(Field::PROCESS_PARENT_ENTITY_ID, "parent");
        event.set_text(Field::PROCESS_PARENT_EXECUTABLE, parent.executable.as_str());
        event.set_text(Field::PROCESS_PARENT_NAME, parent.name());
        event.set_text(Field::PROCESS_PARENT_COMMAND_LINE, parent.args.join(" "));
        event.set(Field::PROCESS_PARENT_ARGS, Value::Texts(parent.args.iter().collect()));
        let names = [parent.name(), "systemd"];
        let executables = [parent.executable.as_str(), "/usr/lib/systemd/systemd"];
        event.set(Field::OCELLUS_ANCESTORS_NAME, texts(&names));
        event.set(Field::OCELLUS_ANCESTORS_EXECUTABLE, texts(&executables));
        event.set(Field::OCELLUS_ANCESTORS_ENTITY_ID, texts(&["parent", "systemd"]));
        let id = if user == "root" { "0" } else { "1000" };
        for (id_field, name_field) in [
            (Field::USER_ID, Field::USER_NAME),
            (Field::USER_EFFECTIVE_ID, Field::USER_EFFECTIVE_NAME),
            (Field::PROCESS_USER_ID, Field::PROCESS_USER_NAME),
            (Field::PROCESS_REAL_USER_ID, Field::PROCESS_REAL_USER_NAME),
        ] {
            event.set_static(id_field, id);
            event.set_text(name_field, user.as_str());
        }
        event
    }
}

fn texts(texts: &[&str]) -> Value {
    Value::Texts(texts.iter().collect::<Texts>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_line_is_an_execution() {
        let event = Execution::of(&words("containerd-shim-runc-v2 -x")).unwrap().event(0);
        assert_eq!(event.text(Field::PROCESS_NAME), Some("containerd-shim"));
        assert_eq!(event.text(Field::PROCESS_COMMAND_LINE), Some("containerd-shim-runc-v2 -x"));
        assert_eq!(event.text(Field::USER_ID), Some("1000"));
        let event = Execution::of(&words("/opt/x")).unwrap();
        let event = event.with_parent(Some(&words("cron -f"))).unwrap().with_user(Some("root"));
        let event = event.event(3);
        assert_eq!(event.text(Field::PROCESS_EXECUTABLE), Some("/opt/x"));
        assert_eq!(event.text(Field::PROCESS_PARENT_EXECUTABLE), Some("/usr/bin/cron"));
        assert_eq!(event.text(Field::USER_EFFECTIVE_ID), Some("0"));
        assert_eq!(event.number(Field::PROCESS_PID), Some(4_324));
    }
}
