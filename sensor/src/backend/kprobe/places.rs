//! Paths, which a probe cannot follow: found in /proc and held against what the kernel said.
//!
//! The kernel names a file by device and inode number, a cgroup by a number of its own. A witness,
//! a process that has that very file, directory or cgroup now, tells the path: the process itself
//! while it lives, or its parent. What was learned is remembered for processes that end too soon.
//! What no witness confirms is not told.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _};
use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lru::LruCache;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{major, minor};
use ocellus_ebpf::abi;

use super::decode::{CgroupIds, DirectoryId, ImageId, View};
use crate::digest::open::identity;
use crate::snapshot::dir::{Link, ProcDir, USUAL_BYTES};
use crate::snapshot::{image, text};

/// Executables, directories and cgroups that are remembered, each. A busy host has some hundred of
/// each; an entry takes some hundred bytes.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(2_048).expect("it is not zero");

/// How long a path that led to the right file is believed without looking again, in ns. The file
/// itself is told from any other by what the kernel says of it; only a directory above it that was
/// renamed a moment ago would give it away.
const BELIEVED_NS: u64 = 1_000_000_000;

/// A path, and whether it lacks its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub path: Arc<[u8]>,
    pub is_lost: bool,
}

/// An executable as it is remembered: by which name it was reached, and which file it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ImageKey {
    view: View,
    name: [u64; 3],
    device: (u32, u32),
    inode: u64,
    ctime_ns: u64,
}

/// A path that is remembered, and when it was last known to be right, boottime.
#[derive(Clone, Debug)]
struct Known {
    place: Place,
    right_ns: u64,
}

/// Finds paths.
#[derive(Debug)]
pub(super) struct Places {
    /// From where we see files: what a process of the same view calls something, we call so too.
    own: View,
    memfd_device: Option<u64>,
    hierarchies: Hierarchies,
    images: LruCache<ImageKey, Known>,
    directories: LruCache<DirectoryId, Known>,
    cgroups: LruCache<CgroupIds, Arc<[u8]>>,
    buffer: Vec<u8>,
}

impl Places {
    pub(super) fn new() -> Places {
        Places {
            own: own_view(),
            memfd_device: image::memfd_device(),
            hierarchies: Hierarchies::new(),
            images: LruCache::new(REMEMBERED_MAX),
            directories: LruCache::new(REMEMBERED_MAX),
            cgroups: LruCache::new(REMEMBERED_MAX),
            buffer: Vec::with_capacity(USUAL_BYTES),
        }
    }

    /// The path of a directory that process `pid` had as its working directory at `now_ns`.
    pub(super) fn directory(
        &mut self,
        id: &DirectoryId,
        pid: u32,
        ppid: u32,
        now_ns: u64,
    ) -> Option<Place> {
        let known = self.directories.get_mut(id);
        let is_ours = id.view == self.own;
        let is_there = |place: &Place| {
            is_ours
                && fs::metadata(path(&place.path)).is_ok_and(|metadata| is_directory(id, &metadata))
        };
        if let Some(place) = known.and_then(|known| known.still_right(now_ns, is_there)) {
            return Some(place);
        }
        // A directory that was moved has another name now than it had, and the witness knows it.
        let seen = [pid, ppid].into_iter().find_map(|witness| directory_of(witness, id));
        if let Some(place) = &seen {
            self.directories.put(*id, Known { place: place.clone(), right_ns: now_ns });
            return seen;
        }
        // Of what another view has under this name nobody is left to ask.
        self.directories.get(id).filter(|_| !is_ours).map(|known| known.place.clone())
    }

