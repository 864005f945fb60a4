//! One component on trial: asked about one event after the other, away from any sensor. For the
//! author's commands: it tells what a set in force has no time to tell.

use std::any::Any;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::World;
use super::instance::Configured;
use super::load::{LoadError, Prepared};
use super::processes::{ANCESTORS_MAX, Processes};
use super::set::{Events, InstallError, RuleSet};
use super::stats::ComponentStats;
use crate::event::{Event, Field, Kinds, Texts, Value};
use crate::verdict::Verdict;

/// One component, alone in a set of rules.
pub struct Trial {
    set: RuleSet,
    /// Answers for what the rules ask of other processes.
    seen: Option<Box<dyn Processes>>,
    /// Counters after the last call of [`Trial::judge`].
    told: ComponentStats,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Trial").field(&self.set).finish()
    }
}

/// What became of one event.
#[derive(Debug)]
pub struct Asked {
    /// One of the component's interests wanted the event, so it was called.
    pub called: bool,
    pub verdict: Verdict,
    /// What the call took; 0 where fuel is not counted.
    pub fuel: u64,
    /// Verdicts that the rule did not ask to be allowed.
    pub refused: u64,
    /// Positions of the rules that wished to drop the event, whatever came of it: the verdict has
    /// no drop where somebody alerted, or dropped it first.
    pub drop_wishes: Vec<usize>,
}

impl Trial {
    /// Put a component on trial. It knows no processes but those that its events are about.
    pub fn new(prepared: Prepared) -> Result<Trial, InstallError> {
        let mut set = RuleSet::new();
        set.install(prepared)?;
        let told = stats(&set);
        Ok(Trial { set, seen: Some(Box::new(Seen::default())), told })
    }

    /// Ask about an event. `now_ns` is any time that does not go back.
    pub fn judge(&mut self, event: &Arc<Event>, now_ns: u64) -> Asked {
        let verdict = self.judge_all(&Arc::new(vec![event.clone()]), now_ns).pop();
        let after = self.stats();
        let before = std::mem::replace(&mut self.told, after.clone());
        let refused = |stats: &ComponentStats| -> u64 {
            stats.rules.iter().map(|rule| rule.counters.refused).sum()
        };
        let wishes = |stats: &ComponentStats, rule: usize| {
            let counters = &stats.rules[rule].counters;
            counters.drops + counters.drops_repeated + counters.drops_overruled
        };
        let wished = |rule: &usize| wishes(&after, *rule) > wishes(&before, *rule);
        Asked {
            drop_wishes: (0..after.rules.len()).filter(wished).collect(),
            called: after.counters.calls > before.counters.calls,
            verdict: verdict.expect("there is a verdict for each event"),
            fuel: after.counters.fuel - before.counters.fuel,
            refused: refused(&after) - refused(&before),
        }
    }

    /// Ask about some events at once, as many as a sensor judges together.
    pub fn judge_all(&mut self, events: &Events, now_ns: u64) -> Vec<Verdict> {
        if let Some(seen) = &mut self.seen {
            let seen: &mut dyn Any = &mut **seen;
            if let Some(seen) = seen.downcast_mut::<Seen>() {
                events.iter().for_each(|event| seen.see(event));
            }
        }
        self.set.judge_all(events, now_ns, &mut self.seen)
    }

    /// Counters since the trial began.
    pub fn stats(&self) -> ComponentStats {
        stats(&self.set)
    }
}

fn stats(set: &RuleSet) -> ComponentStats {
    set.stats().pop().expect("a trial has one component")
}

/// Processes that a trial remembers, as many as the sensor's table holds by default.
const SEEN_MAX: usize = 65_536;

/// The processes that events were about: what a sensor would know of them, as far as it was told.
#[derive(Default)]
struct Seen(FxHashMap<Box<str>, Arc<Event>>);

impl Seen {
    fn see(&mut self, event: &Arc<Event>) {
        if let Some(entity_id) = event.text(Field::PROCESS_ENTITY_ID) {
            if self.0.len() >= SEEN_MAX {
                // Those that ended are those that a sensor forgets, too.
                self.0.retain(|_, event| !event.kinds.intersects(Kinds::PROCESS_EXIT));
            }
            if self.0.len() < SEEN_MAX {
                self.0.insert(entity_id.into(), event.clone());
            }
        }
    }
}

impl Processes for Seen {
    fn ancestors(&self, entity_id: &str) -> Vec<Arc<str>> {
        let event = self.0.get(entity_id);
        let texts = event.and_then(|event| event.texts(Field::OCELLUS_ANCESTORS_ENTITY_ID));
        texts.into_iter().flat_map(Texts::iter).take(ANCESTORS_MAX).map(Arc::from).collect()
    }

