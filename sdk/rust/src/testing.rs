//! Test a rule natively, without a sensor.
//!
//! ```
//! use ocellus_sdk::prelude::*;
//! use ocellus_sdk::testing::{FakeEvent, Tester};
//!
//! #[derive(Default)]
//! struct Netcat;
//!
//! impl Rule for Netcat {
//!     fn info(&self) -> RuleInfo {
//!         RuleInfo::new("netcat", "Netcat was started")
//!     }
//!     fn interests(&self) -> Vec<Interest> {
//!         vec![Interest::exec().one_of(fields::PROCESS_NAME, ["nc"])]
//!     }
//!     fn on_event(&mut self, _: &Event) -> Option<Verdict> {
//!         Some(alert(MEDIUM, "netcat"))
//!     }
//! }
//!
//! let mut rule = Tester::<Netcat>::new();
//! rule.expect_alert(&FakeEvent::exec("/usr/bin/nc", ["nc", "-l", "4444"]));
//! rule.expect_pass(&FakeEvent::exec("/usr/bin/ls", ["ls"]));
//! ```

use std::collections::BTreeMap;

use crate::event::base_name;
use crate::field::FieldType;
use crate::host::stand_in;
use crate::{Alert, Config, ConfigError, Event, Field, Interest, Level, Rule, Verdict, fields};

/// Longest command name that the kernel keeps, in bytes.
const COMM_BYTES: usize = 15;

/// An event with the fields that a test gives it, and no others.
#[derive(Clone, Debug, Default)]
pub struct FakeEvent {
    values: BTreeMap<u32, Value>,
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of a text field.
    Text(String),
    /// Of a field that holds several texts.
    Texts(Vec<String>),
    /// Of a number, or of a time in nanoseconds since the epoch.
    Number(u64),
    /// Of a flag.
    Flag(bool),
}

impl Value {
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Flag(flag) => Some(u64::from(*flag)),
            _ => None,
        }
    }

    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        match self {
            Value::Text(text) => Some(vec![text.clone()]),
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }
}

impl FakeEvent {
    /// An event of these kinds and without any other field.
    pub fn of_kinds<const N: usize>(kinds: [&str; N]) -> Self {
        Self::default().with(fields::OCELLUS_KINDS, kinds)
    }

    /// A process of user 1000 that a shell forked and that executed this, as the sensor shows it:
    /// with name, arguments, working directory, user and parent.
    pub fn exec<const N: usize>(executable: &str, args: [&str; N]) -> Self {
        Self::of_kinds(["process.fork", "process.exec"])
            .with(fields::PROCESS_PID, 4321)
            .with(fields::PROCESS_EXECUTABLE, executable)
            .with(fields::PROCESS_NAME, comm(executable))
            .with(fields::PROCESS_ARGS_COUNT, N as u64)
            .with(fields::PROCESS_COMMAND_LINE, args.join(" ").as_str())
            .with(fields::PROCESS_ARGS, args)
            .with(fields::PROCESS_WORKING_DIRECTORY, "/home/user")
            .with(fields::OCELLUS_FILENAME, executable)
            .with(fields::OCELLUS_EXE_MODE, "0755")
            .user(1000, "user")
            .parent("/usr/bin/bash", ["-bash"])
    }

