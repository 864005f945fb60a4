//! What the kernel tells, what /proc tells, and what nobody can tell any more.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{major, minor};
use ocellus::backend::{ARGS_BYTES_MAX, CaptureSettings};
use ocellus_ebpf::abi::{
    F_ARGS_FAULT, F_ENV_FAULT, FILE_DELETED, FILE_MEMFD, FILE_OVERLAY, FILE_UPPER, File, Kind,
    SpanId,
};

use crate::Case;
use crate::bench::{Bench, role, this_program};

pub const CASES: &[Case] = &[
    ("paths_of_a_living_process", paths_of_a_living_process),
    ("paths_of_a_dead_process", paths_of_a_dead_process),
    ("what_is_known_stays_known", what_is_known_stays_known),
    ("deep_directories", deep_directories),
    ("paths_are_seen_from_the_root", paths_are_seen_from_the_root),
    ("short_arguments_are_whole", short_arguments_are_whole),
    ("long_arguments_while_it_lives", long_arguments_while_it_lives),
    ("long_arguments_afterwards", long_arguments_afterwards),
    ("bounds_are_configurable", bounds_are_configurable),
    ("environment_only_when_configured", environment_only_when_configured),
    ("scripts_name_both", scripts_name_both),
    ("relative_and_long_names", relative_and_long_names),
    ("identity_is_that_of_stat", identity_is_that_of_stat),
    ("memfd_and_deleted_are_told", memfd_and_deleted_are_told),
    ("overlay_layers_are_told_apart", overlay_layers_are_told_apart),
];

fn own_cgroup() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").expect("procfs is mounted");
    let of = |start: &str| text.lines().find_map(|line| line.split_once(start)).map(|pair| pair.1);
    of("0::").unwrap_or_default().to_owned()
}

fn paths_of_a_living_process(bench: &mut Bench) {
    let dir = bench.dir();
    let run = bench.run_watched(role("wait", &[]).current_dir(&dir));
    let (fork, exec) = (run.only(Kind::Fork), run.only(Kind::Exec));
    for seen in [fork, exec] {
        assert_eq!(seen.text(SpanId::Cgroup), own_cgroup());
        assert!(seen.is_inferred(SpanId::Cgroup) && seen.is_inferred(SpanId::Cwd));
    }
    let here = std::env::current_dir().expect("there is a current directory");
    // The new process was in its parent's directory when it was made, and went into its own.
    assert_eq!(fork.text(SpanId::Cwd), here.to_string_lossy());
    assert_eq!(exec.text(SpanId::Cwd), dir.to_string_lossy());
    assert_eq!(exec.lengths(SpanId::Cwd).0, exec.lengths(SpanId::Cwd).1);
    assert_eq!(exec.text(SpanId::Exe), this_program().to_string_lossy());
    assert!(exec.is_inferred(SpanId::Exe) && !exec.is_inferred(SpanId::Args));
}

fn paths_of_a_dead_process(bench: &mut Bench) {
    let dir = bench.dir();
    let run = bench.run(role("end", &[]).current_dir(&dir));
    let exec = run.only(Kind::Exec);
    // The name that was passed to exec leads to the very file that the kernel named.
    assert_eq!(exec.text(SpanId::Exe), this_program().to_string_lossy());
    assert_eq!(exec.text(SpanId::Filename), this_program().to_string_lossy());
    // Nobody else was in that directory: it is not known, and not guessed.
    assert_eq!(exec.lengths(SpanId::Cwd), (0, 0));
    assert!(exec.is_inferred(SpanId::Cwd));
    assert_eq!(exec.text(SpanId::Cgroup), own_cgroup());
    assert_eq!(exec.args()[1..], ["role", "end"]);
    // Its parent is where it was when it was made.
    let here = std::env::current_dir().expect("there is a current directory");
    assert_eq!(run.only(Kind::Fork).text(SpanId::Cwd), here.to_string_lossy());
}

