//! Fields: ECS names, and the numbers under which the sensor knows them.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::host;

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

/// A field of events. [`fields`] has a constant for each one of the field table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    name: &'static str,
    index: u16,
    field_type: FieldType,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FieldType {
    Text,
    Texts,
    Number,
    Flag,
    Time,
}

/// Not asked the sensor yet.
const UNASKED: u32 = u32::MAX;
/// The sensor does not know the field: it is older than the rule.
const UNKNOWN: u32 = u32::MAX - 1;

/// The sensor's numbers of the fields, by index in the table.
static NUMBERS: [AtomicU32; FIELD_COUNT] = [const { AtomicU32::new(UNASKED) }; FIELD_COUNT];

/// The sensor's columns of the fields in packed events, by index in the table.
#[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
static COLUMNS: [AtomicU32; FIELD_COUNT] = [const { AtomicU32::new(UNASKED) }; FIELD_COUNT];

impl Field {
    pub(crate) const fn in_table(name: &'static str, index: u16, field_type: FieldType) -> Self {
        Self { name, index, field_type }
    }

    /// The field's column in packed events, asked for once; beyond every column when it has none.
    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    #[inline]
    pub(crate) fn column(self) -> u32 {
        match COLUMNS[usize::from(self.index)].load(Ordering::Relaxed) {
            UNASKED => self.ask_column(),
            column => column,
        }
    }

    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    #[cold]
    fn ask_column(self) -> u32 {
        // What the sensor does not pack it gives as `UNASKED`: it shall not be asked again.
        let column = self.number().map_or(UNKNOWN, host::column_of).min(UNKNOWN);
        COLUMNS[usize::from(self.index)].store(column, Ordering::Relaxed);
        column
    }

    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    #[inline]
    pub(crate) fn is_text(self) -> bool {
        self.field_type == FieldType::Text
    }

    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    #[inline]
    pub(crate) fn is_texts(self) -> bool {
        self.field_type == FieldType::Texts
    }

    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    #[inline]
    pub(crate) fn is_number(self) -> bool {
        !self.is_text() && !self.is_texts()
    }

    /// The ECS name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The sensor's number for the field, asked for once. None when the sensor does not know it.
    #[inline]
    pub(crate) fn number(self) -> Option<u32> {
        match NUMBERS[usize::from(self.index)].load(Ordering::Relaxed) {
            UNKNOWN => None,
            UNASKED => self.ask_number(),
            number => Some(number),
        }
    }

    #[cold]
    fn ask_number(self) -> Option<u32> {
        let slot = &NUMBERS[usize::from(self.index)];
        match host::resolve(self.name) {
            Ok(number) => {
                slot.store(number, Ordering::Relaxed);
                Some(number)
            }
            Err(reason) => {
                slot.store(UNKNOWN, Ordering::Relaxed);
                crate::warn!("this sensor has no field {}: {reason}", self.name);
                None
            }
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn field_type(self) -> FieldType {
        self.field_type
    }
}
