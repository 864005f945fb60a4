use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ocellus_ebpf::abi::Parsed;

use super::*;

const SETTINGS: SnapshotSettings = SnapshotSettings { args_max: 32 << 10, env_max: 0 };

/// A process that runs until it is dropped. It copies its input to its output.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Another test's child may hold a new file open for writing, between its fork and exec.
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                Err(error) => panic!("cannot run {command:?}: {error}"),
            }
        };
        child.stdin.as_mut().expect("it is piped").write_all(b"x").expect("it reads");
        child.stdout.as_mut().expect("it is piped").read_exact(&mut [0]).expect("it writes");
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(pid: u32) -> Option<Vec<u8>> {
    Snapshot::new(SETTINGS).read_one(pid, &TaskStarts::default())
}

fn parse(bytes: &[u8]) -> Parsed<'_> {
    Record::parse(bytes).expect("a snapshot makes whole records")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the tests use ASCII")
}

fn temp_dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

fn copy_of_cat(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    fs::copy("/bin/cat", &path).expect("cat can be copied");
    path
}

#[test]
fn a_child_is_read_field_by_field() {
    let dir = temp_dir();
    let exe = copy_of_cat(dir.path(), "my cat");
    let link = dir.path().join("link");
    symlink(&exe, &link).expect("the directory is ours");
    let mut command = Command::new(&link);
    let running = Running::start(command.args(["-u", "", "-"]).current_dir(dir.path()));
    let before_ns = boottime_ns();
    let bytes = read(running.0.id()).expect("it lives");
    let parsed = parse(&bytes);
    let (head, task, file) = (parsed.record.head, parsed.record.task, parsed.record.file);

    assert_eq!(parsed.kind, Kind::Existing);
    assert!(head.time_ns >= before_ns && head.time_ns <= boottime_ns());
    assert_eq!(head.flags, abi::F_TICKS);
    assert_eq!(
        (task.pid, task.tid, task.ppid),
        (running.0.id(), running.0.id(), std::process::id())
    );
    assert_eq!(&task.comm[..5], b"link\0");
    let ids = (nix::unistd::getuid().as_raw(), nix::unistd::getegid().as_raw());
    assert_eq!((task.uid, task.egid), ids);
    assert_eq!((task.pgid, task.sid), {
        let ours = read(std::process::id()).expect("we live");
        let ours = parse(&ours).record.task;
        (ours.pgid, ours.sid)
    });
    assert_eq!(text(parsed.span(SpanId::Exe)), exe.to_str().expect("it is ASCII"));
    assert_eq!(text(parsed.span(SpanId::Cwd)), dir.path().to_str().expect("it is ASCII"));
    let args = format!("{}\0-u\0\0-\0", link.display());
    assert_eq!(text(parsed.span(SpanId::Args)), args);
    assert_eq!((parsed.record.argc, parsed.record.envc), (4, 0));
    assert!(parsed.span(SpanId::Env).is_empty() && parsed.span(SpanId::Filename).is_empty());

    let metadata = fs::metadata(&exe).expect("it is there");
    assert_eq!((file.inode, file.size), (metadata.ino(), metadata.size()));
    assert_eq!((file.mode, file.nlink, file.flags), (metadata.mode(), 1, 0));
    let ctime_ns = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
    assert_eq!(file.ctime_ns, ctime_ns as u64);
}

#[test]
fn namespaces_and_capabilities_are_those_of_proc() {
    let bytes = read(std::process::id()).expect("we live");
    let task = parse(&bytes).record.task;
    for (name, inode) in [
        ("cgroup", task.ns_cgroup),
        ("ipc", task.ns_ipc),
        ("mnt", task.ns_mnt),
        ("net", task.ns_net),
        ("pid", task.ns_pid),
        ("user", task.ns_user),
        ("uts", task.ns_uts),
    ] {
        let metadata = fs::metadata(format!("/proc/self/ns/{name}")).expect("we have one");
        assert_eq!(u64::from(inode), metadata.ino(), "{name}");
    }
    let status = fs::read_to_string("/proc/self/status").expect("we have one");
    let line = format!("CapBnd:\t{:016x}\n", task.cap_bounding);
    assert!(status.contains(&line), "{line}");
}

