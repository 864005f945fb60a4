//! Other processes than the one that the event is about, by their entity id.
//!
//! The sensor knows those that run, and those that ended up to some seconds ago. It tells what it
//! knows now, which may be some events ahead of the one that is judged. `wit/processes.wit` lists
//! the fields that it gives.

use crate::{Field, host};

/// Entity ids of a process's ancestors, the parent first; at most 64. Empty when the process or its
/// parent is not known.
pub fn ancestors(entity_id: &str) -> Vec<String> {
    host::ancestors(entity_id)
}

/// A text field of a process. None when the process or the value is not known.
pub fn text(entity_id: &str, field: Field) -> Option<String> {
    host::text_of(entity_id, field.number()?)
}

/// A number, a flag as 0 or 1, or a time, of a process.
pub fn number(entity_id: &str, field: Field) -> Option<u64> {
    host::number_of(entity_id, field.number()?)
}

/// A field of several texts of a process.
pub fn texts(entity_id: &str, field: Field) -> Vec<String> {
    field.number().map(|field| host::texts_of(entity_id, field)).unwrap_or_default()
}
