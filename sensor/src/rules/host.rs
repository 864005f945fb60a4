//! What a rule may call: the functions of `wit/event.wit` and `wit/host.wit`, and nothing else.
//!
//! They are registered by hand and not through the generated traits, so that the text of
//! a field crosses straight from the event into the guest's memory, without a copy in between.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::budget::{self, MANY_FIELDS_MAX, SET_TEXTS_MAX, SETS_BYTES_MAX, SETS_MAX};
use super::engine::Allowance;
use super::limits::Limits;
use super::text_set::{Match, TextSet};
use super::{names, wit};
use crate::event::{Event, Field, Value};

/// What a store knows beside the guest.
#[derive(Debug)]
pub(super) struct HostState {
    /// Name of the component, for the log.
    name: Arc<str>,
    pub(super) limits: Limits,
    pub(super) allowance: Allowance,
    /// The event that is being judged; none outside `on-event`.
    event: Option<Arc<Event>>,
    sets: Vec<TextSet>,
    sets_bytes: usize,
    log: LogLimit,
}

/// A guest passed something to a host function that the contract does not allow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misuse(String);

impl HostState {
    pub(super) fn new(name: Arc<str>, memory_bytes_max: usize) -> HostState {
        HostState {
            name,
            limits: Limits::new(memory_bytes_max),
            allowance: Allowance::default(),
            event: None,
            sets: Vec::new(),
            sets_bytes: 0,
            log: LogLimit::default(),
        }
    }

    /// Let the guest see an event.
    pub(super) fn begin(&mut self, event: Arc<Event>, now_ns: u64) {
        self.event = Some(event);
        self.log.now_ns = now_ns;
        // A growth that was refused, but that the guest coped with, is nobody's fault.
        self.limits.take_refused();
    }

    pub(super) fn end(&mut self) {
        self.event = None;
    }

    /// Log lines that were left out so far.
    pub(super) fn log_lines_suppressed(&self) -> u64 {
        self.log.suppressed
    }

    /// The current event's value of a field, by the number that the guest gave.
    fn value(&self, field: u32) -> &Value {
        match (&self.event, Field::by_number(field)) {
            (Some(event), Some(field)) => event.get(field),
            _ => &Value::Absent,
        }
    }

    fn text(&self, field: u32) -> Option<Arc<str>> {
        match self.value(field) {
            Value::Text(text) => Some(text.clone()),
            Value::Static(text) => Some(Arc::from(*text)),
            _ => None,
        }
    }

    fn number(&self, field: u32) -> Option<u64> {
        match self.value(field) {
            Value::Number(number) | Value::Time(number) => Some(*number),
            Value::Flag(flag) => Some(u64::from(*flag)),
            _ => None,
        }
    }

    fn texts(&self, field: u32) -> Vec<Arc<str>> {
        match self.value(field) {
            Value::Texts(texts) => texts.iter().map(Arc::from).collect(),
            _ => self.text(field).into_iter().collect(),
        }
    }

    fn many(&self, fields: &[u32]) -> Result<Vec<Option<Arc<str>>>, Misuse> {
        if fields.len() > MANY_FIELDS_MAX {
            let len = fields.len();
            return Err(Misuse(format!(
                "it asked `many` for {len} fields; at most {MANY_FIELDS_MAX}"
            )));
        }
        Ok(fields.iter().map(|field| self.text(*field)).collect())
    }

    fn make_set(&mut self, texts: Vec<String>) -> Result<u32, String> {
        let bytes = texts.iter().map(String::len).sum::<usize>();
        if self.sets.len() >= SETS_MAX {
            return Err(format!("there are {SETS_MAX} sets already, and no more are allowed"));
        }
        if texts.len() > SET_TEXTS_MAX {
            return Err(format!("the set has {} texts; at most {SET_TEXTS_MAX}", texts.len()));
        }
        if self.sets_bytes + bytes > SETS_BYTES_MAX {
            return Err(format!("all sets together have more than {SETS_BYTES_MAX} bytes of text"));
        }
        self.sets_bytes += bytes;
        self.sets.push(TextSet::new(texts));
        Ok(self.sets.len() as u32 - 1)
    }

