//! The event that rules and sinks see: a value, or none, for each field of the field table.
//!
//! There is no struct with a member for each field. The table in `wit/fields.toml` is the schema;
//! a getter, an encoder or a rule names a field by its number, and a new line in the table is a new
//! field everywhere.

mod texts;

use std::fmt;
use std::sync::Arc;

pub use texts::Texts;

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

/// Number of a field: its position in [`FIELDS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(u16);

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    Texts,
    Number,
    Flag,
    /// Nanoseconds since the epoch.
    Time,
}

/// One line of the field table.
#[derive(Debug)]
pub struct FieldInfo {
    /// ECS name.
    pub name: &'static str,
    /// The name, split at its dots.
    pub path: &'static [&'static str],
    pub field_type: FieldType,
    /// Which events can have it: any, process, exec, exit, loss, sensor.
    pub kinds: &'static str,
    pub meaning: &'static str,
    /// When such an event does not have it.
    pub absent: &'static str,
}

impl Field {
    /// The field of an ECS name.
    pub fn by_name(name: &str) -> Option<Field> {
        let index =
            FIELDS.binary_search_by(|info| info.path.iter().copied().cmp(name.split('.'))).ok()?;
        Some(Field(index as u16))
    }

    /// The field of a number that a rule gave.
    pub fn by_number(number: u32) -> Option<Field> {
        ((number as usize) < FIELD_COUNT).then_some(Field(number as u16))
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub fn info(self) -> &'static FieldInfo {
        &FIELDS[self.index()]
    }

    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// All fields, in output order.
    pub fn all() -> impl Iterator<Item = Field> {
        (0..FIELD_COUNT as u16).map(Field)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Value {
    /// The texts that it holds: one, several or none.
    pub fn all_texts(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self {
            Value::Text(text) => (Some(&**text), None),
            Value::Static(text) => (Some(*text), None),
            Value::Texts(texts) => (None, Some(texts)),
            Value::Absent | Value::Number(_) | Value::Flag(_) | Value::Time(_) => (None, None),
        };
        one.into_iter().chain(several.into_iter().flat_map(Texts::iter))
    }
}

/// The value of one field in one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    #[default]
    Absent,
    Text(Arc<str>),
    /// A text that is known at compile time.
    Static(&'static str),
    Texts(Texts),
    Number(u64),
    Flag(bool),
    /// Nanoseconds since the epoch.
    Time(u64),
}

/// Set of event kinds. A merged event has several.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Kinds(u16);

impl Kinds {
    pub const NONE: Kinds = Kinds(0);
    pub const PROCESS_FORK: Kinds = Kinds(1);
    pub const PROCESS_EXEC: Kinds = Kinds(1 << 1);
    pub const PROCESS_EXIT: Kinds = Kinds(1 << 2);
    /// A process that ran before the sensor started.
    pub const PROCESS_EXISTING: Kinds = Kinds(1 << 3);
    /// Users, groups, capabilities or the session of a process changed.
    pub const PROCESS_ID_CHANGE: Kinds = Kinds(1 << 4);
    /// A process took another name, and not by an exec.
    pub const PROCESS_NAME_CHANGE: Kinds = Kinds(1 << 5);
    /// A process moved to another process group.
    pub const PROCESS_PGID_CHANGE: Kinds = Kinds(1 << 6);
    pub const SENSOR_START: Kinds = Kinds(1 << 7);
    pub const SENSOR_STOP: Kinds = Kinds(1 << 8);
    /// Raw events were lost.
    pub const SENSOR_LOSS: Kinds = Kinds(1 << 9);
    /// The set of rules changed, or a change was refused.
    pub const SENSOR_RULES: Kinds = Kinds(1 << 10);
    /// A rule trapped, overran its budget, answered rubbish or was put into quarantine.
    pub const SENSOR_FAULT: Kinds = Kinds(1 << 11);
    /// Events of a process tree, or of all, were too many and were throttled.
    pub const SENSOR_THROTTLE: Kinds = Kinds(1 << 12);
    /// How many kinds are of processes: their bits come first.
    pub const PROCESS_COUNT: usize = 7;
    /// All kinds of the sensor itself. No rule may drop them.
    pub const SENSOR: Kinds = Kinds(0b11_1111 << Kinds::PROCESS_COUNT);

    /// Each kind with its name, as rules and `ocellus.kinds` have it.
    pub const NAMES: [(Kinds, &'static str); 13] = [
        (Kinds::PROCESS_FORK, "process.fork"),
        (Kinds::PROCESS_EXEC, "process.exec"),
        (Kinds::PROCESS_EXIT, "process.exit"),
        (Kinds::PROCESS_EXISTING, "process.existing"),
        (Kinds::PROCESS_ID_CHANGE, "process.id_change"),
        (Kinds::PROCESS_NAME_CHANGE, "process.name_change"),
        (Kinds::PROCESS_PGID_CHANGE, "process.pgid_change"),
        (Kinds::SENSOR_START, "sensor.start"),
        (Kinds::SENSOR_STOP, "sensor.stop"),
        (Kinds::SENSOR_LOSS, "sensor.loss"),
        (Kinds::SENSOR_RULES, "sensor.rules"),
        (Kinds::SENSOR_FAULT, "sensor.fault"),
        (Kinds::SENSOR_THROTTLE, "sensor.throttle"),
    ];

    pub fn by_name(name: &str) -> Option<Kinds> {
        Kinds::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Kinds::NAMES.iter().filter(move |(kind, _)| self.intersects(*kind)).map(|(_, name)| *name)
    }

    pub fn intersects(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// The set as a number: its value for a table that is indexed by it.
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// One event.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub kinds: Kinds,
    values: Box<[Value]>,
}

impl Default for Event {
    fn default() -> Event {
        Event { kinds: Kinds::NONE, values: (0..FIELD_COUNT).map(|_| Value::Absent).collect() }
    }
}

impl Event {
    pub fn get(&self, field: Field) -> &Value {
        &self.values[field.index()]
    }

    /// The value of each field, in output order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    pub fn set(&mut self, field: Field, value: Value) {
        debug_assert!(value.fits(field.info().field_type), "{field:?} = {value:?}");
        self.values[field.index()] = value;
    }

    pub fn set_text(&mut self, field: Field, text: impl Into<Arc<str>>) {
        self.set(field, Value::Text(text.into()));
    }

    pub fn set_static(&mut self, field: Field, text: &'static str) {
        self.set(field, Value::Static(text));
    }

    pub fn set_number(&mut self, field: Field, number: impl Into<u64>) {
        self.set(field, Value::Number(number.into()));
    }

    pub fn set_flag(&mut self, field: Field, flag: bool) {
        self.set(field, Value::Flag(flag));
    }

    /// A text field's value.
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.get(field) {
            Value::Text(text) => Some(text),
            Value::Static(text) => Some(text),
            _ => None,
        }
    }

    /// A number, a flag as 0 or 1, or a time in nanoseconds since the epoch.
    pub fn number(&self, field: Field) -> Option<u64> {
        self.get(field).number()
    }

    /// The values of a field of several texts.
    pub fn texts(&self, field: Field) -> Option<&Texts> {
        match self.get(field) {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = Field::all().filter(|field| *self.get(*field) != Value::Absent);
        f.debug_map().entries(present.map(|field| (field, self.get(field)))).finish()
    }
}

impl Value {
    /// As `==`, but made for values that mostly are the same in memory.
    #[inline]
    pub fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Absent, Value::Absent) => true,
            (Value::Text(one), Value::Text(other)) => Arc::ptr_eq(one, other) || one == other,
            (Value::Static(one), Value::Static(other)) => {
                std::ptr::eq(*one, *other) || one == other
            }
            (Value::Texts(one), Value::Texts(other)) => one == other,
            (Value::Number(one), Value::Number(other)) => one == other,
            (Value::Time(one), Value::Time(other)) => one == other,
            (Value::Flag(one), Value::Flag(other)) => one == other,
            _ => false,
        }
    }

