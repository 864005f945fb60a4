//! Another instance in the place of one: of a new version, or after a fault.

use super::super::fault::Failure;
use super::super::instance::{Blueprint, Configured, Instance, NoStart};
use super::super::load::{Prepared, shortened};
use super::super::metadata;
use super::{Loaded, LoadedRule};

impl Loaded {
    /// A new version of a component, with the counters and the state of the old one.
    pub(in super::super) fn replacing(mut before: Loaded, prepared: Prepared) -> Loaded {
        let mut after = Loaded::new(prepared);
        after.counters = before.counters_so_far();
        after.cost = std::mem::take(&mut before.cost);
        for rule in &mut after.rules {
            if let Some(same) = before.rules.iter().find(|other| other.info.id == rule.info.id) {
                rule.counters = same.counters;
            }
        }
        after.carry_over(before.instance.as_mut());
        before.give_up_instance();
        if let Some(mut keyed) = before.keyed {
            keyed.set_budget(after.blueprint.budget.state);
            after.keyed = Some(keyed);
        }
        after
    }

    /// Hand over the memory of the version before, when both versions want it. What goes wrong
    /// costs the state, not the change.
    fn carry_over(&mut self, before: Option<&mut Instance>) {
        let engine = self.blueprint.engine.clone();
        let name = self.name().clone();
        let (Some(before), Some(after)) = (before, self.instance.as_mut()) else { return };
        if !after.carries() {
            return;
        }
        let saved = match before.save(&engine) {
            None => return,
            Some(Ok(saved)) => saved,
            Some(Err(failure)) => {
                self.counters.carries_failed += 1;
                tracing::warn!(
                    "the component `{name}` starts without the state of the version before, whose \
                     `save-state` failed: {failure}"
                );
                return;
            }
        };
        match after.load(&engine, saved) {
            None => {}
            Some(Ok(Ok(()))) => self.counters.carries += 1,
            Some(Ok(Err(why))) => {
                self.counters.carries_failed += 1;
                let why = shortened(&why);
                tracing::warn!("the component `{name}` refused the state before it: {why:?}");
            }
            Some(Err(failure)) => {
                self.counters.carries_failed += 1;
                // It may be poisoned: a fresh one takes its place with the next event.
                self.instance = None;
                tracing::warn!(
                    "the component `{name}` starts without the state of the version before: its \
                     `load-state` failed: {failure}"
                );
            }
        }
    }
}

/// A fresh instance in place of one that failed. It must say the same of itself as at its load,
/// because hits name rules by position.
pub(super) fn restart(blueprint: &Blueprint, rules: &[LoadedRule]) -> Result<Instance, Failure> {
    let (mut instance, configured) = blueprint.start().map_err(|why| match why {
        NoStart::Failed(failure) => failure,
        NoStart::Types(error) => Failure::output(format!("{error:#}")),
    })?;
    let metadata = match configured {
        Configured::Metadata(metadata) => metadata,
        Configured::Refused(_) => return Err(Failure::output("`configure` refused at a restart")),
    };
    instance.host().sees_environment = blueprint.environment;
    let fresh = metadata::check_rules(metadata.rules).map_err(Failure::output)?;
    if fresh.iter().map(|rule| &rule.info).eq(rules.iter().map(|rule| &rule.info)) {
        Ok(instance)
    } else {
        Err(Failure::output("`configure` gave other rules at a restart than at its load"))
    }
}