    fn test(&self, field: u32, how: Match, set: u32) -> bool {
        let Some(set) = self.sets.get(set as usize) else { return false };
        match self.value(field) {
            Value::Text(text) => set.matches(how, text),
            Value::Static(text) => set.matches(how, text),
            Value::Texts(texts) => texts.iter().any(|text| set.matches(how, text)),
            _ => false,
        }
    }

    fn write_log(&mut self, level: wit::Level, message: &str) {
        if !self.log.allows() {
            return;
        }
        let (component, message) = (&*self.name, log_line(message));
        match level {
            wit::Level::Debug => tracing::debug!(target: "rule", component, "{message}"),
            wit::Level::Info => tracing::info!(target: "rule", component, "{message}"),
            wit::Level::Warn => tracing::warn!(target: "rule", component, "{message}"),
            wit::Level::Error => tracing::error!(target: "rule", component, "{message}"),
        }
    }
}

/// A message as one line of the log: control characters escaped, so that a rule can neither forge
/// lines nor drive a terminal, and cut at [`budget::LOG_LINE_BYTES`].
fn log_line(message: &str) -> String {
    let mut line = String::new();
    for character in message.chars() {
        let escaped = character.escape_debug();
        let bytes = if character.is_control() { escaped.len() } else { character.len_utf8() };
        if line.len() + bytes > budget::LOG_LINE_BYTES {
            break;
        }
        if character.is_control() {
            line.extend(escaped);
        } else {
            line.push(character);
        }
    }
    line
}

/// Some lines at once, then one for each interval. Time is that of the events.
#[derive(Debug)]
struct LogLimit {
    now_ns: u64,
    left: u32,
    filled_ns: u64,
    suppressed: u64,
}

impl Default for LogLimit {
    fn default() -> LogLimit {
        LogLimit { now_ns: 0, left: budget::LOG_LINES_BURST, filled_ns: 0, suppressed: 0 }
    }
}

impl LogLimit {
    fn allows(&mut self) -> bool {
        let elapsed_ns = self.now_ns.saturating_sub(self.filled_ns);
        let earned = elapsed_ns / budget::LOG_LINE_INTERVAL_NS;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(budget::LOG_LINES_BURST);
            self.filled_ns = self.now_ns;
        }
        if self.left == 0 {
            self.suppressed += 1;
            return false;
        }
        self.left -= 1;
        true
    }
}

impl From<wit::event::Match> for Match {
    fn from(how: wit::event::Match) -> Match {
        match how {
            wit::event::Match::OneOf => Match::OneOf,
            wit::event::Match::Prefix => Match::Prefix,
            wit::event::Match::Suffix => Match::Suffix,
            wit::event::Match::Contains => Match::Contains,
        }
    }
}

type Context<'a> = StoreContextMut<'a, HostState>;

/// Offer the host's functions to components.
pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut event = linker.instance(&interface("event"))?;
    event.func_wrap("resolve", |_: Context<'_>, (name,): (String,)| {
        Ok((names::field(&name).map(|field| field.index() as u32),))
    })?;
    event.func_wrap("text", |store: Context<'_>, (field,): (u32,)| {
        Ok((store.data().text(field),))
    })?;
    event.func_wrap("number", |store: Context<'_>, (field,): (u32,)| {
        Ok((store.data().number(field),))
    })?;
    event.func_wrap("texts", |store: Context<'_>, (field,): (u32,)| {
        Ok((store.data().texts(field),))
    })?;
    event.func_wrap("many", |store: Context<'_>, (fields,): (Vec<u32>,)| {
        Ok((store.data().many(&fields)?,))
    })?;
    event.func_wrap("make-set", |mut store: Context<'_>, (texts,): (Vec<String>,)| {
        Ok((store.data_mut().make_set(texts),))
    })?;
    event.func_wrap(
        "test",
        |store: Context<'_>, (field, how, set): (u32, wit::event::Match, u32)| {
            Ok((store.data().test(field, how.into(), set),))
        },
    )?;
    let mut host = linker.instance(&interface("host"))?;
    host.func_wrap("log", |mut store: Context<'_>, (level, message): (wit::Level, String)| {
        store.data_mut().write_log(level, &message);
        Ok(())
    })
}