    /// The path of the executable that process `pid` ran at `now_ns`. `names` are those by which it
    /// may have been called, in the directory `cwd` where they are relative.
    pub(super) fn image(
        &mut self,
        id: &ImageId,
        pid: u32,
        names: &[&[u8]],
        cwd: &Place,
        now_ns: u64,
    ) -> Option<Place> {
        let key = ImageKey {
            view: id.view,
            name: id.name,
            device: (id.file.dev_major, id.file.dev_minor),
            inode: id.file.inode,
            ctime_ns: id.file.ctime_ns,
        };
        let is_ours = id.view == self.own;
        let is_there = |place: &Place| is_ours && is_at(id, path(&place.path));
        let known = self.images.get_mut(&key);
        if let Some(place) = known.and_then(|known| known.still_right(now_ns, is_there)) {
            return Some(place);
        }
        let seen = self.image_of(pid, id).or_else(|| {
            let names = names.iter().filter(|_| is_ours);
            names.into_iter().find_map(|name| image_called(name, &cwd.path, id))
        });
        if let Some(place) = &seen {
            self.images.put(key, Known { place: place.clone(), right_ns: now_ns });
            return seen;
        }
        self.images.get(&key).filter(|_| !is_ours).map(|known| known.place.clone())
    }

    /// The cgroup of process `pid`.
    pub(super) fn cgroup(&mut self, ids: CgroupIds, pid: u32, ppid: u32) -> Option<Arc<[u8]>> {
        // Numbers of cgroups are not used again, and those that matter cannot be renamed.
        if let Some(known) = self.cgroups.get(&ids) {
            return Some(known.clone());
        }
        for witness in [pid, ppid] {
            let read = ProcDir::open(witness)
                .map_err(io::Error::from)
                .and_then(|dir| dir.read("cgroup", &mut self.buffer));
            let Some(path) = read.ok().and_then(|()| text::cgroup(&self.buffer)) else { continue };
            if self.hierarchies.confirm(path, ids) {
                let path = Arc::from(path);
                self.cgroups.put(ids, Arc::clone(&path));
                return Some(path);
            }
            // Where the hierarchy is not mounted for us, the process itself is to be believed.
            if witness == pid && self.hierarchies.mounts.is_empty() {
                return Some(path.into());
            }
        }
        None
    }

    fn image_of(&self, witness: u32, id: &ImageId) -> Option<Place> {
        let dir = ProcDir::open(witness).ok()?;
        let root = root_of(&dir, &id.view)?;
        if !runs(&dir, &id.file) {
            return None;
        }
        let (link, _) = image::executable(&dir, &root, self.memfd_device);
        place(link)
    }
}

impl Known {
    /// The place, if it was right a moment ago, or is by a look at it.
    fn still_right(&mut self, now_ns: u64, is_there: impl Fn(&Place) -> bool) -> Option<Place> {
        if now_ns.abs_diff(self.right_ns) >= BELIEVED_NS {
            if !is_there(&self.place) {
                return None;
            }
            self.right_ns = now_ns;
        }
        Some(self.place.clone())
    }
}

/// The directory of a process in /proc, if it runs this executable.
pub(super) fn running(pid: u32, file: &abi::File) -> Option<ProcDir> {
    ProcDir::open(pid).ok().filter(|dir| runs(dir, file))
}

fn runs(dir: &ProcDir, file: &abi::File) -> bool {
    let metadata = || dir.hold("exe").ok()?.metadata().ok();
    // The file may have been renamed or unlinked since, but not written to: its ctime says nothing.
    metadata().is_some_and(|metadata| is_file(file, &metadata, false))
}

fn directory_of(witness: u32, id: &DirectoryId) -> Option<Place> {
    let dir = ProcDir::open(witness).ok()?;
    let root = root_of(&dir, &id.view)?;
    let metadata = dir.hold("cwd").ok()?.metadata().ok()?;
    is_directory(id, &metadata).then(|| place(image::working_directory(&dir, &root)))?
}

/// The root directory of a process that sees files from there; none where it sees others.
fn root_of(dir: &ProcDir, view: &View) -> Option<Vec<u8>> {
    let root = dir.hold("root").ok()?.metadata().ok()?;
    let sees_the_same = dir.namespace("mnt") == view.ns_mnt
        && root.ino() == view.root_inode
        && is_device(view.root_device, &root);
    sees_the_same.then(|| dir.link("root").bytes)
}

fn place(link: Link) -> Option<Place> {
    let is_known = !link.bytes.is_empty() || link.is_lost;
    is_known.then(|| Place { path: link.bytes.into(), is_lost: link.is_lost })
}

