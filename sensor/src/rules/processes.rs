//! What rules may ask of processes beside the event.

use std::any::Any;
use std::sync::Arc;

use crate::event::{Field, Value};

/// Most ancestors of a process that a rule is told.
pub const ANCESTORS_MAX: usize = 64;

/// Answers for the interface `processes` of the contract. It is lent to the instance that judges,
/// so that no lock is needed.
pub trait Processes: Any + Send {
    /// Entity ids of a process's ancestors, the parent first; at most [`ANCESTORS_MAX`].
    fn ancestors(&self, entity_id: &str) -> Vec<Arc<str>>;

    /// A field of a process.
    fn value(&mut self, entity_id: &str, field: Field) -> Value;
}
