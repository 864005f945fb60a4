//! Fixtures: what an author writes beside a rule to say on which events it must fire, and on which
//! it must not. `docs/rules.md` has the format for people.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::read_event::{self, EventError};
use super::sample::Execution;
use crate::event::{Event, Field, Value};

/// Time of the first event of each test: 2026-01-01T00:00:00Z, ns since the epoch.
const FIRST_EVENT_NS: u64 = 1_767_225_600_000_000_000;

/// One file of fixtures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixtures {
    /// What the rule's `configure` is given.
    #[serde(default)]
    pub config: Option<toml::Table>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default, rename = "test")]
    pub tests: Vec<Case>,
    #[serde(default, rename = "baseline")]
    pub baselines: Vec<Baseline>,
}

/// What the rule may cost.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Fuel for one event, of which the guest spends about one for each instruction.
    #[serde(default)]
    pub fuel_max: Option<u64>,
}

/// How much a rule may say about a recording of ordinary work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Relative to the fixture file.
    pub recording: PathBuf,
    #[serde(default)]
    pub alerts_max: u64,
}

/// One test: an event, or several in a row, and what the rule must say to each.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[serde(default)]
    pub name: String,
    /// An execution: the command line; see [`Execution`].
    exec: Option<Vec<String>>,
    /// Its executable, where the first word of the command line is not its path.
    executable: Option<String>,
    parent: Option<Vec<String>>,
    user: Option<String>,
    /// Fields, over those of the execution.
    event: Option<Json>,
    /// Time since the event before, in milliseconds.
    #[serde(default)]
    after_ms: u64,
    /// Rules that must say something; nobody else may. An empty list: the event passes.
    #[serde(default, rename = "match")]
    matches: Option<OneOrMore>,
    /// What the verdict must be: `alert`, `tag` or `drop`.
    verdict: Option<String>,
    severity: Option<u8>,
    /// Must be part of the alert's message.
    message: Option<String>,
    /// Must be among the verdict's tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Events in a row, to one instance of the rule.
    #[serde(default, rename = "step")]
    steps: Vec<Case>,
}

/// One event of a test, ready to be judged.
#[derive(Clone, Debug)]
pub struct Step {
    pub event: Arc<Event>,
    /// Time of the event, ns since the epoch.
    pub time_ns: u64,
    pub expected: Expected,
}

/// What must be said to an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The rules that must say something, and no others.
    pub rules: Vec<String>,
    pub verdict: Option<String>,
    pub severity: Option<u8>,
    pub message: Option<String>,
    pub tags: Vec<String>,
}

/// Why fixtures cannot be used: which file, which test, what.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {detail}", path.display())]
    Format { path: PathBuf, detail: String },
    #[error("{}: test {name:?}: {detail}", path.display())]
    Test { path: PathBuf, name: String, detail: String },
}

/// Reads a file of fixtures, in TOML or JSON by its name.
pub fn read(path: &Path) -> Result<Fixtures, FixtureError> {
    let text = fs::read_to_string(path)
        .map_err(|source| FixtureError::Read { path: path.to_owned(), source })?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let parsed = if is_json {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error| error.to_string().trim_end().to_owned())
    };
    parsed.map_err(|detail| FixtureError::Format { path: path.to_owned(), detail })
}