/// The executable under a name that it was called by, links resolved.
fn image_called(name: &[u8], cwd: &[u8], id: &ImageId) -> Option<Place> {
    let name = path(cwd).join(path(name));
    if !name.is_absolute() || !is_at(id, &name) {
        return None;
    }
    let resolved = fs::canonicalize(name).ok()?;
    Some(Place { path: resolved.into_os_string().into_vec().into(), is_lost: false })
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

fn is_at(id: &ImageId, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| is_file(&id.file, &metadata, true))
}

fn is_file(file: &abi::File, metadata: &Metadata, same_ctime: bool) -> bool {
    let seen = identity(metadata);
    seen.inode == file.inode
        && seen.size == file.size
        && seen.mtime_ns == file.mtime_ns
        && (!same_ctime || seen.ctime_ns == file.ctime_ns)
        && is_device(file.dev_major << 20 | file.dev_minor, metadata)
}

fn is_directory(id: &DirectoryId, metadata: &Metadata) -> bool {
    metadata.is_dir() && metadata.ino() == id.inode && is_device(id.device, metadata)
}

/// Whether stat(2) may show this device for a file that the kernel has on that one. On btrfs and
/// overlays it shows another anonymous one, whose major number is 0 too.
fn is_device(device: u32, metadata: &Metadata) -> bool {
    let (kernel, seen) = ((device >> 20, device & 0xf_ffff), metadata.dev());
    let seen = (major(seen) as u32, minor(seen) as u32);
    kernel == seen || (kernel.0, seen.0) == (0, 0)
}

fn own_view() -> View {
    let namespace = ProcDir::open(std::process::id()).map_or(0, |dir| dir.namespace("mnt"));
    let Ok(root) = fs::metadata("/") else { return View::default() };
    let device = root.dev();
    View {
        ns_mnt: namespace,
        root_inode: root.ino(),
        root_device: (major(device) as u32) << 20 | minor(device) as u32,
    }
}

/// Where the hierarchies of cgroups are mounted that the probes ask for.
#[derive(Debug)]
struct Hierarchies {
    /// The kernel says by it when something was mounted or unmounted.
    mountinfo: Option<File>,
    mounts: Vec<PathBuf>,
}

impl Hierarchies {
    fn new() -> Hierarchies {
        let mut this =
            Hierarchies { mountinfo: File::open("/proc/self/mountinfo").ok(), mounts: Vec::new() };
        this.read();
        this
    }

    /// Whether a path is that of a cgroup with these numbers, by what is mounted now.
    fn confirm(&mut self, cgroup: &[u8], ids: CgroupIds) -> bool {
        if is_cgroup(&self.mounts, cgroup, ids) {
            return true;
        }
        self.has_changed() && {
            self.read();
            is_cgroup(&self.mounts, cgroup, ids)
        }
    }

    /// Whether something was mounted or unmounted since this was last asked.
    fn has_changed(&self) -> bool {
        let Some(file) = &self.mountinfo else { return false };
        let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    fn read(&mut self) {
        let Some(file) = &mut self.mountinfo else { return };
        let mut text = String::new();
        if file.rewind().and_then(|()| file.read_to_string(&mut text)).is_ok() {
            self.mounts = cgroup_mounts(&text);
        }
    }
}

fn is_cgroup(mounts: &[PathBuf], cgroup: &[u8], ids: CgroupIds) -> bool {
    let inside = path(cgroup.strip_prefix(b"/").unwrap_or(cgroup));
    mounts.iter().any(|mount| {
        let number = fs::metadata(mount.join(inside)).map_or(0, |metadata| metadata.ino());
        number != 0 && [ids.unified, ids.pids].contains(&number)
    })
}

/// Where the unified hierarchy and that of the pids controller are mounted whole, by mountinfo.
fn cgroup_mounts(mountinfo: &str) -> Vec<PathBuf> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
        let is_it = match kind {
            "cgroup2" => true,
            "cgroup" => options.split(',').any(|option| option == "pids"),
            _ => false,
        };
        (root == "/" && is_it).then(|| PathBuf::from(point))
    });
    mounts.collect()
}

/// The flags of a file of which the kernel said all: a memfd has no name, so none is left.
pub(super) fn with_memfd_deleted(mut file: abi::File) -> abi::File {
    if file.flags & abi::FILE_MEMFD != 0 {
        file.flags |= abi::FILE_DELETED;
    }
    file
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
