//! One component in force: its instance, its health and its counters.

use std::sync::Arc;

use super::fault::{Failure, Fault, FaultCause};
use super::health::{Health, Readiness};
use super::instance::{Blueprint, Configured, Instance};
use super::interest::Interests;
use super::load::{Mode, Prepared};
use super::metadata::{self, Permissions, RuleInfo};
use super::stats::{ComponentCounters, ComponentStats, RuleCounters, RuleStats};
use super::{output, wit};
use crate::event::{Event, Kinds};
use crate::verdict::{Alert, DropOutcome, Tagging, Verdict};

/// One component in force.
pub(super) struct Loaded {
    blueprint: Blueprint,
    /// None after a fault, until the next event that the component wants.
    instance: Option<Instance>,
    interests: Interests,
    rules: Vec<LoadedRule>,
    mode: Mode,
    health: Health,
    counters: ComponentCounters,
}

struct LoadedRule {
    info: Arc<RuleInfo>,
    /// What it asks for and the operator grants.
    permitted: Permissions,
    counters: RuleCounters,
}

impl Loaded {
    pub(super) fn new(prepared: Prepared) -> Loaded {
        let granted = prepared.settings.permissions;
        let rules = prepared.rules.into_iter().map(|info| LoadedRule {
            permitted: info.permissions.and(granted),
            info,
            counters: RuleCounters::default(),
        });
        Loaded {
            blueprint: prepared.blueprint,
            instance: Some(prepared.instance),
            interests: prepared.interests,
            rules: rules.collect(),
            mode: prepared.settings.mode,
            health: Health::default(),
            counters: ComponentCounters::default(),
        }
    }

    /// A new version of a component, with the counters of the old one.
    pub(super) fn replacing(before: &Loaded, prepared: Prepared) -> Loaded {
        let mut after = Loaded::new(prepared);
        after.counters = before.counters_so_far();
        for rule in &mut after.rules {
            if let Some(same) = before.rules.iter().find(|other| other.info.id == rule.info.id) {
                rule.counters = same.counters;
            }
        }
        after
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.blueprint.name
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    pub(super) fn health_mut(&mut self) -> &mut Health {
        &mut self.health
    }

    pub(super) fn has_rule(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| *rule.info.id == *id)
    }

    /// Events that its rules dropped.
    pub(super) fn drops(&self) -> u64 {
        self.rules.iter().map(|rule| rule.counters.drops).sum()
    }

    /// Events dropped by those of its rules that another version does not have.
    pub(super) fn drops_not_in(&self, other: &Loaded) -> u64 {
        let gone = self.rules.iter().filter(|rule| !other.has_rule(&rule.info.id));
        gone.map(|rule| rule.counters.drops).sum()
    }

    /// Kinds of events that it may want.
    pub(super) fn kinds(&self) -> Kinds {
        self.interests.kinds()
    }

    pub(super) fn wants(&self, event: &Event) -> bool {
        self.interests.want(event)
    }

    /// Let the component judge an event that it wants. Tags, alerts and faults go into the verdict;
    /// rules that want to drop are given back, because every alert comes first.
    pub(super) fn judge(
        &mut self,
        event: &Arc<Event>,
        now_ns: u64,
        verdict: &mut Verdict,
    ) -> Vec<usize> {
        self.counters.candidates += 1;
        match self.health.readiness(now_ns) {
            Readiness::Ready => {}
            Readiness::Released => {
                tracing::info!("the component `{}` is released from quarantine", self.name());
            }
            Readiness::Quarantined => {
                self.counters.skipped += 1;
                return Vec::new();
            }
        }
        match self.call(event, now_ns) {
            Ok(hits) => self.take_hits(hits, verdict),
            Err(failure) => {
                verdict.faults.push(self.failed(failure, now_ns));
                Vec::new()
            }
        }
    }

    fn call(&mut self, event: &Arc<Event>, now_ns: u64) -> Result<Vec<wit::Hit>, Failure> {
        let instance = match &mut self.instance {
            Some(instance) => instance,
            none => {
                self.counters.restarts += 1;
                none.insert(restart(&self.blueprint, &self.rules).inspect_err(|_| {
                    self.counters.skipped += 1;
                })?)
            }
        };
        self.counters.calls += 1;
        let Blueprint { engine, budget, .. } = &self.blueprint;
        let hits = instance.judge(engine, budget, event, now_ns);
        self.counters.fuel += instance.take_fuel();
        let hits = hits?;
        output::check(&hits, self.rules.len()).map_err(Failure::output)?;
        Ok(hits)
    }

