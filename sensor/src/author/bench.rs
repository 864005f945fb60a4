//! `ocellus rules bench`: what a component costs on the events of a recording, beside a component
//! that does nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::testing::time_ns;
use super::{Component, ComponentError, open};
use crate::event::Event;
use crate::rules::trial::Trial;
use crate::rules::{Metering, Prepared, RuleSet};
use crate::table::{aligned, grouped};

/// A component that wants every event and says nothing: what a call costs at least.
const EMPTY: &[u8] = include_bytes!("empty.wasm");
/// How long each round of measuring lasts at least; shorter ones drown in noise.
const ROUND: Duration = Duration::from_millis(100);
/// Rounds, of which the median counts.
const ROUNDS: usize = 7;

/// The costs of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Bench {
    pub component: String,
    pub events: u64,
    /// Events that its interests want.
    pub candidates: u64,
    /// Fuel of one call; the same each time.
    pub fuel_p50: u64,
    pub fuel_max: u64,
    /// Time for an event of the recording, candidate or not.
    pub ns_per_event: f64,
    /// Time for a call, above what an event costs that nobody wants.
    pub ns_per_call: f64,
    /// The same for a component that does nothing.
    pub empty_ns_per_call: f64,
    /// Time for an event when there are no rules.
    pub none_ns_per_event: f64,
}

/// Measures a component on events.
pub fn bench(component: &Component, events: &[Arc<Event>]) -> Result<Bench, ComponentError> {
    let fuel = fuel(component.load(&open(Metering::Fuel)?, "")?, events);
    let loader = open(Metering::Epoch)?;
    let empty = Component { name: "empty".into(), path: "empty".into(), wasm: EMPTY.to_vec() };
    let (candidates, own) = timed(component.load(&loader, "")?, events);
    let (_, empty) = timed(empty.load(&loader, "")?, events);
    let none = median(&mut RuleSet::new(), events);
    let per_call = |total: f64, calls: u64| match calls {
        0 => 0.0,
        calls => ((total - none) * events.len() as f64 / calls as f64).max(0.0),
    };
    Ok(Bench {
        component: component.name.clone(),
        events: events.len() as u64,
        candidates,
        fuel_p50: fuel.get(fuel.len() / 2).copied().unwrap_or(0),
        fuel_max: fuel.last().copied().unwrap_or(0),
        ns_per_event: own,
        ns_per_call: per_call(own, candidates),
        empty_ns_per_call: per_call(empty, events.len() as u64),
        none_ns_per_event: none,
    })
}

/// Fuel of each call, in order of size.
fn fuel(prepared: Prepared, events: &[Arc<Event>]) -> Vec<u64> {
    let Ok(mut trial) = Trial::new(prepared) else { return Vec::new() };
    let asked = events.iter().map(|event| trial.judge(event, time_ns(event)));
    let mut fuel: Vec<u64> = asked.filter(|it| it.called).map(|it| it.fuel).collect();
    fuel.sort_unstable();
    fuel
}

/// How many of the events it wants, and ns for an event.
fn timed(prepared: Prepared, events: &[Arc<Event>]) -> (u64, f64) {
    let candidates = events.iter().filter(|event| prepared.misses(event).is_empty()).count();
    let mut set = RuleSet::new();
    if set.install(prepared).is_err() {
        return (0, 0.0);
    }
    (candidates as u64, median(&mut set, events))
}

/// ns for an event: the median of some rounds.
fn median(set: &mut RuleSet, events: &[Arc<Event>]) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(set, events)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn round(set: &mut RuleSet, events: &[Arc<Event>]) -> f64 {
    let began = Instant::now();
    let mut judged = 0_u64;
    while began.elapsed() < ROUND {
        for event in events {
            std::hint::black_box(set.judge(event, 0));
        }
        judged += events.len() as u64;
    }
    began.elapsed().as_nanos() as f64 / judged.max(1) as f64
}

impl fmt::Display for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bench { component, events, candidates, .. } = self;
        let (total, wanted) = (grouped(*events), grouped(*candidates));
        writeln!(f, "{component}: {wanted} of {total} events are candidates")?;
        let row = |what: &str, ns: f64| vec![what.to_owned(), format!("{ns:.0}")];
        let rows = [
            vec!["".to_owned(), "ns".to_owned()],
            row("an event, no rules", self.none_ns_per_event),
            row("an event, this rule", self.ns_per_event),
            row("a call of an empty rule", self.empty_ns_per_call),
            row("a call of this rule", self.ns_per_call),
        ];
        f.write_str(&aligned(&rows))?;
        let (median, most) = (grouped(self.fuel_p50), grouped(self.fuel_max));
        writeln!(f, "fuel for a call: p50 {median}, max {most}")
    }
}
