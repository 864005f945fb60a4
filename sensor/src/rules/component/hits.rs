//! What the rules of a component say, and what comes of it.

use super::{Call, Loaded, LoadedRule, Mode};
use crate::event::{Field, Kinds};
use crate::rules::wit;
use crate::verdict::{Alert, DropOutcome, Tagging, Verdict};

impl Loaded {
    /// Count what a rule says, and add it to the event's verdict where it may.
    pub(super) fn take_hit(
        &mut self,
        event: u32,
        rule: u32,
        hit: wit::Verdict,
        call: &mut Call<'_>,
    ) {
        let index = rule as usize;
        let verdict = &mut call.verdicts[event as usize];
        let mode = self.mode_of(&self.rules[index]);
        let rule = &mut self.rules[index];
        if rule.wants != event {
            rule.counters.unwanted += 1;
            return;
        }
        rule.counters.hits += 1;
        let time_ns = call.events[event as usize].number(Field::TIMESTAMP);
        rule.counters.last_hit_ns = time_ns.unwrap_or(rule.counters.last_hit_ns);
        let permitted = match hit {
            wit::Verdict::Tag(_) => rule.permitted.tag,
            wit::Verdict::Alert(_) => rule.permitted.alert,
            wit::Verdict::Drop => rule.permitted.drop,
        };
        if !permitted {
            rule.counters.refused += 1;
        } else if mode != Mode::Active {
            rule.counters.shadowed += 1;
        } else {
            match hit {
                wit::Verdict::Tag(tags) => rule.tag(tags, verdict),
                wit::Verdict::Alert(alert) => rule.alert(alert, verdict),
                wit::Verdict::Drop => call.drops.push((event, index)),
            }
        }
    }

    /// Let a rule drop the event, unless something else comes first.
    pub(in crate::rules) fn ask_to_drop(
        &mut self,
        rule: usize,
        kinds: Kinds,
        verdict: &mut Verdict,
    ) {
        let rule = &mut self.rules[rule];
        match verdict.ask_to_drop(&rule.info, kinds) {
            DropOutcome::Dropped => rule.counters.drops += 1,
            DropOutcome::Repeated => rule.counters.drops_repeated += 1,
            DropOutcome::Overruled => rule.counters.drops_overruled += 1,
        }
    }
}

impl LoadedRule {
    fn tag(&mut self, tags: Vec<String>, verdict: &mut Verdict) {
        self.counters.tags += 1;
        verdict.taggings.push(Tagging { rule: self.info.clone(), tags });
    }

    fn alert(&mut self, alert: wit::Alert, verdict: &mut Verdict) {
        self.counters.alerts += 1;
        let wit::Alert { severity, message, tags } = alert;
        verdict.alerts.push(Alert { rule: self.info.clone(), severity, message, tags });
    }
}
