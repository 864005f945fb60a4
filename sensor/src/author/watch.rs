//! `ocellus rules watch`: rebuilds a rule whenever its source is saved, and swaps it into a
//! directory that a sensor watches.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Component, ComponentError, component, explain, inspect, open};
use crate::error_chain::ErrorChain;
use crate::rules::{Loader, Metering, build};

/// How often the source is looked at. A person does not notice a fifth of a second, and a stat of
/// some files costs nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Folders and files that builds write to; a change in them is no change of the source.
const BUILT: [&str; 7] =
    ["target", "node_modules", ".venv", "__pycache__", ".git", "Cargo.lock", "package-lock.json"];
/// Files of a project that are looked at. A rule has a dozen.
const FILES_MAX: usize = 10_000;

/// Why watching cannot begin, or goes no further.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("{} is not a directory; name the folder of the rule's source", path.display())]
    NotADirectory { path: PathBuf },
    #[error(
        "{} is not a directory; create it, or name the sensor's rules directory",
        path.display()
    )]
    NoTarget { path: PathBuf },
    #[error("cannot wait for signals")]
    Signals(#[from] nix::Error),
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Component(#[from] ComponentError),
}

/// Builds and swaps until SIGINT or SIGTERM. A build that fails is told, and the version before
/// it stays in force.
pub fn watch(project: &Path, into: &Path, out: &mut dyn Write) -> Result<(), WatchError> {
    for (path, error) in [
        (project, WatchError::NotADirectory { path: project.to_owned() }),
        (into, WatchError::NoTarget { path: into.to_owned() }),
    ] {
        if !path.is_dir() {
            return Err(error);
        }
    }
    // Blocked before anything starts; the standard library unblocks them in what it starts, so
    // that Ctrl-C ends a compiler too.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let loader = open(Metering::Fuel)?;
    let mut built = None;
    loop {
        let source = newest(project);
        if built != Some(source) {
            let is_first = built.replace(source).is_none();
            let text = match swap(project, into, &loader) {
                Ok(text) => text,
                Err(text) => format!("{text}\nthe version before it stays in force\n"),
            };
            out.write_all(text.as_bytes())?;
            if is_first {
                writeln!(out, "Watching {}. Ctrl-C ends it.", project.display())?;
            }
            out.flush()?;
        }
        if wait(&signals)? {
            writeln!(out, "Ended; what is in {} stays in force.", into.display())?;
            return Ok(());
        }
    }
}

/// Waits for the next look; true when a signal says that it is over.
fn wait(signals: &SignalFd) -> Result<bool, nix::Error> {
    std::thread::sleep(LOOK_INTERVAL);
    Ok(signals.read_signal()?.is_some())
}

/// Builds, checks, and puts the component in place of the one before it. Both results are texts
/// for a person.
fn swap(project: &Path, into: &Path, loader: &Loader) -> Result<String, String> {
    let built = component(project).map_err(|error| ErrorChain(&error).to_string())?;
    let target = into.join(format!("{}.wasm", built.name));
    let built = Component { path: target.clone(), ..built };
    // What a sensor would refuse is told here, where the author looks.
    let config = explain::config_of(&target).map_err(|error| ErrorChain(&error).to_string())?;
    let inspection = inspect::inspect(&built, loader, &config)
        .map_err(|error| inspect::explain(&built, &error))?;
    build::write_whole(&target, &built.wasm).map_err(|error| ErrorChain(&error).to_string())?;
    Ok(format!("in force: {}", inspection.summary()))
}

/// How many files the source has, and when the last of them changed.
fn newest(project: &Path) -> (usize, Option<SystemTime>) {
    let mut waiting = vec![project.to_owned()];
    let (mut files, mut newest) = (0, None);
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Ok(metadata) = entry.metadata() else { continue };
            if BUILT.iter().any(|built| name == *built) {
                continue;
            }
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if files < FILES_MAX {
                files += 1;
                newest = newest.max(metadata.modified().ok());
            }
        }
    }
    (files, newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_write_is_no_source() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("src")).unwrap();
        std::fs::create_dir_all(dir.path().join("target/debug")).unwrap();
        let before = newest(dir.path());
        std::fs::write(dir.path().join("target/debug/x"), "x").unwrap();
        assert_eq!(newest(dir.path()), before);
        std::fs::write(dir.path().join("src/lib.rs"), "x").unwrap();
        assert_ne!(newest(dir.path()), before);
    }
}
