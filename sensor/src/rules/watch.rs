//! Watches a directory of rules, and loads what changes, on a thread of its own: no rule, however
//! slow it is to compile, holds up an event.
//!
//! inotify only says when to look; what changed is found by comparing the directory with what was
//! last taken. So lost notices, or a file system that gives none, cost time and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::change::Change;
use super::directory::{Directory, DirectoryError, Files, Refusal};
use super::load::{Loader, OperatorSettings};

/// A look follows when so long nothing happened, so that files that come together, or one that is
/// replaced again and again, are taken once.
const QUIET: Duration = Duration::from_millis(50);
/// A look follows after so long even if things keep happening.
const BUSY: Duration = Duration::from_millis(500);
/// A file of which it is not known that its writer is done is taken when it did not change for so
/// long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks without a notice.
const POLL: Duration = Duration::from_secs(2);
/// Notices that may wait. More are dropped, which only means that a file waits for its
/// [`PATIENCE`].
const NOTICES_MAX: usize = 1024;

/// A thread that watches a directory. It ends when this is dropped, or when nobody receives its
/// changes any more.
#[derive(Debug)]
pub struct Watcher {
    notices: SyncSender<Notice>,
    stop: Arc<AtomicBool>,
    settings: NewSettings,
}

/// What the operator decided since the last look.
type NewSettings = Arc<Mutex<Option<OperatorSettings>>>;

#[derive(Debug)]
enum Notice {
    /// Something is being written to a component's file.
    Writing(String),
    /// A component's file is complete, or gone.
    Done(String),
    /// Something else happened in the directory.
    Look,
}

impl Watcher {
    /// Watch a directory from which everything was loaded, and send its changes.
    pub fn start(
        directory: Directory,
        loader: Loader,
        changes: mpsc::Sender<Change>,
    ) -> Result<Watcher, DirectoryError> {
        let (notices, received) = sync_channel(NOTICES_MAX);
        let path = directory.paths()[0].clone();
        let error = |why: String| DirectoryError::Watch { path: path.clone(), why };
        let tell = notices.clone();
        let inotify = notify::recommended_watcher(move |event| forward(event, &tell))
            .map_err(|why| error(why.to_string()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let settings = NewSettings::default();
        let mut thread = Thread {
            directory,
            loader,
            settings: settings.clone(),
            changes,
            inotify,
            watched: None,
            lost: None,
            pending: BTreeMap::new(),
            done: BTreeSet::new(),
        };
        // From here on nothing is missed; the first look finds what changed since the load.
        thread.watch()?;
        let stopped = stop.clone();
        thread::Builder::new()
            .name("rule-watcher".into())
            .spawn(move || thread.run(&received, &stopped))
            .map_err(|why| DirectoryError::Watch { path, why: why.to_string() })?;
        Ok(Watcher { notices, stop, settings })
    }

    /// Put other settings of the operator's into force: each component for which they differ is
    /// replaced by itself, with its state, as by a new version.
    pub fn configure(&self, settings: OperatorSettings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        self.rescan();
    }

    /// Look at the directory now.
    pub fn rescan(&self) {
        // When there is no room, a look is due anyway.
        let _ = self.notices.try_send(Notice::Look);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.rescan();
    }
}

/// Turn a notice of inotify's into ours.
fn forward(event: notify::Result<Event>, notices: &SyncSender<Notice>) {
    // Errors concern the watch, which the next poll renews.
    let Ok(event) = event else { return };
    let done = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Remove(_) => true,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => true,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) | EventKind::Create(_) => false,
        EventKind::Access(_) => return,
        _ => {
            let _ = notices.try_send(Notice::Look);
            return;
        }
    };
    for name in event.paths.iter().filter_map(|path| component_of(path)) {
        let notice = if done { Notice::Done(name) } else { Notice::Writing(name) };
        let _ = notices.try_send(notice);
    }
}

/// The component to which a file belongs.
fn component_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".minisig").unwrap_or(name);
    name.strip_suffix(".wasm").or_else(|| name.strip_suffix(".toml")).map(str::to_owned)
}

