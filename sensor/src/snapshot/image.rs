//! What a process executes, and where.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{FileStat, fstat, major, minor};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, fstatfs};
use ocellus_ebpf::abi;

use crate::snapshot::dir::{Link, ProcDir};

/// What the kernel puts behind the path of a name that was removed.
const DELETED: &[u8] = b" (deleted)";

/// The device of the mount on which the kernel keeps memfds, found by making one. None where that
/// is not allowed: memfds are then taken for deleted files, which they are too.
pub fn memfd_device() -> Option<u64> {
    let memfd = memfd_create("ocellus", MFdFlags::MFD_CLOEXEC).ok()?;
    fstat(&memfd).ok().map(|stat| stat.st_dev)
}

/// Path and attributes of the executable, from the root directory of the process. Without a path
/// where the process has none or we may not see it.
pub fn executable(dir: &ProcDir, memfd_device: Option<u64>) -> (Link, abi::File) {
    let mut link = dir.link("exe");
    let mut file = abi::File::default();
    let held = dir.hold("exe").ok();
    let stat = held.as_ref().and_then(|held| fstat(held).ok());
    if let (Some(held), Some(stat)) = (&held, &stat) {
        file = attributes(stat, held);
    }
    if file.inode != 0 && stat.is_some_and(|stat| Some(stat.st_dev) == memfd_device) {
        file.flags |= abi::FILE_MEMFD | abi::FILE_DELETED;
        // A memfd is in no tree: `/memfd:NAME (deleted)` is how the kernel shows its bare name.
        if link.bytes.starts_with(b"/") {
            link.bytes.remove(0);
        }
        strip_deleted(&mut link.bytes);
        return (link, file);
    }
    if is_removed(dir, &link, stat.as_ref()) {
        strip_deleted(&mut link.bytes);
        file.flags |= abi::FILE_DELETED;
    }
    in_root(dir, &mut link);
    (link, file)
}

/// The current directory, from the root directory of the process.
pub fn working_directory(dir: &ProcDir) -> Link {
    let mut link = dir.link("cwd");
    if link.bytes.ends_with(DELETED) && is_removed(dir, &link, dir.stat("cwd").ok().as_ref()) {
        strip_deleted(&mut link.bytes);
    }
    in_root(dir, &mut link);
    link
}

fn attributes(stat: &FileStat, held: &OwnedFd) -> abi::File {
    let time_ns = |seconds: i64, ns: i64| {
        (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(ns as u64)
    };
    let is_overlay =
        fstatfs(held.as_fd()).is_ok_and(|fs| fs.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
    abi::File {
        inode: stat.st_ino,
        size: stat.st_size as u64,
        mtime_ns: time_ns(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: time_ns(stat.st_ctime, stat.st_ctime_nsec),
        dev_major: major(stat.st_dev) as u32,
        dev_minor: minor(stat.st_dev) as u32,
        nlink: stat.st_nlink as u32,
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        flags: if is_overlay { abi::FILE_OVERLAY } else { 0 },
        pad: 0,
    }
}

/// Whether the name that the link shows was removed. The suffix alone does not say so: a file may
/// be called that.
fn is_removed(dir: &ProcDir, link: &Link, stat: Option<&FileStat>) -> bool {
    let Some(stat) = stat else { return false };
    if stat.st_nlink == 0 {
        return true;
    }
    let is_so_called = || {
        dir.stat_in_root(&link.bytes)
            .is_ok_and(|named| (named.st_dev, named.st_ino) == (stat.st_dev, stat.st_ino))
    };
    link.bytes.ends_with(DELETED) && !is_so_called()
}

fn strip_deleted(path: &mut Vec<u8>) {
    if path.ends_with(DELETED) {
        path.truncate(path.len() - DELETED.len());
    }
}

/// Makes a path that we see into one that a process in a chroot sees.
fn in_root(dir: &ProcDir, link: &mut Link) {
    let root = dir.link("root").bytes;
    if let Some(inside) = link.bytes.strip_prefix(root.as_slice())
        && root != b"/"
        && !root.is_empty()
    {
        match inside.first() {
            Some(b'/') => link.bytes = inside.to_vec(),
            None => link.bytes = b"/".to_vec(),
            // A sibling whose name begins like the root's.
            Some(_) => {}
        }
    }
}
