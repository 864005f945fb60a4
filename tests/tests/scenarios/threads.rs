//! Threads: none of them is a process.

use std::os::unix::process::ExitStatusExt as _;

use serde_json::json;

use crate::family::{Family, expect};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{STILL, Stage, WORKLOAD};

pub const GROUP: Group = Group {
    title: "Threads",
    scenarios: &[
        Scenario {
            name: "exec by a thread that is not the leader",
            expected: "one exec, of the group's pid, flagged `ocellus.thread_exec`; no end before \
                       that of the process",
            run: exec_by_a_thread,
        },
        Scenario {
            name: "leader exits first, the last thread ends the group",
            expected: "no end until the last thread is gone; the group's exit code",
            run: leader_exits_first,
        },
        Scenario {
            name: "leader exits first, the last thread just ends",
            expected: "the same; the exit code is the one that wait(2) tells the parent",
            run: leader_exits_first_and_the_last_thread_ends,
        },
        Scenario {
            name: "50 threads",
            expected: "fork, exec and exit of the process; no event for a thread",
            run: fifty_threads,
        },
    ],
};

fn exec_by_a_thread(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["thread-exec", STILL, "argument"]));
    let root = family.root();
    root.assert_kinds("fork exec exec exit");
    assert_eq!(family.len(), 1);
    assert_ne!(family.fact("tid"), root.pid);
    expect(root.last("fork"), &[("ocellus.thread_exec", json!(null))]);
    expect(
        root.last("exec"),
        &[
            ("process.pid", json!(root.pid)),
            ("process.vpid", json!(root.pid)),
            ("process.executable", json!(STILL)),
            ("process.args", json!([STILL, "argument"])),
            ("process.name", json!("still")),
            ("process.previous.executable", json!(WORKLOAD)),
            ("process.parent.pid", json!(std::process::id())),
            ("ocellus.thread_exec", json!(true)),
        ],
    );
    expect(root.last("exit"), &[("process.exit_code", json!(0))]);
    Held::Yes
}

fn leader_exits(stage: &Stage, how: &str) -> Family {
    let family = stage.play(&mut stage.workload(["leader-exits", how, STILL]));
    let (root, child) = (family.root(), family.named("child"));
    root.assert_kinds("fork exec exit");
    child.assert_kinds("fork exec exit");
    // The child was born when the leader was gone, and the end comes after the child's.
    let sequence = |event: &serde_json::Value| event["event"]["sequence"].as_u64();
    assert!(sequence(root.the("exit")) > sequence(child.the("exit")));
    for kind in ["fork", "exec", "exit"] {
        expect(
            child.the(kind),
            &[
                ("process.parent.pid", json!(root.pid)),
                ("process.parent.entity_id", json!(root.entity_id())),
                ("process.parent.executable", json!(WORKLOAD)),
            ],
        );
    }
    let code = family.status().code().expect("no signal ended it");
    expect(
        root.the("exit"),
        &[("process.exit_code", json!(code)), ("ocellus.signal", json!(null))],
    );
    assert_eq!(family.status().signal(), None);
    family
}

fn leader_exits_first(stage: &Stage) -> Held {
    let family = leader_exits(stage, "group");
    expect(family.root().the("exit"), &[("process.exit_code", json!(5))]);
    Held::Yes
}

fn leader_exits_first_and_the_last_thread_ends(stage: &Stage) -> Held {
    leader_exits(stage, "thread");
    Held::Yes
}

fn fifty_threads(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["threads", "50"]));
    family.root().assert_kinds("fork exec exit");
    assert_eq!(family.events().len(), 3);
    Held::Yes
}
