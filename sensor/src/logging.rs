//! The sensor's own log: standard error, one line each.

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::config::Level;

/// Wins over the configured level.
const VARIABLE: &str = "OCELLUS_LOG";

/// Puts another filter into force.
type Reload = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// The log of this process, once it is started.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    reload: Reload,
    level: std::sync::Mutex<String>,
}

/// Starts the log. Once in a process; libraries that use Ocellus set up their own.
pub fn start(level: Level) {
    let ours = || EnvFilter::new(level.as_str());
    let filter = EnvFilter::try_from_env(VARIABLE);
    let problem = match (&filter, std::env::var_os(VARIABLE)) {
        (Err(error), Some(_)) => Some(error.to_string()),
        _ => None,
    };
    let filter = filter.unwrap_or_else(|_| ours());
    let shown = filter.to_string();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    builder.init();
    let reload = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    let log = Log { reload: Box::new(reload), level: std::sync::Mutex::new(shown) };
    if LOG.set(log).is_err() {
        unreachable!("the log is started once: `init` panics at a second time");
    }
    if let Some(problem) = problem {
        tracing::warn!("{VARIABLE} is not understood and not used: {problem}");
    }
}

/// Changes which lines are written, from now on.
pub fn set_level(level: Level) -> Result<(), String> {
    let Some(log) = LOG.get() else { return Err("this process has no log".to_owned()) };
    (log.reload)(EnvFilter::new(level.as_str()))?;
    level.as_str().clone_into(&mut lock(&log.level));
    Ok(())
}

/// Which lines are written: a level, or what the environment says.
pub fn level() -> String {
    LOG.get().map(|log| lock(&log.level).clone()).unwrap_or_default()
}

fn lock(level: &std::sync::Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    // A text is whole after every statement.
    level.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
