//! What was said against what was expected.

use std::collections::BTreeMap;
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

/// Whether the interests hide events on which their rules would have fired, for each rule by its
/// id. Interests belong to a rule: what it would have said counts where it is not called, whether
/// the component was called for another one or not.
#[derive(Clone, Debug, Default)]
pub struct InterestCheck {
    pub rules: BTreeMap<String, RuleCheck>,
}

/// The check of one rule.
#[derive(Clone, Debug, Default)]
pub struct RuleCheck {
    /// Events of a kind that the rule wants.
    pub events: u64,
    /// Those that its terms leave out.
    pub left_out: u64,
    /// Those of them on which it would have fired, or fired otherwise: what, and why it was not
    /// asked. At most [`NAMED_MAX`] are kept.
    pub hidden: Vec<String>,
    /// How many there are.
    pub hidden_count: u64,
}

/// What the check of a rule came to.
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
    /// Something is hidden from one of the rules.
    pub fn hides(&self) -> bool {
        self.rules.values().any(|check| check.proof() == Proof::Hides)
    }

    /// What is hidden, and from whom.
    pub fn hidden(&self) -> impl Iterator<Item = &String> {
        let hiding = self.rules.values().filter(|check| check.proof() == Proof::Hides);
        hiding.flat_map(|check| &check.hidden)
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
        let time_ns = time_ns(event);
        let (asked, told) = (with.judge(event, time_ns), without.judge(event, time_ns));
        for (position, wanted) in prepared.wanting_kind_of(event) {
            let rule = &prepared.rules()[position].id;
            let check = self.rules.entry(rule.to_string()).or_default();
            check.events += 1;
            check.left_out += u64::from(!wanted);
            let (asked, told) = (said_by(position, rule, &asked), said_by(position, rule, &told));
            if asked == told {
                continue;
            }
            check.hidden_count += 1;
            if check.hidden.len() < NAMED_MAX {
                let misses = prepared.misses_of(rule, event);
                check.hidden.push(difference(event, &misses, &asked, &told));
            }
        }
    }
}

impl RuleCheck {
    pub fn proof(&self) -> Proof {
        match self.hidden_count {
            0 => Proof::Nothing,
            all if all == self.left_out => Proof::Decides,
            _ => Proof::Hides,
        }
    }
}

/// What one of several rules said, whatever the others did. A call that failed says nothing of any.
fn said_by(position: usize, rule: &str, asked: &Asked) -> Vec<Said> {
    let is_its = |it: &Said| match it.what {
        What::Fault { .. } => true,
        // An alert of another rule would hide it.
        What::Drop => false,
        What::Alert { .. } | What::Tag { .. } => it.rule == rule,
    };
    let mut own: Vec<Said> = said(&asked.verdict).into_iter().filter(is_its).collect();
    if asked.drop_wishes.contains(&position) {
        own.push(Said { rule: rule.to_owned(), what: What::Drop });
    }
    own
}

/// What a rule says to an event when it is called for it, and when it is asked as its interests
/// want: `misses` says why it is not called, and is empty when it is.
fn difference(event: &Event, misses: &[String], asked: &[Said], told: &[Said]) -> String {
    let list = |said: &[Said]| match said {
        [] => "nothing".to_owned(),
        said => said.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    };
    let mut text = format!("{}\n  called, it says: {}", title(event), list(told));
    if misses.is_empty() {
        text += "\n  after the events that its interests leave out: ";
        text += &list(asked);
    }
    for miss in misses {
        text += &format!("\n  left out: {miss}");
    }
    text
}
