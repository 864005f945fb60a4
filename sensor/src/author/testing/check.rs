//! What was said against what was expected.

use std::sync::Arc;

use super::super::fixture::Expected;
use super::super::said::{Said, What, said};
use crate::event::{Event, Field, Texts};
use crate::rules::Prepared;
use crate::rules::trial::{Asked, Trial};

/// Alerts and hidden events that are named; the others are counted.
const NAMED_MAX: usize = 10;

/// What differs from what was expected. `why_not` says why a rule was not called.
pub(super) fn differences(
    expected: &Expected,
    asked: &Asked,
    why_not: impl Fn(&str) -> Vec<String>,
) -> Vec<String> {
    let said = said(&asked.verdict);
    let mut wrong = broken(asked);
    let missing: Vec<&String> =
        expected.rules.iter().filter(|rule| !said.iter().any(|it| it.rule == **rule)).collect();
    for rule in missing {
        wrong.push(format!("expected `{rule}` to match, and it said nothing"));
        let why_not = why_not(rule);
        if !why_not.is_empty() {
            wrong.push("it was not called:".into());
            wrong.extend(why_not.into_iter().map(|why| format!("  {why}")));
        }
    }
    for it in said.iter().filter(|it| !expected.rules.contains(&it.rule)) {
        if !matches!(it.what, What::Fault { .. }) {
            wrong.push(format!("expected nothing of `{}`, and it said: {it}", it.rule));
        }
    }
    if let [rule] = expected.rules.as_slice() {
        for it in said.iter().filter(|it| it.rule == *rule) {
            wrong.extend(details(expected, it));
        }
    }
    wrong
}

fn details(expected: &Expected, said: &Said) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(verdict) = &expected.verdict
        && verdict != said.what.name()
    {
        wrong.push(format!("expected the verdict {verdict:?}, got {:?}", said.what.name()));
    }
    let (severity, message) = match &said.what {
        What::Alert { severity, message, .. } => (Some(*severity), message.as_str()),
        _ => (None, ""),
    };
    if let Some(wanted) = expected.severity
        && severity != Some(wanted)
    {
        let got = severity.map_or("none".to_owned(), |severity| severity.to_string());
        wrong.push(format!("expected severity {wanted}, got {got}"));
    }
    if let Some(wanted) = &expected.message
        && !message.contains(wanted)
    {
        wrong.push(format!("expected a message with {wanted:?}, got {message:?}"));
    }
    for tag in expected.tags.iter().filter(|tag| !said.what.tags().contains(tag)) {
        wrong.push(format!("expected the tag {tag:?}, got {:?}", said.what.tags()));
    }
    wrong
}

/// What is wrong whatever was expected: a fault, or a verdict that the rule may not give.
pub(super) fn broken(asked: &Asked) -> Vec<String> {
    let said = said(&asked.verdict).into_iter();
    let faults = said.filter(|it| matches!(it.what, What::Fault { .. }));
    let mut broken: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    if asked.refused > 0 {
        broken.push(format!(
            "{} of its verdicts were refused: its `permissions` do not ask for them",
            asked.refused
        ));
    }
    broken
}

/// What was said, a line each.
pub(super) fn lines(asked: &Asked) -> Vec<String> {
    said(&asked.verdict).iter().map(ToString::to_string).collect()
}

pub(super) fn alerts(asked: &Asked) -> Vec<String> {
    let said = said(&asked.verdict);
    said.iter().filter(|it| it.what.is_alert()).map(ToString::to_string).collect()
}

/// An event in a few words.
pub(crate) fn title(event: &Event) -> String {
    let kinds = event.kinds.names().collect::<Vec<_>>().join(", ");
    let subject = event
        .text(Field::PROCESS_COMMAND_LINE)
        .map(str::to_owned)
        .or_else(|| event.texts(Field::PROCESS_ARGS).map(Texts::joined))
        .or_else(|| event.text(Field::PROCESS_NAME).map(str::to_owned))
        .or_else(|| event.text(Field::MESSAGE).map(str::to_owned));
    match subject {
        Some(subject) => format!("{kinds}: {}", subject.escape_debug()),
        None => kinds,
    }
}

/// Time of an event, ns since the epoch; 0 where it has none.
pub(crate) fn time_ns(event: &Event) -> u64 {
    event.number(Field::TIMESTAMP).unwrap_or(0)
}

/// Whether the interests hide events on which the rule would have fired.
#[derive(Clone, Debug, Default)]
pub struct InterestCheck {
    /// Events of a kind that the component wants.
    pub events: u64,
    /// Those that its terms leave out.
    pub left_out: u64,
    /// Those of them on which it would have fired, or fired otherwise: what, and why it was not
    /// asked. At most [`NAMED_MAX`] are kept.
    pub hidden: Vec<String>,
    /// How many there are.
    pub hidden_count: u64,
}

/// What the check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// None of the events that are left out would have been a hit.
    Nothing,
    /// Each of them would have been one: the rule leaves its whole decision to its interests, so
    /// that they cannot hide anything from it.
    Decides,
    /// Some would have been.
    Hides,
}

impl InterestCheck {
    pub fn proof(&self) -> Proof {
        match self.hidden_count {
            0 => Proof::Nothing,
            all if all == self.left_out => Proof::Decides,
            _ => Proof::Hides,
        }
    }

    /// Ask two instances about an event, of which one is called whatever the terms say.
    pub(super) fn compare(
        &mut self,
        prepared: &Prepared,
        event: &Arc<Event>,
        with: &mut Trial,
        without: &mut Trial,
    ) {
        if !prepared.wants_kind_of(event) {
            return;
        }
        self.events += 1;
        let time_ns = time_ns(event);
        let (asked, told) = (with.judge(event, time_ns), without.judge(event, time_ns));
        self.left_out += u64::from(!asked.called);
        let (asked_said, told_said) = (said(&asked.verdict), said(&told.verdict));
        if asked_said == told_said {
            return;
        }
        self.hidden_count += 1;
        if self.hidden.len() >= NAMED_MAX {
            return;
        }
        let list = |said: &[Said]| match said {
            [] => "nothing".to_owned(),
            said => said.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        let mut text = format!("{}\n  called, it says: {}", title(event), list(&told_said));
        if asked.called {
            text += &format!(
                "\n  after the events that its interests leave out: {}",
                list(&asked_said)
            );
        }
        for miss in prepared.misses(event) {
            text += &format!("\n  left out: {miss}");
        }
        self.hidden.push(text);
    }
}
