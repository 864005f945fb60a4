//! The rules in force, and what they say about an event.
//!
//! The set belongs to the machine: it reads no clock, and changes only between two events. Each
//! change makes a new generation.

use std::sync::Arc;

use super::budget::COMPONENTS_MAX;
use super::component::Loaded;
use super::load::{Mode, Prepared};
use super::stats::ComponentStats;
use crate::event::{Event, Field, Kinds};
use crate::verdict::Verdict;

/// All components that are loaded, in the order of their names.
#[derive(Default)]
pub struct RuleSet {
    components: Vec<Loaded>,
    /// Which of them may want which kind; see [`KindIndex`].
    index: KindIndex,
    generation: u64,
    /// Rule and component of each wish to drop the current event; kept to save an allocation.
    drops: Vec<(usize, usize)>,
    /// Events dropped by rules that are not loaded any more.
    dropped_before: u64,
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
    pub fn install(&mut self, prepared: Prepared) -> Result<(), InstallError> {
        let name = prepared.blueprint.name.clone();
        for other in self.components.iter().filter(|other| *other.name() != name) {
            if let Some(rule) = prepared.rules.iter().find(|rule| other.has_rule(&rule.id)) {
                let component = other.name().clone();
                return Err(InstallError::SameRule { rule: rule.id.clone(), component });
            }
        }
        match self.position(&name) {
            Ok(index) => {
                let before = &self.components[index];
                let component = Loaded::replacing(before, prepared);
                self.dropped_before += before.drops_not_in(&component);
                self.components[index] = component;
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

    /// Change whether a component's verdicts count. False when there is none of this name.
    pub fn set_mode(&mut self, name: &str, mode: Mode) -> bool {
        let Ok(index) = self.position(name) else { return false };
        self.components[index].set_mode(mode);
        self.changed();
        true
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

    /// Ask all rules about an event. `now_ns` is any time that does not go back.
    pub fn judge(&mut self, event: &Arc<Event>, now_ns: u64) -> Verdict {
        let mut verdict = Verdict::new(self.generation);
        let kinds = event.kinds;
        // A component does not judge its own faults: it might fail at each of them.
        let faulty = if kinds.intersects(Kinds::SENSOR_FAULT) {
            event.text(Field::OCELLUS_COMPONENT)
        } else {
            None
        };
        self.drops.clear();
        for index in self.index.candidates(kinds) {
            let component = &mut self.components[index];
            if faulty == Some(component.name()) || !component.wants(event) {
                continue;
            }
            for rule in component.judge(event, now_ns, &mut verdict) {
                self.drops.push((index, rule));
            }
        }
        for (index, rule) in self.drops.drain(..) {
            self.components[index].ask_to_drop(rule, kinds, &mut verdict);
        }
        verdict
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
        let called = self.components.iter().map(|component| {
            if component.mode() == Mode::Off { Kinds::NONE } else { component.kinds() }
        });
        self.index = KindIndex::new(called);
    }
}

/// For each kind, which components may want events of it: a bit for each component.
///
/// An event that nobody wants costs a look at a few words, however many components there are.
#[derive(Default)]
struct KindIndex {
    /// A row of words for each bit of [`Kinds`], one row after the other.
    masks: Box<[u64]>,
    /// Words in a row.
    words: usize,
}

impl KindIndex {
    /// From the kinds that each component may want, in the order of the components.
    fn new(kinds: impl ExactSizeIterator<Item = Kinds>) -> KindIndex {
        let words = kinds.len().div_ceil(64);
        let mut masks = vec![0; words * u16::BITS as usize];
        for (component, kinds) in kinds.enumerate() {
            for row in ones(u64::from(kinds.bits())) {
                masks[row * words + component / 64] |= 1 << (component % 64);
            }
        }
        KindIndex { masks: masks.into(), words }
    }

    /// Positions of the components that may want an event of these kinds, in order.
    fn candidates(&self, kinds: Kinds) -> impl Iterator<Item = usize> + '_ {
        let kinds = u64::from(kinds.bits());
        (0..self.words).flat_map(move |word| {
            let mask = ones(kinds).fold(0, |mask, row| mask | self.masks[row * self.words + word]);
            ones(mask).map(move |bit| word * 64 + bit)
        })
    }
}

/// Positions of the bits that are set, from the lowest on.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = bits.trailing_zeros();
        bits = bits.checked_sub(1)? & bits;
        Some(lowest as usize)
    })
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

    #[test]
    fn candidates_come_in_order_and_once() {
        let both = Kinds::PROCESS_EXEC.with(Kinds::PROCESS_EXIT);
        let kinds = (0..200).map(|component| match component % 3 {
            0 => Kinds::PROCESS_EXEC,
            1 => both,
            _ => Kinds::NONE,
        });
        let index = KindIndex::new(kinds);
        let candidates = |kinds| index.candidates(kinds).collect::<Vec<_>>();
        let of = |wanted: &[usize]| {
            (0..200).filter(|component| wanted.contains(&(component % 3))).collect::<Vec<_>>()
        };
        assert_eq!(candidates(Kinds::PROCESS_EXEC), of(&[0, 1]));
        assert_eq!(candidates(Kinds::PROCESS_EXIT), of(&[1]));
        assert_eq!(candidates(both), of(&[0, 1]));
        assert_eq!(candidates(Kinds::PROCESS_FORK), of(&[]));
        assert_eq!(candidates(Kinds::NONE), of(&[]));
        assert_eq!(KindIndex::default().candidates(both).count(), 0);
    }
}
