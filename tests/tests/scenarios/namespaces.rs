//! Other roots, mounts and users.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde_json::{Value, json};

use crate::family::{Family, expect};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, STILL, Stage, copy, sha256};

pub const GROUP: Group = Group {
    title: "Roots, mounts, user namespaces",
    scenarios: &[
        Scenario {
            name: "chroot",
            expected: "the path in that root; the hash of the file behind it",
            run: in_root,
        },
        Scenario {
            name: "private mount namespace, program on its tmpfs",
            expected: "the path there, the hash of a file that nobody else sees, another namespace",
            run: private_tmpfs,
        },
        Scenario {
            name: "overlay, program in the lower layer",
            expected: "flagged `lower`; the hash of the file",
            run: lower_layer,
        },
        Scenario {
            name: "overlay, program in the upper layer",
            expected: "flagged `upper`; the hash of the file",
            run: upper_layer,
        },
        Scenario {
            name: "user namespace",
            expected: "ids of the host, not those in the namespace; another namespace",
            run: user_namespace,
        },
    ],
};

/// Runs a command until its second exec is told, so that it has not gone when it is hashed.
/// None where the workload tells of an error.
fn held(stage: &Stage, words: &[&str]) -> Result<Family, Errno> {
    let mut actor = stage.begin(&mut stage.workload(words));
    actor.wait_for("second exec or end", |family| {
        let root = family.root();
        let kinds = root.kinds();
        (kinds.iter().filter(|kind| **kind != "fork").count() > 1).then_some(())
    });
    actor.release();
    let family = actor.finish();
    match family.reported("errno") {
        Some(errno) => Err(Errno::from_raw(errno as i32)),
        None => Ok(family),
    }
}

fn is_hashed(content: &Path) -> Vec<(&'static str, Value)> {
    vec![("ocellus.hash.status", json!("ok")), ("process.hash.sha256", json!(sha256(content)))]
}

fn in_root(stage: &Stage) -> Held {
    let dir = stage.directory("root");
    let path = dir.join("program");
    copy(STILL, &path);
    let words = ["in-root", &stage::text(&dir), "/program", "x"];
    let family = held(stage, &words).expect("root may change its root");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!("/program")),
            ("process.args", json!(["/program", "x"])),
            ("process.working_directory", json!("/")),
            ("ocellus.filename", json!("/program")),
        ],
    );
    expect(family.root().last("exec"), &is_hashed(&path));
    Held::Yes
}

fn namespace(event: &Value, name: &str) -> u64 {
    event["ocellus"]["ns"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {event:#}"))
}

fn private_tmpfs(stage: &Stage) -> Held {
    let dir = stage.directory("tmpfs");
    let family = held(stage, &["on-private-tmpfs", &stage::text(&dir), STILL, "program"])
        .expect("root may mount");
    let root = family.root();
    expect(
        root.last("exec"),
        &[
            ("process.executable", json!(stage::text(&dir.join("program")))),
            ("process.working_directory", json!(stage::text(&dir))),
            ("ocellus.filename", json!("program")),
            ("ocellus.exe.memfd", json!(null)),
            ("ocellus.exe.deleted", json!(null)),
        ],
    );
    expect(root.last("exec"), &is_hashed(Path::new(STILL)));
    assert_ne!(namespace(root.the("fork"), "mnt"), namespace(root.last("exec"), "mnt"));
    assert!(!dir.join("program").exists(), "nobody else sees it");
    Held::Yes
}

struct Layers {
    lower: PathBuf,
    upper: PathBuf,
    options: String,
    merged: PathBuf,
}

fn layers(stage: &Stage, name: &str) -> Layers {
    let dir = stage.directory(name);
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| {
        let path = dir.join(name);
        std::fs::create_dir(&path).expect("it is writable");
        path
    });
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        stage::text(&lower),
        stage::text(&upper),
        stage::text(&work)
    );
    Layers { lower, upper, options, merged }
}

fn on_overlay(stage: &Stage, layers: &Layers, file: &Path, layer: &str) -> Held {
    copy(STILL, file);
    let program = stage::text(&layers.merged.join("program"));
    let words = ["on-overlay", &layers.options, &stage::text(&layers.merged), &program, "x"];
    let family = match held(stage, &words) {
        Ok(family) => family,
        Err(Errno::ENODEV) => return Held::Unsupported("the kernel has no overlay".to_owned()),
        Err(errno) => {
            let reason = format!("no overlay can be mounted over temporary files ({errno})");
            return Held::Unsupported(reason);
        }
    };
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.args", json!([program, "x"])),
            ("ocellus.exe.overlay", json!(layer)),
        ],
    );
    expect(family.root().last("exec"), &is_hashed(file));
    Held::Yes
}

fn lower_layer(stage: &Stage) -> Held {
    let layers = layers(stage, "overlay-lower");
    on_overlay(stage, &layers, &layers.lower.join("program"), "lower")
}

fn upper_layer(stage: &Stage) -> Held {
    let layers = layers(stage, "overlay-upper");
    on_overlay(stage, &layers, &layers.upper.join("program"), "upper")
}

fn user_namespace(stage: &Stage) -> Held {
    let program = copy(STILL, &stage.directory("user-namespace").join("program"));
    let family = match held(stage, &["in-user-namespace", "1641003", &program]) {
        Ok(family) => family,
        Err(errno) => {
            return Held::Unsupported(format!("users may make no user namespace ({errno})"));
        }
    };
    let root = family.root();
    let user = json!("1641003");
    expect(
        root.last("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.user.id", user.clone()),
            ("process.real_user.id", user.clone()),
            ("process.saved_user.id", user.clone()),
            ("process.group.id", user.clone()),
            ("user.id", user),
        ],
    );
    assert_ne!(namespace(root.the("fork"), "user"), namespace(root.last("exec"), "user"));
    Held::Yes
}
