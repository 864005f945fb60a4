//! An event as ECS documents: nested objects, derived from the field table, for JSON and
//! MessagePack alike. Absent fields are left out, and so are objects without fields.
//!
//! MessagePack goes through serde. JSON, of which most sensors write nothing else, has a writer of
//! its own, [`json`](super::json): keys need no escaping again, and what an event shares with the
//! one before it is copied.

use std::sync::LazyLock;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::date::Date;
use super::json;
use crate::event::{Event, FIELD_COUNT, FIELDS, Field, Value};

/// Writes events as lines of JSON.
#[derive(Debug, Default)]
pub struct JsonLines(json::Writer);

impl JsonLines {
    /// Appends the event as one line.
    pub fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.0.write(event, out);
        out.push(b'\n');
    }
}

/// Appends one event as one line of JSON. For a stream of them, [`JsonLines`] is faster.
pub fn json(event: &Event, out: &mut Vec<u8>) {
    JsonLines::default().write(event, out);
}

/// Appends the event as one MessagePack map. Documents follow each other without a frame: a map
/// says how long it is.
pub fn msgpack(event: &Event, out: &mut Vec<u8>) {
    let mut serializer = rmp_serde::Serializer::new(&mut *out);
    Document(event).serialize(&mut serializer).expect("a Vec takes it, and lengths are known");
}

/// An event, to be serialized as nested objects.
#[derive(Debug)]
pub struct Document<'a>(pub &'a Event);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let present = FieldSet::present(self.0);
        Object { event: self.0, present: &present, members: &TREE }.serialize(serializer)
    }
}

/// A set of fields, a bit for each.
#[derive(Clone, Default)]
struct FieldSet([u64; FIELD_COUNT.div_ceil(64)]);

impl FieldSet {
    fn present(event: &Event) -> FieldSet {
        let mut set = FieldSet::default();
        for field in Field::all() {
            if *event.get(field) != Value::Absent {
                set.insert(field);
            }
        }
        set
    }

    fn insert(&mut self, field: Field) {
        self.0[field.index() / 64] |= 1 << (field.index() % 64);
    }

    fn intersects(&self, other: &FieldSet) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }
}

/// A member of an object: a field, or an object again.
struct Member {
    name: &'static str,
    /// All fields at or below it.
    fields: FieldSet,
    content: Content,
}

enum Content {
    Field(Field),
    Object(Vec<Member>),
}

impl Member {
    fn is_in(&self, present: &FieldSet) -> bool {
        self.fields.intersects(present)
    }
}

/// The members of the outermost object.
static TREE: LazyLock<Vec<Member>> = LazyLock::new(|| {
    let fields: Vec<Field> = Field::all().collect();
    members(&fields, 0)
});

/// Groups fields that agree in their first `depth` segments by the next one. The table is sorted
/// by segments, so those that belong together are neighbours.
fn members(fields: &[Field], depth: usize) -> Vec<Member> {
    let segment = |field: &Field| FIELDS[field.index()].path[depth];
    fields
        .chunk_by(|a, b| segment(a) == segment(b))
        .map(|group| {
            let mut set = FieldSet::default();
            group.iter().for_each(|field| set.insert(*field));
            let is_leaf = group[0].info().path.len() == depth + 1;
            let content = if is_leaf {
                assert!(group.len() == 1, "{} is a field and an object", group[0].name());
                Content::Field(group[0])
            } else {
                Content::Object(members(group, depth + 1))
            };
            let name = segment(&group[0]);
            Member { name, fields: set, content }
        })
        .collect()
}

struct Object<'a> {
    event: &'a Event,
    present: &'a FieldSet,
    members: &'static [Member],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = || self.members.iter().filter(|it| it.is_in(self.present));
        // MessagePack writes the number of members before the first.
        let mut map = serializer.serialize_map(Some(members().count()))?;
        for member in members() {
            match &member.content {
                Content::Field(field) => {
                    map.serialize_entry(member.name, &Leaf(self.event.get(*field)))?;
                }
                Content::Object(members) => {
                    let Object { event, present, .. } = *self;
                    map.serialize_entry(member.name, &Object { event, present, members })?;
                }
            }
        }
        map.end()
    }
}

struct Leaf<'a>(&'a Value);

