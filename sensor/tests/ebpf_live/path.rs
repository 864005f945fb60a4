//! Paths that are hard to resolve.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use ocellus_ebpf::abi::{Kind, SpanId};

use crate::Case;
use crate::bench::{Bench, Run, role, this_program};

pub const CASES: &[Case] = &[
    ("cwd_of_40_levels", cwd_of_40_levels),
    ("cwd_of_too_many_levels_is_cut", cwd_of_too_many_levels_is_cut),
    ("cwd_of_too_many_bytes_is_cut", cwd_of_too_many_bytes_is_cut),
    ("long_names_are_whole", long_names_are_whole),
    ("root_directory_is_a_slash", root_directory_is_a_slash),
    ("paths_are_seen_from_the_root", paths_are_seen_from_the_root),
    ("control_group_is_named", control_group_is_named),
];

/// Unmounts even when the case fails.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

fn run_deep(bench: &mut Bench, names: &Path) -> (Run, String) {
    let dir = bench.dir();
    let run = bench.run(&mut role("deep", &[&dir, names]));
    assert_eq!(run.status.code(), Some(7));
    let whole = dir.join(names).to_string_lossy().into_owned();
    (run, whole)
}

/// `count` names of `len` bytes, each different from its neighbours.
fn names(count: usize, len: usize) -> PathBuf {
    (0..count).map(|level| format!("{level:x>len$}")).collect()
}

fn cwd_of_40_levels(bench: &mut Bench) {
    let (run, whole) = run_deep(bench, &names(40, 12));
    let exec = run.last_exec();
    assert_eq!(exec.text(SpanId::Cwd), whole);
    assert_eq!(exec.lengths(SpanId::Cwd), (whole.len(), whole.len()));
}

/// What is left of a path that was too long: its end, from the start of a component on.
fn assert_cut(run: &Run, whole: &str, most: usize) {
    let exec = run.last_exec();
    let (len, full) = exec.lengths(SpanId::Cwd);
    assert_eq!(full, len + 1);
    let kept = exec.text(SpanId::Cwd);
    assert!(!kept.starts_with('/'), "{kept}");
    assert!(whole.ends_with(&format!("/{kept}")), "{kept} is no end of {whole}");
    // One more component would not have fitted.
    assert!(kept.len() <= most && kept.len() * 2 > most, "{} bytes kept", kept.len());
    // The rest of the record is not hurt.
    assert_eq!(exec.text(SpanId::Exe), this_program().to_string_lossy());
    assert_eq!(exec.args()[1..], ["role", "end"]);
}

fn cwd_of_too_many_levels_is_cut(bench: &mut Bench) {
    let (run, whole) = run_deep(bench, &names(200, 4));
    assert_cut(&run, &whole, 144 * 5 - 1);
}

fn cwd_of_too_many_bytes_is_cut(bench: &mut Bench) {
    let (run, whole) = run_deep(bench, &names(30, 200));
    assert_cut(&run, &whole, 4095);
}

fn long_names_are_whole(bench: &mut Bench) {
    let (run, whole) = run_deep(bench, &names(3, 255));
    assert_eq!(run.last_exec().text(SpanId::Cwd), whole);
}

fn root_directory_is_a_slash(bench: &mut Bench) {
    let run = bench.run(role("end", &[]).current_dir("/"));
    assert_eq!(run.only(Kind::Exec).text(SpanId::Cwd), "/");
    assert_eq!(run.only(Kind::Exec).lengths(SpanId::Cwd), (1, 1));
}

fn paths_are_seen_from_the_root(bench: &mut Bench) {
    // The same tree in another place: what is outside has a longer path.
    let root = bench.dir().join("root");
    fs::create_dir(&root).expect("a directory");
    mount(Some("/"), &root, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .expect("the tree can be mounted again");
    let _root = Mounted(&root);
    let inside = Path::new("/dev");
    let run = bench.run(&mut role("chroot", &[&root, inside]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.last_exec();
    assert_eq!(exec.text(SpanId::Exe), this_program().to_string_lossy());
    assert_eq!(exec.text(SpanId::Cwd), "/dev");
    assert_eq!(exec.lengths(SpanId::Cwd), (4, 4));

    // The root itself, and a directory that crosses two mounts.
    let run = bench.run(&mut role("chroot", &[&root, Path::new("/")]));
    assert_eq!(run.last_exec().text(SpanId::Cwd), "/");
    let run = bench.run(role("end", &[]).current_dir(root.join("dev")));
    assert_eq!(run.last_exec().text(SpanId::Cwd), root.join("dev").to_string_lossy());
}

fn control_group_is_named(bench: &mut Bench) {
    let hierarchy = bench.dir().join("cgroup");
    fs::create_dir(&hierarchy).expect("a directory");
    mount(Some("oc"), &hierarchy, Some("cgroup2"), MsFlags::empty(), None::<&str>)
        .expect("the unified hierarchy can be mounted");
    let _hierarchy = Mounted(&hierarchy);
    let outer = hierarchy.join(format!("oc-live-{}", std::process::id()));
    let inner = outer.join("inner.slice");
    fs::create_dir_all(&inner).expect("groups can be made");
    let run = bench.run(&mut role("cgroup", &[&inner]));
    for group in [&inner, &outer] {
        fs::remove_dir(group).expect("nobody is left in the group");
    }
    assert_eq!(run.status.code(), Some(7));
    let name = inner.strip_prefix(&hierarchy).expect("it is inside").to_string_lossy();
    assert_eq!(run.last_exec().text(SpanId::Cgroup), format!("/{name}"));
}
