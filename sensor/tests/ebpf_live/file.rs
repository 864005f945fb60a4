//! What an exec record says of the executable: its identity, and what is odd about it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{major, minor};
use ocellus_ebpf::abi::{FILE_DELETED, FILE_MEMFD, FILE_OVERLAY, FILE_UPPER, File, Kind, SpanId};

use crate::Case;
use crate::bench::{Bench, role, this_program};

pub const CASES: &[Case] = &[
    ("identity_is_that_of_stat", identity_is_that_of_stat),
    ("memfd_is_told", memfd_is_told),
    ("deleted_is_told", deleted_is_told),
    ("deleted_with_a_second_name_is_told", deleted_with_a_second_name_is_told),
    ("overlay_layers_are_told_apart", overlay_layers_are_told_apart),
];

fn assert_identity(file: &File, stat: &Metadata) {
    assert_eq!(file.inode, stat.ino());
    assert_eq!(u64::from(file.dev_major), major(stat.dev()));
    assert_eq!(u64::from(file.dev_minor), minor(stat.dev()));
    assert_eq!(file.size, stat.size());
    assert_eq!(file.mtime_ns as i64, stat.mtime() * 1_000_000_000 + stat.mtime_nsec());
    assert_eq!(file.ctime_ns as i64, stat.ctime() * 1_000_000_000 + stat.ctime_nsec());
    assert_eq!(u64::from(file.nlink), stat.nlink());
    assert_eq!(file.mode, stat.mode());
    assert_eq!((file.uid, file.gid), (stat.uid(), stat.gid()));
}

fn identity_is_that_of_stat(bench: &mut Bench) {
    let program = bench.copy(&this_program(), "program");
    fs::hard_link(&program, bench.dir().join("second")).expect("a second name");
    std::os::unix::fs::chown(&program, Some(1234), Some(4321)).expect("root may give it away");
    // Looked at before, so that a kernel with multigrain timestamps marks the one that it gave.
    let stat = fs::metadata(&program).expect("it is there");
    assert_eq!(stat.nlink(), 2);
    let mut command = std::process::Command::new(&program);
    let run = bench.run(command.args(["role", "end"]));
    let file = run.only(Kind::Exec).record.file;
    assert_identity(&file, &stat);
    assert_eq!(file.flags, 0);
    assert_eq!(run.only(Kind::Exit).record.file, File::default());
}

fn memfd_is_told(bench: &mut Bench) {
    let run = bench.run(&mut role("memfd", &[]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.last_exec();
    assert_eq!(exec.text(SpanId::Exe), "memfd:oc-live");
    assert_eq!(exec.lengths(SpanId::Exe), (13, 13));
    assert!(exec.file_flag(FILE_MEMFD) && exec.file_flag(FILE_DELETED));
    let size = fs::metadata(this_program()).expect("it is there").size();
    assert_eq!(exec.record.file.size, size);
    assert_eq!(exec.args()[0], "end-by-descriptor");
    assert!(!run.of_kind(Kind::Exec)[0].file_flag(FILE_MEMFD));
}

fn deleted_is_told(bench: &mut Bench) {
    let program = bench.copy(&this_program(), "gone");
    let run = bench.run(&mut role("deleted", &[&program]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.last_exec();
    assert_eq!(exec.text(SpanId::Exe), program.to_string_lossy());
    assert!(exec.file_flag(FILE_DELETED) && !exec.file_flag(FILE_MEMFD));
    assert_eq!(exec.record.file.nlink, 0);
}

fn deleted_with_a_second_name_is_told(bench: &mut Bench) {
    let program = bench.copy(&this_program(), "gone");
    fs::hard_link(&program, bench.dir().join("kept")).expect("a second name");
    let run = bench.run(&mut role("deleted", &[&program]));
    let exec = run.last_exec();
    assert!(exec.file_flag(FILE_DELETED));
    assert_eq!(exec.record.file.nlink, 1);
}

/// Unmounts even when the case fails.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

fn overlay_layers_are_told_apart(bench: &mut Bench) {
    let base = bench.dir().join("base");
    fs::create_dir(&base).expect("a directory");
    // A file system of its own: the layers may not be on an overlay themselves.
    let none = MsFlags::empty();
    mount(Some("oc"), &base, Some("tmpfs"), none, None::<&str>).expect("tmpfs can be mounted");
    let _base = Mounted(&base);
    let layer = |name: &str| {
        let path = base.join(name);
        fs::create_dir(&path).expect("a directory");
        path
    };
    let (lower, upper, work, merged) =
        (layer("lower"), layer("upper"), layer("work"), layer("merged"));
    fs::copy(this_program(), lower.join("below")).expect("it can be copied");
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    mount(Some("oc"), &merged, Some("overlay"), none, Some(options.as_str()))
        .expect("overlayfs can be mounted; where it is a module: modprobe overlay");
    let _merged = Mounted(&merged);
    fs::copy(this_program(), merged.join("above")).expect("it can be copied");

    for (name, in_upper) in [("below", false), ("above", true)] {
        let program = merged.join(name);
        let mut command = std::process::Command::new(&program);
        let run = bench.run(command.args(["role", "end"]));
        let exec = run.only(Kind::Exec);
        assert!(exec.file_flag(FILE_OVERLAY), "{name}");
        assert_eq!(exec.file_flag(FILE_UPPER), in_upper, "{name}");
        assert!(!exec.file_flag(FILE_DELETED) && !exec.file_flag(FILE_MEMFD), "{name}");
        assert_eq!(exec.text(SpanId::Exe), program.to_string_lossy());
        let stat = fs::metadata(&program).expect("it is there");
        assert_eq!((exec.record.file.size, exec.record.file.mode), (stat.size(), stat.mode()));
    }
}
