//! Rules: WebAssembly components that say what to do with an event.
//!
//! A file becomes a rule in force in these steps: a [`Watcher`] sees it, a [`Loader`] compiles and
//! checks it, starts it and lets it configure itself, all off the event path; [`RuleSet::apply`]
//! puts it into force between two events. [`RuleSet::judge`] asks every component that wants an
//! event, each in a store of its own and within its [`budget`].
//!
//! wasmtime is named in this module and nowhere else.

pub mod budget;
pub mod build;
mod cache;
mod change;
mod columns;
mod component;
mod contract;
mod directory;
mod engine;
mod fault;
pub mod health;
pub mod histogram;
mod host;
mod instance;
mod interest;
pub mod keyed;
mod known;
mod limits;
mod load;
mod metadata;
pub(crate) mod names;
mod output;
mod pack;
mod plan;
mod precompiled;
pub mod processes;
mod set;
mod sheet;
pub mod signature;
mod size;
mod stats;
mod text_set;
pub mod trial;
mod trust;
mod wasi;
mod watch;
mod wit;
pub mod world;

pub use cache::{Cache, CacheError};
pub use change::{Change, Notice};
pub use contract::World;
pub use directory::{Directory, DirectoryError, Refusal};
pub(crate) use directory::{check_name, printable};
pub use engine::{EngineError, Metering, RuleEngine};
pub use fault::{Fault, FaultCause};
pub use load::{LoadError, Loader, Mode, OperatorSettings, Prepared, RuleSettings, Settings};
pub use metadata::{Permissions, RuleInfo};
pub use processes::Processes;
pub use set::{Events, InstallError, RuleSet};
pub use sheet::{overview, sheet};
pub use stats::{ComponentCounters, ComponentStats, Cost, RuleCounters, RuleStats};
pub use trust::Untrusted;
pub(crate) use trust::check as check_trust;
pub use watch::Watcher;
