//! An event from JSON: the other direction of `sink/json.rs`, by the same field table.
//!
//! What Ocellus writes is read back as it was. What a person writes may also name fields with dots
//! instead of nesting them, and give a single text where a field holds several.

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::event::{Event, Field, FieldType, Kinds, Texts, Value};
use crate::rules::names;

/// What is wrong with an event in JSON: which field, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EventError(String);

/// The event that a JSON object describes. Its kinds are those of `ocellus.kinds`; an event that
/// does not say is an execution.
pub fn event(json: &Json) -> Result<Event, EventError> {
    let mut event = Event::default();
    set_all(&mut event, json)?;
    if event.kinds.is_empty() {
        event.kinds = Kinds::PROCESS_EXEC;
        event.set(Field::OCELLUS_KINDS, Value::Texts(event.kinds.names().collect()));
    }
    Ok(event)
}

/// Sets the fields that a JSON object gives, over what the event has.
pub fn set_all(event: &mut Event, json: &Json) -> Result<(), EventError> {
    let Json::Object(members) = json else {
        return Err(EventError(format!("an event is an object, not {}", kind_of(json))));
    };
    let mut seen = [false; crate::event::FIELD_COUNT];
    set_members(event, "", members, &mut seen)?;
    if seen[Field::OCELLUS_KINDS.index()] {
        event.kinds = kinds(event)?;
    }
    Ok(())
}

fn set_members(
    event: &mut Event,
    prefix: &str,
    members: &Map<String, Json>,
    seen: &mut [bool],
) -> Result<(), EventError> {
    for (key, json) in members {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (Field::by_name(&name), json) {
            (Some(field), _) => {
                if std::mem::replace(&mut seen[field.index()], true) {
                    return Err(EventError(format!("`{name}` is given twice")));
                }
                event.set(field, value(field, json)?);
            }
            (None, Json::Object(members)) => set_members(event, &name, members, seen)?,
            (None, _) => return Err(EventError(names::field(&name).expect_err("it is unknown"))),
        }
    }
    Ok(())
}

fn kinds(event: &Event) -> Result<Kinds, EventError> {
    let names = event.texts(Field::OCELLUS_KINDS).into_iter().flat_map(Texts::iter);
    names
        .map(names::kind)
        .try_fold(Kinds::NONE, |all, kind| Ok(all.with(kind.map_err(EventError)?)))
}

fn value(field: Field, json: &Json) -> Result<Value, EventError> {
    let value = match (field.info().field_type, json) {
        (_, Json::Null) => Some(Value::Absent),
        (FieldType::Text, Json::String(text)) => Some(Value::Text(text.as_str().into())),
        (FieldType::Texts, Json::String(text)) => Some(Value::Texts([text].into_iter().collect())),
        (FieldType::Texts, Json::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
            texts.map(|texts| Value::Texts(texts.into_iter().collect()))
        }
        (FieldType::Number, Json::Number(number)) => number.as_u64().map(Value::Number),
        (FieldType::Flag, Json::Bool(flag)) => Some(Value::Flag(*flag)),
        (FieldType::Time, Json::Number(number)) => number.as_u64().map(Value::Time),
        (FieldType::Time, Json::String(text)) => time_ns(text).map(Value::Time),
        _ => None,
    };
    value.ok_or_else(|| {
        let (name, wanted) = (field.name(), Wanted(field.info().field_type));
        EventError(format!("`{name}` is {wanted}, not {}", shown(json)))
    })
}

/// Nanoseconds since the epoch of an RFC 3339 date in UTC.
pub fn time_ns(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let since_epoch = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since_epoch.as_nanos()).ok()
}

/// What a field takes, in words.
struct Wanted(FieldType);

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            FieldType::Text => "a text, in quotes",
            FieldType::Texts => "a list of texts, each in quotes",
            FieldType::Number => "a number from 0 to 18446744073709551615",
            FieldType::Flag => "true or false",
            FieldType::Time => {
                "a date such as \"2026-03-01T12:00:00Z\", or nanoseconds since the epoch"
            }
        })
    }
}

