//! One component on trial: asked about one event after the other, away from any sensor. For the
//! author's commands: it tells what a set in force has no time to tell.

use std::sync::Arc;

use super::instance::Configured;
use super::load::{LoadError, Prepared};
use super::set::{InstallError, RuleSet};
use super::stats::ComponentStats;
use crate::event::Event;
use crate::verdict::Verdict;

/// One component, alone in a set of rules.
#[derive(Debug)]
pub struct Trial {
    set: RuleSet,
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
}

impl Trial {
    /// Put a component on trial.
    pub fn new(prepared: Prepared) -> Result<Trial, InstallError> {
        let mut set = RuleSet::new();
        set.install(prepared)?;
        Ok(Trial { set })
    }

    /// Ask about an event. `now_ns` is any time that does not go back.
    pub fn judge(&mut self, event: &Arc<Event>, now_ns: u64) -> Asked {
        let before = self.stats();
        let verdict = self.set.judge(event, now_ns);
        let after = self.stats();
        let refused = |stats: &ComponentStats| -> u64 {
            stats.rules.iter().map(|rule| rule.counters.refused).sum()
        };
        Asked {
            called: after.counters.calls > before.counters.calls,
            verdict,
            fuel: after.counters.fuel - before.counters.fuel,
            refused: refused(&after) - refused(&before),
        }
    }

    /// Counters since the trial began.
    pub fn stats(&self) -> ComponentStats {
        self.set.stats().pop().expect("a trial has one component")
    }

    /// The set, to be judged by whoever wants a set.
    pub fn into_set(self) -> RuleSet {
        self.set
    }
}

impl Prepared {
    /// The same component once more, as it was before its first event.
    pub fn fresh(&self) -> Result<Prepared, LoadError> {
        let (instance, configured) = self
            .blueprint
            .start()
            .map_err(|failure| LoadError::Fault { cause: failure.cause, detail: failure.detail })?;
        if let Configured::Refused(why) = configured {
            return Err(LoadError::Refused(why));
        }
        Ok(Prepared {
            blueprint: self.blueprint.clone(),
            instance,
            rules: self.rules.clone(),
            interests: self.interests.clone(),
            settings: self.settings,
            digest: self.digest.clone(),
            from_cache: self.from_cache,
        })
    }

    /// The same, called for every event of the kinds that it wants, whatever its terms say.
    #[must_use]
    pub fn without_terms(mut self) -> Prepared {
        self.interests = self.interests.without_terms();
        self
    }

    /// Each interest in words; none when every event is wanted.
    pub fn interests_in_words(&self) -> Vec<String> {
        self.interests.in_words()
    }

    /// For each interest, why it does not want an event; empty when one does.
    pub fn misses(&self, event: &Event) -> Vec<String> {
        self.interests.misses(event)
    }

    /// Whether an event is of a kind that the component wants.
    pub fn wants_kind_of(&self, event: &Event) -> bool {
        self.interests.kinds().intersects(event.kinds)
    }

    /// Linear memory that it holds after it was configured.
    pub fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }
}
