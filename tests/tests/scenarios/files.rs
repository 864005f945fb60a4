//! Files that are executed: in memory, removed, replaced.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::family::{Family, expect};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, STILL, Stage, WORKLOAD, copy, sha256};

pub const GROUP: Group = Group {
    title: "Files",
    alone: false,
    scenarios: &[
        Scenario {
            name: "ordinary file",
            expected: "inode, device, size, mode, owner, links and times as stat(2) has them; all \
                       digests",
            run: ordinary_file,
        },
        Scenario {
            name: "memfd",
            expected: "`memfd:NAME`, flagged, and the hash of its content",
            run: memfd,
        },
        Scenario {
            name: "sparse executable",
            expected: "the hash of all of it, holes as zeros",
            run: sparse,
        },
        Scenario {
            name: "executable above hash.max_file_size",
            expected: "`ocellus.hash.status` is `too_large`, and why; no hash, and no waiting",
            run: too_large,
        },
        Scenario {
            name: "executable that changes before it is read",
            expected: "`changed`, `gone` or `ok`, never the hash of what took its place",
            run: changes_at_once,
        },
        Scenario {
            name: "executable opened, removed, then executed",
            expected: "flagged `ocellus.exe.deleted`; the path that it had; the hash of its \
                       content",
            run: removed_before,
        },
        Scenario {
            name: "executable removed while it runs",
            expected: "not flagged, as it had its name at exec; path and hash stay",
            run: removed_while_running,
        },
        Scenario {
            name: "executable replaced while it runs",
            expected: "the process keeps the hash of what it runs, the next one has the new hash",
            run: replaced_while_running,
        },
        Scenario {
            name: "executable with two names, one removed",
            expected: "flagged when it was executed by the name that is gone; two links before",
            run: one_name_of_two_removed,
        },
    ],
};

fn ordinary_file(stage: &Stage) -> Held {
    let path = stage.directory("ordinary").join("program");
    let program = copy(STILL, &path);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o751))
        .expect("it is ours");
    std::os::unix::fs::chown(&path, Some(1001), Some(2001)).expect("we are root");
    let stat = path.metadata().expect("it exists");
    let family = stage.play(&mut Command::new(&program));
    let (major, minor) = (nix::sys::stat::major(stat.dev()), nix::sys::stat::minor(stat.dev()));
    let event = family.root().the("exec").clone();
    expect(
        &event,
        &[
            ("process.executable", json!(program)),
            ("process.hash.sha256", json!(sha256(&path))),
            ("ocellus.hash.status", json!("ok")),
            ("ocellus.exe.inode", json!(stat.ino())),
            ("ocellus.exe.device", json!(format!("{major}:{minor}"))),
            ("ocellus.exe.size", json!(stat.size())),
            ("ocellus.exe.mode", json!("0751")),
            ("ocellus.exe.uid", json!("1001")),
            ("ocellus.exe.gid", json!("2001")),
            ("ocellus.exe.nlink", json!(1)),
            ("ocellus.exe.memfd", json!(null)),
            ("ocellus.exe.deleted", json!(null)),
            ("ocellus.exe.setuid", json!(null)),
            ("ocellus.exe.setgid", json!(null)),
            ("ocellus.exe.overlay", json!(null)),
        ],
    );
    for (time, seconds, ns) in
        [("mtime", stat.mtime(), stat.mtime_nsec()), ("ctime", stat.ctime(), stat.ctime_nsec())]
    {
        let told = event["ocellus"]["exe"][time].as_str().expect("it is known");
        assert!(told.ends_with(&format!(":{:02}.{ns:09}Z", seconds % 60)), "{time}: {told}");
    }
    for (digest, len) in [("md5", 32), ("sha1", 40), ("sha256", 64)] {
        let told = event["process"]["hash"][digest].as_str().expect("it is configured");
        assert!(told.len() == len && told.bytes().all(|it| it.is_ascii_hexdigit()), "{told}");
    }
    Held::Yes
}

fn memfd(stage: &Stage) -> Held {
    let mut actor = stage.begin(&mut stage.workload(["exec-memfd", STILL, "scenario", "x"]));
    wait_for_hash(&actor, 2);
    actor.release();
    let family = actor.finish();
    family.root().assert_kinds("fork exec exec exit");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!("memfd:scenario")),
            ("process.args", json!(["scenario", "x"])),
            ("process.hash.sha256", json!(sha256(Path::new(STILL)))),
            ("ocellus.hash.status", json!("ok")),
            ("ocellus.exe.memfd", json!(true)),
            ("ocellus.exe.deleted", json!(true)),
            ("ocellus.exe.size", json!(size(STILL))),
            ("ocellus.truncated", json!(null)),
        ],
    );
    Held::Yes
}

/// A copy of the still program with so many bytes in all, of which the end is a hole.
fn with_hole(stage: &Stage, name: &str, bytes: u64) -> std::path::PathBuf {
    let path = stage.directory(name).join("program");
    copy(STILL, &path);
    let file = std::fs::File::options().append(true).open(&path).expect("it is ours");
    file.set_len(bytes).expect("a hole takes no room");
    path
}

fn sparse(stage: &Stage) -> Held {
    const BYTES: u64 = 8 << 20;
    let path = with_hole(stage, "sparse", BYTES);
    let mut actor = stage.begin(&mut Command::new(&path));
    wait_for_hash(&actor, 1);
    actor.release();
    expect(
        actor.finish().root().the("exec"),
        &[
            ("ocellus.exe.size", json!(BYTES)),
            ("ocellus.hash.status", json!("ok")),
            ("process.hash.sha256", json!(sha256(&path))),
        ],
    );
    Held::Yes
}

