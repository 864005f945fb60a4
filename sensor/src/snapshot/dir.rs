//! One directory of /proc, held open. What is read through it is of the process that it was opened
//! for, even when that is gone and its number is used again: then everything fails.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstatat};

use crate::snapshot::text;

/// Most that is read of cmdline or environ to count what is there, in bytes. The kernel lets the
/// two have 6 MiB together.
const COUNTED_MAX: usize = 8 << 20;

/// Most that is read of another file, in bytes. They have a few thousand; cgroup has a line for
/// each hierarchy, with a path of up to 4,096.
const FILE_MAX: usize = 256 << 10;

/// Room for a whole stat or status, so that one read gets it.
pub const USUAL_BYTES: usize = 4 << 10;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// The directory of a process or of one of its threads.
#[derive(Debug)]
pub struct ProcDir(OwnedFd);

/// A path, as a link in /proc shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub bytes: Vec<u8>,
    /// The path is too long for the kernel to show.
    pub is_lost: bool,
}

/// A list of texts, each ended by NUL.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct List {
    pub bytes: Vec<u8>,
    /// Bytes that there were.
    pub full_bytes: u32,
    /// Texts that there were.
    pub count: u32,
}

impl ProcDir {
    /// The directory of a process.
    pub fn open(pid: u32) -> Result<ProcDir, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let path = format!("/proc/{pid}");
        nix::fcntl::open(path.as_str(), flags, Mode::empty()).map(ProcDir)
    }

    /// The directory of a thread that still runs, of a process whose leader has ended.
    pub fn live_thread(&self, leader: u32) -> Option<ProcDir> {
        let tasks = format!("/proc/self/fd/{}/task", self.0.as_raw_fd());
        let names = std::fs::read_dir(tasks).ok()?.flatten();
        let ids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut threads = ids.filter(|tid| *tid != leader).filter_map(|tid| {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let path = format!("task/{tid}");
            openat(&self.0, path.as_str(), flags, Mode::empty()).map(ProcDir).ok()
        });
        threads.find(|thread| readlinkat(&thread.0, "exe").is_ok())
    }

    /// A whole file, such as `stat`.
    pub fn read(&self, name: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let file =
            File::from(openat(&self.0, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
        file.take(FILE_MAX as u64).read_to_end(buffer)?;
        Ok(())
    }

    /// A list, of which `keep_max` bytes are kept and all is counted. Empty where there is none, or
    /// where it cannot be read.
    pub fn list(&self, name: &str, keep_max: usize) -> List {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let Ok(file) = openat(&self.0, name, flags, Mode::empty()) else { return List::default() };
        keep_and_count(File::from(file), keep_max)
    }

    /// Where a link of paths leads; empty where that is nowhere.
    pub fn link(&self, name: &str) -> Link {
        match readlinkat(&self.0, name) {
            Ok(path) => Link { bytes: path.into_vec(), is_lost: false },
            Err(errno) => Link { bytes: Vec::new(), is_lost: errno == Errno::ENAMETOOLONG },
        }
    }

    /// Inode number of a namespace; 0 where it is not known.
    pub fn namespace(&self, name: &str) -> u32 {
        text::namespace(&self.link(&format!("ns/{name}")).bytes).unwrap_or(0)
    }

    /// The file that a link leads to, not opened but held.
    pub fn hold(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        openat(&self.0, name, flags, Mode::empty()).map(File::from)
    }

    /// Device and inode number of what is at `path` in the root directory of the process.
    pub fn identity_in_root(&self, path: &[u8]) -> Result<(u64, u64), Errno> {
        let path = [b"root", path].concat();
        let stat = fstatat(&self.0, path.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

fn keep_and_count(mut file: impl Read, keep_max: usize) -> List {
    let mut list = List::default();
    let mut chunk = [0; CHUNK_BYTES];
    let mut counted = 0;
    let mut count = 0;
    while counted < COUNTED_MAX {
        let len = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The process is gone: what was read is what there is.
            Err(_) => break,
        };
        let kept = len.min(keep_max - list.bytes.len());
        list.bytes.extend_from_slice(&chunk[..kept]);
        count += chunk[..len].iter().filter(|byte| **byte == 0).count();
        counted += len;
    }
    if counted == list.bytes.len() {
        text::settle_list(&mut list.bytes);
        counted = list.bytes.len();
        count = list.bytes.iter().filter(|byte| **byte == 0).count();
    }
    list.full_bytes = counted as u32;
    list.count = count as u32;
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_in_part_and_counted_whole() {
        let whole = |bytes: &[u8], keep_max| keep_and_count(bytes, keep_max);
        let list = whole(b"a\0bc\0\0", 100);
        assert_eq!(list, List { bytes: b"a\0bc\0\0".into(), full_bytes: 6, count: 3 });
        let list = whole(b"a\0bc\0\0", 3);
        assert_eq!(list, List { bytes: b"a\0b".into(), full_bytes: 6, count: 3 });
        let list = whole(b"title", 100);
        assert_eq!(list, List { bytes: b"title\0".into(), full_bytes: 6, count: 1 });
        assert_eq!(whole(b"", 100), List::default());
        let many = b"x\0".repeat(3 * CHUNK_BYTES);
        let list = whole(&many, CHUNK_BYTES + 1);
        assert_eq!(list.bytes, many[..=CHUNK_BYTES]);
        assert_eq!((list.full_bytes, list.count), (6 * CHUNK_BYTES as u32, 3 * CHUNK_BYTES as u32));
    }

    #[test]
    fn an_endless_list_is_given_up() {
        let list = keep_and_count(io::repeat(0), 4);
        assert_eq!((list.bytes.len(), list.full_bytes as usize), (4, COUNTED_MAX));
    }

    #[test]
    fn a_thread_that_runs_is_found() {
        let (send, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv().is_err());
        let pid = std::process::id();
        let dir = ProcDir::open(pid).expect("we live");
        let other = dir.live_thread(pid).expect("the thread waits");
        assert_eq!(other.link("exe"), dir.link("exe"));
        let mut buffer = Vec::new();
        other.read("stat", &mut buffer).expect("the thread waits");
        assert!(!buffer.starts_with(format!("{pid} ").as_bytes()));
        drop(send);
        assert!(thread.join().expect("it does not panic"));
    }

    #[test]
    fn a_directory_outlives_its_process() {
        let mut child =
            std::process::Command::new("/bin/sleep").arg("60").spawn().expect("sleep is there");
        let dir = ProcDir::open(child.id()).expect("the child lives");
        let mut buffer = Vec::new();
        dir.read("stat", &mut buffer).expect("the child lives");
        assert!(dir.namespace("mnt") > 0);
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(dir.read("stat", &mut buffer).is_err());
        assert_eq!(dir.link("exe"), Link::default());
        assert_eq!(dir.list("cmdline", 10), List::default());
        assert_eq!(dir.namespace("mnt"), 0);
    }
}
