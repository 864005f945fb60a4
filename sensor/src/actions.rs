//! What an event is called: action, types and message, in either vocabulary.

use crate::event::{Kinds, Texts};

/// Stands for the word that says which id changed.
pub const ID_CHANGE: &str = "id_change";

/// Which words `event.action` and `event.type` use.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Actions {
    /// auditbeat's: `process_started`, `process_ran` …
    #[default]
    Auditbeat,
    /// What public rules test: `exec`, `fork`, `end`.
    Endpoint,
}

/// The names of one process event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    pub action: &'static str,
    pub types: Texts,
    /// The kinds by name.
    pub kinds: Texts,
    /// Verb of the message.
    verb: &'static str,
}

/// The names of every set of process kinds, made once.
#[derive(Debug)]
pub struct Namings([Naming; 1 << Kinds::PROCESS_COUNT]);

impl Namings {
    pub fn new(actions: Actions) -> Namings {
        Namings(std::array::from_fn(|bits| naming(actions, bits)))
    }

    /// The names of a process event of these kinds.
    pub fn of(&self, kinds: Kinds) -> &Naming {
        &self.0[usize::from(kinds.bits()) % self.0.len()]
    }
}

fn naming(actions: Actions, bits: usize) -> Naming {
    let has = |kind: Kinds| bits & usize::from(kind.bits()) != 0;
    let existing = has(Kinds::PROCESS_EXISTING);
    let (fork, exec, exit) =
        (has(Kinds::PROCESS_FORK), has(Kinds::PROCESS_EXEC), has(Kinds::PROCESS_EXIT));
    let (ids, name, pgid) = (
        has(Kinds::PROCESS_ID_CHANGE),
        has(Kinds::PROCESS_NAME_CHANGE),
        has(Kinds::PROCESS_PGID_CHANGE),
    );
    let change = ids || name || pgid;
    let names = Kinds::NAMES.iter().filter(|(kind, _)| has(*kind)).map(|(_, name)| name);
    let kinds: Texts = names.collect();
    // auditbeat's words and their order: peers: quark, 3.3 and 3.4. It has none for changes of ids
    // and names, so these are ours.
    let (auditbeat, verb) = match (existing, fork, exec, exit) {
        (true, ..) => ("existing_process", "is RUNNING"),
        (_, true, _, true) => ("process_ran", "RAN"),
        (_, true, _, false) => ("process_started", "STARTED"),
        (_, false, _, true) => ("process_stopped", "STOPPED"),
        (_, false, true, false) => ("process_changed_image", "CHANGED IMAGE"),
        (_, false, false, false) if ids => ("process_changed_ids", "CHANGED IDS"),
        (_, false, false, false) if name => ("process_changed_name", "CHANGED NAME"),
        (_, false, false, false) if pgid => ("process_changed_pgid", "CHANGED PROCESS GROUP"),
        (_, false, false, false) => ("process_error", "ERROR"),
    };
    match actions {
        Actions::Auditbeat => {
            let types =
                [(existing, "info"), (fork, "start"), (exec || change, "change"), (exit, "end")];
            Naming { action: auditbeat, types: chosen(&types), kinds, verb }
        }
        Actions::Endpoint => {
            // What public rules look for most comes first. Which id changed is for the event to
            // say (`Changes::endpoint_action`).
            let action = match (existing, exec, ids, fork, exit) {
                (true, ..) => "already_running",
                (_, true, ..) => "exec",
                (_, _, true, ..) => ID_CHANGE,
                (_, _, _, true, _) => "fork",
                (.., false, true) => "end",
                _ if name => "name_change",
                _ => "pgid_change",
            };
            let types =
                [(existing, "info"), (fork || exec, "start"), (change, "change"), (exit, "end")];
            Naming { action, types: chosen(&types), kinds, verb }
        }
    }
}

