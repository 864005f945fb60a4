//! The way to the file that was executed.
//!
//! A path alone is not enough: the file may have been replaced or removed, or lie in another mount
//! namespace. Three ways are tried, and what each leads to is held against the identity that the
//! kernel saw at exec:
//! 1. /proc/PID/exe, which reaches deleted files, memfds and other mount namespaces;
//! 2. the path in the root of the process;
//! 3. the path in the sensor's own root.
//!
//! Nothing is opened for reading before it is known to be that file, so no FIFO blocks and no
//! device is woken.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor};
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, fstatfs};

use crate::input::{FileId, HashRequest};

/// The file that was executed, open for reading.
#[derive(Debug)]
pub struct Opened {
    pub file: File,
    way: Way,
    seen: FileId,
}

/// Why the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another file has taken its place")]
    Changed,
    #[error("no way leads to it any more")]
    Gone,
    #[error("cannot open {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// /proc/PID/exe.
    Running,
    /// The path in the root of the process.
    Root,
    /// The path in our own root.
    Path,
}

/// Where a way ends.
enum End {
    Same(File),
    /// At what has taken the file's place.
    Replaced,
    /// At nothing, or at a file that says nothing about ours.
    Nowhere,
}

/// Opens the file that the request is about. Never blocks on what the file is, though a dead file
/// server may stall it.
pub fn open(request: &HashRequest) -> Result<Opened, OpenError> {
    let mut changed = false;
    let mut failed = None;
    for (way, path) in ways(request) {
        match follow(request, way, &path) {
            Ok(End::Same(file)) => {
                let seen = identity(
                    &file
                        .metadata()
                        .map_err(|source| OpenError::Io { path: path.clone(), source })?,
                );
                return Ok(Opened { file, way, seen });
            }
            Ok(End::Replaced) => changed = true,
            Ok(End::Nowhere) => {}
            Err(source) if is_nowhere(&source) => {}
            Err(source) => failed = failed.or(Some(OpenError::Io { path, source })),
        }
    }
    Err(match failed {
        _ if changed => OpenError::Changed,
        Some(error) => error,
        None => OpenError::Gone,
    })
}

impl Opened {
    /// Bytes of the file.
    pub fn size_bytes(&self) -> u64 {
        self.seen.size
    }

    /// Whether the file is still as it was when it was opened.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        Ok(agree(&self.seen, &identity(&self.file.metadata()?), self.way))
    }
}

/// The ways in the order to try them. Names that are no absolute paths, such as a memfd's, and
/// paths that lost their beginning lead nowhere but through the running process.
fn ways(request: &HashRequest) -> Vec<(Way, PathBuf)> {
    let mut ways = Vec::with_capacity(3);
    if request.pid != 0 {
        ways.push((Way::Running, format!("/proc/{}/exe", request.pid).into()));
    }
    if let Some(relative) = request.path.strip_prefix(b"/") {
        if request.pid != 0 {
            let root = PathBuf::from(format!("/proc/{}/root", request.pid));
            ways.push((Way::Root, root.join(OsStr::from_bytes(relative))));
        }
        ways.push((Way::Path, OsStr::from_bytes(&request.path).into()));
    }
    ways
}

fn follow(request: &HashRequest, way: Way, path: &Path) -> io::Result<End> {
    // O_PATH opens nothing: it only holds the place, to look at it.
    let place = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_PATH | OFlag::O_CLOEXEC).bits())
        .open(path)?;
    let metadata = place.metadata()?;
    let found = identity(&metadata);
    let same_device = is_same_device(&place, &found, request)?;
    if same_device && metadata.is_file() && agree(&request.id, &found, way) {
        let held = format!("/proc/self/fd/{}", place.as_raw_fd());
        let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        return OpenOptions::new().read(true).custom_flags(flags.bits()).open(held).map(End::Same);
    }
    let is_replaced = match way {
        // The process may have executed another file since, or another process has its number.
        Way::Running => same_device && found.inode == request.id.inode,
        Way::Root => true,
        // In another file system the path has nothing to do with the process's.
        Way::Path => same_device,
    };
    Ok(if is_replaced { End::Replaced } else { End::Nowhere })
}

/// Whether two identities, known to be on one device, are of one content.
///
/// Renaming, linking, unlinking or chmod change the ctime and leave the content alone. Through
/// /proc/PID/exe the inode is pinned and the kernel refuses to write to it while it runs, so there
/// the ctime may differ. A path may lead to a newer file with the inode number of the old one,
/// whose mtime anyone can set; the ctime nobody can.
fn agree(wanted: &FileId, found: &FileId, way: Way) -> bool {
    wanted.inode == found.inode
        && wanted.size == found.size
        && wanted.mtime_ns == found.mtime_ns
        && (way == Way::Running || wanted.ctime_ns == found.ctime_ns)
}

/// Whether `place` is on the device that the kernel named. stat(2) gives another device than the
/// kernel has for a file on an overlay (that of its layer) and on btrfs (that of its subvolume).
fn is_same_device(place: &File, found: &FileId, request: &HashRequest) -> io::Result<bool> {
    let wanted = &request.id;
    if (wanted.dev_major, wanted.dev_minor) == (found.dev_major, found.dev_minor) {
        return Ok(true);
    }
    let kind = fstatfs(place)?.filesystem_type();
    // Anonymous devices, which btrfs and overlays have, are of major number 0.
    let is_anonymous = wanted.dev_major == 0 && found.dev_major == 0;
    Ok(kind == BTRFS_SUPER_MAGIC && is_anonymous
        || kind == OVERLAYFS_SUPER_MAGIC && request.overlay)
}

/// What stat(2) says of a file, in the form of the kernel's words about it.
pub fn identity(metadata: &Metadata) -> FileId {
    let time_ns = |seconds: i64, ns: i64| {
        (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(ns as u64)
    };
    FileId {
        dev_major: major(metadata.dev()) as u32,
        dev_minor: minor(metadata.dev()) as u32,
        inode: metadata.ino(),
        size: metadata.size(),
        mtime_ns: time_ns(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: time_ns(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Errors that say that nothing is there, rather than that it cannot be looked at.
fn is_nowhere(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOENT | Errno::ESRCH | Errno::ENOTDIR | Errno::ELOOP))
        // A path with a NUL names no file.
        || error.kind() == io::ErrorKind::InvalidInput
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
