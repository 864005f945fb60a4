//! A directory of rules: which components are in it, and which of them changed.
//!
//! `NAME.wasm` is a component, `NAME.toml` beside it what its `configure` is given, and
//! `NAME.wasm.minisig` its signature. Other files, and those that start with a dot, are nobody's
//! business.
//!
//! There may be several directories: of components of one name, that of the first directory is
//! meant, and what components are told is in the first, too.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;

use super::budget::{COMPONENT_BYTES_MAX, COMPONENTS_MAX, CONFIG_BYTES_MAX};
use super::change::Change;
use super::load::{LoadError, Loader, OperatorSettings, Prepared};
use super::signature::{NotVouched, SIGNATURE_BYTES_MAX, signature_path};
use super::trust::{self, Untrusted};

/// Longest name of a component, in bytes: it is a label of metrics and part of log lines.
const NAME_BYTES_MAX: usize = 64;
/// So many components of a directory are looked at, the first by name. More than can be in force,
/// so that each of the others is refused and not just ignored.
const LISTED_MAX: usize = 4 * COMPONENTS_MAX;
/// So many times in a row a directory may be replaced while it is listed.
const SWAPS_MAX: usize = 3;

/// Why a component's file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error("{0}")]
    NotVouched(#[from] NotVouched),
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a regular file")]
    NotAFile { path: PathBuf },
    #[error("{path} is not trusted: {why}")]
    Untrusted { path: PathBuf, why: Untrusted },
    #[error("{path} changed while it was read")]
    Unstable { path: PathBuf },
    #[error("its configuration {path} is not UTF-8 text")]
    ConfigNotText { path: PathBuf },
    #[error(
        "its file name is no name for a component: letters, digits, `.`, `_` and `-`, at most \
         {NAME_BYTES_MAX} bytes"
    )]
    Name,
    #[error("there are {COMPONENTS_MAX} components already, and no more are allowed")]
    TooMany,
    /// It comes from a bucket of a fleet.
    #[error("its object in the bucket cannot be used: {0}")]
    Object(String),
}

/// Why a directory of rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the rules directory {path} does not exist; create it, or name another one")]
    Missing { path: PathBuf },
    #[error("{path} is not a directory; name the directory that holds the rules' .wasm files")]
    NotADirectory { path: PathBuf },
    #[error("cannot read the rules directory {path}: {why}")]
    Read { path: PathBuf, why: io::Error },
    #[error("the rules directory {path} is not trusted: {why}")]
    Untrusted { path: PathBuf, why: Untrusted },
    #[error("the rules directory {path} is replaced again and again")]
    Swapped { path: PathBuf },
    #[error("cannot watch the rules directory {path}: {why}")]
    Watch { path: PathBuf, why: String },
}

impl DirectoryError {
    /// The directory that it is about.
    pub(super) fn path(&self) -> &Path {
        match self {
            DirectoryError::Missing { path }
            | DirectoryError::NotADirectory { path }
            | DirectoryError::Read { path, .. }
            | DirectoryError::Untrusted { path, .. }
            | DirectoryError::Swapped { path }
            | DirectoryError::Watch { path, .. } => path,
        }
    }
}

/// Identifies one state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    owner: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            owner: metadata.uid(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// State of a component's files; all but the first may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The directory that they are in, by its number.
    directory: usize,
    wasm: Stamp,
    config: Option<Stamp>,
    signature: Option<Stamp>,
}

/// A directory of rules, or several, and what was last taken from it.
#[derive(Debug)]
pub struct Directory {
    paths: Vec<PathBuf>,
    /// Its owner is trusted, whoever that is.
    of_anybody: bool,
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    files: Files,
    /// A version of it was handed out as [`Change::Install`].
    installed: bool,
    /// The ids of its rules.
    rules: Vec<Arc<str>>,
    /// It is to be taken anew, although its files are the same.
    outdated: bool,
}

/// What a look at a directory found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Components that are gone; those that were never installed are just forgotten.
    pub removed: Vec<String>,
    /// Components that are new or changed since they were last taken.
    pub changed: BTreeMap<String, Files>,
}

impl Directory {
    /// Check that a directory can be used by a sensor: that nobody can write to it but root and
    /// the sensor's user.
    pub fn open(path: &Path) -> Result<Directory, DirectoryError> {
        Directory::open_all(vec![path.to_owned()])
    }

    /// The same for several, the first of which wins over the others.
    pub fn open_all(paths: Vec<PathBuf>) -> Result<Directory, DirectoryError> {
        Directory::open_with(paths, false)
    }

