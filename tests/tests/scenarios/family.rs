//! What is told of one command and of all that descends from it.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::sync::Arc;

use ocellus_tests::program::field;
use serde_json::{Value, json};

/// The numbers that a workload has reported.
#[derive(Default, Debug)]
pub struct Facts(BTreeMap<String, u32>);

impl Facts {
    pub fn parse(output: &[u8]) -> Facts {
        let output = String::from_utf8_lossy(output);
        let lines = output.lines().filter_map(|line| line.split_once('='));
        Facts(
            lines.filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?))).collect(),
        )
    }

    pub fn get(&self, key: &str) -> Option<u32> {
        self.0.get(key).copied()
    }
}

/// The events of a command and of its descendants, in the order in which they came.
pub struct Family {
    pid: u32,
    entity: String,
    events: Vec<Arc<Value>>,
    facts: Facts,
    status: ExitStatus,
}

impl Family {
    /// The family of the command that was started as process `pid`, once its fork is told.
    pub fn of(pid: u32, events: &[Arc<Value>]) -> Option<Family> {
        let ours = json!(std::process::id());
        let first = events.iter().position(|event| {
            field(event, "process.pid") == &json!(pid)
                && field(event, "process.parent.pid") == &ours
                && kind(event) == "fork"
        })?;
        let entity = text(&events[first], "process.entity_id").to_owned();
        let is_ours = |event: &&Arc<Value>| {
            let ancestors = field(event, "ocellus.ancestors.entity_id").as_array();
            field(event, "process.entity_id") == &json!(entity)
                || ancestors.is_some_and(|all| all.contains(&json!(entity)))
        };
        let events = events[first..].iter().filter(is_ours).cloned().collect();
        let (facts, status) = (Facts::default(), ExitStatus::default());
        Some(Family { pid, entity, events, facts, status })
    }

    pub fn with(self, facts: Facts, status: ExitStatus) -> Family {
        Family { facts, status, ..self }
    }

    /// How the command ended, as wait(2) told the test.
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// A number that the workload has reported.
    pub fn fact(&self, key: &str) -> u32 {
        self.facts.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.facts))
    }

    pub fn reported(&self, key: &str) -> Option<u32> {
        self.facts.get(key)
    }

    /// The command itself.
    pub fn root(&self) -> Life {
        let is_root = |event: &&Arc<Value>| field(event, "process.entity_id") == &self.entity[..];
        Life { pid: self.pid, events: self.events.iter().filter(is_root).cloned().collect() }
    }

    /// The only process with this number.
    pub fn process(&self, pid: u32) -> Life {
        let mut lives = self.lives(pid);
        assert_eq!(lives.len(), 1, "processes of number {pid} in {:#?}", self.events);
        lives.remove(0)
    }

    /// The process with the number that the workload has reported.
    pub fn named(&self, key: &str) -> Life {
        self.process(self.fact(key))
    }

    /// All processes with this number, in the order of their births.
    pub fn lives(&self, pid: u32) -> Vec<Life> {
        let mut lives: Vec<Life> = Vec::new();
        for event in self.events.iter().filter(|it| field(it, "process.pid") == &json!(pid)) {
            let same = |life: &&mut Life| life.entity_id() == text(event, "process.entity_id");
            match lives.iter_mut().find(same) {
                Some(life) => life.events.push(event.clone()),
                None => lives.push(Life { pid, events: vec![event.clone()] }),
            }
        }
        lives
    }

    pub fn events(&self) -> &[Arc<Value>] {
        &self.events
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        let ids = self.events.iter().map(|event| text(event, "process.entity_id"));
        ids.collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// The events of one process.
#[derive(Debug)]
pub struct Life {
    pub pid: u32,
    events: Vec<Arc<Value>>,
}

impl Life {
    /// What happened, one after the other: fork, exec, exit.
    pub fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(|event| kind(event)).collect()
    }

    pub fn assert_kinds(&self, expected: &str) {
        assert_eq!(self.kinds().join(" "), expected, "{:#?}", self.events);
    }

    pub fn entity_id(&self) -> &str {
        text(&self.events[0], "process.entity_id")
    }

    /// The only event of this kind.
    pub fn the(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{kind} of {:#?}", self.events);
        all[0]
    }

    /// The last event of this kind.
    pub fn last(&self, kind: &str) -> &Value {
        self.all(kind).pop().unwrap_or_else(|| panic!("no {kind} of {:#?}", self.events))
    }

    /// All events of this kind.
    pub fn all(&self, wanted: &str) -> Vec<&Value> {
        let events = self.events.iter().map(|event| &**event);
        events.filter(|event| kind(event) == wanted).collect()
    }
}

/// The kind of an event of one raw event, without its class.
pub fn kind(event: &Value) -> &str {
    let kinds = field(event, "ocellus.kinds").as_array();
    let kind = kinds.and_then(|kinds| kinds.first()).and_then(Value::as_str).unwrap_or_default();
    kind.strip_prefix("process.").unwrap_or(kind)
}

pub fn text<'a>(event: &'a Value, path: &str) -> &'a str {
    match field(event, path).as_str() {
        Some(text) => text,
        None => panic!("no {path} in {event:#}"),
    }
}

/// Compares fields with what they must be; `null` is a field that is absent. Tells all that differ.
pub fn expect(event: &Value, expected: &[(&str, Value)]) {
    let differ = |(path, expected): &&(&str, Value)| field(event, path) != expected;
    let wrong: Vec<String> = expected
        .iter()
        .filter(differ)
        .map(|(path, expected)| format!("{path}: {} and not {expected}", field(event, path)))
        .collect();
    assert!(wrong.is_empty(), "{}\nin {event:#}", wrong.join("\n"));
}