fn chosen(types: &[(bool, &str)]) -> Texts {
    types.iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

impl Naming {
    /// `Process zsh (PID: 9086) by user elastic STOPPED`.
    pub fn message(&self, name: &str, pid: u32, user: Option<&str>) -> String {
        match user {
            Some(user) if !user.is_empty() => {
                format!("Process {name} (PID: {pid}) by user {user} {}", self.verb)
            }
            _ => format!("Process {name} (PID: {pid}) {}", self.verb),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(actions: Actions, kinds: &[Kinds]) -> String {
        let kinds = kinds.iter().fold(Kinds::NONE, |all, kind| all.with(*kind));
        let namings = Namings::new(actions);
        let naming = namings.of(kinds);
        format!("{} {:?}", naming.action, naming.types)
    }

    #[test]
    fn auditbeats_words() {
        const F: Kinds = Kinds::PROCESS_FORK;
        const X: Kinds = Kinds::PROCESS_EXEC;
        const E: Kinds = Kinds::PROCESS_EXIT;
        let words = |kinds: &[Kinds]| words(Actions::Auditbeat, kinds);
        assert_eq!(words(&[F, X, E]), r#"process_ran ["start", "change", "end"]"#);
        assert_eq!(words(&[F, E]), r#"process_ran ["start", "end"]"#);
        assert_eq!(words(&[F]), r#"process_started ["start"]"#);
        assert_eq!(words(&[F, X]), r#"process_started ["start", "change"]"#);
        assert_eq!(words(&[X]), r#"process_changed_image ["change"]"#);
        assert_eq!(words(&[X, E]), r#"process_stopped ["change", "end"]"#);
        assert_eq!(words(&[E]), r#"process_stopped ["end"]"#);
        assert_eq!(words(&[Kinds::PROCESS_EXISTING]), r#"existing_process ["info"]"#);
        const I: Kinds = Kinds::PROCESS_ID_CHANGE;
        const C: Kinds = Kinds::PROCESS_NAME_CHANGE;
        const G: Kinds = Kinds::PROCESS_PGID_CHANGE;
        assert_eq!(words(&[I]), r#"process_changed_ids ["change"]"#);
        assert_eq!(words(&[C]), r#"process_changed_name ["change"]"#);
        assert_eq!(words(&[G]), r#"process_changed_pgid ["change"]"#);
        assert_eq!(words(&[F, I]), r#"process_started ["start", "change"]"#);
        assert_eq!(words(&[X, C, E]), r#"process_stopped ["change", "end"]"#);
    }

    #[test]
    fn the_words_of_public_rules() {
        const F: Kinds = Kinds::PROCESS_FORK;
        const X: Kinds = Kinds::PROCESS_EXEC;
        const E: Kinds = Kinds::PROCESS_EXIT;
        let words = |kinds: &[Kinds]| words(Actions::Endpoint, kinds);
        assert_eq!(words(&[F, X, E]), r#"exec ["start", "end"]"#);
        assert_eq!(words(&[F, X]), r#"exec ["start"]"#);
        assert_eq!(words(&[X]), r#"exec ["start"]"#);
        assert_eq!(words(&[F]), r#"fork ["start"]"#);
        assert_eq!(words(&[F, E]), r#"fork ["start", "end"]"#);
        assert_eq!(words(&[E]), r#"end ["end"]"#);
        assert_eq!(words(&[Kinds::PROCESS_EXISTING]), r#"already_running ["info"]"#);
        const I: Kinds = Kinds::PROCESS_ID_CHANGE;
        const C: Kinds = Kinds::PROCESS_NAME_CHANGE;
        const G: Kinds = Kinds::PROCESS_PGID_CHANGE;
        assert_eq!(words(&[I]), r#"id_change ["change"]"#);
        assert_eq!(words(&[F, I]), r#"id_change ["start", "change"]"#);
        assert_eq!(words(&[F, X, I, E]), r#"exec ["start", "change", "end"]"#);
        assert_eq!(words(&[C]), r#"name_change ["change"]"#);
        assert_eq!(words(&[G]), r#"pgid_change ["change"]"#);
        assert_eq!(words(&[F, G]), r#"fork ["start", "change"]"#);
        assert_eq!(words(&[C, E]), r#"end ["change", "end"]"#);
    }

    #[test]
    fn messages_are_auditbeats() {
        let namings = Namings::new(Actions::Auditbeat);
        let stopped = namings.of(Kinds::PROCESS_EXIT);
        let message = stopped.message("zsh", 9086, Some("elastic"));
        assert_eq!(message, "Process zsh (PID: 9086) by user elastic STOPPED");
        let running = namings.of(Kinds::PROCESS_EXISTING);
        assert_eq!(running.message("init", 1, None), "Process init (PID: 1) is RUNNING");
    }
}
