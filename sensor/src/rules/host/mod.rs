//! What a rule may call: the functions of the interfaces in `wit/`, and nothing else.

mod link;
mod log;

use std::sync::Arc;

use super::budget::{MANY_FIELDS_MAX, SET_TEXTS_MAX, SETS_BYTES_MAX, SETS_MAX};
use super::columns::Columns;
use super::engine::Allowance;
use super::keyed::Keyed;
use super::limits::Limits;
use super::processes::Processes;
use super::set::Events;
use super::text_set::{Match, TextSet};
use super::{names, wit};
use crate::event::{Event, Field, Value};

pub(super) use link::add_to_linker;
use log::{LogLimit, log_line};

/// What a store knows beside the guest.
pub(super) struct HostState {
    /// Name of the component, for the log.
    name: Arc<str>,
    pub(super) limits: Limits,
    pub(super) allowance: Allowance,
    /// Whether the component may see the environment of processes.
    pub(super) sees_environment: bool,
    /// Events of the call, of which the guest sees those in `shown`; none outside a call.
    events: Option<Events>,
    /// Positions in `events`.
    shown: Vec<u32>,
    /// Position in `shown` of the current event.
    current: usize,
    /// Which rule wants which of the events that are shown.
    candidates: Vec<wit::Candidate>,
    /// None until the component is in force.
    pub(super) keyed: Option<Keyed>,
    /// Lent for the time of a call.
    pub(super) processes: Option<Box<dyn Processes>>,
    columns: Columns,
    /// Columns that the guest asked for.
    columns_asked: usize,
    sets: Vec<TextSet>,
    sets_bytes: usize,
    log: LogLimit,
    /// The next random number of WASI.
    random: u64,
    /// Bytes of text that the guest was given, by getters and in batches.
    pub(super) bytes: u64,
}

/// A guest passed something to a host function that the contract does not allow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misuse(String);

impl Misuse {
    pub(super) fn new(what: impl Into<String>) -> Misuse {
        Misuse(what.into())
    }
}

impl HostState {
    pub(super) fn new(name: Arc<str>, memory_bytes_max: usize, columns: Columns) -> HostState {
        HostState {
            name,
            limits: Limits::new(memory_bytes_max),
            allowance: Allowance::default(),
            sees_environment: false,
            events: None,
            shown: Vec::new(),
            current: 0,
            candidates: Vec::new(),
            keyed: None,
            processes: None,
            columns,
            columns_asked: 0,
            sets: Vec::new(),
            sets_bytes: 0,
            log: LogLimit::default(),
            random: 0,
            bytes: 0,
        }
    }

    /// Let the guest see some of the events. Positions of `candidates` are those in `shown`.
    pub(super) fn begin(
        &mut self,
        events: &Events,
        shown: impl IntoIterator<Item = u32>,
        candidates: impl IntoIterator<Item = wit::Candidate>,
        now_ns: u64,
    ) {
        // They stay between the calls for events that are judged together, and are shared once.
        if !self.events.as_ref().is_some_and(|own| Arc::ptr_eq(own, events)) {
            self.events = Some(events.clone());
        }
        self.shown.clear();
        self.shown.extend(shown);
        self.candidates.clear();
        self.candidates.extend(candidates);
        self.log.now_ns = now_ns;
        // A growth that was refused, but that the guest coped with, is nobody's fault.
        self.limits.take_refused();
        self.select(0);
    }

    /// The events of the calls so far are judged.
    pub(super) fn end(&mut self) {
        self.events = None;
    }

    /// Log lines that were left out so far.
    pub(super) fn log_lines_suppressed(&self) -> u64 {
        self.log.suppressed
    }

    fn select(&mut self, position: u32) {
        self.current = position as usize;
    }

    /// The current event.
    fn event(&self) -> Option<&Event> {
        let shown = *self.shown.get(self.current)?;
        self.events.as_ref()?.get(shown as usize).map(Arc::as_ref)
    }

    /// Rules that want the current event.
    fn candidates(&self) -> Vec<u32> {
        let of_current = |candidate: &&wit::Candidate| candidate.event as usize == self.current;
        self.candidates.iter().filter(of_current).map(|candidate| candidate.rule).collect()
    }

    fn may_see(&self, field: Field) -> bool {
        field != Field::PROCESS_ENV_VARS || self.sees_environment
    }

    fn resolve(&self, name: &str) -> Result<u32, String> {
        let field = names::field(name)?;
        if !self.may_see(field) {
            return Err(format!(
                "the component may not see `{name}`: its rules must ask for the permission \
                 `environment`, and the operator must grant it"
            ));
        }
        Ok(field.index() as u32)
    }

    fn column_of(&mut self, field: u32) -> u32 {
        let field = Field::by_number(field).filter(|field| self.may_see(*field));
        field.and_then(|field| self.columns.of(field, &mut self.columns_asked)).unwrap_or(u32::MAX)
    }

