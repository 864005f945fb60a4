use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::*;

/// A copy of `cat` that runs until it is dropped.
struct Running {
    child: Child,
}

impl Running {
    fn start(path: &Path) -> Running {
        // Another test's child may still hold the new file open for writing, between its fork and
        // its exec.
        loop {
            let child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            match child {
                Ok(child) => return Running::wait_for_exec(child),
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                Err(error) => panic!("cannot run {}: {error}", path.display()),
            }
        }
    }

    /// What it echoes shows that it runs its own image.
    fn wait_for_exec(mut child: Child) -> Running {
        let input = child.stdin.as_mut().expect("stdin is piped");
        input.write_all(b"x").expect("cat reads");
        let output = child.stdout.as_mut().expect("stdout is piped");
        output.read_exact(&mut [0]).expect("cat writes");
        Running { child }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy_of_cat(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("cat");
    fs::copy("/bin/cat", &path).expect("cat can be copied");
    path
}

fn request(path: &Path, pid: u32) -> HashRequest {
    let id = identity(&fs::metadata(path).expect("the file is there"));
    HashRequest { id, pid, path: path.as_os_str().as_bytes().to_vec(), overlay: false }
}

fn content(opened: &mut Opened) -> Vec<u8> {
    let mut bytes = Vec::new();
    opened.file.read_to_end(&mut bytes).expect("the file can be read");
    bytes
}

fn temp_dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

/// A pid that no process has: above the largest that Linux gives.
const NO_PID: u32 = 1 << 23;

#[test]
fn a_running_file_is_reached_though_deleted() {
    let dir = temp_dir();
    let path = copy_of_cat(&dir);
    let running = Running::start(&path);
    let request = request(&path, running.pid());
    fs::remove_file(&path).expect("it is ours");
    let mut opened = open(&request).expect("the process holds it");
    assert_eq!(opened.way, Way::Running);
    assert_eq!(opened.size_bytes(), request.id.size);
    assert!(opened.is_unchanged().expect("it is open"));
    assert_eq!(content(&mut opened), fs::read("/bin/cat").expect("cat is there"));
}

#[test]
fn a_running_file_is_reached_though_replaced() {
    let dir = temp_dir();
    let path = copy_of_cat(&dir);
    let running = Running::start(&path);
    let request = request(&path, running.pid());
    let new = dir.path().join("new");
    fs::write(&new, "another").expect("the directory is ours");
    fs::rename(&new, &path).expect("the directory is ours");
    let mut opened = open(&request).expect("the process holds it");
    assert_eq!(content(&mut opened), fs::read("/bin/cat").expect("cat is there"));
    drop(running);
    assert!(matches!(open(&request), Err(OpenError::Changed)));
}

#[test]
fn a_memfd_is_reached_while_it_runs() {
    let memfd = nix::sys::memfd::memfd_create("x", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)
        .expect("the kernel has memfds");
    let mut writer = File::from(memfd);
    writer.write_all(&fs::read("/bin/cat").expect("cat is there")).expect("memory is writable");
    let id = identity(&writer.metadata().expect("it is open"));
    // The kernel executes no file that is open for writing.
    let reader = File::open(format!("/proc/self/fd/{}", writer.as_raw_fd())).expect("it is open");
    drop(writer);
    let running = Running::start(format!("/proc/self/fd/{}", reader.as_raw_fd()).as_ref());
    let request = HashRequest { id, pid: running.pid(), path: b"memfd:x".to_vec(), overlay: false };
    let mut opened = open(&request).expect("the process holds it");
    assert_eq!(content(&mut opened), fs::read("/bin/cat").expect("cat is there"));
    drop(running);
    assert!(matches!(open(&request), Err(OpenError::Gone)));
}

#[test]
fn a_process_that_is_gone_leaves_the_path() {
    let dir = temp_dir();
    let path = copy_of_cat(&dir);
    let request = request(&path, NO_PID);
    assert_eq!(open(&request).expect("the path is there").way, Way::Path);
    let of_us = HashRequest { pid: std::process::id(), ..request.clone() };
    assert_eq!(open(&of_us).expect("the path is there").way, Way::Root);
    fs::remove_file(&path).expect("it is ours");
    assert!(matches!(open(&request), Err(OpenError::Gone)));
    assert!(matches!(open(&of_us), Err(OpenError::Gone)));
}

#[test]
fn each_part_of_the_identity_counts_on_a_path() {
    let dir = temp_dir();
    let path = copy_of_cat(&dir);
    let right = request(&path, 0);
    let id = right.id;
    for other in [
        FileId { inode: id.inode + 1, ..id },
        FileId { size: id.size + 1, ..id },
        FileId { mtime_ns: id.mtime_ns + 1, ..id },
        FileId { ctime_ns: id.ctime_ns + 1, ..id },
    ] {
        let wrong = HashRequest { id: other, ..right.clone() };
        assert!(matches!(open(&wrong), Err(OpenError::Changed)), "{other:?}");
    }
    // In another file system: that path says nothing about the file.
    let elsewhere = FileId { dev_major: id.dev_major + 1, ..id };
    let wrong = HashRequest { id: elsewhere, ..right.clone() };
    assert!(matches!(open(&wrong), Err(OpenError::Gone)));
    assert!(open(&right).is_ok());
}

#[test]
fn a_running_file_may_have_another_ctime_only() {
    let dir = temp_dir();
    let path = copy_of_cat(&dir);
    let running = Running::start(&path);
    let right = request(&path, running.pid());
    // The clock of a file system may stand still for some milliseconds.
    while request(&path, 0).id.ctime_ns == right.id.ctime_ns {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    assert_eq!(open(&right).expect("the content is the same").way, Way::Running);
    let touched = FileId { mtime_ns: right.id.mtime_ns + 1, ..right.id };
    let wrong = HashRequest { id: touched, path: Vec::new(), ..right };
    assert!(matches!(open(&wrong), Err(OpenError::Changed)));
}

#[test]
fn nothing_but_a_regular_file_is_opened() {
    let dir = temp_dir();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("the directory is ours");
    for path in [fifo.as_path(), dir.path(), Path::new("/dev/null")] {
        let result = open(&request(path, 0));
        assert!(matches!(result, Err(OpenError::Changed)), "{}", path.display());
    }
}

#[test]
fn names_that_are_no_paths_lead_nowhere() {
    let id = request(Path::new("/bin/cat"), 0).id;
    for path in [&b""[..], b"memfd:x", b"bin/cat", b"/bin/\0cat", b"/bin/cat/x"] {
        let request = HashRequest { id, pid: 0, path: path.to_vec(), overlay: false };
        assert!(matches!(open(&request), Err(OpenError::Gone)), "{path:?}");
    }
    let long = HashRequest { id, pid: 0, path: vec![b'/'; 5_000], overlay: false };
    assert!(matches!(open(&long), Err(OpenError::Io { .. })));
}

#[test]
fn a_change_during_the_reading_is_noticed() {
    let dir = temp_dir();
    let path = copy_of_cat(&dir);
    let opened = open(&request(&path, 0)).expect("the path is there");
    assert!(opened.is_unchanged().expect("it is open"));
    let mut file = OpenOptions::new().append(true).open(&path).expect("it is ours");
    file.write_all(b"x").expect("it is ours");
    assert!(!opened.is_unchanged().expect("it is open"));
}
