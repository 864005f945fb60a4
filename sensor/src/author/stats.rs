//! `ocellus rules stats`: what each rule did and cost on a recording.

use std::path::Path;

use serde::Serialize;

use super::events::{self, EventsError};
use crate::rules::{ComponentStats, RuleSet, sheet};
use crate::table::grouped;

/// The cost sheet of a set of rules on a recording.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub events: u64,
    pub components: Vec<ComponentStats>,
}

/// Replays a recording through the same rules twice: through those that count fuel, which is the
/// same each time, and through those that are timed.
pub fn stats(recording: &Path, fuel: RuleSet, timed: RuleSet) -> Result<Stats, EventsError> {
    let mut events = 0;
    let fuel = events::replay(recording, fuel, |_| {
        events += 1;
        true
    })?;
    let timed = events::replay(recording, timed.measuring_all(), |_| true)?;
    let mut components = fuel.stats();
    for (component, timed) in components.iter_mut().zip(timed.stats()) {
        component.cost = timed.cost;
        for (rule, timed) in component.rules.iter_mut().zip(timed.rules) {
            rule.counters.time_ns = timed.counters.time_ns;
        }
    }
    Ok(Stats { events, components })
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", sheet(&self.components))?;
        writeln!(f, "{} events", grouped(self.events))
    }
}
