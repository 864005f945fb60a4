use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use super::*;

/// A process that waits until it is dropped.
struct Waiting(Child);

impl Waiting {
    fn start(command: &mut Command) -> Waiting {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Another test's child may hold a new file open for writing, between its fork and exec.
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                Err(error) => panic!("cannot run {command:?}: {error}"),
            }
        };
        use std::io::{Read as _, Write as _};
        child.stdin.as_mut().expect("it is piped").write_all(b"x").expect("it reads");
        child.stdout.as_mut().expect("it is piped").read_exact(&mut [0]).expect("it writes");
        Waiting(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two moments, of which the later one is too late to believe what was right at the earlier.
const EARLY_NS: u64 = 1_000;
const LATE_NS: u64 = EARLY_NS + BELIEVED_NS;

/// No process has this number: it is above what the kernel gives.
const NOBODY: u32 = 1 << 30;

fn temp_dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().canonicalize().expect("it is there");
    (dir, path)
}

fn device(metadata: &Metadata) -> (u32, u32) {
    (major(metadata.dev()) as u32, minor(metadata.dev()) as u32)
}

fn directory_id(path: &Path) -> DirectoryId {
    let metadata = fs::metadata(path).expect("it is there");
    let (major, minor) = device(&metadata);
    DirectoryId {
        view: own_view(),
        inode: metadata.ino(),
        device: major << 20 | minor,
        name: [1, 2, 3],
    }
}

fn image_id(path: &Path) -> ImageId {
    let metadata = fs::metadata(path).expect("it is there");
    let seen = identity(&metadata);
    let file = abi::File {
        inode: seen.inode,
        size: seen.size,
        mtime_ns: seen.mtime_ns,
        ctime_ns: seen.ctime_ns,
        dev_major: seen.dev_major,
        dev_minor: seen.dev_minor,
        ..abi::File::default()
    };
    ImageId { view: own_view(), file, name: [1, 2, 3] }
}

fn text(place: Option<Place>) -> Option<String> {
    place.map(|place| String::from_utf8_lossy(&place.path).into_owned())
}

fn shown(path: &Path) -> Option<String> {
    Some(path.to_str().expect("it is ASCII").to_owned())
}

#[test]
fn a_directory_is_told_by_who_is_in_it() {
    let (_guard, dir) = temp_dir();
    let inner = dir.join("inner");
    fs::create_dir(&inner).expect("the directory is ours");
    let id = directory_id(&inner);
    let mut places = Places::new();
    assert_eq!(places.directory(&id, NOBODY, std::process::id(), EARLY_NS), None);
    let child = Waiting::start(Command::new("/bin/cat").current_dir(&inner));
    assert_eq!(text(places.directory(&id, child.pid(), NOBODY, EARLY_NS)), shown(&inner));
    drop(child);
    assert_eq!(text(places.directory(&id, NOBODY, NOBODY, EARLY_NS)), shown(&inner));
    // Where another one is now, or none, it is not any more.
    fs::rename(&inner, dir.join("moved")).expect("it is ours");
    assert_eq!(places.directory(&id, NOBODY, NOBODY, LATE_NS), None);
    fs::create_dir(&inner).expect("the directory is ours");
    assert_eq!(places.directory(&id, NOBODY, NOBODY, LATE_NS), None);
}

#[test]
fn a_parent_may_tell_the_directory_too() {
    let (_guard, dir) = temp_dir();
    let parent = Waiting::start(Command::new("/bin/cat").current_dir(&dir));
    let id = directory_id(&dir);
    assert_eq!(text(Places::new().directory(&id, NOBODY, parent.pid(), EARLY_NS)), shown(&dir));
}

#[test]
fn what_others_see_is_not_ours_to_tell() {
    let (_guard, dir) = temp_dir();
    let child = Waiting::start(Command::new("/bin/cat").current_dir(&dir));
    let ours = directory_id(&dir);
    for view in [
        View { ns_mnt: 1, ..ours.view },
        View { root_inode: ours.view.root_inode + 1, ..ours.view },
    ] {
        let id = DirectoryId { view, ..ours };
        assert_eq!(Places::new().directory(&id, child.pid(), NOBODY, EARLY_NS), None);
        let image = ImageId { view, ..image_id(Path::new("/bin/cat")) };
        let names: [&[u8]; 1] = [b"/bin/cat"];
        let nowhere = Place::default();
        let told = Places::new().image(&image, child.pid(), &names, &nowhere, EARLY_NS);
        assert_eq!(told, None);
    }
}

