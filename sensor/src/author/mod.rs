//! The author's loop: what `ocellus rules …` does, from a new project to a rule that is tested,
//! measured, compared and explained. Nothing here runs while a sensor does.
//!
//! Components are asked in the sensor's own host (`rules::trial`), so what is told here is what a
//! sensor would do.

pub mod bench;
mod command;
pub mod diff;
pub mod events;
pub mod explain;
pub mod fixture;
pub mod inspect;
pub mod new;
pub mod read_event;
pub mod said;
mod sample;
pub mod sign;
pub mod stats;
pub mod testing;
pub mod watch;

pub use command::{command, cost_sheet};
pub(crate) use explain::config_of;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error_chain::ErrorChain;
use crate::rules::build::{self, BuildError};
use crate::rules::{
    Cache, EngineError, LoadError, Loader, Metering, Permissions, Prepared, RuleEngine, Settings,
};

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot make a folder for the built component")]
    Scratch(#[source] std::io::Error),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("{}", path.display())]
    Load { path: PathBuf, source: LoadError },
    #[error("cannot start the rule engine")]
    Engine(#[from] EngineError),
}

/// A component in memory.
#[derive(Clone)]
pub struct Component {
    /// Of the file, without its extension.
    pub name: String,
    pub path: PathBuf,
    pub wasm: Vec<u8>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Component({}, {} bytes)", self.name, self.wasm.len())
    }
}

impl Component {
    /// Compiles, checks, starts and configures it.
    pub fn load(&self, loader: &Loader, config: &str) -> Result<Prepared, ComponentError> {
        loader
            .load(&self.name, &self.wasm, config)
            .map_err(|source| ComponentError::Load { path: self.path.clone(), source })
    }
}

/// The component of a file, or of a folder with a rule's source, which is built first.
pub fn component(path: &Path) -> Result<Component, ComponentError> {
    let read_error = |source| ComponentError::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        let wasm = std::fs::read(path).map_err(read_error)?;
        return Ok(Component { name: name_of(path), path: path.to_owned(), wasm });
    }
    let folder = path.canonicalize().map_err(read_error)?;
    let scratch = build::Scratch::new()?;
    let built = build::build(&folder, scratch.path(), cache().as_deref())?;
    let wasm = std::fs::read(&built).map_err(read_error)?;
    Ok(Component { name: name_of(&built), path: path.to_owned(), wasm })
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A loader which grants all that a rule may ask for.
pub fn open(metering: Metering) -> Result<Loader, ComponentError> {
    let settings = Settings { permissions: Permissions::ALL, ..Settings::default() };
    let loader = Loader::new(RuleEngine::new(metering)?).with_settings(settings);
    Ok(match cache() {
        Some(cache) => loader.with_cache(cache),
        None => loader,
    })
}

/// Where this user's commands keep compiled code, and components that take long to build. None
/// where that cannot be: then all is made anew, and standard error says once why.
pub(crate) fn cache() -> Option<Arc<Cache>> {
    static CACHE: OnceLock<Option<Arc<Cache>>> = OnceLock::new();
    let open = || {
        let cache = Cache::open(&cache_folder()?);
        let told = cache.inspect_err(|error| {
            eprintln!("ocellus: all is built and compiled anew: {}", ErrorChain(error));
        });
        told.ok().map(Arc::new)
    };
    CACHE.get_or_init(open).clone()
}

/// As the XDG Base Directory Specification has it, by which a path that is relative does not count.
fn cache_folder() -> Option<PathBuf> {
    let folder = |variable: &str| {
        let path = std::env::var_os(variable).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let caches = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    Some(caches?.join("ocellus"))
}