fn what_is_known_stays_known(bench: &mut Bench) {
    let dir = bench.dir();
    let program = bench.copy("known");
    let command = |role: &str| {
        let mut command = Command::new("/bin/sh");
        let script = format!("exec ./known role {role}");
        command.args(["-c", &script]).current_dir(&dir);
        command
    };
    let watched = bench.run_watched(&mut command("wait"));
    assert_eq!(watched.last_exec().text(SpanId::Exe), program.to_string_lossy());
    let dead = bench.run(&mut command("end"));
    assert_eq!(dead.last_exec().text(SpanId::Exe), program.to_string_lossy());
    assert_eq!(dead.last_exec().text(SpanId::Cwd), dir.to_string_lossy());
    // Another file in its place is another program of the same name.
    fs::remove_file(&program).expect("it is ours");
    bench.copy("known");
    let changed = bench.run(&mut command("end"));
    assert_eq!(changed.last_exec().text(SpanId::Exe), program.to_string_lossy());
    assert_ne!(changed.last_exec().record.file, dead.last_exec().record.file);
    // One that is gone when somebody looks is not told by its name alone.
    bench.copy("gone");
    let mut command_and_remove = Command::new("/bin/sh");
    command_and_remove.args(["-c", "./gone role end; rm gone"]).current_dir(&dir);
    let removed = bench.run(&mut command_and_remove);
    let exec = removed.others.iter().find(|seen| seen.text(SpanId::Filename) == "./gone");
    assert_eq!(exec.expect("it was executed").lengths(SpanId::Exe), (0, 0));
    // A directory that was moved is not where it was.
    let moved = dir.with_extension("moved");
    fs::rename(&dir, &moved).expect("it is ours");
    let mut command = Command::new("/bin/sh");
    let run = bench.run(command.args(["-c", "exec ./known role end"]).current_dir(&moved));
    fs::rename(&moved, &dir).expect("it is ours");
    assert_ne!(run.last_exec().text(SpanId::Cwd), dir.to_string_lossy());
}

fn deep_directories(bench: &mut Bench) {
    // Twenty levels, with names that are longer than the kernel keeps in place.
    let deep: std::path::PathBuf = (0..20).map(|level| format!("{level:x>60}")).collect();
    let dir = bench.dir().join(deep);
    fs::create_dir_all(&dir).expect("the directory is ours");
    let run = bench.run_watched(role("wait", &[]).current_dir(&dir));
    assert_eq!(run.only(Kind::Exec).text(SpanId::Cwd), dir.to_string_lossy());
}

/// Unmounts even when the case fails.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