/// Full name of an interface of the contract.
fn interface(name: &str) -> String {
    format!("{}{name}@{}", wit::PACKAGE, wit::VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kinds;

    fn state() -> HostState {
        HostState::new("test".into(), 1)
    }

    fn number_of(field: Field) -> u32 {
        field.index() as u32
    }

    fn judging(event: Event) -> HostState {
        let mut state = state();
        state.begin(Arc::new(event), 0);
        state
    }

    fn event() -> Event {
        let mut event = Event::default();
        event.kinds = Kinds::PROCESS_EXEC;
        event.set_text(Field::PROCESS_NAME, "bash");
        event.set_static(Field::EVENT_KIND, "event");
        event.set_flag(Field::PROCESS_INTERACTIVE, true);
        event.set(Field::PROCESS_ARGS, Value::Texts(["bash", "-i"].into_iter().collect()));
        event
    }

    #[test]
    fn getters_give_the_current_event_only() {
        let mut state = judging(event());
        let (name, args) = (number_of(Field::PROCESS_NAME), number_of(Field::PROCESS_ARGS));
        assert_eq!(state.text(name).as_deref(), Some("bash"));
        assert_eq!(state.text(number_of(Field::EVENT_KIND)).as_deref(), Some("event"));
        assert_eq!(state.text(args), None);
        assert_eq!(state.number(number_of(Field::PROCESS_INTERACTIVE)), Some(1));
        assert_eq!(state.texts(args), [Arc::from("bash"), Arc::from("-i")]);
        assert_eq!(state.texts(name), [Arc::from("bash")]);
        assert_eq!(state.many(&[args, name]).unwrap(), [None, Some(Arc::from("bash"))]);
        assert_eq!(state.text(u32::MAX), None);
        state.end();
        assert_eq!(state.text(name), None);
    }

    #[test]
    fn a_set_compares_inside_the_host() {
        let mut state = judging(event());
        let set = state.make_set(vec!["-i".into(), "bash".into()]).unwrap();
        assert!(state.test(number_of(Field::PROCESS_ARGS), Match::OneOf, set));
        assert!(state.test(number_of(Field::PROCESS_NAME), Match::Suffix, set));
        assert!(!state.test(number_of(Field::PROCESS_PID), Match::OneOf, set));
        assert!(!state.test(number_of(Field::PROCESS_NAME), Match::OneOf, set + 1));
    }

    #[test]
    fn sets_are_bounded_each_way() {
        let mut full = state();
        for _ in 0..SETS_MAX {
            full.make_set(vec!["a".into()]).unwrap();
        }
        assert!(full.make_set(vec![]).unwrap_err().contains("64 sets already"));
        assert!(state().make_set(vec![String::new(); 4097]).unwrap_err().contains("4097 texts"));
        let mut large = state();
        large.make_set(vec!["x".repeat(SETS_BYTES_MAX)]).unwrap();
        assert!(large.make_set(vec!["x".into()]).unwrap_err().contains("262144 bytes"));
    }

    #[test]
    fn many_is_bounded() {
        assert!(state().many(&[0; MANY_FIELDS_MAX]).is_ok());
        assert!(state().many(&[0; MANY_FIELDS_MAX + 1]).is_err());
    }

    #[test]
    fn log_lines_are_cut_and_escaped() {
        assert_eq!(log_line("a\nb\u{1b}[0m é"), "a\\nb\\u{1b}[0m é");
        let line = log_line(&"é\n".repeat(2000));
        assert!(line.len() <= budget::LOG_LINE_BYTES && line.len() > budget::LOG_LINE_BYTES - 4);
    }

    #[test]
    fn log_lines_are_limited_in_rate_and_counted() {
        let mut log = LogLimit::default();
        let written = (0..100).filter(|_| log.allows()).count();
        assert_eq!(written, budget::LOG_LINES_BURST as usize);
        assert_eq!(log.suppressed, 80);
        log.now_ns = 2 * budget::LOG_LINE_INTERVAL_NS;
        assert_eq!((0..100).filter(|_| log.allows()).count(), 2);
    }
}
