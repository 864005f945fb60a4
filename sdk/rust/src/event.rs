//! The event that is being judged.

use crate::host;
use crate::{Field, Match, Set};

/// The current event. Nothing is copied until it is asked for; ask once and keep the answer when
/// you need it twice.
///
/// Every field of the field table has an accessor here, named like the field with `_` for `.`.
#[derive(Debug)]
pub struct Event {
    _private: (),
}

impl Event {
    /// The event that the host is showing right now.
    pub(crate) const CURRENT: Event = Event { _private: () };

    /// A text field. None when the event does not have it.
    pub fn text(&self, field: Field) -> Option<String> {
        host::text(field.number()?)
    }

    /// A number or a time (nanoseconds since the epoch). A flag is 0 or 1. None when the event
    /// does not have it.
    pub fn number(&self, field: Field) -> Option<u64> {
        host::number(field.number()?)
    }

    /// Whether the event has the flag and it is set. [`Event::number`] tells a flag that is not
    /// set from one that is not known.
    pub fn flag(&self, field: Field) -> bool {
        self.number(field) == Some(1)
    }

    /// All values of a field that holds several texts. Empty when the event does not have it.
    pub fn texts(&self, field: Field) -> Vec<String> {
        field.number().map(host::texts).unwrap_or_default()
    }

    /// Several text fields in one call, which is cheaper than one by one.
    pub fn many<const N: usize>(&self, fields: [Field; N]) -> [Option<String>; N] {
        let numbers = fields.map(Field::number);
        if numbers.iter().any(Option::is_none) {
            return fields.map(|field| self.text(field));
        }
        let mut texts = host::many(&numbers.map(Option::unwrap_or_default)).into_iter();
        std::array::from_fn(|_| texts.next().flatten())
    }

    /// Compare a field with a set inside the sensor: nothing is copied. A field of several texts
    /// passes when one of them does; a field that the event does not have never passes.
    pub fn test(&self, field: Field, how: Match, set: &Set) -> bool {
        match (field.number(), set.number()) {
            (Some(field), Some(set)) => host::test(field, how, set),
            _ => false,
        }
    }

    /// Whether the event is of this kind, for example `process.exec`. A merged event has several.
    pub fn has_kind(&self, kind: &str) -> bool {
        self.ocellus_kinds().iter().any(|own| own == kind)
    }

    /// Whether an ancestor (parent, grandparent …) has one of these names.
    pub fn has_ancestor(&self, names: &Set) -> bool {
        self.test(crate::fields::OCELLUS_ANCESTORS_NAME, Match::OneOf, names)
    }

    /// The command line for a message: what the process has, else its name.
    pub fn command(&self) -> String {
        self.process_command_line()
            .filter(|line| !line.is_empty())
            .or_else(|| self.process_name())
            .unwrap_or_else(|| "a process".to_owned())
    }

    /// The user for a message: the effective user's name, else id.
    pub fn who(&self) -> String {
        self.user_effective_name()
            .or_else(|| self.user_effective_id().map(|id| format!("user {id}")))
            .unwrap_or_else(|| "a user".to_owned())
    }
}

/// What follows the last slash.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
