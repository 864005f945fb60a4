//! Rules of a fleet: a bucket of objects in NATS, from which each host takes them, and one of keys,
//! in which each host says what it runs.
//!
//! The thread here decides nothing about an event. It keeps a directory, the last good rules, like
//! the bucket: an object that a directory of rules would refuse is not written there, and what is
//! there is loaded by the watcher of directories, as any rule is. So a start without a server is
//! the start with a directory, and what is read there is checked once more.

mod command;
mod report;
mod source;
mod store;

pub use command::{CommandError, publish, unpublish};
pub use report::{HostReport, Overview, Running, forget, overview};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::config::RuleBucket;
use crate::nats::Servers;
use crate::nats::bucket::{Keys, Objects};
use crate::net::PeerError;
use crate::rules::{Change, Directory, Loader, OperatorSettings};
use source::Source;
use store::Store;

/// What the bucket of keys is called, after the bucket of objects.
const HOSTS_SUFFIX: &str = "-hosts";

/// Why the rules of a fleet cannot be had as they are configured.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("cannot use `rules.nats`")]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error("cannot start the thread for the rules of the fleet")]
    Thread(#[source] std::io::Error),
}

/// How it is with the rules of the fleet, on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetStatus {
    pub bucket: String,
    pub connected: bool,
    /// Why there is no connection, or what does not work over it.
    pub problem: Option<String>,
    /// Rules that the bucket had when it was last seen.
    pub rules: u64,
    /// Of these, such as this host refuses.
    pub refused: u64,
    /// Bytes of the last good rules on disk.
    pub kept_bytes: u64,
    /// Versions of rules that were taken.
    pub taken: u64,
    /// Connections that failed or were lost.
    pub failures: u64,
    /// Times that this host said what it runs.
    pub reports: u64,
}

impl FleetStatus {
    /// What is wrong, in a sentence, if anything is.
    pub fn trouble(&self) -> Option<String> {
        let bucket = &self.bucket;
        match &self.problem {
            Some(why) if self.connected => Some(format!("the rules' bucket {bucket}: {why}")),
            Some(why) => Some(format!(
                "the rules' bucket {bucket} is out of reach, the last good rules stay in force: \
                 {why}"
            )),
            None => None,
        }
    }
}

/// What the event loop and the thread tell each other.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    status: FleetStatus,
    /// The generation and the components that are in force.
    running: (u64, Vec<Running>),
    /// What the operator decided since it was last looked at.
    settings: Option<OperatorSettings>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A thread that takes the rules of a fleet. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    shared: Arc<Shared>,
}

/// The directory of the last good rules, made if there is none. To be called before it is read.
pub(crate) fn prepare(settings: &RuleBucket) -> Result<Prepared, FleetError> {
    let servers = servers(settings, "rules")?;
    Ok(Prepared { servers, store: Store::open(&settings.dir)? })
}

/// What is ready before the thread starts.
#[derive(Debug)]
pub(crate) struct Prepared {
    servers: Servers,
    store: Store,
}

impl Fleet {
    /// Takes what the bucket has, and then what changes there. `directory` judges it, with the
    /// loader; `tell` passes refusals on, and says whether anybody hears them.
    pub(crate) fn start(
        settings: &RuleBucket,
        host: &str,
        prepared: Prepared,
        directory: Directory,
        loader: Loader,
        tell: impl Fn(Change) -> bool + Send + 'static,
    ) -> Result<Fleet, FleetError> {
        let shared = Arc::new(Shared::default());
        shared.state().status.bucket.clone_from(&settings.bucket);
        let source = Source::new(settings, host, prepared, directory, loader, shared.clone());
        thread::Builder::new()
            .name("rule-fleet".into())
            .spawn(move || source.run(&tell))
            .map_err(FleetError::Thread)?;
        Ok(Fleet { shared })
    }

    pub(crate) fn status(&self) -> FleetStatus {
        self.shared.state().status.clone()
    }

    /// Says what is in force on this host.
    pub(crate) fn report(&self, generation: u64, components: Vec<Running>) {
        self.shared.state().running = (generation, components);
    }

    /// Judges by these settings from now on, and once more what was refused.
    pub(crate) fn configure(&self, settings: OperatorSettings) {
        self.shared.state().settings = Some(settings);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn servers(settings: &RuleBucket, name: &str) -> Result<Servers, PeerError> {
    let auth = settings.auth.clone().unwrap_or_default();
    Servers::new(&settings.url, name, &auth, settings.tls.as_ref())
}

fn buckets(settings: &RuleBucket) -> (Objects, Keys) {
    let hosts = format!("{}{HOSTS_SUFFIX}", settings.bucket);
    (Objects::new(&settings.bucket), Keys::new(&hosts))
}
