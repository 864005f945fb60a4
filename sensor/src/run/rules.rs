//! The rules of a run: loaded before the first event, then watched; those of a fleet are taken from
//! their bucket into one of the directories that are watched.

use std::path::Path;

use tokio::sync::mpsc;

use crate::config;
use crate::fleet::{self, Fleet, FleetError, FleetStatus, Running};
use crate::rules::{
    Cache, Change, Directory, DirectoryError, EngineError, Loader, Metering, OperatorSettings,
    RuleEngine, RuleSet, Watcher,
};

/// Changes that may wait for the loop. The watcher waits when there are more: it merges what
/// happens to one file meanwhile.
const CHANGES_MAX: usize = 16;

/// Why rules cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot start the rule engine")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{key}: {what}")]
    Policy { key: &'static str, what: String },
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

/// Watched directories of rules, and the bucket behind one of them.
#[derive(Debug)]
pub(crate) struct Rules {
    first: Vec<Change>,
    changes: mpsc::Receiver<Change>,
    watcher: Watcher,
    fleet: Option<Fleet>,
    /// The generation that the fleet was last told.
    reported: Option<u64>,
}

impl Rules {
    /// Loads all components of the directories and watches them from then on. A component that
    /// cannot be loaded is a change that was refused; a directory that cannot be used is an error.
    /// A bucket that cannot be reached is none: what was last taken from it is in its directory.
    pub(crate) fn start(config: &config::Rules, host: &str) -> Result<Rules, RulesError> {
        let loader = loader(config)?;
        let prepared = config.nats.as_ref().map(fleet::prepare).transpose()?;
        let mut directory = Directory::open_all(config.dirs())?;
        let first = directory.load_all(&loader)?;
        let (sender, changes) = mpsc::channel(CHANGES_MAX);
        let watcher = Watcher::start(directory, loader.clone(), sender.clone())?;
        let fleet = match (&config.nats, prepared) {
            (Some(settings), Some(prepared)) => {
                let judge = Directory::open_all(config.dirs())?;
                let tell = move |change| sender.blocking_send(change).is_ok();
                Some(Fleet::start(settings, host, prepared, judge, loader, tell)?)
            }
            _ => None,
        };
        Ok(Rules { first, changes, watcher, fleet, reported: None })
    }

    /// What was found at the start.
    pub(crate) fn take_first(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.first)
    }

    /// The next change; never one when the watcher has ended.
    pub(crate) async fn next_change(&mut self) -> Change {
        match self.changes.recv().await {
            Some(change) => change,
            None => std::future::pending().await,
        }
    }

    /// Puts other settings of the operator's into force.
    pub(crate) fn configure(&self, settings: OperatorSettings) {
        if let Some(fleet) = &self.fleet {
            fleet.configure(settings.clone());
        }
        self.watcher.configure(settings);
    }

    /// How it is with the rules of the fleet, if there is one.
    pub(crate) fn fleet(&self) -> Option<FleetStatus> {
        self.fleet.as_ref().map(Fleet::status)
    }

    /// Tells the fleet what is in force, if that has changed.
    pub(crate) fn report(&mut self, set: &RuleSet) {
        let generation = set.generation();
        if let Some(fleet) = &self.fleet
            && self.reported.replace(generation) != Some(generation)
        {
            fleet.report(generation, set.stats().iter().map(Running::from).collect());
        }
    }

    /// Looks at the directories now.
    pub(crate) fn rescan(&self) {
        self.watcher.rescan();
    }
}

/// A loader with the operator's settings. A cache that cannot be used costs time and no more.
fn loader(config: &config::Rules) -> Result<Loader, RulesError> {
    let loader = Loader::new(RuleEngine::new(Metering::Epoch)?);
    let loader = match Cache::open(&config.cache_dir) {
        Ok(cache) => loader.with_cache(cache),
        Err(error) => {
            tracing::warn!(
                "rules are compiled at each start: {}",
                crate::error_chain::ErrorChain(&error)
            );
            loader
        }
    };
    let policy = config.policy().map_err(|(key, what)| RulesError::Policy { key, what })?;
    Ok(loader.with_operator(config.operator()).with_policy(policy))
}

/// The rules of a directory, once: for a replay, and for `ocellus rules check`. Calls `each` with
/// what became of each component.
pub fn load_once(
    dir: &Path,
    config: &config::Rules,
    mut each: impl FnMut(&crate::rules::Notice),
) -> Result<RuleSet, RulesError> {
    let loader = loader(config)?;
    let mut set = RuleSet::new();
    for change in Directory::open_of_anybody(dir)?.load_all(&loader)? {
        each(&set.apply(change));
    }
    Ok(set)
}
