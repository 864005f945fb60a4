//! The event that is being judged.

use std::marker::PhantomData;

#[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
use crate::packed::Packed;
use crate::{Field, Match, Set, Text, host};

/// The event that is being judged. Its texts live as long as it does; ask once and keep the answer
/// when you need it twice.
///
/// Every field of the field table has an accessor here, named like the field with `_` for `.`.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// None: each field is asked for through the sensor's getters.
    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    packed: Option<Packed<'a>>,
    _event: PhantomData<&'a str>,
}

impl<'a> Event<'a> {
    /// The event that the host is showing right now, read through getters.
    #[cfg(any(not(feature = "batch"), not(target_arch = "wasm32")))]
    pub(crate) const CURRENT: Event<'static> = Event {
        #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
        packed: None,
        _event: PhantomData,
    };

    #[cfg(any(feature = "batch", test))]
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "components use it"))]
    pub(crate) fn of_packed(packed: Packed<'a>) -> Self {
        Event { packed: Some(packed), _event: PhantomData }
    }

    /// The packed event, and the column in it, of a field that is packed.
    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    #[inline]
    fn packed(&self, field: Field) -> Option<(&Packed<'a>, u32)> {
        let packed = self.packed.as_ref()?;
        let column = field.column();
        packed.has(column).then_some((packed, column))
    }

    /// A text field. None when the event does not have it.
    #[inline]
    pub fn text(&self, field: Field) -> Option<Text<'a>> {
        #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
        if let Some((packed, column)) = self.packed(field) {
            return if field.is_text() { packed.text(column).map(Text::from) } else { None };
        }
        host::here();
        host::text(field.number()?).map(Text::from)
    }

    /// A number or a time (nanoseconds since the epoch). A flag is 0 or 1. None when the event
    /// does not have it.
    #[inline]
    pub fn number(&self, field: Field) -> Option<u64> {
        #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
        if let Some((packed, column)) = self.packed(field) {
            return if field.is_number() { packed.number(column) } else { None };
        }
        host::here();
        host::number(field.number()?)
    }

    /// Whether the event has the flag and it is set. [`Event::number`] tells a flag that is not
    /// set from one that is not known.
    #[inline]
    pub fn flag(&self, field: Field) -> bool {
        self.number(field) == Some(1)
    }

    /// All values of a field that holds several texts; a text field gives one. Empty when the event
    /// does not have it.
    #[inline]
    pub fn texts(&self, field: Field) -> Vec<Text<'a>> {
        #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
        if let Some((packed, column)) = self.packed(field) {
            return if field.is_texts() {
                packed.texts(column).map(Text::from).collect()
            } else {
                self.text(field).into_iter().collect()
            };
        }
        let Some(number) = field.number() else { return Vec::new() };
        host::here();
        host::texts(number).into_iter().map(Text::from).collect()
    }

    /// Several text fields in one call, which is cheaper than one by one where fields are asked for
    /// through getters.
    pub fn many<const N: usize>(&self, fields: [Field; N]) -> [Option<Text<'a>>; N] {
        #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
        if self.packed.is_some() {
            return fields.map(|field| self.text(field));
        }
        let numbers = fields.map(Field::number);
        if numbers.iter().any(Option::is_none) {
            return fields.map(|field| self.text(field));
        }
        let mut texts = host::many(&numbers.map(Option::unwrap_or_default)).into_iter();
        std::array::from_fn(|_| texts.next().flatten().map(Text::from))
    }

    /// Compare a field with a set, without copying anything. A field of several texts passes when
    /// one of them does; a field that the event does not have never passes.
    #[inline]
    pub fn test(&self, field: Field, how: Match, set: &Set) -> bool {
        #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
        if let Some((packed, column)) = self.packed(field) {
            return if field.is_texts() {
                packed.texts(column).any(|text| set.matches(how, text))
            } else {
                field.is_text() && packed.text(column).is_some_and(|text| set.matches(how, text))
            };
        }
        host::here();
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
    pub fn command(&self) -> Text<'a> {
        self.process_command_line()
            .filter(|line| !line.is_empty())
            .or_else(|| self.process_name())
            .unwrap_or_else(|| "a process".into())
    }

    /// The user for a message: the effective user's name, else id.
    pub fn who(&self) -> Text<'a> {
        self.user_effective_name()
            .or_else(|| self.user_effective_id().map(|id| format!("user {id}").into()))
            .unwrap_or_else(|| "a user".into())
    }
}

/// What follows the last slash.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