    /// The current event's value of a field, by the number that the guest gave.
    fn value(&self, field: u32) -> &Value {
        match (self.event(), Field::by_number(field)) {
            (Some(event), Some(field)) if self.may_see(field) => event.get(field),
            _ => &Value::Absent,
        }
    }

    fn text(&self, field: u32) -> Option<Arc<str>> {
        text_of(self.value(field))
    }

    fn number(&self, field: u32) -> Option<u64> {
        self.value(field).number()
    }

    fn texts(&self, field: u32) -> Vec<Arc<str>> {
        texts_of(self.value(field))
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
        self.value(field).all_texts().any(|text| set.matches(how, text))
    }

    /// What the guest wrote to standard output or error, line by line.
    pub(super) fn write_output(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.write_log(wit::Level::Warn, line);
        }
    }

    /// A number of a sequence that is the same for each instance (splitmix64).
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
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

    /// A value of another process.
    fn value_of(&mut self, entity_id: &str, field: u32) -> Value {
        match (&mut self.processes, Field::by_number(field)) {
            (Some(processes), Some(field)) => processes.value(entity_id, field),
            _ => Value::Absent,
        }
    }

    fn ancestors(&mut self, entity_id: &str) -> Vec<Arc<str>> {
        let processes = self.processes.as_mut();
        processes.map(|processes| processes.ancestors(entity_id)).unwrap_or_default()
    }

    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        self.keyed().ok()?.get(key).map(<[u8]>::to_vec)
    }

    fn set(&mut self, key: &str, value: &[u8], ttl_ms: u64) -> Result<(), String> {
        self.keyed()?.set(key, value, ttl_ms)
    }

    fn add(&mut self, key: &str, amount: u64, ttl_ms: u64) -> Result<u64, String> {
        self.keyed()?.add(key, amount, ttl_ms)
    }

    /// The state, in the time of the current event.
    fn keyed(&mut self) -> Result<&mut Keyed, String> {
        let time_ns = self.event().and_then(|event| event.number(Field::TIMESTAMP));
        let keyed = self.keyed.as_mut().ok_or("there is no state inside `configure`")?;
        time_ns.into_iter().for_each(|time_ns| keyed.set_time(time_ns));
        Ok(keyed)
    }
}

fn text_of(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Static(text) => Some(Arc::from(*text)),
        _ => None,
    }
}

fn texts_of(value: &Value) -> Vec<Arc<str>> {
    match value {
        Value::Texts(texts) => texts.iter().map(Arc::from).collect(),
        _ => text_of(value).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kinds;
    use crate::rules::{Metering, RuleEngine};

    fn state() -> HostState {
        let engine = RuleEngine::new(Metering::Fuel).unwrap();
        HostState::new("test".into(), 1, engine.columns().clone())
    }

    fn number_of(field: Field) -> u32 {
        field.index() as u32
    }

    fn judging(event: Event) -> HostState {
        let mut state = state();
        state.begin(&Arc::new(vec![Arc::new(event)]), [0], [], 0);
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
    fn the_environment_is_for_those_who_may_see_it() {
        let environment = number_of(Field::PROCESS_ENV_VARS);
        let mut event = event();
        event.set(Field::PROCESS_ENV_VARS, Value::Texts(["KEY=secret"].into_iter().collect()));
        let mut state = judging(event);
        assert_eq!(state.texts(environment), []);
        let refused = state.resolve("process.env_vars").unwrap_err();
        assert!(refused.contains("permission `environment`"), "{refused}");
        assert_eq!(state.column_of(environment), u32::MAX);
        state.sees_environment = true;
        assert_eq!(state.resolve("process.env_vars"), Ok(environment));
        assert_eq!(state.texts(environment), [Arc::from("KEY=secret")]);
        assert_eq!(state.column_of(environment), 0);
    }

    #[test]
    fn a_guest_selects_among_the_events_that_it_is_shown() {
        let named = |name: &str| {
            let mut event = event();
            event.set_text(Field::PROCESS_NAME, name);
            Arc::new(event)
        };
        let events: Events = Arc::new(vec![named("a"), named("b"), named("c")]);
        let candidate = |event, rule| wit::Candidate { event, rule };
        let mut state = state();
        state.begin(&events, [0, 2], [candidate(0, 1), candidate(1, 0), candidate(1, 2)], 0);
        let name = number_of(Field::PROCESS_NAME);
        assert_eq!((state.text(name).as_deref(), state.candidates()), (Some("a"), vec![1]));
        state.select(1);
        assert_eq!((state.text(name).as_deref(), state.candidates()), (Some("c"), vec![0, 2]));
        state.select(2);
        assert_eq!((state.text(name), state.candidates()), (None, vec![]));
    }

    #[test]
    fn there_is_no_state_before_the_component_is_in_force() {
        let mut state = state();
        assert_eq!(state.get("a"), None);
        assert!(state.set("a", b"1", 0).unwrap_err().contains("inside `configure`"));
        state.keyed = Some(Keyed::new(Default::default()));
        state.set("a", b"1", 0).unwrap();
        assert_eq!(state.get("a"), Some(b"1".to_vec()));
    }
}
