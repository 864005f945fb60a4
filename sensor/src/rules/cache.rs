//! Compiled code on disk, so that a component is compiled once and not at each start: compiling a
//! JavaScript engine takes seconds, taking its code from here a few milliseconds. The commands for
//! authors keep here, too, what slow tools built.
//!
//! What is in here runs as machine code of the sensor. So the directory and each file must belong
//! to root or to the sensor's user, and nobody else may write to them; both are checked through the
//! descriptors that are then used. Anything else about an entry that is wrong (another version, a
//! torn write) only means that it is compiled again and rewritten.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::precompiled::TrustedCode;
use super::trust::{self, Untrusted};
use crate::digest::hex;

/// First bytes of an entry: what it is, and the version of this layout.
const MAGIC: &[u8; 16] = b"ocellus code 01\n";
/// Magic and SHA-256 of the content come before the content.
const HEADER_BYTES: usize = MAGIC.len() + 32;
/// Largest entry. Code is at most some ten times as large as its component.
const ENTRY_BYTES_MAX: u64 = 1 << 30;
/// So many entries are kept, and so many bytes of them; the longest unused ones go first.
const ENTRIES_MAX: usize = 128;
const CACHE_BYTES_MAX: u64 = 1 << 30;
/// Ends the names of entries with compiled code, and of those with components.
const CODE: &str = ".code";
const BUILT: &str = ".wasm";
/// Starts the names of files that are being written.
const UNFINISHED: &str = ".new-";
/// Age after which nobody is writing such a file any more.
const UNFINISHED_AGE: Duration = Duration::from_secs(3600);

/// A directory of compiled code.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    /// The directory that was checked; entries are opened relative to it.
    directory: File,
}

/// Why a directory cannot be the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("cannot create the code cache {path}")]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot open the code cache {path}")]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "the code cache {path} is not used: {why}; what is in it runs with the sensor's rights"
    )]
    Untrusted { path: PathBuf, why: Untrusted },
}

impl Cache {
    /// Use a directory as the cache, and make it when it does not exist.
    pub fn open(path: &Path) -> Result<Cache, CacheError> {
        let path = path.to_owned();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| CacheError::Create { path: path.clone(), source })?;
        let open = || {
            let directory = fs::OpenOptions::new()
                .read(true)
                .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
                .open(&path)?;
            let metadata = directory.metadata()?;
            Ok((directory, metadata))
        };
        let (directory, metadata) =
            open().map_err(|source| CacheError::Open { path: path.clone(), source })?;
        match trust::check(&metadata) {
            Ok(()) => Ok(Cache { path, directory }),
            Err(why) => Err(CacheError::Untrusted { path, why }),
        }
    }

    /// The compiled code of a component, by the SHA-256 of its bytes.
    pub(super) fn get(&self, engine: &Engine, digest: &[u8]) -> Option<Component> {
        let name = entry_name(engine, digest);
        let entry = self.entry(&name)?;
        let code = TrustedCode::new(&entry[HEADER_BYTES..]);
        code.load(engine).inspect_err(|error| ignored(&name, error)).ok()
    }

    /// A component that was built, by the SHA-256 of all that it was built of.
    pub(super) fn built(&self, inputs: &[u8; 32]) -> Option<Vec<u8>> {
        let mut entry = self.entry(&(hex(inputs) + BUILT))?;
        entry.drain(..HEADER_BYTES);
        Some(entry)
    }

    /// Keep a component that was built. A failure costs time at the next build, nothing else.
    pub(super) fn keep_built(&self, inputs: &[u8; 32], component: &[u8]) {
        self.keep(&(hex(inputs) + BUILT), component);
    }

    /// An entry with its header, if it is there and whole.
    fn entry(&self, name: &str) -> Option<Vec<u8>> {
        let entry = self.read(name).inspect_err(|error| ignored(name, error)).ok()?;
        if !is_whole(&entry) {
            ignored(name, &"it is damaged");
            return None;
        }
        Some(entry)
    }

    /// Keep the compiled code of a component. A failure costs time at the next start, nothing else.
    pub(super) fn put(&self, engine: &Engine, digest: &[u8], component: &Component) {
        match component.serialize() {
            Ok(code) => self.keep(&entry_name(engine, digest), &code),
            Err(error) => tracing::warn!("compiled code cannot be kept: {error:#}"),
        }
    }

    fn keep(&self, name: &str, content: &[u8]) {
        if let Err(error) = self.write(name, content).and_then(|()| self.evict()) {
            tracing::warn!("cannot write to the code cache {}: {error}", self.path.display());
        }
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(self.directory.as_fd(), name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        trust::check(&metadata).map_err(io::Error::other)?;
        if metadata.len() > ENTRY_BYTES_MAX {
            return Err(io::Error::other("it is too large"));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        (&mut file).take(ENTRY_BYTES_MAX).read_to_end(&mut bytes)?;
        // Eviction goes by this time. An entry of root's cannot be marked, which does no harm.
        let _ = file.set_modified(SystemTime::now());
        Ok(bytes)
    }

    /// Write an entry under another name first, so that nobody ever sees a half of it.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{UNFINISHED}{}-{number}", std::process::id());
        let directory = self.directory.as_fd();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(
            directory,
            unfinished.as_str(),
            flags,
            Mode::S_IRUSR | Mode::S_IWUSR,
        )?);
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&Sha256::digest(content)))
            .and_then(|()| file.write_all(content))
            .and_then(|()| Ok(renameat(directory, unfinished.as_str(), directory, name)?));
        if written.is_err() {
            let _ = unlinkat(directory, unfinished.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written
    }

    /// Remove what is beyond the bounds.
    fn evict(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let modified = metadata.modified()?;
            let abandoned = now.duration_since(modified).is_ok_and(|age| age > UNFINISHED_AGE);
            if name.starts_with(UNFINISHED) && abandoned {
                self.remove(&name);
            } else if name.ends_with(CODE) || name.ends_with(BUILT) {
                entries.push((modified, metadata.size(), name));
            }
        }
        entries.sort_by(|a, b| b.cmp(a));
        let mut bytes = 0;
        for (position, (_, size, name)) in entries.iter().enumerate() {
            bytes += size;
            if position >= ENTRIES_MAX || (position > 0 && bytes > CACHE_BYTES_MAX) {
                self.remove(name);
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) {
        // Another sensor may have removed it already.
        let _ = unlinkat(self.directory.as_fd(), name, UnlinkatFlags::NoRemoveDir);
    }
}

/// Whether an entry is what its header says.
fn is_whole(entry: &[u8]) -> bool {
    let parts = entry.split_at_checked(HEADER_BYTES);
    parts.is_some_and(|(header, content)| {
        header.strip_prefix(MAGIC) == Some(Sha256::digest(content).as_slice())
    })
}

fn ignored(name: &str, why: &dyn std::fmt::Display) {
    tracing::debug!(entry = name, "the code cache has no usable entry: {why}");
}

/// An entry's name says for which component, and for which version and configuration of the engine
/// its code is.
fn entry_name(engine: &Engine, digest: &[u8]) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    hasher.0.update(digest);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hex(&hasher.0.finalize()) + CODE
}

/// SHA-256 behind the interface through which wasmtime describes an engine.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(std::array::from_fn(|index| digest[index]))
    }
}