fn too_large(stage: &Stage) -> Held {
    let path = with_hole(stage, "too-large", 101 << 20);
    let family = stage.play(&mut Command::new(&path));
    let root = family.root();
    let exec = root.the("exec");
    expect(
        exec,
        &[("ocellus.hash.status", json!("too_large")), ("process.hash.sha256", json!(null))],
    );
    let why = exec["error"]["message"].as_str().unwrap_or_default();
    assert!(why.contains("hash.max_file_size"), "{exec:#}");
    Held::Yes
}

/// It is a race, which the sensor may win or lose. What it may not do is to be wrong.
fn changes_at_once(stage: &Stage) -> Held {
    let dir = stage.directory("changes");
    for round in 0..20 {
        let (path, other) = (dir.join(format!("program-{round}")), dir.join("other"));
        copy(STILL, &path);
        copy(WORKLOAD, &other);
        let truth = sha256(&path);
        let mut child = Command::new(&path);
        let actor = stage.begin(&mut child);
        std::fs::rename(&other, &path).expect("it is one directory");
        let family = actor.finish();
        let root = family.root();
        let exec = root.the("exec");
        let digest = &exec["process"]["hash"]["sha256"];
        match exec["ocellus"]["hash"]["status"].as_str() {
            Some("ok") => assert_eq!(*digest, json!(truth)),
            Some("changed" | "gone") => assert_eq!(*digest, json!(null)),
            other => panic!("{other:?} in {exec:#}"),
        }
    }
    Held::Yes
}

fn size(path: &str) -> u64 {
    std::fs::metadata(path).expect("it exists").len()
}

/// Waits for so many execs: their hashes, or why there are none, are known when they are told.
fn wait_for_hash(actor: &stage::Actor<'_>, execs: usize) {
    actor.wait_for("exec", |family: &Family| {
        let root = family.root();
        (root.kinds().iter().filter(|kind| **kind == "exec").count() == execs).then_some(())
    });
}

fn removed_before(stage: &Stage) -> Held {
    let path = stage.directory("removed-before").join("program");
    let program = copy(STILL, &path);
    let digest = sha256(&path);
    let mut actor = stage.begin(&mut stage.workload(["exec-unlinked", &program, "x"]));
    wait_for_hash(&actor, 2);
    actor.release();
    let family = actor.finish();
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.args", json!([program, "x"])),
            ("process.hash.sha256", json!(digest)),
            ("ocellus.hash.status", json!("ok")),
            ("ocellus.exe.deleted", json!(true)),
            ("ocellus.exe.nlink", json!(0)),
            ("ocellus.exe.memfd", json!(null)),
        ],
    );
    Held::Yes
}

fn removed_while_running(stage: &Stage) -> Held {
    let path = stage.directory("removed").join("program");
    let program = copy(STILL, &path);
    let digest = sha256(&path);
    let mut actor = stage.begin(&mut Command::new(&program));
    wait_for_hash(&actor, 1);
    std::fs::remove_file(&path).expect("it exists");
    actor.release();
    let family = actor.finish();
    family.root().assert_kinds("fork exec exit");
    for kind in ["exec", "exit"] {
        expect(
            family.root().the(kind),
            &[
                ("process.executable", json!(program)),
                ("process.hash.sha256", json!(digest)),
                ("ocellus.hash.status", json!("ok")),
                ("ocellus.exe.deleted", json!(null)),
            ],
        );
    }
    Held::Yes
}

fn replaced_while_running(stage: &Stage) -> Held {
    let dir = stage.directory("replaced");
    let path = dir.join("program");
    let program = copy(STILL, &path);
    let digest = sha256(&path);
    let mut actor = stage.begin(&mut Command::new(&program));
    wait_for_hash(&actor, 1);
    let other = dir.join("other");
    copy(WORKLOAD, &other);
    std::fs::rename(&other, &path).expect("it is one directory");
    let after = stage.play(Command::new(&program).args(["exit", "0"]));
    actor.release();
    let before = actor.finish();
    let hash = |family: &Family, kind: &str| {
        let event: Value = family.root().the(kind).clone();
        event["process"]["hash"]["sha256"].clone()
    };
    for kind in ["exec", "exit"] {
        assert_eq!(hash(&before, kind), json!(digest));
        assert_eq!(hash(&after, kind), json!(sha256(Path::new(WORKLOAD))));
    }
    Held::Yes
}

fn one_name_of_two_removed(stage: &Stage) -> Held {
    let dir = stage.directory("two-names");
    let (path, other) = (dir.join("program"), dir.join("other"));
    let program = copy(STILL, &path);
    std::fs::hard_link(&path, &other).expect("it is one directory");
    let family = stage.play(&mut Command::new(&program));
    expect(
        family.root().the("exec"),
        &[("ocellus.exe.nlink", json!(2)), ("ocellus.exe.deleted", json!(null))],
    );
    let mut actor = stage.begin(&mut stage.workload(["exec-unlinked", &program]));
    wait_for_hash(&actor, 2);
    actor.release();
    expect(
        actor.finish().root().last("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.hash.sha256", json!(sha256(&other))),
            ("ocellus.exe.nlink", json!(1)),
            ("ocellus.exe.deleted", json!(true)),
        ],
    );
    Held::Yes
}
