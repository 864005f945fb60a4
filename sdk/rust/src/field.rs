//! Fields: ECS names, and the numbers under which the sensor knows them.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::host;

include!(concat!(env!("OUT_DIR"), "/fields.rs"));

/// A field of events. [`fields`] has a constant for each one of the field table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    name: &'static str,
    index: u16,
}

/// What a field holds.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Field {
    pub(crate) const fn in_table(name: &'static str, index: u16) -> Self {
        Self { name, index }
    }

    /// The ECS name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The sensor's number for the field, asked for once. None when the sensor does not know it.
    pub(crate) fn number(self) -> Option<u32> {
        let slot = &NUMBERS[usize::from(self.index)];
        match slot.load(Ordering::Relaxed) {
            UNKNOWN => None,
            UNASKED => match host::resolve(self.name) {
                Ok(number) => {
                    slot.store(number, Ordering::Relaxed);
                    Some(number)
                }
                Err(reason) => {
                    slot.store(UNKNOWN, Ordering::Relaxed);
                    crate::warn!("this sensor has no field {}: {reason}", self.name);
                    None
                }
            },
            number => Some(number),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn field_type(self) -> FieldType {
        TABLE[usize::from(self.index)].1
    }
}