/// A value for a message, short.
fn shown(json: &Json) -> String {
    const CHARS_MAX: usize = 60;
    let text = json.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FIELD_COUNT;
    use crate::event::arbitrary::any_event;
    use crate::sink::encode;
    use proptest::prelude::*;
    use serde_json::json;

    fn event_of_a_kind() -> impl Strategy<Value = Event> {
        (any_event(), 1u16..1 << Kinds::NAMES.len()).prop_map(|(mut event, kinds)| {
            let named = Kinds::NAMES.iter().filter(|(kind, _)| kind.bits() & kinds != 0);
            event.kinds = named.fold(Kinds::NONE, |all, (kind, _)| all.with(*kind));
            event.set(Field::OCELLUS_KINDS, Value::Texts(event.kinds.names().collect()));
            event
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_written_is_read_back_equal(written in event_of_a_kind()) {
            let mut line = Vec::new();
            encode::json(&written, &mut line);
            let json: Json = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(event(&json).unwrap(), written);
        }

        #[test]
        fn no_json_makes_it_panic(text in "[\\[\\]{}\",:a-z.0-9 -]{0,40}") {
            if let Ok(json) = serde_json::from_str::<Json>(&text) {
                let _ = event(&json);
            }
        }
    }

    #[test]
    fn dates_are_read_to_the_nanosecond() {
        assert_eq!(time_ns("2026-03-01T12:00:00.000000001Z"), Some(1_772_366_400_000_000_001));
        assert_eq!(time_ns("1970-01-01T00:00:00.000000000Z"), Some(0));
        assert_eq!(time_ns("2024-02-29T23:59:59.999999999Z"), Some(1_709_251_199_999_999_999));
        assert_eq!(time_ns("yesterday"), None);
    }

    #[test]
    fn fields_are_nested_or_dotted() {
        let nested = event(&json!({"process": {"name": "nc", "parent": {"pid": 7}}})).unwrap();
        let dotted = event(&json!({"process.name": "nc", "process": {"parent.pid": 7}})).unwrap();
        assert_eq!(nested, dotted);
        assert_eq!(nested.text(Field::PROCESS_NAME), Some("nc"));
        assert_eq!(nested.kinds, Kinds::PROCESS_EXEC);
        assert_eq!(Field::all().count(), FIELD_COUNT);
    }

    #[test]
    fn a_person_may_write_less() {
        let read = event(&json!({
            "ocellus.kinds": "process.exit",
            "process.args": "nc",
            "process.end": 7,
            "user.name": null,
        }))
        .unwrap();
        assert_eq!(read.kinds, Kinds::PROCESS_EXIT);
        assert_eq!(read.texts(Field::PROCESS_ARGS).unwrap().iter().collect::<Vec<_>>(), ["nc"]);
        assert_eq!(read.number(Field::PROCESS_END), Some(7));
        assert_eq!(*read.get(Field::USER_NAME), Value::Absent);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |json: Json| event(&json).unwrap_err().to_string();
        assert_eq!(
            refused(json!({"process": {"nam": "nc"}})),
            "there is no field `process.nam`; did you mean `process.name`?"
        );
        assert_eq!(
            refused(json!({"ocellus.kinds": ["process.exek"]})),
            "there is no event kind `process.exek`; did you mean `process.exec`?"
        );
        assert_eq!(refused(json!({"user.id": 0})), "`user.id` is a text, in quotes, not 0");
        assert!(refused(json!({"process.pid": -1})).contains("a number from 0"));
        assert!(refused(json!({"process.args": [1]})).contains("not [1]"));
        assert!(refused(json!({"@timestamp": "yesterday"})).contains("a date such as"));
        let twice = json!({"process.name": "a", "process": {"name": "b"}});
        assert_eq!(refused(twice), "`process.name` is given twice");
        assert_eq!(refused(json!([])), "an event is an object, not a list");
    }
}
