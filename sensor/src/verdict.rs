//! What the rules say about one event, combined.
//!
//! An alert beats a drop: an event that somebody should look at is delivered. Events of the sensor
//! itself ([`Kinds::SENSOR`]) are never dropped. Order is that of the rules, so the same event
//! judged by the same rules gives the same output.

use std::collections::HashSet;
use std::sync::Arc;

use crate::event::{Event, Field, Kinds, Texts, Value};
use crate::rules::{Fault, RuleInfo};

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub rule: Arc<RuleInfo>,
    /// 0 to 100.
    pub severity: u8,
    pub message: String,
    pub tags: Vec<String>,
}

/// Tags that one rule added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagging {
    pub rule: Arc<RuleInfo>,
    pub tags: Vec<String>,
}

/// The verdict of all rules on one event.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Which state of the rule set judged; 0 before any rule was loaded.
    pub generation: u64,
    pub alerts: Vec<Alert>,
    pub taggings: Vec<Tagging>,
    /// The rule whose drop took effect; none when the event is to be delivered.
    pub dropped_by: Option<Arc<RuleInfo>>,
    /// Components that failed on this event. It passes as if they had said nothing.
    pub faults: Vec<Fault>,
}

/// What became of a rule's wish to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropOutcome {
    /// The event is dropped under this rule's name.
    Dropped,
    /// A rule that came first dropped it already.
    Repeated,
    /// A rule alerted, or the event is the sensor's own.
    Overruled,
}

impl Verdict {
    pub fn new(generation: u64) -> Verdict {
        Verdict { generation, ..Verdict::default() }
    }

    /// Decide on a rule's wish to drop; to be called after all rules have alerted.
    pub fn ask_to_drop(&mut self, rule: &Arc<RuleInfo>, kinds: Kinds) -> DropOutcome {
        if !self.alerts.is_empty() || kinds.intersects(Kinds::SENSOR) {
            DropOutcome::Overruled
        } else if self.dropped_by.is_some() {
            DropOutcome::Repeated
        } else {
            self.dropped_by = Some(rule.clone());
            DropOutcome::Dropped
        }
    }

    pub fn is_drop(&self) -> bool {
        self.dropped_by.is_some()
    }

    /// Write the verdict into the event that it judged.
    pub fn apply(&self, event: &mut Event) {
        if self.generation > 0 {
            event.set_number(Field::OCELLUS_RULES_GENERATION, self.generation);
        }
        self.apply_tags(event);
        self.apply_alerts(event);
    }

    fn apply_tags(&self, event: &mut Event) {
        if self.taggings.is_empty() && self.alerts.iter().all(|alert| alert.tags.is_empty()) {
            return;
        }
        let tagged = self.taggings.iter().flat_map(|tagging| &tagging.tags);
        let alerted = self.alerts.iter().flat_map(|alert| &alert.tags);
        let before: Vec<String> =
            event.texts(Field::TAGS).into_iter().flat_map(Texts::iter).map(str::to_owned).collect();
        let tags = before.iter().chain(tagged).chain(alerted).map(String::as_str);
        set_texts(event, Field::TAGS, distinct(tags));
        let rules = self.taggings.iter().map(|tagging| &*tagging.rule.id);
        set_texts(event, Field::OCELLUS_RULES_TAGGED, distinct(rules));
    }

    fn apply_alerts(&self, event: &mut Event) {
        // The first of the most severe: `max_by_key` would take the last.
        let Some(worst) = self.alerts.iter().rev().max_by_key(|alert| alert.severity) else {
            return;
        };
        event.set_static(Field::EVENT_KIND, "alert");
        event.set_number(Field::EVENT_SEVERITY, worst.severity);
        let described = [
            (Field::RULE_ID, &worst.rule.id),
            (Field::RULE_NAME, &worst.rule.name),
            (Field::RULE_DESCRIPTION, &worst.rule.description),
            (Field::RULE_VERSION, &worst.rule.version),
        ];
        for (field, text) in described {
            if !text.is_empty() {
                event.set_text(field, text.clone());
            }
        }
        let said = distinct(self.alerts.iter().map(|alert| (&*alert.rule.id, &*alert.message)));
        set_texts(event, Field::OCELLUS_RULES_ALERTS, said.iter().map(|(id, _)| *id));
        set_texts(event, Field::OCELLUS_RULES_MESSAGES, said.iter().map(|(_, message)| *message));
        self.apply_techniques(event);
    }

