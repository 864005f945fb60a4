//! Ways to make a process.

use serde_json::json;

use crate::family::{expect, text};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{STILL, Stage, WORKLOAD};

pub const GROUP: Group = Group {
    title: "Births",
    scenarios: &[
        Scenario {
            name: "fork without exec",
            expected: "fork and exit; executable, arguments and hash of its parent",
            run: fork_without_exec,
        },
        Scenario {
            name: "vfork, then exec",
            expected: "fork, exec, exit of the child; the parent is the one that called vfork",
            run: vfork_exec,
        },
        Scenario { name: "clone3", expected: "as a fork", run: clone3 },
        Scenario {
            name: "CLONE_PARENT",
            expected: "the parent is that of the caller, as the kernel has it",
            run: clone_parent,
        },
        Scenario {
            name: "new pid namespace",
            expected: "`process.vpid` is 1, `process.pid` that of the host; another namespace than \
                       the parent's",
            run: new_pid_namespace,
        },
        Scenario {
            name: "pid reuse",
            expected: "two processes with one pid have two entity ids, and nothing of each other",
            run: reuse_pid,
        },
        Scenario {
            name: "pid reuse in a private pid namespace",
            expected: "two processes with one `process.vpid` are two entities",
            run: reuse_vpid,
        },
    ],
};

fn fork_without_exec(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["fork", "3"]));
    let (root, child) = (family.root(), family.named("child"));
    root.assert_kinds("fork exec exit");
    child.assert_kinds("fork exit");
    assert_eq!(family.len(), 2);
    let hash = &root.the("exec")["process"]["hash"];
    for kind in ["fork", "exit"] {
        expect(
            child.the(kind),
            &[
                ("process.executable", json!(WORKLOAD)),
                ("process.args", json!([WORKLOAD, "fork", "3"])),
                ("process.args_count", json!(3)),
                ("process.name", json!("workload")),
                ("process.parent.pid", json!(root.pid)),
                ("process.parent.entity_id", json!(root.entity_id())),
                ("process.hash", hash.clone()),
                ("ocellus.hash.status", json!("ok")),
                ("process.previous", json!(null)),
                ("ocellus.raw_events", json!(1)),
            ],
        );
    }
    expect(
        child.the("fork"),
        &[
            ("event.action", json!("process_started")),
            ("event.type", json!(["start"])),
            ("process.exit_code", json!(null)),
            ("process.end", json!(null)),
            ("ocellus.filename", json!(null)),
        ],
    );
    expect(
        child.the("exit"),
        &[
            ("event.action", json!("process_stopped")),
            ("event.type", json!(["end"])),
            ("process.exit_code", json!(3)),
            ("ocellus.signal", json!(null)),
        ],
    );
    Held::Yes
}

fn vfork_exec(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["vfork-exec", STILL, "argument"]));
    let (root, child) = (family.root(), family.named("child"));
    root.assert_kinds("fork exec exit");
    child.assert_kinds("fork exec exit");
    expect(
        child.the("fork"),
        &[
            ("process.executable", json!(WORKLOAD)),
            ("process.parent.entity_id", json!(root.entity_id())),
        ],
    );
    expect(
        child.the("exec"),
        &[
            ("event.action", json!("process_changed_image")),
            ("process.executable", json!(STILL)),
            ("process.args", json!([STILL, "argument"])),
            ("process.command_line", json!(format!("{STILL} argument"))),
            ("process.name", json!("still")),
            ("process.parent.entity_id", json!(root.entity_id())),
            ("process.parent.executable", json!(WORKLOAD)),
            ("process.previous.executable", json!(WORKLOAD)),
            ("process.previous.args_count", json!(4)),
        ],
    );
    Held::Yes
}

fn clone3(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["clone3"]));
    let (root, child) = (family.root(), family.named("child"));
    child.assert_kinds("fork exit");
    expect(
        child.the("fork"),
        &[
            ("process.pid", json!(child.pid)),
            ("process.vpid", json!(child.pid)),
            ("process.parent.pid", json!(root.pid)),
            ("process.executable", json!(WORKLOAD)),
        ],
    );
    Held::Yes
}

fn clone_parent(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["clone-parent"]));
    let (root, middle, child) = (family.root(), family.named("middle"), family.named("child"));
    assert_eq!(family.len(), 3);
    middle.assert_kinds("fork exit");
    child.assert_kinds("fork exit");
    for life in [&middle, &child] {
        let root_id = json!(root.entity_id());
        let ancestors = &life.the("fork")["ocellus"]["ancestors"]["entity_id"];
        assert_eq!(ancestors[0], root_id);
        expect(
            life.the("fork"),
            &[("process.parent.pid", json!(root.pid)), ("process.parent.entity_id", root_id)],
        );
    }
    Held::Yes
}

fn new_pid_namespace(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["new-pid-namespace", STILL]));
    let (root, child) = (family.root(), family.named("child"));
    child.assert_kinds("fork exec exit");
    for kind in ["fork", "exec", "exit"] {
        expect(
            child.the(kind),
            &[
                ("process.pid", json!(child.pid)),
                ("process.vpid", json!(1)),
                ("process.parent.pid", json!(root.pid)),
            ],
        );
        let namespace = |event: &serde_json::Value| event["ocellus"]["ns"]["pid"].as_u64();
        let (inner, outer) = (namespace(child.the(kind)), namespace(root.the(kind)));
        assert!(inner.is_some() && outer.is_some() && inner != outer, "{inner:?} {outer:?}");
    }
    Held::Yes
}

fn reuse_pid(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["reuse-pid", STILL]));
    let lives = family.lives(family.fact("child"));
    assert_eq!(lives.len(), 2, "{lives:#?}");
    for (life, argument) in lives.iter().zip(["first", "second"]) {
        life.assert_kinds("fork exec exit");
        let args = json!([STILL, argument]);
        for kind in ["exec", "exit"] {
            expect(life.the(kind), &[("process.args", args.clone())]);
        }
        expect(
            life.the("fork"),
            &[
                ("process.args", json!([WORKLOAD, "reuse-pid", STILL])),
                ("process.parent.entity_id", json!(family.root().entity_id())),
            ],
        );
    }
    let start = |index: usize| text(lives[index].the("exit"), "process.start").to_owned();
    assert!(start(0) < start(1), "{} {}", start(0), start(1));
    Held::Yes
}

fn reuse_vpid(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["reuse-vpid"]));
    let vpid = family.fact("first");
    assert_eq!(vpid, family.fact("second"));
    let init = family.named("init");
    let forks = family.events().iter().filter(|event| {
        crate::family::kind(event) == "fork"
            && event["process"]["parent"]["entity_id"] == json!(init.entity_id())
    });
    let forks: Vec<_> = forks.collect();
    assert_eq!(forks.len(), 2);
    for fork in &forks {
        expect(fork, &[("process.vpid", json!(vpid)), ("process.parent.pid", json!(init.pid))]);
    }
    assert_ne!(text(forks[0], "process.entity_id"), text(forks[1], "process.entity_id"));
    Held::Yes
}