#[test]
fn an_executable_is_told_by_who_runs_it() {
    let (_guard, dir) = temp_dir();
    let program = dir.join("cat");
    fs::copy("/bin/cat", &program).expect("cat can be copied");
    let id = image_id(&program);
    let mut places = Places::new();
    let nowhere = Place::default();
    let child = Waiting::start(&mut Command::new(&program));
    assert_eq!(text(places.image(&id, child.pid(), &[], &nowhere, EARLY_NS)), shown(&program));
    assert!(running(child.pid(), &id.file).is_some());
    assert!(running(std::process::id(), &id.file).is_none());
    drop(child);
    assert!(running(NOBODY, &id.file).is_none());
    assert_eq!(text(places.image(&id, NOBODY, &[], &nowhere, LATE_NS)), shown(&program));
    // Nobody has told the second name of the same file.
    let other = ImageId { name: [4, 5, 6], ..id };
    assert_eq!(places.image(&other, NOBODY, &[], &nowhere, LATE_NS), None);
    fs::remove_file(&program).expect("it is ours");
    // It was there a moment ago, and is not any more.
    assert!(places.image(&id, NOBODY, &[], &nowhere, LATE_NS).is_some());
    assert_eq!(places.image(&id, NOBODY, &[], &nowhere, LATE_NS + BELIEVED_NS), None);
}

#[test]
fn an_executable_is_told_by_its_name_if_that_leads_to_it() {
    let (_guard, dir) = temp_dir();
    let program = dir.join("cat");
    fs::copy("/bin/cat", &program).expect("cat can be copied");
    symlink("cat", dir.join("link")).expect("the directory is ours");
    let id = image_id(&program);
    let cwd = Place { path: dir.as_os_str().as_bytes().into(), is_lost: false };
    let absolute = dir.join("link");
    let called =
        |name: &[u8], cwd: &Place| Places::new().image(&id, NOBODY, &[name], cwd, EARLY_NS);
    let nowhere = Place::default();
    assert_eq!(text(called(absolute.as_os_str().as_bytes(), &nowhere)), shown(&program));
    assert_eq!(text(called(b"./link", &cwd)), shown(&program));
    assert_eq!(called(b"./link", &nowhere), None);
    assert_eq!(called(b"", &cwd), None);
    assert_eq!(called(b"/bin/cat", &cwd), None);
    assert_eq!(called(b"a\0b", &cwd), None);
    // Another file has the name now. Its size tells it from the old one on file systems that give
    // it the same number within a tick of the clock.
    fs::remove_file(&program).expect("it is ours");
    fs::write(&program, "another").expect("the directory is ours");
    assert_eq!(called(b"cat", &cwd), None);
}

#[test]
fn hierarchies_in_mountinfo() {
    let text = "24 30 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n\
        25 24 0:23 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
        26 24 0:24 / /sys/fs/cgroup/pids rw shared:11 - cgroup cgroup rw,pids\n\
        27 24 0:25 / /sys/fs/cgroup/cpu rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n\
        28 24 0:23 /part /elsewhere rw - cgroup2 cgroup2 rw\nnonsense\n - \n1 2 3 - x\n";
    let found = cgroup_mounts(text);
    assert_eq!(found, [Path::new("/sys/fs/cgroup/unified"), Path::new("/sys/fs/cgroup/pids")]);
}

#[test]
fn a_cgroup_is_told_if_its_number_is_right() {
    // Any directory does for a hierarchy: numbers of cgroups are inode numbers.
    let (_guard, dir) = temp_dir();
    fs::create_dir(dir.join("a.slice")).expect("the directory is ours");
    let number = fs::metadata(dir.join("a.slice")).expect("it is there").ino();
    let mounts = [PathBuf::from("/nowhere"), dir];
    let ids = |unified, pids| CgroupIds { unified, pids };
    assert!(is_cgroup(&mounts, b"/a.slice", ids(number, 1)));
    assert!(is_cgroup(&mounts, b"/a.slice", ids(1, number)));
    assert!(!is_cgroup(&mounts, b"/a.slice", ids(1, 2)));
    assert!(!is_cgroup(&mounts, b"/b.slice", ids(0, 0)));
}

#[test]
fn where_no_hierarchy_is_mounted_only_the_process_is_believed() {
    let mut places = Places::new();
    places.hierarchies = Hierarchies { mountinfo: None, mounts: Vec::new() };
    let text = fs::read("/proc/self/cgroup").expect("procfs is mounted");
    let own = crate::snapshot::text::cgroup(&text).expect("this process is in a cgroup").to_vec();
    let ids = CgroupIds { unified: 77, pids: 78 };
    assert_eq!(places.cgroup(ids, NOBODY, std::process::id()), None);
    assert_eq!(places.cgroup(ids, std::process::id(), NOBODY).as_deref(), Some(&own[..]));
    // What could not be confirmed is not remembered.
    assert_eq!(places.cgroup(ids, NOBODY, NOBODY), None);
}

#[test]
fn devices_that_stat_shows_otherwise() {
    let metadata = fs::metadata("/").expect("it is there");
    let (major, minor) = device(&metadata);
    assert!(is_device(major << 20 | minor, &metadata));
    assert!(!is_device((major + 1) << 20 | minor, &metadata));
    // Only what is anonymous may differ.
    assert_eq!(is_device(0xf_fff0, &metadata), major == 0 || minor == 0xf_fff0);
    assert_eq!(with_memfd_deleted(abi::File::default()).flags, 0);
    let memfd = abi::File { flags: abi::FILE_MEMFD, ..abi::File::default() };
    assert_eq!(with_memfd_deleted(memfd).flags, abi::FILE_MEMFD | abi::FILE_DELETED);
}