    /// Account for a failure and give up the instance that failed.
    fn failed(&mut self, failure: Failure, now_ns: u64) -> Fault {
        self.counters = self.counters_so_far();
        self.instance = None;
        let counters = &mut self.counters;
        *match failure.cause {
            FaultCause::Trap => &mut counters.traps,
            FaultCause::Time => &mut counters.timeouts,
            FaultCause::Memory => &mut counters.memory_faults,
            FaultCause::Output => &mut counters.output_faults,
        } += 1;
        let quarantined_until_ns = self.health.fault(now_ns);
        counters.quarantines += u64::from(quarantined_until_ns.is_some());
        Fault {
            component: self.name().clone(),
            cause: failure.cause,
            detail: failure.detail,
            quarantined_until_ns,
        }
    }

    fn take_hits(&mut self, hits: Vec<wit::Hit>, verdict: &mut Verdict) -> Vec<usize> {
        let mut drops = Vec::new();
        for hit in hits {
            let index = hit.rule as usize;
            let rule = &mut self.rules[index];
            rule.counters.hits += 1;
            let permitted = match hit.verdict {
                wit::Verdict::Tag(_) => rule.permitted.tag,
                wit::Verdict::Alert(_) => rule.permitted.alert,
                wit::Verdict::Drop => rule.permitted.drop,
            };
            if !permitted {
                rule.counters.refused += 1;
            } else if self.mode != Mode::Active {
                rule.counters.shadowed += 1;
            } else {
                match hit.verdict {
                    wit::Verdict::Tag(tags) => rule.tag(tags, verdict),
                    wit::Verdict::Alert(alert) => rule.alert(alert, verdict),
                    wit::Verdict::Drop => drops.push(index),
                }
            }
        }
        drops
    }

    /// Let a rule drop the event, unless something else comes first.
    pub(super) fn ask_to_drop(&mut self, rule: usize, kinds: Kinds, verdict: &mut Verdict) {
        let rule = &mut self.rules[rule];
        match verdict.ask_to_drop(&rule.info, kinds) {
            DropOutcome::Dropped => rule.counters.drops += 1,
            DropOutcome::Repeated => rule.counters.drops_repeated += 1,
            DropOutcome::Overruled => rule.counters.drops_overruled += 1,
        }
    }

    /// Counters, with those that the living instance keeps itself.
    fn counters_so_far(&self) -> ComponentCounters {
        let mut counters = self.counters;
        let living = self.instance.as_ref().map_or(0, Instance::log_lines_suppressed);
        counters.log_lines_suppressed += living;
        counters
    }

    pub(super) fn stats(&self) -> ComponentStats {
        let rules = self.rules.iter();
        let rules =
            rules.map(|rule| RuleStats { id: rule.info.id.clone(), counters: rule.counters });
        ComponentStats {
            name: self.name().clone(),
            mode: self.mode,
            quarantined_until_ns: self.health.quarantined_until_ns(),
            memory_bytes: self.instance.as_ref().map_or(0, Instance::memory_bytes),
            counters: self.counters_so_far(),
            rules: rules.collect(),
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

/// A fresh instance in place of one that failed. It must say the same of itself as at its load,
/// because hits name rules by position.
fn restart(blueprint: &Blueprint, rules: &[LoadedRule]) -> Result<Instance, Failure> {
    let (instance, configured) = blueprint.start()?;
    let metadata = match configured {
        Configured::Metadata(metadata) => metadata,
        Configured::Refused(_) => return Err(Failure::output("`configure` refused at a restart")),
    };
    let fresh = metadata::check_rules(metadata.rules).map_err(Failure::output)?;
    if fresh.iter().eq(rules.iter().map(|rule| &rule.info)) {
        Ok(instance)
    } else {
        Err(Failure::output("`configure` gave other rules at a restart than at its load"))
    }
}
