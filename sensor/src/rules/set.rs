//! The rules in force, and what they say about an event.
//!
//! The set belongs to the machine: it reads no clock, and changes only between two events. Each
//! change makes a new generation.

use std::sync::Arc;

use super::budget::{BATCH_EVENTS_MAX, COMPONENTS_MAX};
use super::component::{Call, Loaded};
use super::load::{Mode, OperatorSettings, Prepared};
use super::pack::Packer;
use super::plan::{self, Plan};
use super::processes::Processes;
use super::stats::ComponentStats;
use super::wit;
use crate::event::{Event, Field, Kinds};
use crate::verdict::Verdict;

/// Events that are judged together.
pub type Events = Arc<Vec<Arc<Event>>>;

/// All components that are loaded, in the order of their names.
#[derive(Default)]
pub struct RuleSet {
    components: Vec<Loaded>,
    /// Which of their rules want an event.
    plan: Plan,
    /// For each component, what it wants of the events that are judged.
    wanted: Vec<Vec<wit::Candidate>>,
    packer: Packer,
    generation: u64,
    measures_all: bool,
    /// Events dropped by rules that are not loaded any more.
    dropped_before: u64,
    /// What the operator decided since the start, if anything.
    operator: Option<Arc<OperatorSettings>>,
}

/// Why a component that was loaded cannot join the set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    #[error("its rule `{rule}` has the same id as one of the component `{component}`")]
    SameRule { rule: Arc<str>, component: Arc<str> },
    #[error("there are {COMPONENTS_MAX} components already, and no more are allowed")]
    TooMany,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.components.iter().map(Loaded::name);
        f.debug_struct("RuleSet")
            .field("generation", &self.generation)
            .field("components", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl RuleSet {
    pub fn new() -> RuleSet {
        RuleSet::default()
    }

    /// Measure each call, where there are too few for a sample.
    #[must_use]
    pub fn measuring_all(mut self) -> RuleSet {
        self.measures_all = true;
        self
    }

    /// Which state of the set this is; 0 before anything was installed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// Whether a component of this name is in force.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Put a component into force, in place of the one of the same name. On an error, what was in
    /// force stays.
    pub fn install(&mut self, mut prepared: Prepared) -> Result<(), InstallError> {
        let name = prepared.blueprint.name.clone();
        for other in self.components.iter().filter(|other| *other.name() != name) {
            if let Some(rule) = prepared.rules.iter().find(|rule| other.has_rule(&rule.id)) {
                let component = other.name().clone();
                return Err(InstallError::SameRule { rule: rule.id.clone(), component });
            }
        }
        if let Some(operator) = &self.operator {
            prepared.settings.mode = operator.mode(&name);
            prepared.operator = operator.clone();
        }
        match self.position(&name) {
            Ok(index) => {
                let before = self.components.remove(index);
                self.dropped_before += before.drops_not_in(&prepared);
                self.components.insert(index, Loaded::replacing(before, prepared));
            }
            Err(_) if self.components.len() >= COMPONENTS_MAX => return Err(InstallError::TooMany),
            Err(index) => self.components.insert(index, Loaded::new(prepared)),
        }
        self.changed();
        Ok(())
    }

    /// Take a component out of force. False when there is none of this name.
    pub fn remove(&mut self, name: &str) -> bool {
        let Ok(index) = self.position(name) else { return false };
        self.dropped_before += self.components.remove(index).drops();
        self.changed();
        true
    }

    /// Put the modes into force that the operator changed. They hold also for components that are
    /// being loaded with what was decided before.
    pub fn change_modes(&mut self, was: &OperatorSettings, is: Arc<OperatorSettings>) {
        for component in &mut self.components {
            let name = component.name().clone();
            if was.mode(&name) != is.mode(&name) {
                component.set_mode(is.mode(&name));
            }
            component.change_rule_modes(|id| {
                let mode = is.mode_of_rule(id);
                (was.mode_of_rule(id) != mode).then_some(mode)
            });
        }
        self.operator = Some(is);
        self.changed();
    }

    /// Change whether a component's verdicts count. False when there is none of this name.
    pub fn set_mode(&mut self, name: &str, mode: Mode) -> bool {
        let Ok(index) = self.position(name) else { return false };
        self.components[index].set_mode(mode);
        self.changed();
        true
    }

    /// The same for all of its rules, also those that have a mode of their own.
    pub fn set_mode_of_all(&mut self, name: &str, mode: Mode) -> bool {
        if let Ok(index) = self.position(name) {
            self.components[index].forget_rule_modes();
        }
        self.set_mode(name, mode)
    }

    /// Leave a component alone for the time of a first quarantine, as after repeated faults. False
    /// when there is none of this name.
    pub fn quarantine(&mut self, name: &str, now_ns: u64) -> bool {
        let Ok(index) = self.position(name) else { return false };
        self.components[index].health_mut().confine(now_ns);
        true
    }

    /// End a component's quarantine and forget its faults. False when there is none of this name.
    pub fn release(&mut self, name: &str) -> bool {
        let Ok(index) = self.position(name) else { return false };
        self.components[index].health_mut().forgive();
        true
    }

    /// The component of this name, or the one that has a rule of this id.
    pub fn component_of(&self, rule: &str) -> Option<&Arc<str>> {
        let named = self.position(rule).ok().map(|index| &self.components[index]);
        let named = named.or_else(|| self.components.iter().find(|it| it.has_rule(rule)));
        named.map(Loaded::name)
    }

    /// Change whether one rule's verdicts count; it wins over the mode of its component, until that
    /// is replaced. False when there is none of this id.
    pub fn set_rule_mode(&mut self, id: &str, mode: Mode) -> bool {
        let found = self.components.iter_mut().any(|component| component.set_rule_mode(id, mode));
        if found {
            self.changed();
        }
        found
    }

    /// Whether a component may ask for other processes, so that it is worth lending them.
    pub fn ask_for_processes(&self) -> bool {
        self.components.iter().any(Loaded::asks_for_processes)
    }

    /// Ask all rules about an event. `now_ns` is any time that does not go back.
    pub fn judge(&mut self, event: &Arc<Event>, now_ns: u64) -> Verdict {
        let mut verdicts = self.judge_all(&Arc::new(vec![event.clone()]), now_ns, &mut None);
        verdicts.pop().expect("there is a verdict for each event")
    }

    /// Ask all rules about some events, at most [`BATCH_EVENTS_MAX`], which are in order; gives a
    /// verdict for each. The answers are those that the events would get one by one. `processes`
    /// answers what rules ask of other processes.
    pub fn judge_all(
        &mut self,
        events: &Events,
        now_ns: u64,
        processes: &mut Option<Box<dyn Processes>>,
    ) -> Vec<Verdict> {
        debug_assert!(events.len() <= BATCH_EVENTS_MAX, "{} events", events.len());
        let mut verdicts = Vec::with_capacity(events.len());
        verdicts.resize_with(events.len(), || Verdict::new(self.generation));
        if !self.find_candidates(events) {
            return verdicts;
        }
        if let Some(columns) = self.components.iter().find_map(Loaded::columns) {
            self.packer.begin(columns, events.len());
        }
        let mut drops = Vec::new();
        for (index, wanted) in self.wanted.iter_mut().enumerate() {
            if wanted.is_empty() {
                continue;
            }
            let mut call = Call {
                events,
                now_ns,
                packer: &mut self.packer,
                processes: &mut *processes,
                verdicts: &mut verdicts,
                measures_all: self.measures_all,
                drops: Vec::new(),
            };
            self.components[index].judge(wanted, &mut call);
            drops.extend(call.drops.into_iter().map(|(event, rule)| (event, index, rule)));
            wanted.clear();
        }
        for (event, index, rule) in drops {
            let kinds = events[event as usize].kinds;
            let verdict = &mut verdicts[event as usize];
            self.components[index].ask_to_drop(rule, kinds, verdict);
        }
        verdicts
    }

    /// Note for each component which of the events its rules want. False when nobody wants any.
    fn find_candidates(&mut self, events: &[Arc<Event>]) -> bool {
        let mut any = false;
        for (position, event) in events.iter().enumerate() {
            // A component does not judge its own faults: it might fail at each of them.
            let faulty = if event.kinds.intersects(Kinds::SENSOR_FAULT) {
                event.text(Field::OCELLUS_COMPONENT).and_then(|name| self.position(name).ok())
            } else {
                None
            };
            for plan::Candidate { component, rule } in self.plan.candidates(event) {
                let component = *component as usize;
                if faulty != Some(component) {
                    let candidate = wit::Candidate { event: position as u32, rule: *rule };
                    self.wanted[component].push(candidate);
                    any = true;
                }
            }
        }
        any
    }

    /// Counters of each component, in order.
    pub fn stats(&self) -> Vec<ComponentStats> {
        self.components.iter().map(Loaded::stats).collect()
    }

    /// Events dropped by rules that were in force once and are not any more.
    pub fn events_dropped_before(&self) -> u64 {
        self.dropped_before
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.components.binary_search_by(|component| (**component.name()).cmp(name))
    }

    fn changed(&mut self) {
        self.generation += 1;
        self.wanted.resize_with(self.components.len(), Vec::new);
        let components = self.components.iter().enumerate();
        self.plan = Plan::with(components.flat_map(|(component, loaded)| {
            let component = component as u32;
            let rules = loaded.interests();
            rules.map(move |(rule, interests)| (plan::Candidate { component, rule }, interests))
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_can_move_to_another_thread() {
        fn is_send<T: Send>() {}
        is_send::<RuleSet>();
        is_send::<Prepared>();
    }
}