impl Serialize for Leaf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Absent => serializer.serialize_none(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Static(text) => serializer.serialize_str(text),
            Value::Texts(texts) => {
                let mut seq = serializer.serialize_seq(Some(texts.len()))?;
                for text in texts.iter() {
                    seq.serialize_element(text)?;
                }
                seq.end()
            }
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Time(ns) => serializer.serialize_str(Date::new(*ns).as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Texts;
    use crate::event::arbitrary::any_event;
    use crate::sink::quote;
    use proptest::prelude::*;

    fn to_json(event: &Event) -> String {
        let mut out = Vec::new();
        json(event, &mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    /// What both encoders must say, made without them.
    fn expected(event: &Event) -> serde_json::Value {
        let mut root = serde_json::json!({});
        for field in Field::all() {
            let value = match event.get(field) {
                Value::Absent => continue,
                Value::Text(text) => serde_json::json!(**text),
                Value::Static(text) => serde_json::json!(text),
                Value::Texts(texts) => texts.iter().collect(),
                Value::Number(number) => serde_json::json!(number),
                Value::Flag(flag) => serde_json::json!(flag),
                Value::Time(ns) => serde_json::json!(Date::new(*ns).as_str()),
            };
            let mut object = &mut root;
            for segment in field.info().path {
                object = &mut object[*segment];
            }
            *object = value;
        }
        root
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn both_formats_give_back_any_event(event in any_event()) {
            let text = to_json(&event);
            prop_assert_eq!(text.matches('\n').count(), 1);
            prop_assert!(!text.trim_end().chars().any(quote::is_deceptive));
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&value, &expected(&event));

            let mut bytes = Vec::new();
            msgpack(&event, &mut bytes);
            let value: serde_json::Value = rmp_serde::from_slice(&bytes).unwrap();
            prop_assert_eq!(&value, &expected(&event));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Each event comes out as if it were the only one, whatever the writer wrote before.
        #[test]
        fn what_was_written_before_changes_nothing(
            events in proptest::collection::vec(any_event(), 1..4),
            order in proptest::collection::vec((0..4_usize, 0..FIELD_COUNT, 0..4_usize), 1..16),
        ) {
            let mut lines = JsonLines::default();
            for (index, field, from) in order {
                // Neighbours in a stream differ in a few fields.
                let mut event = events[index % events.len()].clone();
                let field = Field::by_number(field as u32).expect("there is one");
                event.set(field, events[from % events.len()].get(field).clone());
                let mut out = Vec::new();
                lines.write(&event, &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), to_json(&event));
            }
        }
    }

    #[test]
    fn a_document_is_nested_and_leaves_out_what_is_absent() {
        let mut event = Event::default();
        event.set(Field::TIMESTAMP, Value::Time(1_772_366_400_000_000_001));
        event.set_number(Field::PROCESS_PID, 7u64);
        event.set_text(Field::PROCESS_PARENT_NAME, "sh");
        event.set(Field::EVENT_TYPE, Value::Texts(["start"].into_iter().collect()));
        event.set_flag(Field::PROCESS_INTERACTIVE, false);
        assert_eq!(
            to_json(&event),
            "{\"@timestamp\":\"2026-03-01T12:00:00.000000001Z\",\"event\":{\"type\":[\"start\"]},\
             \"process\":{\"interactive\":false,\"parent\":{\"name\":\"sh\"},\"pid\":7}}\n"
        );
    }

    #[test]
    fn documents_of_a_stream_are_told_apart() {
        let mut event = Event::default();
        let mut bytes = Vec::new();
        for pid in 1..=3u64 {
            event.set_number(Field::PROCESS_PID, pid);
            msgpack(&event, &mut bytes);
        }
        let mut rest = bytes.as_slice();
        for pid in 1..=3 {
            let value: serde_json::Value = rmp_serde::from_read(&mut rest).unwrap();
            assert_eq!(value, serde_json::json!({ "process": { "pid": pid } }));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn text_that_deceives_a_terminal_is_escaped() {
        let mut event = Event::default();
        let args: Texts =
            ["a\u{1b}[2J", "\u{202e}gpj.exe", "é\u{9b}\u{7f}", "\"\\"].iter().collect();
        event.set(Field::PROCESS_ARGS, Value::Texts(args));
        assert_eq!(
            to_json(&event),
            "{\"process\":{\"args\":[\"a\\u001b[2J\",\"\\u202egpj.exe\",\"é\\u009b\\u007f\",\
             \"\\\"\\\\\"]}}\n"
        );
    }

    #[test]
    fn an_event_without_fields_is_an_empty_object() {
        assert_eq!(to_json(&Event::default()), "{}\n");
    }
}