/// The fixture files of a folder, in order of their names: `*.toml` and `*.json`.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, FixtureError> {
    let read_error = |source| FixtureError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(read_error(error)),
    };
    for entry in entries {
        let path = entry.map_err(read_error)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("toml" | "json")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Case {
    /// The events of the test. The error says what is wrong with it.
    pub fn steps(&self) -> Result<Vec<Step>, String> {
        if self.steps.is_empty() {
            return Ok(vec![self.step(0, FIRST_EVENT_NS)?]);
        }
        if self.exec.is_some() || self.event.is_some() || self.matches.is_some() {
            return Err("it has steps: put its event and what is expected into them".into());
        }
        let mut time_ns = FIRST_EVENT_NS;
        let mut steps = Vec::new();
        for (position, step) in self.steps.iter().enumerate() {
            if !step.steps.is_empty() {
                return Err(format!("step {}: a step has no steps", position + 1));
            }
            time_ns += step.after_ms * 1_000_000;
            let step = step.step(position, time_ns);
            steps.push(step.map_err(|why| format!("step {}: {why}", position + 1))?);
        }
        Ok(steps)
    }

    fn step(&self, position: usize, time_ns: u64) -> Result<Step, String> {
        let mut event = match &self.exec {
            Some(args) => Execution::of(args)?
                .with_executable(self.executable.as_deref())
                .with_parent(self.parent.as_deref())?
                .with_user(self.user.as_deref())
                .event(position),
            None if self.executable.is_some() || self.parent.is_some() || self.user.is_some() => {
                return Err("`executable`, `parent` and `user` go with `exec`".into());
            }
            None => Event::default(),
        };
        match (&self.event, &self.exec) {
            (None, None) => return Err("it has no event: give `exec`, `event` or both".into()),
            (None, Some(_)) => {}
            (Some(json), Some(_)) => self.set_all(&mut event, json)?,
            (Some(json), None) => {
                event = read_event::event(json).map_err(|error| error.to_string())?;
            }
        }
        if *event.get(Field::TIMESTAMP) == Value::Absent {
            event.set(Field::TIMESTAMP, Value::Time(time_ns));
        }
        Ok(Step { event: Arc::new(event), time_ns, expected: self.expected()? })
    }

    fn set_all(&self, event: &mut Event, json: &Json) -> Result<(), String> {
        read_event::set_all(event, json).map_err(|error: EventError| error.to_string())
    }

    fn expected(&self) -> Result<Expected, String> {
        let rules = match &self.matches {
            Some(OneOrMore(rules)) => rules.clone(),
            None => {
                return Err("it expects nothing: give `match = \"RULE\"`, or `match = []` for an \
                            event that must pass"
                    .into());
            }
        };
        if let Some(wrong) =
            self.verdict.as_ref().filter(|it| !["alert", "tag", "drop"].contains(&it.as_str()))
        {
            return Err(format!("`verdict` is \"alert\", \"tag\" or \"drop\", not {wrong:?}"));
        }
        let details = self.verdict.is_some()
            || self.severity.is_some()
            || self.message.is_some()
            || !self.tags.is_empty();
        if details && rules.len() != 1 {
            return Err(
                "`verdict`, `severity`, `message` and `tags` need one rule in `match`".into()
            );
        }
        Ok(Expected {
            rules,
            verdict: self.verdict.clone(),
            severity: self.severity,
            message: self.message.clone(),
            tags: self.tags.clone(),
        })
    }
}

/// A text, or a list of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMore, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the id of a rule, or a list of ids")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
                Ok(vec![text.to_owned()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(texts)
            }
        }
        deserializer.deserialize_any(Texts).map(OneOrMore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kinds;

    fn parse(text: &str) -> Fixtures {
        toml::from_str(text).unwrap()
    }

    fn wrong(text: &str) -> String {
        parse(&format!("[[test]]\n{text}")).tests[0].steps().unwrap_err()
    }

    #[test]
    fn a_fixture_is_read() {
        let fixtures = parse(
            r#"
            config = { allow = ["/opt/"] }
            limits = { fuel_max = 9 }
            [[test]]
            name = "a"
            exec = ["nc", "-l"]
            parent = ["/usr/sbin/nginx"]
            event = { "user.name" = "alice", process = { pid = 7 } }
            match = "netcat"
            severity = 47
            [[baseline]]
            recording = "a.ocellus"
            "#,
        );
        assert_eq!(fixtures.limits.fuel_max, Some(9));
        assert_eq!(fixtures.baselines[0].alerts_max, 0);
        let steps = fixtures.tests[0].steps().unwrap();
        let Step { event, expected, .. } = &steps[0];
        assert_eq!(event.text(Field::PROCESS_EXECUTABLE), Some("/usr/bin/nc"));
        assert_eq!(event.text(Field::PROCESS_PARENT_NAME), Some("nginx"));
        assert_eq!(event.text(Field::USER_NAME), Some("alice"));
        assert_eq!(event.number(Field::PROCESS_PID), Some(7));
        assert_eq!(event.number(Field::TIMESTAMP), Some(FIRST_EVENT_NS));
        assert!(event.kinds.intersects(Kinds::PROCESS_EXEC));
        assert_eq!((&*expected.rules, expected.severity), (&["netcat".to_owned()][..], Some(47)));
    }

    #[test]
    fn steps_share_a_clock() {
        let fixtures = parse(
            r#"
            [[test]]
            name = "a"
            [[test.step]]
            exec = ["a"]
            match = []
            [[test.step]]
            exec = ["b"]
            after_ms = 1500
            match = ["x", "y"]
            "#,
        );
        let steps = fixtures.tests[0].steps().unwrap();
        assert_eq!(steps[1].time_ns - steps[0].time_ns, 1_500_000_000);
        assert_eq!(steps[1].expected.rules, ["x", "y"]);
        let entity = |step: &Step| step.event.text(Field::PROCESS_ENTITY_ID).unwrap().to_owned();
        assert_ne!(entity(&steps[0]), entity(&steps[1]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(wrong("match = []").contains("it has no event"));
        assert!(wrong("exec = [\"a\"]").contains("it expects nothing"));
        assert!(wrong("exec = []\nmatch = []").contains("has no program"));
        assert!(wrong("parent = [\"a\"]\nevent = {}\nmatch = []").contains("go with `exec`"));
        let field = "event = { \"process.nam\" = \"a\" }\nmatch = []";
        assert!(wrong(field).contains("did you mean `process.name`?"));
        assert!(wrong("exec = [\"a\"]\nmatch = []\nseverity = 1").contains("need one rule"));
        let verdict = "exec = [\"a\"]\nmatch = \"a\"\nverdict = \"block\"";
        assert!(wrong(verdict).contains("not \"block\""));
        let both = "exec = [\"a\"]\n[[test.step]]\nexec = [\"a\"]\nmatch = []";
        assert!(wrong(both).contains("it has steps"));
        let deep = "[[test.step]]\n[[test.step.step]]\nexec = [\"a\"]";
        assert!(wrong(deep).contains("a step has no steps"));
        let error = toml::from_str::<Fixtures>("[[test]]\nmatch = 7").unwrap_err();
        assert!(error.to_string().contains("the id of a rule, or a list of ids"), "{error}");
        let error = toml::from_str::<Fixtures>("[[test]]\nmatches = []").unwrap_err();
        assert!(error.to_string().contains("unknown field `matches`"), "{error}");
    }
}