    /// Set a field. The value must be of the field's type.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl Into<Value>) -> Self {
        let value = value.into();
        let fits = match value {
            Value::Text(_) => field.field_type() == FieldType::Text,
            Value::Texts(_) => field.field_type() == FieldType::Texts,
            Value::Flag(_) => field.field_type() == FieldType::Flag,
            Value::Number(_) => {
                matches!(field.field_type(), FieldType::Number | FieldType::Time)
            }
        };
        assert!(fits, "{} is a {:?}, not {value:?}", field.name(), field.field_type());
        self.values.insert(stand_in::resolve(field.name()).expect("it is in the table"), value);
        self
    }

    /// Remove a field.
    #[must_use]
    pub fn without(mut self, field: Field) -> Self {
        self.values.remove(&stand_in::resolve(field.name()).expect("it is in the table"));
        self
    }

    /// Set the command name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.with(fields::PROCESS_NAME, name)
    }

    /// Set the parent's executable, name and arguments; its parent is `systemd`.
    #[must_use]
    pub fn parent<const N: usize>(self, executable: &str, args: [&str; N]) -> Self {
        self.with(fields::PROCESS_PARENT_PID, 4320)
            .with(fields::PROCESS_PARENT_EXECUTABLE, executable)
            .with(fields::PROCESS_PARENT_NAME, comm(executable))
            .with(fields::PROCESS_PARENT_COMMAND_LINE, args.join(" ").as_str())
            .with(fields::PROCESS_PARENT_ARGS, args)
            .ancestors([executable, "/usr/lib/systemd/systemd"])
    }

    /// Set the executables and names of the ancestors, the parent first.
    #[must_use]
    pub fn ancestors<const N: usize>(self, executables: [&str; N]) -> Self {
        self.with(fields::OCELLUS_ANCESTORS_NAME, executables.map(comm))
            .with(fields::OCELLUS_ANCESTORS_EXECUTABLE, executables)
    }

    /// Set the real and the effective user.
    #[must_use]
    pub fn user(self, id: u32, name: &str) -> Self {
        let id = id.to_string();
        self.with(fields::USER_ID, id.as_str())
            .with(fields::USER_NAME, name)
            .with(fields::PROCESS_REAL_USER_ID, id.as_str())
            .with(fields::PROCESS_REAL_USER_NAME, name)
            .effective_user(&id, name)
    }

    /// Set the effective user only, as a set-uid program has it.
    #[must_use]
    pub fn effective_user(self, id: &str, name: &str) -> Self {
        self.with(fields::USER_EFFECTIVE_ID, id)
            .with(fields::USER_EFFECTIVE_NAME, name)
            .with(fields::PROCESS_USER_ID, id)
            .with(fields::PROCESS_USER_NAME, name)
    }

    /// Set the time of the event, in milliseconds since the epoch.
    #[must_use]
    pub fn at_ms(self, time_ms: u64) -> Self {
        self.with(fields::TIMESTAMP, time_ms * 1_000_000)
    }

    /// The event as the sensor packs it, with a column for each field in their order.
    #[cfg(all(test, feature = "batch"))]
    pub(crate) fn pack(&self) -> (Vec<u64>, String) {
        fn push(text: &mut String, own: &str) -> u64 {
            let word = (own.len() as u64) << 32 | text.len() as u64;
            text.push_str(own);
            word
        }
        let (mut words, mut text) = (vec![u64::MAX; crate::field::FIELD_COUNT], String::new());
        for (field, value) in &self.values {
            words[*field as usize] = match value {
                Value::Text(own) => push(&mut text, own),
                Value::Texts(own) => {
                    let word = (own.len() as u64) << 32 | words.len() as u64;
                    for own in own {
                        let word = push(&mut text, own);
                        words.push(word);
                    }
                    word
                }
                Value::Number(number) => *number,
                Value::Flag(flag) => u64::from(*flag),
            };
        }
        (words, text)
    }

    pub(crate) fn value(&self, field: u32) -> Option<&Value> {
        self.values.get(&field)
    }
}

/// A rule that has been configured, as the sensor would do it.
#[derive(Debug)]
pub struct Tester<R> {
    rule: R,
    interests: Vec<Interest>,
}

impl<R: Rule + Default> Tester<R> {
    /// Configure the rule with nothing.
    pub fn new() -> Self {
        Self::configured("").expect("a rule works without a configuration")
    }

    /// Configure the rule with this TOML text. What rules before it kept, and the processes that
    /// they found, are forgotten.
    pub fn configured(config: &str) -> Result<Self, ConfigError> {
        stand_in::clear();
        let config = Config::parse(config)?;
        let mut rule = R::default();
        rule.configure(&config)?;
        config.check_all_used()?;
        let interests = rule.interests();
        check_id(&rule.info().id);
        Ok(Self { rule, interests })
    }

    /// Whether the sensor would call the rule for this event at all.
    pub fn wants(&self, event: &FakeEvent) -> bool {
        let wants = || self.interests.iter().any(|interest| interest.wants(&Event::CURRENT));
        self.interests.is_empty() || stand_in::with_event(event, wants)
    }