/// What is told of a process in a chroot is either what it sees itself, or nothing: our own names
/// for its files are not its own.
fn paths_are_seen_from_the_root(bench: &mut Bench) {
    let root = bench.dir().join("root");
    fs::create_dir(&root).expect("a directory");
    // Not to be written to: the directory it is in is removed at the end, whatever happens.
    let none = None::<&str>;
    mount(Some("/"), &root, none, MsFlags::MS_BIND, none).expect("the tree can be mounted again");
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(none, &root, none, read_only, none).expect("it can be protected");
    let _root = Mounted(&root);
    let run = bench.run(&mut role("chroot", &[&root, Path::new("/dev")]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.last_exec();
    for (id, inside) in [(SpanId::Exe, this_program()), (SpanId::Cwd, "/dev".into())] {
        let told = exec.text(id);
        assert!(told.is_empty() || told == inside.to_string_lossy(), "{told}");
    }
}

/// What the command line is in memory: each argument and its NUL.
fn joined(arguments: &[String]) -> Vec<u8> {
    arguments.iter().flat_map(|text| text.bytes().chain([0])).collect()
}

fn line_with(role: &str, extra: &[String]) -> (Command, Vec<String>) {
    let program = this_program().to_string_lossy().into_owned();
    let mut line = vec![program.clone(), "role".to_owned(), role.to_owned()];
    line.extend_from_slice(extra);
    let mut command = Command::new(program);
    command.args(&line[1..]);
    (command, line)
}

fn short_arguments_are_whole(bench: &mut Bench) {
    let extra = ["", "two words", "naïve", "tab\there", "line\nbreak"].map(str::to_owned);
    let (mut command, line) = line_with("end", &extra);
    let run = bench.run(&mut command);
    let exec = run.only(Kind::Exec);
    assert_eq!(exec.bytes(SpanId::Args), joined(&line));
    assert_eq!(exec.lengths(SpanId::Args).0, exec.lengths(SpanId::Args).1);
    assert_eq!(exec.record.argc as usize, line.len());
    assert!(!exec.flag(F_ARGS_FAULT) && !exec.is_inferred(SpanId::Args));
}

fn long_arguments_while_it_lives(bench: &mut Bench) {
    for extra in [
        vec!["x".repeat(300)],
        (0..200).map(|number| format!("argument-{number}")).collect(),
        vec!["y".repeat(120_000)],
    ] {
        let (mut command, line) = line_with("wait", &extra);
        let run = bench.run_watched(&mut command);
        let exec = run.only(Kind::Exec);
        let whole = joined(&line);
        let kept = whole.len().min(ARGS_BYTES_MAX as usize);
        assert_eq!(exec.lengths(SpanId::Args), (kept, whole.len()));
        assert_eq!(exec.bytes(SpanId::Args), &whole[..kept]);
        assert_eq!(exec.record.argc as usize, line.len());
        assert!(exec.is_inferred(SpanId::Args) && !exec.flag(F_ARGS_FAULT));
    }
}

fn long_arguments_afterwards(bench: &mut Bench) {
    let extra: Vec<String> = (0..2_000).map(|number| format!("argument-{number}")).collect();
    let (mut command, line) = line_with("end", &extra);
    let run = bench.run(&mut command);
    let exec = run.only(Kind::Exec);
    let whole = joined(&line);
    let (kept, full) = exec.lengths(SpanId::Args);
    assert_eq!((kept, full), (192, whole.len()));
    assert_eq!(exec.bytes(SpanId::Args), &whole[..kept]);
    assert_eq!(exec.record.argc as usize, line.len());
    assert!(!exec.is_inferred(SpanId::Args) && !exec.flag(F_ARGS_FAULT));
}

fn bounds_are_configurable(bench: &mut Bench) {
    bench.reopen(&CaptureSettings { args_max: 20, ..CaptureSettings::default() });
    let (mut command, line) = line_with("end", &["w".repeat(50)]);
    let run = bench.run(&mut command);
    let whole = joined(&line);
    assert_eq!(run.only(Kind::Exec).lengths(SpanId::Args), (20, whole.len()));
    assert_eq!(run.only(Kind::Exec).bytes(SpanId::Args), &whole[..20]);
    let (mut command, line) = line_with("wait", &["w".repeat(500)]);
    let run = bench.run_watched(&mut command);
    assert_eq!(run.only(Kind::Exec).lengths(SpanId::Args), (20, joined(&line).len()));
}

fn environment_only_when_configured(bench: &mut Bench) {
    let mut command = role("wait", &[]);
    command.env_clear().env("FIRST", "1").env("SECOND", "two words");
    let run = bench.run_watched(&mut command);
    let exec = run.only(Kind::Exec);
    assert_eq!(exec.lengths(SpanId::Env), (0, 0));
    assert_eq!(exec.record.envc, 2);
    assert!(!exec.is_inferred(SpanId::Env));
    bench.reopen(&CaptureSettings { env_max: ARGS_BYTES_MAX, ..CaptureSettings::default() });
    let run = bench.run_watched(&mut command);
    let exec = run.only(Kind::Exec);
    let mut variables: Vec<&[u8]> = exec.bytes(SpanId::Env).split(|byte| *byte == 0).collect();
    variables.sort_unstable();
    assert_eq!(variables, [&b""[..], b"FIRST=1", b"SECOND=two words"]);
    assert!(exec.is_inferred(SpanId::Env) && !exec.flag(F_ENV_FAULT));
    // Of a process that has ended nobody has it, and the record says so.
    let run = bench.run(role("end", &[]).env("FIRST", "1"));
    let exec = run.only(Kind::Exec);
    assert_eq!(exec.lengths(SpanId::Env), (0, 0));
    assert!(exec.flag(F_ENV_FAULT));
}

fn scripts_name_both(bench: &mut Bench) {
    let script = bench.dir().join("script");
    fs::write(&script, "#!/bin/sh -e\nexit 4\n").expect("the script is written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is executable");
    let run = bench.run(Command::new(&script).arg("one"));
    assert_eq!(run.status.code(), Some(4));
    let exec = run.only(Kind::Exec);
    let shell = fs::canonicalize("/bin/sh").expect("there is a shell");
    assert_eq!(exec.text(SpanId::Exe), shell.to_string_lossy());
    assert_eq!(exec.text(SpanId::Filename), script.to_string_lossy());
    assert_eq!(exec.args(), ["/bin/sh", "-e", &*script.to_string_lossy(), "one"]);
    assert_eq!(exec.record.argc, 4);
    assert!(exec.record.task.comm.starts_with(b"script\0"));
}

fn relative_and_long_names(bench: &mut Bench) {
    let dir = bench.dir();
    bench.copy("copy");
    let mut command = Command::new("/bin/sh");
    let run = bench.run(command.args(["-c", "exec ./copy role end"]).current_dir(&dir));
    assert_eq!(run.last_exec().text(SpanId::Filename), "./copy");
    let long = format!("{}/{}copy", dir.display(), "./".repeat(150));
    let run = bench.run(Command::new(&long).args(["role", "end"]));
    assert_eq!(run.last_exec().lengths(SpanId::Filename), (128, 129));
    assert_eq!(run.last_exec().bytes(SpanId::Filename), &long.as_bytes()[..128]);
}

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
    let program = bench.copy("program");
    fs::hard_link(&program, bench.dir().join("second")).expect("a second name");
    std::os::unix::fs::chown(&program, Some(1234), Some(4321)).expect("root may give it away");
    let stat = fs::metadata(&program).expect("it is there");
    let run = bench.run(Command::new(&program).args(["role", "end"]));
    let file = run.only(Kind::Exec).record.file;
    assert_identity(&file, &stat);
    assert_eq!(file.flags, 0);
    assert_eq!(run.only(Kind::Exit).record.file, File::default());
    // The other name is told when it was used, although the file is the same.
    let second = bench.dir().join("second");
    let run = bench.run(Command::new(&second).args(["role", "end"]));
    assert_eq!(run.only(Kind::Exec).text(SpanId::Exe), second.to_string_lossy());
}

fn memfd_and_deleted_are_told(bench: &mut Bench) {
    let run = bench.run(&mut role("memfd", &[]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.last_exec();
    assert!(exec.file_flag(FILE_MEMFD) && exec.file_flag(FILE_DELETED));
    assert_eq!(exec.record.file.size, fs::metadata(this_program()).expect("there").size());
    assert_eq!(exec.args()[0], "end-by-descriptor");
    assert!(!run.records[1].file_flag(FILE_MEMFD));

    let program = bench.copy("gone");
    fs::hard_link(&program, bench.dir().join("kept")).expect("a second name");
    let run = bench.run(&mut role("deleted", &[&program]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.last_exec();
    assert!(exec.file_flag(FILE_DELETED) && !exec.file_flag(FILE_MEMFD));
    assert_eq!(exec.record.file.nlink, 1);
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
        let run = bench.run_watched(Command::new(&program).args(["role", "wait"]));
        let exec = run.only(Kind::Exec);
        assert!(exec.file_flag(FILE_OVERLAY), "{name}");
        assert_eq!(exec.file_flag(FILE_UPPER), in_upper, "{name}");
        assert!(!exec.file_flag(FILE_DELETED) && !exec.file_flag(FILE_MEMFD), "{name}");
        assert_eq!(exec.text(SpanId::Exe), program.to_string_lossy());
    }
}
