//! A stand-in for the sensor, so that rules run natively in tests: the current event is a
//! [`FakeEvent`] of the thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::field::TABLE;
use crate::testing::{FakeEvent, Value};
use crate::{Level, Match};

thread_local! {
    static CURRENT: RefCell<Option<FakeEvent>> = const { RefCell::new(None) };
    #[cfg(not(feature = "batch"))]
    static CANDIDATES: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static STATE: RefCell<BTreeMap<String, Kept>> = const { RefCell::new(BTreeMap::new()) };
    static PROCESSES: RefCell<BTreeMap<String, FakeEvent>> =
        const { RefCell::new(BTreeMap::new()) };
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// A value, and when it ends.
struct Kept {
    value: Vec<u8>,
    ends_ns: Option<u64>,
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

/// The event that is judged is the current one.
pub(crate) fn here() {}

/// Packed events are made of the fields in their order.
pub(crate) fn column_of(field: u32) -> u32 {
    field
}

/// What `candidates` answers on this thread.
#[cfg(all(test, not(feature = "batch")))]
pub(crate) fn set_candidates(rules: &[u32]) {
    CANDIDATES.set(rules.to_vec());
}

#[cfg(not(feature = "batch"))]
pub(crate) fn candidates() -> Vec<u32> {
    CANDIDATES.with_borrow(Clone::clone)
}

/// Let rules on this thread find a process, with the fields of an event about it.
pub(crate) fn add_process(entity_id: &str, process: FakeEvent) {
    PROCESSES.with_borrow_mut(|known| known.insert(entity_id.to_owned(), process));
}

/// Forget what rules on this thread keep, and the processes that they find.
pub(crate) fn clear() {
    STATE.take();
    PROCESSES.take();
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
    value(field, Value::text)
}

pub(crate) fn number(field: u32) -> Option<u64> {
    value(field, Value::number)
}

pub(crate) fn texts(field: u32) -> Vec<String> {
    value(field, Value::texts).unwrap_or_default()
}

pub(crate) fn ancestors(entity_id: &str) -> Vec<String> {
    let parent = |id: &str| text_of(id, resolve("process.parent.entity_id").ok()?);
    let first = parent(entity_id);
    std::iter::successors(first, |id| parent(id)).take(64).collect()
}

fn value_of<T>(entity_id: &str, field: u32, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
    PROCESSES.with_borrow(|known| known.get(entity_id)?.value(field).and_then(read))
}

pub(crate) fn text_of(entity_id: &str, field: u32) -> Option<String> {
    value_of(entity_id, field, Value::text)
}

pub(crate) fn number_of(entity_id: &str, field: u32) -> Option<u64> {
    value_of(entity_id, field, Value::number)
}

pub(crate) fn texts_of(entity_id: &str, field: u32) -> Vec<String> {
    value_of(entity_id, field, Value::texts).unwrap_or_default()
}

/// The time of the current event, 0 when it has none.
fn now_ns() -> u64 {
    resolve("@timestamp").ok().and_then(number).unwrap_or(0)
}

fn ends_ns(ttl_ms: u64) -> Option<u64> {
    (ttl_ms > 0).then(|| now_ns().saturating_add(ttl_ms.saturating_mul(1_000_000)))
}

pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
    let now_ns = now_ns();
    STATE.with_borrow(|state| {
        let kept = state.get(key)?;
        kept.ends_ns.is_none_or(|ends_ns| ends_ns > now_ns).then(|| kept.value.clone())
    })
}

pub(crate) fn set(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), String> {
    let kept = Kept { value: value.to_vec(), ends_ns: ends_ns(ttl_ms) };
    STATE.with_borrow_mut(|state| state.insert(key.to_owned(), kept));
    Ok(())
}

pub(crate) fn remove(key: &str) {
    STATE.with_borrow_mut(|state| state.remove(key));
}

pub(crate) fn add(key: &str, amount: u64, ttl_ms: u64) -> Result<u64, String> {
    let before = get(key).and_then(|value| value.try_into().ok()).map(u64::from_le_bytes);
    let sum = before.unwrap_or(0).saturating_add(amount);
    let ends_ns = STATE.with_borrow(|state| match (before, state.get(key)) {
        (Some(_), Some(kept)) => kept.ends_ns,
        _ => ends_ns(ttl_ms),
    });
    let kept = Kept { value: sum.to_le_bytes().to_vec(), ends_ns };
    STATE.with_borrow_mut(|state| state.insert(key.to_owned(), kept));
    Ok(sum)
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
