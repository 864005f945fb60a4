//! The sensor's own log: standard error, one line each.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::Level;

/// Wins over the configured level.
const VARIABLE: &str = "OCELLUS_LOG";

/// Starts the log. Once in a process; libraries that use Ocellus set up their own.
pub fn start(level: Level) {
    let ours = || EnvFilter::new(level.as_str());
    let filter = EnvFilter::try_from_env(VARIABLE);
    let problem = match (&filter, std::env::var_os(VARIABLE)) {
        (Err(error), Some(_)) => Some(error.to_string()),
        _ => None,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| ours()))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
    if let Some(problem) = problem {
        tracing::warn!("{VARIABLE} is not understood and not used: {problem}");
    }
}
