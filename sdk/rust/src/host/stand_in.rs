//! A stand-in for the sensor, so that rules run natively in tests: the current event is a
//! [`FakeEvent`] of the thread.

use std::cell::RefCell;
use std::sync::Mutex;

use crate::field::TABLE;
use crate::testing::{FakeEvent, Value};
use crate::{Level, Match};

thread_local! {
    static CURRENT: RefCell<Option<FakeEvent>> = const { RefCell::new(None) };
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Not by thread: a set's number is remembered in a `static` of the rule. Bounded by the number of
/// sets in one test binary.
static SETS: Mutex<Vec<Vec<String>>> = Mutex::new(Vec::new());

/// Run `body` with `event` as the current event of this thread.
pub(crate) fn with_event<T>(event: &FakeEvent, body: impl FnOnce() -> T) -> T {
    CURRENT.set(Some(event.clone()));
    let answer = body();
    CURRENT.set(None);
    answer
}

/// What rules on this thread have logged, emptied.
pub(crate) fn take_log() -> Vec<(Level, String)> {
    LOG.take()
}

fn value<T>(field: u32, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    CURRENT.with_borrow(|event| {
        let event = event.as_ref().expect("there is an event only inside `on_event`");
        event.value(field).and_then(read)
    })
}

pub(crate) fn resolve(name: &str) -> Result<u32, String> {
    let index = TABLE.iter().position(|(known, _)| *known == name);
    index.map(|index| index as u32).ok_or_else(|| format!("no field {name}"))
}

pub(crate) fn text(field: u32) -> Option<String> {
    value(field, |value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    })
}

pub(crate) fn number(field: u32) -> Option<u64> {
    value(field, |value| match value {
        Value::Number(number) => Some(*number),
        Value::Flag(flag) => Some(u64::from(*flag)),
        _ => None,
    })
}

pub(crate) fn texts(field: u32) -> Vec<String> {
    value(field, |value| match value {
        Value::Text(text) => Some(vec![text.clone()]),
        Value::Texts(texts) => Some(texts.clone()),
        _ => None,
    })
    .unwrap_or_default()
}

pub(crate) fn many(fields: &[u32]) -> Vec<Option<String>> {
    fields.iter().map(|field| text(*field)).collect()
}

pub(crate) fn make_set(texts: &[String]) -> Result<u32, String> {
    let mut sets = SETS.lock().map_err(|error| error.to_string())?;
    sets.push(texts.to_vec());
    Ok(sets.len() as u32 - 1)
}

pub(crate) fn test(field: u32, how: Match, set: u32) -> bool {
    let sets = SETS.lock().expect("no test panics while it holds the sets");
    let set = &sets[set as usize];
    texts(field).iter().any(|own| set.iter().any(|text| how.compare(own, text)))
}

pub(crate) fn log(level: Level, message: &str) {
    LOG.with_borrow_mut(|log| log.push((level, message.to_owned())));
}