    /// ATT&CK ids: `T1059.004` is a sub-technique of `T1059`, and ECS has a field for each.
    fn apply_techniques(&self, event: &mut Event) {
        let ids = || self.alerts.iter().flat_map(|alert| &alert.rule.attack).map(|id| &**id);
        let techniques = distinct(ids().map(|id| id.split('.').next().unwrap_or(id)));
        if techniques.is_empty() {
            return;
        }
        event.set_static(Field::THREAT_FRAMEWORK, "MITRE ATT&CK");
        set_texts(event, Field::THREAT_TECHNIQUE_ID, techniques);
        let subtechniques = distinct(ids().filter(|id| id.contains('.')));
        set_texts(event, Field::THREAT_TECHNIQUE_SUBTECHNIQUE_ID, subtechniques);
    }
}

/// The items without repetitions, in the order of their first appearance.
fn distinct<T: Copy + Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).collect()
}

fn set_texts<'a>(event: &mut Event, field: Field, texts: impl IntoIterator<Item = &'a str>) {
    let texts: Texts = texts.into_iter().collect();
    event.set(field, if texts.is_empty() { Value::Absent } else { Value::Texts(texts) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str) -> Arc<RuleInfo> {
        Arc::new(RuleInfo { id: id.into(), ..RuleInfo::default() })
    }

    fn alert(id: &str, severity: u8) -> Alert {
        Alert { rule: rule(id), severity, message: id.into(), tags: vec![] }
    }

    #[test]
    fn nothing_said_changes_nothing_but_the_generation() {
        let mut event = Event::default();
        Verdict::new(0).apply(&mut event);
        assert_eq!(event, Event::default());
        Verdict::new(7).apply(&mut event);
        assert_eq!(event.number(Field::OCELLUS_RULES_GENERATION), Some(7));
    }

    #[test]
    fn tags_that_the_event_has_stay_first() {
        let mut event = Event::default();
        event.set(Field::TAGS, Value::Texts(["own"].into_iter().collect()));
        let mut verdict = Verdict::new(1);
        verdict.taggings.push(Tagging { rule: rule("a"), tags: vec!["new".into(), "own".into()] });
        verdict.apply(&mut event);
        let tags = event.texts(Field::TAGS).unwrap();
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["own", "new"]);
    }

    #[test]
    fn what_a_rule_does_not_say_is_absent() {
        let mut event = Event::default();
        let mut verdict = Verdict::new(1);
        verdict.alerts.push(alert("a", 0));
        verdict.apply(&mut event);
        assert_eq!(event.number(Field::EVENT_SEVERITY), Some(0));
        for field in [Field::TAGS, Field::RULE_NAME, Field::THREAT_FRAMEWORK] {
            assert_eq!(*event.get(field), Value::Absent, "{field:?}");
        }
    }

    #[test]
    fn a_drop_waits_for_alerts_and_spares_the_sensor() {
        let mut verdict = Verdict::new(1);
        assert_eq!(verdict.ask_to_drop(&rule("a"), Kinds::SENSOR_LOSS), DropOutcome::Overruled);
        assert_eq!(verdict.ask_to_drop(&rule("a"), Kinds::PROCESS_EXEC), DropOutcome::Dropped);
        assert_eq!(verdict.ask_to_drop(&rule("b"), Kinds::PROCESS_EXEC), DropOutcome::Repeated);
        assert_eq!(verdict.dropped_by, Some(rule("a")));
        let mut verdict = Verdict::new(1);
        verdict.alerts.push(alert("a", 1));
        assert_eq!(verdict.ask_to_drop(&rule("b"), Kinds::PROCESS_EXEC), DropOutcome::Overruled);
        assert!(!verdict.is_drop());
    }
}