struct Thread {
    directory: Directory,
    loader: Loader,
    settings: NewSettings,
    changes: mpsc::Sender<Change>,
    inotify: RecommendedWatcher,
    /// Device and inode of each directory that inotify watches.
    watched: Option<Vec<(u64, u64)>>,
    /// The directory that could not be read at the last look.
    lost: Option<PathBuf>,
    /// Components that changed and were not taken yet: how they looked, and since when.
    pending: BTreeMap<String, (Files, Instant)>,
    /// Components of which the last notice was that they are complete.
    done: BTreeSet<String>,
}

/// Nobody receives the changes any more.
struct Closed;

impl Thread {
    fn run(&mut self, notices: &Receiver<Notice>, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if self.look().is_err() {
                return;
            }
            self.wait(notices, stop);
        }
    }

    /// Wait until a look is due.
    fn wait(&mut self, notices: &Receiver<Notice>, stop: &AtomicBool) {
        let first = match notices.recv_timeout(POLL) {
            Ok(notice) => notice,
            Err(_) => return,
        };
        let busy = Instant::now() + BUSY;
        let mut next = Ok(first);
        while let Ok(notice) = next {
            self.note(notice);
            let left = busy.saturating_duration_since(Instant::now());
            if left.is_zero() || stop.load(Ordering::Relaxed) {
                return;
            }
            next = notices.recv_timeout(QUIET.min(left));
        }
    }

    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Writing(name) => {
                self.done.remove(&name);
            }
            Notice::Done(name) => {
                self.done.insert(name);
            }
            Notice::Look => {}
        }
    }

    /// Find what changed, and take what is complete.
    fn look(&mut self) -> Result<(), Closed> {
        self.take_settings();
        let findings = match self.watch().and_then(|()| self.directory.look()) {
            Ok(findings) => findings,
            Err(error) if self.lost.is_some() => {
                tracing::debug!("{error}");
                return Ok(());
            }
            Err(error) => {
                self.lost = Some(error.path().to_owned());
                self.watched = None;
                return self.send(Change::DirectoryLost(error));
            }
        };
        if let Some(path) = self.lost.take() {
            self.send(Change::DirectoryFound { path })?;
        }
        for name in findings.removed {
            self.send(Change::Remove { name })?;
        }
        self.wait_for(findings.changed);
        for (name, files) in self.complete() {
            self.pending.remove(&name);
            match self.directory.take(&name, files, &self.loader) {
                // It is found again at the next look.
                Change::Refused { reason: reason @ Refusal::Unstable { .. }, .. } => {
                    tracing::debug!("{reason}");
                }
                change => self.send(change)?,
            }
        }
        Ok(())
    }

    /// Load with the settings that hold now, and take anew what they change.
    fn take_settings(&mut self) {
        let new = self.settings.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(new) = new else { return };
        let outdated = self.directory.outdate(self.loader.operator(), &new);
        // Nobody is writing to their files.
        self.done.extend(outdated);
        self.loader = self.loader.clone().with_operator(new);
    }

    /// Make sure that inotify watches the directories that are there now.
    fn watch(&mut self) -> Result<(), DirectoryError> {
        let identity = self.directory.identity()?;
        if self.watched.as_ref() == Some(&identity) {
            return Ok(());
        }
        for path in self.directory.paths() {
            // The one before is gone, or there is none.
            let _ = self.inotify.unwatch(path);
            self.inotify.watch(path, RecursiveMode::NonRecursive).map_err(|why| {
                DirectoryError::Watch { path: path.clone(), why: why.to_string() }
            })?;
        }
        self.watched = Some(identity);
        Ok(())
    }

    /// Remember since when each changed component looks as it does.
    fn wait_for(&mut self, changed: BTreeMap<String, Files>) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.pending);
        self.pending = changed
            .into_iter()
            .map(|(name, files)| {
                let since = match before.get(&name) {
                    Some((same, since)) if *same == files => *since,
                    _ => now,
                };
                (name, (files, since))
            })
            .collect();
        self.done.retain(|name| self.pending.contains_key(name));
    }

    /// Those of which nobody writes any more.
    fn complete(&self) -> Vec<(String, Files)> {
        let now = Instant::now();
        let complete = self.pending.iter().filter(|(name, (_, since))| {
            self.done.contains(*name) || now.duration_since(*since) >= PATIENCE
        });
        complete.map(|(name, (files, _))| (name.clone(), *files)).collect()
    }

    fn send(&self, change: Change) -> Result<(), Closed> {
        self.changes.blocking_send(change).map_err(|_| Closed)
    }
}
