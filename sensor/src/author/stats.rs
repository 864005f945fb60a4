//! `ocellus rules stats`: what each rule did and cost on a recording.

use std::path::Path;

use serde::Serialize;

use super::events::{self, EventsError};
use super::table::{aligned, grouped};
use crate::rules::{ComponentStats, RuleSet};

/// The cost sheet of a set of rules on a recording.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub events: u64,
    pub components: Vec<ComponentStats>,
}

/// Replays a recording through the rules.
pub fn stats(recording: &Path, set: RuleSet) -> Result<Stats, EventsError> {
    let mut events = 0;
    let set = events::replay(recording, set, |_| {
        events += 1;
        true
    })?;
    Ok(Stats { events, components: set.stats() })
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let heading = [
            "rule",
            "candidates",
            "calls",
            "fuel/call",
            "hits",
            "alerts",
            "tags",
            "drops",
            "refused",
            "faults",
            "KiB",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for component in &self.components {
            let counters = &component.counters;
            let fuel = counters.fuel.checked_div(counters.calls).unwrap_or(0);
            for rule in &component.rules {
                let row = [
                    counters.candidates,
                    counters.calls,
                    fuel,
                    rule.counters.hits,
                    rule.counters.alerts,
                    rule.counters.tags,
                    rule.counters.drops,
                    rule.counters.refused,
                    counters.faults(),
                    component.memory_bytes as u64 / 1024,
                ];
                let cells = std::iter::once(rule.id.to_string());
                rows.push(cells.chain(row.map(grouped)).collect());
            }
        }
        write!(f, "{}", aligned(&rows))?;
        writeln!(f, "{} events", grouped(self.events))
    }
}
