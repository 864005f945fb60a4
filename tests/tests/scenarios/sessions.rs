//! Sessions, process groups, terminals and orphans.

use serde_json::{Value, json};

use crate::family::{Family, Life, expect, kind};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{STILL, Stage, WORKLOAD};

pub const GROUP: Group = Group {
    title: "Sessions and orphans",
    alone: false,
    scenarios: &[
        Scenario {
            name: "setsid",
            expected: "the process leads its session and its group; no terminal",
            run: new_session,
        },
        Scenario {
            name: "setpgid",
            expected: "the leader leads its group, the other one names it as leader",
            run: new_group,
        },
        Scenario {
            name: "session on a pseudo terminal",
            expected: "interactive; the terminal's numbers; session leader; the entry leader of \
                       the process that opened it",
            run: on_terminal,
        },
        Scenario {
            name: "daemon by two forks",
            expected: "the parent is who adopted it, the ancestors who forked it; the session that \
                       was made in between",
            run: daemon,
        },
        Scenario {
            name: "daemon adopted by a subreaper",
            expected: "the parent is the subreaper",
            run: subreaper,
        },
    ],
};

fn new_session(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["new-session", STILL]));
    let root = family.root();
    for event in [root.last("exec"), root.the("exit")] {
        expect(
            event,
            &[
                ("ocellus.sid", json!(root.pid)),
                ("ocellus.pgid", json!(root.pid)),
                ("process.session_leader.pid", json!(root.pid)),
                ("process.session_leader.entity_id", json!(root.entity_id())),
                ("process.session_leader.same_as_process", json!(true)),
                ("process.group_leader.pid", json!(root.pid)),
                ("process.group_leader.entity_id", json!(root.entity_id())),
                ("process.group_leader.same_as_process", json!(true)),
                ("process.interactive", json!(false)),
                ("process.tty", json!(null)),
            ],
        );
    }
    expect(root.the("fork"), &[("process.session_leader.same_as_process", json!(false))]);
    Held::Yes
}

fn new_group(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["new-group", STILL, "x"]));
    let (leader, member) = (family.named("leader"), family.named("member"));
    for (life, leads) in [(&leader, true), (&member, false)] {
        expect(
            life.the("exec"),
            &[
                ("ocellus.pgid", json!(leader.pid)),
                ("process.group_leader.pid", json!(leader.pid)),
                ("process.group_leader.entity_id", json!(leader.entity_id())),
                ("process.group_leader.same_as_process", json!(leads)),
                ("process.session_leader.same_as_process", json!(false)),
            ],
        );
    }
    let outer = family.root().the("exec")["ocellus"]["sid"].clone();
    expect(member.the("exec"), &[("ocellus.sid", outer)]);
    Held::Yes
}

fn on_terminal(stage: &Stage) -> Held {
    let line = format!("{STILL}; exit 0");
    let mut actor = stage.begin(&mut stage.workload(["on-terminal", "/bin/sh", "-c", &line]));
    let pid = actor.wait_for("program on the terminal", exec_of_still);
    actor.release();
    let family = actor.finish();
    let (leader, program) = (family.named("child"), family.process(pid));
    let entry = family.root().the("exec")["process"]["entry_leader"]["entity_id"].clone();
    assert!(entry.is_string(), "{:#}", family.root().the("exec"));
    for (life, leads) in [(&leader, true), (&program, false)] {
        expect(
            life.the("exec"),
            &[
                ("process.interactive", json!(true)),
                ("process.tty.char_device.major", json!(family.fact("major"))),
                ("process.tty.char_device.minor", json!(family.fact("minor"))),
                ("process.session_leader.pid", json!(leader.pid)),
                ("process.session_leader.entity_id", json!(leader.entity_id())),
                ("process.session_leader.same_as_process", json!(leads)),
                ("process.entry_leader.entity_id", entry.clone()),
                ("ocellus.sid", json!(leader.pid)),
            ],
        );
    }
    expect(
        program.the("exec"),
        &[
            ("process.parent.pid", json!(leader.pid)),
            ("process.parent.interactive", json!(true)),
            ("process.session_leader.name", json!("sh")),
            ("process.session_leader.args", json!(["/bin/sh", "-c", line])),
        ],
    );
    Held::Yes
}

/// The process that has executed the program, once that is told.
fn exec_of_still(family: &Family) -> Option<u32> {
    pid_of(family, "exec")
}

fn pid_of(family: &Family, wanted: &str) -> Option<u32> {
    let is_it = |event: &&std::sync::Arc<Value>| {
        kind(event) == wanted && event["process"]["executable"] == json!(STILL)
    };
    let event = family.events().iter().find(is_it)?;
    Some(event["process"]["pid"].as_u64()? as u32)
}

/// The daemon of a command, which ended, and the one in the middle that had forked it.
fn daemon_of(stage: &Stage, command: &str) -> (Family, Life, Life) {
    let mut actor = stage.begin(&mut stage.workload([command, STILL, "x"]));
    actor.wait_for("daemon", exec_of_still);
    actor.release();
    // It outlives the command, perhaps.
    actor.wait_for("end of the daemon", |family| pid_of(family, "exit"));
    let family = actor.finish();
    let (middle, daemon) = (family.named("middle"), family.named("daemon"));
    middle.assert_kinds("fork id_change exit");
    assert_eq!(daemon.kinds().first(), Some(&"fork"));
    expect(
        daemon.the("fork"),
        &[
            ("process.parent.pid", json!(middle.pid)),
            ("process.parent.entity_id", json!(middle.entity_id())),
            ("process.executable", json!(WORKLOAD)),
        ],
    );
    let exec = daemon.the("exec");
    expect(
        exec,
        &[
            ("process.executable", json!(STILL)),
            ("process.parent.pid", json!(family.fact("adopted_by"))),
            ("ocellus.sid", json!(middle.pid)),
            ("ocellus.pgid", json!(middle.pid)),
            ("process.session_leader.pid", json!(middle.pid)),
            ("process.session_leader.same_as_process", json!(false)),
            ("process.interactive", json!(false)),
        ],
    );
    let ancestors = &exec["ocellus"]["ancestors"]["entity_id"];
    assert_eq!(ancestors[0], json!(middle.entity_id()));
    assert_eq!(ancestors[1], json!(family.root().entity_id()));
    (family, middle, daemon)
}

fn daemon(stage: &Stage) -> Held {
    let (family, middle, daemon) = daemon_of(stage, "daemonize");
    assert!(![middle.pid, family.root().pid].contains(&family.fact("adopted_by")));
    let adopter = &daemon.the("exec")["process"]["parent"]["entity_id"];
    assert!(adopter.is_string(), "{:#}", daemon.the("exec"));
    assert_ne!(*adopter, json!(middle.entity_id()));
    Held::Yes
}

fn subreaper(stage: &Stage) -> Held {
    let (family, _, daemon) = daemon_of(stage, "adopt-daemon");
    assert_eq!(family.fact("adopted_by"), family.root().pid);
    expect(
        daemon.the("exec"),
        &[
            ("process.parent.entity_id", json!(family.root().entity_id())),
            ("process.parent.executable", json!(WORKLOAD)),
        ],
    );
    Held::Yes
}