    fn value(&mut self, entity_id: &str, field: Field) -> Value {
        self.0.get(entity_id).map_or(Value::Absent, |event| event.get(field).clone())
    }
}

impl Prepared {
    /// The same component once more, as it was before its first event.
    pub fn fresh(&self) -> Result<Prepared, LoadError> {
        let (mut instance, configured) = self.blueprint.start().map_err(LoadError::from)?;
        instance.host().sees_environment = self.blueprint.environment;
        if let Configured::Refused(why) = configured {
            return Err(LoadError::Refused(why));
        }
        Ok(Prepared {
            blueprint: self.blueprint.clone(),
            instance,
            rules: self.rules.clone(),
            interests: self.interests.clone(),
            settings: self.settings,
            operator: self.operator.clone(),
            digest: self.digest.clone(),
            voucher: None,
            from_cache: self.from_cache,
        })
    }

    /// The same, called for every event of the kinds that its rules want, whatever their terms say.
    #[must_use]
    pub fn without_terms(mut self) -> Prepared {
        for interests in &mut self.interests {
            *interests = interests.without_terms();
        }
        self
    }

    /// For each rule, each of its interests in words.
    pub fn interests_in_words(&self) -> Vec<Vec<String>> {
        self.interests.iter().map(super::interest::Interests::in_words).collect()
    }

    /// For each interest of each rule, why it does not want an event; empty when one does.
    pub fn misses(&self, event: &Event) -> Vec<String> {
        let mut misses = Vec::new();
        for (rule, interests) in self.rules.iter().zip(&self.interests) {
            let of_rule = interests.misses(event);
            if of_rule.is_empty() {
                return Vec::new();
            }
            misses.extend(of_rule.into_iter().map(|why| match self.rules.len() {
                1 => why,
                _ => format!("{}: {why}", rule.id),
            }));
        }
        misses
    }

    /// For each interest of one rule, why it does not want an event; empty when one does, or when
    /// there is no such rule.
    pub fn misses_of(&self, rule: &str, event: &Event) -> Vec<String> {
        let position = self.rules.iter().position(|info| *info.id == *rule);
        position.map_or_else(Vec::new, |position| self.interests[position].misses(event))
    }

    /// The rules that want events of this kind, by position, each with whether its terms let this
    /// one through.
    pub fn wanting_kind_of(&self, event: &Event) -> impl Iterator<Item = (usize, bool)> {
        let rules = self.interests.iter().enumerate();
        let of_kind = rules.filter(|(_, wish)| wish.kinds().intersects(event.kinds));
        of_kind.map(|(position, wish)| (position, wish.want(event)))
    }

    /// Whether an event is of a kind that one of the rules wants.
    pub fn wants_kind_of(&self, event: &Event) -> bool {
        self.interests.iter().any(|interests| interests.kinds().intersects(event.kinds))
    }

    /// Linear memory that it holds after it was configured.
    pub fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }

    /// The world of the contract by its name.
    pub fn world_name(&self) -> &'static str {
        match self.world() {
            World::Rule => "rule",
            World::BatchRule => "batch-rule",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(entity_id: &str, name: &str, kind: Kinds) -> Arc<Event> {
        let mut event = Event::default();
        event.kinds = kind;
        event.set_text(Field::PROCESS_ENTITY_ID, entity_id);
        event.set_text(Field::PROCESS_NAME, name);
        let ancestors: Texts = ["parent", "init"].iter().collect();
        event.set(Field::OCELLUS_ANCESTORS_ENTITY_ID, Value::Texts(ancestors));
        Arc::new(event)
    }

    #[test]
    fn a_trial_knows_the_processes_of_its_events() {
        let mut seen = Seen::default();
        seen.see(&process("a", "sh", Kinds::PROCESS_FORK));
        seen.see(&process("a", "nc", Kinds::PROCESS_EXEC));
        assert_eq!(seen.value("a", Field::PROCESS_NAME), Value::Text("nc".into()));
        assert_eq!(seen.value("b", Field::PROCESS_NAME), Value::Absent);
        assert_eq!(seen.ancestors("a"), ["parent".into(), "init".into()]);
        assert!(seen.ancestors("b").is_empty());
    }

    #[test]
    fn those_that_ended_are_forgotten_when_there_are_many() {
        let mut seen = Seen::default();
        seen.see(&process("lives", "init", Kinds::PROCESS_EXISTING));
        for number in 0..2 * SEEN_MAX {
            seen.see(&process(&number.to_string(), "true", Kinds::PROCESS_EXIT));
            assert!(seen.0.len() <= SEEN_MAX);
        }
        assert!(seen.0.contains_key("lives"));
    }
}