    /// Open a directory that may belong to anybody. For replays and the commands of rule authors:
    /// who runs them has named the directory, and what is in it decides nothing for anybody else.
    pub fn open_of_anybody(path: &Path) -> Result<Directory, DirectoryError> {
        Directory::open_with(vec![path.to_owned()], true)
    }

    fn open_with(paths: Vec<PathBuf>, of_anybody: bool) -> Result<Directory, DirectoryError> {
        let directory = Directory { paths, of_anybody, known: BTreeMap::new() };
        directory.identity()?;
        Ok(directory)
    }

    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Device and inode of each directory that is there now.
    pub(super) fn identity(&self) -> Result<Vec<(u64, u64)>, DirectoryError> {
        let identity =
            |path: &PathBuf| self.check(path).map(|metadata| (metadata.dev(), metadata.ino()));
        self.paths.iter().map(identity).collect()
    }

    /// Load every component that is new or changed. For the start and for `rules check`; a running
    /// sensor uses a [`Watcher`](super::Watcher).
    pub fn load_all(&mut self, loader: &Loader) -> Result<Vec<Change>, DirectoryError> {
        let findings = self.look()?;
        let removed = findings.removed.into_iter().map(|name| Change::Remove { name });
        let mut changes: Vec<Change> = removed.collect();
        for (name, files) in findings.changed {
            changes.push(self.take(&name, files, loader));
        }
        Ok(changes)
    }

