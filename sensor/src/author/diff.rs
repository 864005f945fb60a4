//! `ocellus rules diff`: the events on which two versions of a rule differ, and how.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::said::{Said, said};
use super::testing::{time_ns, title};
use crate::event::{Event, Field};
use crate::rules::trial::Trial;

/// Differences that are kept; the others are counted.
const KEPT_MAX: usize = 1_000;
/// Differences that are shown to a person.
const SHOWN_MAX: usize = 50;

/// What two versions say to the same events.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Diff {
    pub events: u64,
    /// Events on which they differ.
    pub different: u64,
    /// Events that the first version, and the second, said something to.
    pub hits: (u64, u64),
    /// At most [`KEPT_MAX`].
    pub differences: Vec<Difference>,
}

/// One event on which they differ.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Position in the recording, from 1.
    pub position: u64,
    pub id: Option<String>,
    pub event: String,
    pub a: Vec<Said>,
    pub b: Vec<Said>,
}

impl Diff {
    /// Ask both about an event.
    pub fn compare(&mut self, event: &Arc<Event>, a: &mut Trial, b: &mut Trial) {
        self.events += 1;
        let time_ns = time_ns(event);
        let a = said(&a.judge(event, time_ns).verdict);
        let b = said(&b.judge(event, time_ns).verdict);
        self.hits.0 += u64::from(!a.is_empty());
        self.hits.1 += u64::from(!b.is_empty());
        if a == b {
            return;
        }
        self.different += 1;
        if self.differences.len() < KEPT_MAX {
            self.differences.push(Difference {
                position: self.events,
                id: event.text(Field::EVENT_ID).map(str::to_owned),
                event: title(event),
                a,
                b,
            });
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Difference { position, event, a, b, .. } in self.differences.iter().take(SHOWN_MAX) {
            writeln!(f, "event {position}: {event}")?;
            for said in a.iter().filter(|it| !b.contains(it)) {
                writeln!(f, "  - {said}")?;
            }
            for said in b.iter().filter(|it| !a.contains(it)) {
                writeln!(f, "  + {said}")?;
            }
        }
        let shown = self.differences.len().min(SHOWN_MAX) as u64;
        if self.different > shown {
            writeln!(f, "and {} more", self.different - shown)?;
        }
        let Diff { events, different, hits: (a, b), .. } = self;
        writeln!(f, "{events} events: {different} differ; hits on {a} by A, on {b} by B")
    }
}