#[test]
fn the_environment_is_read_only_when_asked_for() {
    let mut command = Command::new("/bin/cat");
    let running = Running::start(command.env_clear().env("A", "1").env("B", "22"));
    let settings = SnapshotSettings { env_max: 6, ..SETTINGS };
    let bytes = Snapshot::new(settings).read_one(running.0.id(), &TaskStarts::default());
    let bytes = bytes.expect("it lives");
    let parsed = parse(&bytes);
    assert_eq!(text(parsed.span(SpanId::Env)), "A=1\0B=");
    assert!(parsed.truncated(SpanId::Env));
    assert_eq!((parsed.record.envc, parsed.record.span[SpanId::Env as usize].full), (2, 9));
}

#[test]
fn long_arguments_are_cut_and_counted() {
    let mut command = Command::new("/bin/cat");
    let running = Running::start(command.arg("-u").args(vec!["-"; 2_000]));
    let settings = SnapshotSettings { args_max: 100, ..SETTINGS };
    let bytes = Snapshot::new(settings).read_one(running.0.id(), &TaskStarts::default());
    let bytes = bytes.expect("it lives");
    let parsed = parse(&bytes);
    assert_eq!(parsed.span(SpanId::Args).len(), 100);
    assert_eq!(parsed.record.argc, 2_002);
    assert_eq!(parsed.record.span[SpanId::Args as usize].full, 9 + 3 + 2 * 2_000);
}

#[test]
fn deleted_is_told_from_a_name_that_says_so() {
    let dir = temp_dir();
    let read_exe = |running: &Running| {
        let bytes = read(running.0.id()).expect("it lives");
        let parsed = parse(&bytes);
        (text(parsed.span(SpanId::Exe)).to_owned(), parsed.record.file.flags)
    };
    let shown = |name: &str| dir.path().join(name).to_str().expect("it is ASCII").to_owned();

    let honest = Running::start(&mut Command::new(copy_of_cat(dir.path(), "cat (deleted)")));
    assert_eq!(read_exe(&honest), (shown("cat (deleted)"), 0));
    fs::remove_file(dir.path().join("cat (deleted)")).expect("it is ours");
    assert_eq!(read_exe(&honest), (shown("cat (deleted)"), abi::FILE_DELETED));

    let linked = Running::start(&mut Command::new(copy_of_cat(dir.path(), "linked")));
    fs::hard_link(dir.path().join("linked"), dir.path().join("other")).expect("it is ours");
    fs::remove_file(dir.path().join("linked")).expect("it is ours");
    assert_eq!(read_exe(&linked), (shown("linked"), abi::FILE_DELETED));
}

#[test]
fn a_deleted_directory_is_where_it_was() {
    let dir = temp_dir();
    let cwd = dir.path().join("cwd");
    fs::create_dir(&cwd).expect("the directory is ours");
    let running = Running::start(Command::new("/bin/cat").current_dir(&cwd));
    fs::remove_dir(&cwd).expect("it is ours");
    let bytes = read(running.0.id()).expect("it lives");
    assert_eq!(text(parse(&bytes).span(SpanId::Cwd)), cwd.to_str().expect("it is ASCII"));
}

#[test]
fn a_memfd_has_its_bare_name() {
    use std::os::fd::AsRawFd;
    let memfd = nix::sys::memfd::memfd_create("my name", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)
        .expect("the kernel has memfds");
    let mut writer = fs::File::from(memfd);
    writer.write_all(&fs::read("/bin/cat").expect("cat is there")).expect("memory is writable");
    // The kernel executes no file that is open for writing.
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let reader = fs::File::open(path).expect("it is open");
    drop(writer);
    let running =
        Running::start(&mut Command::new(format!("/proc/self/fd/{}", reader.as_raw_fd())));
    let bytes = read(running.0.id()).expect("it lives");
    let parsed = parse(&bytes);
    assert_eq!(text(parsed.span(SpanId::Exe)), "memfd:my name");
    assert_eq!(parsed.record.file.flags, abi::FILE_MEMFD | abi::FILE_DELETED);
    assert_eq!(parsed.record.file.nlink, 0);
}