    fn check(&self, path: &Path) -> Result<Metadata, DirectoryError> {
        let path = path.to_owned();
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DirectoryError::Missing { path });
            }
            Err(why) => return Err(DirectoryError::Read { path, why }),
        };
        if !metadata.is_dir() {
            return Err(DirectoryError::NotADirectory { path });
        }
        match self.check_trust(&metadata, &metadata) {
            Ok(()) => Ok(metadata),
            Err(why) => Err(DirectoryError::Untrusted { path, why }),
        }
    }

    /// Whether what has this metadata is trusted, in a directory with that.
    fn check_trust(&self, metadata: &Metadata, directory: &Metadata) -> Result<(), Untrusted> {
        if self.of_anybody && metadata.uid() == directory.uid() {
            trust::check_mode(metadata)
        } else {
            trust::check(metadata)
        }
    }

    /// Compare the directory with what is known of it.
    pub(super) fn look(&mut self) -> Result<Findings, DirectoryError> {
        let present = self.list_whole()?;
        let gone = self.known.extract_if(.., |name, _| !present.contains_key(name));
        let gone: Vec<(String, Known)> = gone.collect();
        let removed = gone.into_iter().filter(|(_, known)| known.installed);
        let changed = present.into_iter().filter(|(name, files)| {
            self.known.get(name).is_none_or(|known| known.outdated || known.files != *files)
        });
        Ok(Findings {
            removed: removed.map(|(name, _)| name).collect(),
            changed: changed.collect(),
        })
    }

    /// Take those components anew for which the operator's settings differ; gives their names.
    pub(super) fn outdate(&mut self, was: &OperatorSettings, is: &OperatorSettings) -> Vec<String> {
        let differ = |(name, known): &(&String, &mut Known)| !was.agree(is, name, &known.rules);
        let outdated = self.known.iter_mut().filter(differ).map(|(name, known)| {
            known.outdated = true;
            name.clone()
        });
        outdated.collect()
    }

    /// List the directory, and make sure that it was the same one all the while: components of one
    /// that was moved away must not look removed.
    fn list_whole(&self) -> Result<BTreeMap<String, Files>, DirectoryError> {
        let mut before = self.identity()?;
        for _ in 0..SWAPS_MAX {
            let listed = self.list();
            let after = self.identity()?;
            if before == after {
                return listed;
            }
            before = after;
        }
        Err(DirectoryError::Swapped { path: self.paths[0].clone() })
    }

    fn list(&self) -> Result<BTreeMap<String, Files>, DirectoryError> {
        let mut present = BTreeMap::new();
        for number in 0..self.paths.len() {
            self.list_one(number, &mut present)?;
        }
        Ok(present)
    }

    /// Add what one of the directories has, and none before it.
    fn list_one(
        &self,
        number: usize,
        present: &mut BTreeMap<String, Files>,
    ) -> Result<(), DirectoryError> {
        let path = &self.paths[number];
        let read_error = |why| DirectoryError::Read { path: path.clone(), why };
        for entry in fs::read_dir(path).map_err(read_error)? {
            let file_name = entry.map_err(read_error)?.file_name();
            let Some(name) = file_name.to_string_lossy().strip_suffix(".wasm").map(str::to_owned)
            else {
                continue;
            };
            if name.starts_with('.') || present.contains_key(&name) {
                continue;
            }
            // A file that is gone again, or a link that leads nowhere, is not there.
            let Ok(metadata) = fs::metadata(path.join(&file_name)) else { continue };
            let stamp = |path| fs::metadata(path).ok().as_ref().map(Stamp::of);
            let files = Files {
                directory: number,
                wasm: Stamp::of(&metadata),
                signature: stamp(signature_path(&path.join(&file_name))),
                config: stamp(self.config_path(&name)),
            };
            present.insert(name, files);
            if present.len() > LISTED_MAX {
                present.pop_last();
            }
        }
        Ok(())
    }

    /// Load a component, and remember the state of its files that was seen before.
    pub(super) fn take(&mut self, name: &str, files: Files, loader: &Loader) -> Change {
        let others = self.known.iter().filter(|(other, known)| *other != name && known.installed);
        let loaded = if others.count() < COMPONENTS_MAX {
            self.load(name, files, loader)
        } else {
            Err(Refusal::TooMany)
        };
        let before = self.known.get(name);
        let installed = loaded.is_ok() || before.is_some_and(|known| known.installed);
        let rules = match &loaded {
            Ok(prepared) => prepared.rules().iter().map(|rule| rule.id.clone()).collect(),
            Err(_) => before.map_or_else(Vec::new, |known| known.rules.clone()),
        };
        // A file that changed under our eyes is found changed again at the next look.
        if !matches!(loaded, Err(Refusal::Unstable { .. })) {
            let known = Known { files, installed, rules, outdated: false };
            self.known.insert(name.to_owned(), known);
        }
        match loaded {
            Ok(prepared) => Change::Install(Box::new(prepared)),
            Err(reason) => Change::Refused { name: printable(name), reason },
        }
    }

    fn load(&self, name: &str, files: Files, loader: &Loader) -> Result<Prepared, Refusal> {
        check_name(name)?;
        let wasm_path = self.paths[files.directory].join(format!("{name}.wasm"));
        // The very bytes that are vouched for are compiled.
        let wasm = self.read(&wasm_path, COMPONENT_BYTES_MAX)?;
        let signature = self.read_any(&signature_path(&wasm_path), SIGNATURE_BYTES_MAX)?;
        self.judge(name, &wasm, signature.as_deref(), loader)
    }

    /// What becomes of a component of this name with these bytes, in this directory.
    pub(crate) fn judge(
        &self,
        name: &str,
        wasm: &[u8],
        signature: Option<&[u8]>,
        loader: &Loader,
    ) -> Result<Prepared, Refusal> {
        check_name(name)?;
        let voucher = loader.policy().vouch(wasm, signature)?;
        let config_path = self.config_path(name);
        let config = self.read_any(&config_path, CONFIG_BYTES_MAX)?.unwrap_or_default();
        let config =
            String::from_utf8(config).map_err(|_| Refusal::ConfigNotText { path: config_path })?;
        Ok(Prepared { voucher, ..loader.load(name, wasm, &config)? })
    }

    /// Read a file that may be missing.
    fn read_any(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Refusal> {
        match self.read(path, bytes_max) {
            Err(Refusal::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// Read a file whole, up to one byte more than it may have: what is longer is refused later.
    fn read(&self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
        let path = path.to_owned();
        let read_error = |source| Refusal::Read { path: path.clone(), source };
        let open = || {
            // A FIFO must not hold up the thread.
            let flags = OFlag::O_NONBLOCK.bits();
            let file = File::options().read(true).custom_flags(flags).open(&path)?;
            let directory = path.parent().unwrap_or(&path);
            Ok((file.metadata()?, fs::metadata(directory)?, file))
        };
        let (before, directory, mut file) = open().map_err(read_error)?;
        if !before.is_file() {
            return Err(Refusal::NotAFile { path });
        }
        if let Err(why) = self.check_trust(&before, &directory) {
            return Err(Refusal::Untrusted { path, why });
        }
        let mut bytes = Vec::new();
        (&mut file).take(bytes_max + 1).read_to_end(&mut bytes).map_err(read_error)?;
        let after = file.metadata().map_err(read_error)?;
        if Stamp::of(&before) != Stamp::of(&after) {
            return Err(Refusal::Unstable { path });
        }
        Ok(bytes)
    }

    fn config_path(&self, name: &str) -> PathBuf {
        self.paths[0].join(format!("{name}.toml"))
    }
}

/// Whether a component can be called so.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(letter);
    if is_name { Ok(()) } else { Err(Refusal::Name) }
}

/// A file name, fit for a message.
pub(crate) fn printable(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_debug).collect()
}