    /// A number, a flag as 0 or 1, or a time in nanoseconds since the epoch. The largest number
    /// stands for none: in packed events it means that there is no value.
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::Number(number) | Value::Time(number) => Some(*number).filter(|n| *n != u64::MAX),
            Value::Flag(flag) => Some(u64::from(*flag)),
            _ => None,
        }
    }

    fn fits(&self, field_type: FieldType) -> bool {
        match self {
            Value::Absent => true,
            Value::Text(_) | Value::Static(_) => field_type == FieldType::Text,
            Value::Texts(_) => field_type == FieldType::Texts,
            Value::Number(_) => field_type == FieldType::Number,
            Value::Flag(_) => field_type == FieldType::Flag,
            Value::Time(_) => field_type == FieldType::Time,
        }
    }
}

#[cfg(test)]
pub(crate) mod arbitrary;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in Field::all() {
            assert_eq!(Field::by_name(field.name()), Some(field), "{}", field.name());
        }
        assert_eq!(Field::by_name("process.nothing"), None);
        assert_eq!(Field::by_name(""), None);
        assert_eq!(Field::by_number(FIELD_COUNT as u32), None);
    }

    #[test]
    fn texts_keep_empty_ones() {
        let texts: Texts = ["a", "", "bc"].into_iter().collect();
        assert_eq!(texts.len(), 3);
        assert_eq!(texts.get(1), Some(""));
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["a", "", "bc"]);
        assert_eq!(texts.joined(), "a  bc");
        assert_eq!(texts.get(3), None);
    }

    #[test]
    fn kinds_have_names_both_ways() {
        for (kind, name) in Kinds::NAMES {
            assert_eq!(Kinds::by_name(name), Some(kind));
        }
        let both = Kinds::PROCESS_FORK.with(Kinds::PROCESS_EXIT);
        assert_eq!(both.names().collect::<Vec<_>>(), ["process.fork", "process.exit"]);
        assert!(!both.intersects(Kinds::SENSOR));
    }
}