    /// What the rule says to this event. None also when the sensor would not call it.
    pub fn judge(&mut self, event: &FakeEvent) -> Option<Verdict> {
        if !self.wants(event) {
            return None;
        }
        let verdict = stand_in::with_event(event, || self.rule.on_event(&Event::CURRENT));
        assert!(
            verdict != Some(Verdict::Drop) || self.rule.info().drops,
            "the rule drops an event and has not asked for this (RuleInfo::asks_to_drop)"
        );
        verdict
    }

    /// Judge, and fail the test unless it is an alert.
    pub fn expect_alert(&mut self, event: &FakeEvent) -> Alert {
        match self.judge(event) {
            Some(Verdict::Alert(alert)) => alert,
            other => panic!(
                "expected an alert, got {other:?}; the rule {} the event {event:?}",
                if self.wants(event) { "was called for" } else { "does not want" },
            ),
        }
    }

    /// Judge, and fail the test unless the event passes.
    pub fn expect_pass(&mut self, event: &FakeEvent) {
        if let Some(verdict) = self.judge(event) {
            panic!("expected the event to pass, got {verdict:?} for {event:?}");
        }
    }

    /// Let the rule find a process, with the fields of an event about it; see
    /// [`processes`](crate::processes).
    pub fn add_process(&mut self, entity_id: &str, process: &FakeEvent) {
        stand_in::add_process(entity_id, process.clone());
    }

    /// The rule itself.
    pub fn rule(&self) -> &R {
        &self.rule
    }
}

impl<R: Rule + Default> Default for Tester<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// What rules have logged on this thread since the last call.
pub fn take_log() -> Vec<(Level, String)> {
    stand_in::take_log()
}

fn check_id(id: &str) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(
        (1..=64).contains(&id.len()) && id.bytes().all(allowed),
        "the id {id:?} is not 1 to 64 lower case letters, digits and `-`"
    );
}

/// The command name that the kernel gives to a process that executes this.
fn comm(executable: &str) -> &str {
    let name = base_name(executable);
    let end = (0..=COMM_BYTES).rev().find(|at| name.is_char_boundary(*at));
    &name[..end.unwrap_or(0).min(name.len())]
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(texts: [&str; N]) -> Self {
        Value::Texts(texts.map(str::to_owned).to_vec())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Flag(flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Match, RuleInfo, Set};

    static KEYS: Set = Set::of(&["--key", "-k"]);

    /// Says what it could read of an event.
    #[derive(Debug, Default)]
    struct Reader;

    impl Rule for Reader {
        fn info(&self) -> RuleInfo {
            RuleInfo::new("reader", "Reader")
        }
        fn on_event(&mut self, event: &Event) -> Option<Verdict> {
            let [name, absent] = event.many([fields::PROCESS_NAME, fields::CONTAINER_ID]);
            crate::info!("{name:?} {absent:?}");
            assert_eq!(event.process_pid(), Some(4321));
            assert_eq!(event.process_args(), ["app", "--key"]);
            assert_eq!(event.number(fields::PROCESS_INTERACTIVE), None);
            assert!(!event.process_interactive());
            assert!(event.test(fields::PROCESS_ARGS, Match::OneOf, &KEYS));
            assert!(event.test(fields::PROCESS_EXECUTABLE, Match::Suffix, &Set::new(["/app"])));
            assert!(!event.test(fields::PROCESS_NAME, Match::Contains, &Set::default()));
            Some(crate::tag(event.text(fields::PROCESS_PARENT_NAME)?))
        }
    }

    #[test]
    fn a_rule_reads_the_fake_event() {
        let event = FakeEvent::exec("/opt/app", ["app", "--key"]);
        let mut rule = Tester::<Reader>::new();
        assert_eq!(rule.judge(&event), Some(Verdict::Tag(vec!["bash".to_owned()])));
        assert_eq!(take_log(), [(Level::Info, "Some(\"app\") None".to_owned())]);
        assert_eq!(rule.judge(&event.without(fields::PROCESS_PARENT_NAME)), None);
    }

    #[test]
    #[should_panic(expected = "process.pid is a Number, not Text")]
    fn a_value_of_another_type_is_refused() {
        let _ = FakeEvent::default().with(fields::PROCESS_PID, "1");
    }

    #[test]
    fn the_command_name_has_fifteen_bytes() {
        assert_eq!(comm("/usr/bin/containerd-shim-runc-v2"), "containerd-shim");
        assert_eq!(comm("ls"), "ls");
    }
}
