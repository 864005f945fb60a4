//! What a process executes, and where.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, fstatfs};
use ocellus_ebpf::abi;

use crate::digest::open::identity;
use crate::snapshot::dir::{Link, ProcDir};

/// What the kernel puts behind the path of a name that was removed.
const DELETED: &[u8] = b" (deleted)";

/// The device of the mount on which the kernel keeps memfds, found by making one. None where that
/// is not allowed: memfds are then taken for deleted files, which they are too.
pub fn memfd_device() -> Option<u64> {
    let memfd = File::from(memfd_create("ocellus", MFdFlags::MFD_CLOEXEC).ok()?);
    memfd.metadata().ok().map(|metadata| metadata.dev())
}

/// Path and attributes of the executable, from the root directory of the process, whose path is
/// `root`. Empty where the process has none or we may not see it.
pub fn executable(dir: &ProcDir, root: &[u8], memfd_device: Option<u64>) -> (Link, abi::File) {
    let mut link = dir.link("exe");
    let held = dir.hold("exe").ok();
    let Some((held, metadata)) =
        held.and_then(|held| held.metadata().ok().map(|seen| (held, seen)))
    else {
        in_root(root, &mut link);
        return (link, abi::File::default());
    };
    let mut file = attributes(&held, &metadata);
    if Some(metadata.dev()) == memfd_device {
        file.flags |= abi::FILE_MEMFD | abi::FILE_DELETED;
        // A memfd is in no tree: `/memfd:NAME (deleted)` is how the kernel shows its bare name.
        if link.bytes.starts_with(b"/") {
            link.bytes.remove(0);
        }
        strip_deleted(&mut link.bytes);
        return (link, file);
    }
    if is_removed(dir, &link, &metadata) {
        strip_deleted(&mut link.bytes);
        file.flags |= abi::FILE_DELETED;
    }
    in_root(root, &mut link);
    (link, file)
}

/// The current directory, from the root directory of the process.
pub fn working_directory(dir: &ProcDir, root: &[u8]) -> Link {
    let mut link = dir.link("cwd");
    let metadata = || dir.hold("cwd").ok()?.metadata().ok();
    if link.bytes.ends_with(DELETED)
        && metadata().is_some_and(|metadata| is_removed(dir, &link, &metadata))
    {
        strip_deleted(&mut link.bytes);
    }
    in_root(root, &mut link);
    link
}

fn attributes(held: &File, metadata: &Metadata) -> abi::File {
    let id = identity(metadata);
    let is_overlay = fstatfs(held).is_ok_and(|fs| fs.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
    abi::File {
        inode: id.inode,
        size: id.size,
        mtime_ns: id.mtime_ns,
        ctime_ns: id.ctime_ns,
        dev_major: id.dev_major,
        dev_minor: id.dev_minor,
        nlink: metadata.nlink() as u32,
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        flags: if is_overlay { abi::FILE_OVERLAY } else { 0 },
        pad: 0,
    }
}

/// Whether the name that the link shows was removed. The suffix alone does not say so: a file may
/// be called that.
fn is_removed(dir: &ProcDir, link: &Link, metadata: &Metadata) -> bool {
    let is_so_called = || {
        let named = dir.identity_in_root(&link.bytes);
        named.is_ok_and(|named| named == (metadata.dev(), metadata.ino()))
    };
    metadata.nlink() == 0 || link.bytes.ends_with(DELETED) && !is_so_called()
}

fn strip_deleted(path: &mut Vec<u8>) {
    if path.ends_with(DELETED) {
        path.truncate(path.len() - DELETED.len());
    }
}

/// Makes a path that we see into one that a process in a chroot sees.
fn in_root(root: &[u8], link: &mut Link) {
    if root == b"/" || root.is_empty() {
        return;
    }
    match link.bytes.strip_prefix(root) {
        Some(inside @ [b'/', ..]) => link.bytes = inside.to_vec(),
        Some([]) => link.bytes = b"/".to_vec(),
        // Outside of it, or a sibling whose name begins like the root's.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_a_chroot() {
        for (root, path, seen) in [
            ("/", "/bin/sh", "/bin/sh"),
            ("", "/bin/sh", "/bin/sh"),
            ("/jail", "/jail/bin/sh", "/bin/sh"),
            ("/jail", "/jail", "/"),
            ("/jail", "/jailbird/sh", "/jailbird/sh"),
            ("/jail", "/bin/sh", "/bin/sh"),
            ("/jail", "", ""),
        ] {
            let mut link = Link { bytes: path.into(), is_lost: false };
            in_root(root.as_bytes(), &mut link);
            assert_eq!(link.bytes, seen.as_bytes(), "{path} in {root}");
        }
    }
}
