//! Whom a full process table forgets: a live process without live children, the one that came
//! first.
//!
//! A parent that was forgotten cannot be named in the events of its children, so it goes last.

use std::collections::BTreeMap;

use crate::process::ProcessId;

/// Live processes without live children, by the order in which they came.
#[derive(Debug, Default)]
pub struct Leaves {
    by_arrival: BTreeMap<u64, ProcessId>,
    arrivals: u64,
}

impl Leaves {
    /// Number of the next process to come.
    pub fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// A process came, or its last child is gone.
    pub fn insert(&mut self, arrival: u64, id: ProcessId) {
        self.by_arrival.insert(arrival, id);
    }

    /// It has a child now, or is gone.
    pub fn remove(&mut self, arrival: u64) {
        self.by_arrival.remove(&arrival);
    }

    /// The one that came first.
    pub fn first(&self) -> Option<ProcessId> {
        self.by_arrival.first_key_value().map(|(_, id)| *id)
    }
}