#[test]
fn all_processes_and_parents_before_children() {
    let running = Running::start(&mut Command::new("/bin/cat"));
    let mut snapshot = Snapshot::new(SETTINGS);
    let starts = TaskStarts::default();
    let records: Vec<Vec<u8>> = snapshot.take(&starts).expect("/proc is there").collect();
    let tasks: Vec<Task> = records.iter().map(|bytes| parse(bytes).record.task).collect();
    let position = |pid| tasks.iter().position(|task| task.pid == pid).expect("it lives");
    assert!(position(std::process::id()) < position(running.0.id()));
    assert!(position(1) < position(std::process::id()));
    assert_eq!(tasks[position(1)].parent_start_ns, 0);
    let child = tasks[position(running.0.id())];
    assert_eq!(child.parent_start_ns, tasks[position(std::process::id())].start_ns);
    assert_eq!(snapshot.stats().read, records.len() as u64);
}

#[test]
fn zombies_and_nobody_are_counted() {
    let mut child = Command::new("/bin/true").spawn().expect("true is there");
    let mut snapshot = Snapshot::new(SETTINGS);
    let starts = TaskStarts::default();
    // It ends by itself and waits for us.
    while snapshot.read_one(child.id(), &starts).is_some() {}
    child.wait().expect("it is ours");
    assert_eq!(snapshot.read_one(child.id(), &starts), None);
    let SnapshotStats { zombies, vanished, unreadable, .. } = snapshot.stats();
    assert_eq!((zombies, vanished, unreadable), (1, 1, 0));
}

#[test]
fn exact_starts_count_where_they_agree() {
    let pid = std::process::id();
    let mut snapshot = Snapshot::new(SETTINGS);
    let bytes = snapshot.read_one(pid, &TaskStarts::default()).expect("we live");
    let coarse = parse(&bytes).record.task;
    let start = |pid, start_ns| TaskStart { pid, start_ns, ..TaskStart::default() };
    let mut with = |own_ns, parent_ns| {
        let starts = [start(pid, own_ns), start(coarse.ppid, parent_ns)].into_iter().collect();
        let bytes = snapshot.read_one(pid, &starts).expect("we live");
        let record = parse(&bytes).record;
        (record.task.start_ns, record.task.parent_start_ns, record.head.flags)
    };
    let (own_ns, parent_ns) = (coarse.start_ns + 7, coarse.parent_start_ns + 9);
    assert_eq!(with(own_ns, parent_ns), (own_ns, parent_ns, 0));
    // Another process had the number when the kernel was asked.
    let old_ns = coarse.start_ns - 1;
    assert_eq!(with(old_ns, parent_ns), (coarse.start_ns, parent_ns, abi::F_TICKS));
    assert_eq!(with(own_ns, 0), (own_ns, coarse.parent_start_ns, abi::F_TICKS));
}

#[test]
fn the_order_holds_within_a_tick_and_with_nonsense() {
    let order = |places: &[(u32, u32, u64)]| {
        parents_first(
            places
                .iter()
                .map(|&(pid, ppid, start_ticks)| Place { pid, ppid, start_ticks })
                .collect(),
        )
    };
    // 5 is the child of 9, which is the child of 7: the numbers have come round.
    assert_eq!(order(&[(5, 9, 3), (7, 1, 3), (9, 7, 3), (1, 0, 0)]), [1, 7, 9, 5]);
    assert_eq!(order(&[(3, 2, 1), (2, 3, 1)]), [3, 2]);
    assert_eq!(order(&[(4, 4, 1), (6, 99, 0)]), [6, 4]);
    assert_eq!(order(&[]), [0; 0]);
}
