//! Who a process is: users, groups, capabilities.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::statvfs::{FsFlags, statvfs};
use ocellus_tests::program::field;
use serde_json::{Value, json};

use crate::family::expect;
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, STILL, Stage, copy};

/// Users and groups that exist on no host; names play no part.
const OWNER: u32 = 1_641_001;
const CALLER: u32 = 1_641_002;

pub const GROUP: Group = Group {
    title: "Users, groups, capabilities",
    alone: false,
    scenarios: &[
        Scenario {
            name: "setresuid and setresgid",
            expected: "a child is born with real, effective and saved ids; an exec makes the saved \
                       ids the effective ones; no capability is left",
            run: set_ids,
        },
        Scenario {
            name: "set-uid and set-gid program",
            expected: "flagged; the effective and saved ids are the owner's, the real ones the \
                       caller's; the ones before are told",
            run: set_uid_program,
        },
        Scenario {
            name: "set-gid program",
            expected: "flagged, and the group before is told; a file that its group may not \
                       execute is not set-gid",
            run: set_gid_program,
        },
        Scenario {
            name: "file capabilities",
            expected: "flagged; effective and permitted capabilities are those of the file",
            run: file_capabilities,
        },
        Scenario {
            name: "each of setuid, setreuid, setresuid, setfsuid and the same for groups",
            expected: "an event for each, with the ids after and those before that changed",
            run: each_id,
        },
        Scenario {
            name: "ids, process group and name as they are already",
            expected: "no event where nothing changes, nor where the call fails",
            run: same_ids,
        },
        Scenario {
            name: "a thread's own credentials",
            expected: "an event with the thread's ids and `process.thread.id`; the end has those \
                       of the process again",
            run: thread_ids,
        },
        Scenario {
            name: "credentials of a process with 9 threads",
            expected: "one event, although each thread changes its own",
            run: all_threads_ids,
        },
        Scenario {
            name: "setsid, as a change",
            expected: "an event with session and process group after and before",
            run: set_session,
        },
        Scenario {
            name: "setpgid, as a change",
            expected: "an event with the process group after and before; where only system calls \
                       tell and a parent moves its child, it shows with the child's next event",
            run: set_process_group,
        },
        Scenario {
            name: "capset",
            expected: "an event with the capabilities after and before",
            run: lower_capability,
        },
        Scenario {
            name: "PR_SET_NAME and /proc/self/comm",
            expected: "an event for each, with the name before; none for the name of a thread",
            run: names,
        },
        Scenario {
            name: "ambient, inheritable and bounding capabilities",
            expected: "each set by itself, with its true values",
            run: ambient_capabilities,
        },
    ],
};

fn set_ids(stage: &Stage) -> Held {
    let program = copy(STILL, &stage.directory("set-ids").join("program"));
    let family = stage.play(&mut stage.workload(["change-ids", &program]));
    let (root, child) = (family.root(), family.named("child"));
    let ids = |saved_user: &str, saved_group: &str| {
        vec![
            ("user.id", json!("1001")),
            ("user.effective.id", json!("1002")),
            ("user.group.id", json!("2001")),
            ("user.effective.group.id", json!("2002")),
            ("process.real_user.id", json!("1001")),
            ("process.user.id", json!("1002")),
            ("process.saved_user.id", json!(saved_user)),
            ("process.real_group.id", json!("2001")),
            ("process.group.id", json!("2002")),
            ("process.saved_group.id", json!(saved_group)),
            ("process.thread.capabilities.effective", Value::Null),
            ("process.thread.capabilities.permitted", Value::Null),
        ]
    };
    for event in [child.the("fork"), child.the("exit")] {
        expect(event, &ids("1003", "2003"));
    }
    for event in [root.last("exec"), root.the("exit")] {
        expect(event, &ids("1002", "2002"));
    }
    expect(root.the("fork"), &[("process.user.id", json!("0"))]);
    Held::Yes
}

/// A directory whose programs may give rights.
fn grants_rights(stage: &Stage, name: &str) -> Result<std::path::PathBuf, Held> {
    let dir = stage.directory(name);
    let flags = statvfs(&dir).expect("it exists").flags();
    if flags.contains(FsFlags::ST_NOSUID) {
        return Err(Held::Unsupported("temporary files are on a nosuid mount".to_owned()));
    }
    Ok(dir)
}

fn as_caller(program: &str) -> Command {
    let mut command = Command::new(program);
    command.uid(CALLER).gid(CALLER);
    command
}

fn set_uid_program(stage: &Stage) -> Held {
    let dir = match grants_rights(stage, "set-uid") {
        Ok(dir) => dir,
        Err(held) => return held,
    };
    let path = dir.join("program");
    let program = copy(STILL, &path);
    std::os::unix::fs::chown(&path, Some(OWNER), Some(OWNER)).expect("we are root");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o6755))
        .expect("it is ours");
    let family = stage.play(&mut as_caller(&program));
    let (owner, caller) = (json!(OWNER.to_string()), json!(CALLER.to_string()));
    expect(
        family.root().the("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.real_user.id", caller.clone()),
            ("process.user.id", owner.clone()),
            ("process.saved_user.id", owner.clone()),
            ("process.real_group.id", caller),
            ("process.group.id", owner.clone()),
            ("process.saved_group.id", owner.clone()),
            ("ocellus.exe.setuid", json!(true)),
            ("ocellus.exe.setgid", json!(true)),
            ("ocellus.exe.mode", json!("6755")),
            ("ocellus.exe.uid", owner),
            ("process.thread.capabilities.effective", json!(null)),
            ("ocellus.changes", json!(["user", "group"])),
            ("ocellus.previous.user.id", json!(CALLER.to_string())),
            ("ocellus.previous.saved_user.id", json!(CALLER.to_string())),
            ("ocellus.previous.real_user.id", json!(null)),
            ("ocellus.previous.group.id", json!(CALLER.to_string())),
            ("ocellus.secure_exec", json!(true)),
            ("ocellus.exe.capabilities", json!(null)),
        ],
    );
    Held::Yes
}

fn file_capabilities(stage: &Stage) -> Held {
    let dir = match grants_rights(stage, "capabilities") {
        Ok(dir) => dir,
        Err(held) => return held,
    };
    let path: &Path = &dir.join("program");
    let program = copy(STILL, path);
    let granting = stage.play(&mut stage.workload(["grant-net-raw", &stage::text(path)]));
    assert!(granting.status().success());
    let family = stage.play(&mut as_caller(&program));
    expect(
        family.root().the("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.user.id", json!(CALLER.to_string())),
            ("process.thread.capabilities.effective", json!(["CAP_NET_RAW"])),
            ("process.thread.capabilities.permitted", json!(["CAP_NET_RAW"])),
            ("ocellus.capabilities.inheritable", json!(null)),
            ("ocellus.capabilities.ambient", json!(null)),
            ("ocellus.exe.setuid", json!(null)),
            ("ocellus.exe.capabilities", json!(true)),
            ("ocellus.secure_exec", json!(true)),
            ("ocellus.changes", json!(["capabilities"])),
            ("ocellus.previous.capabilities.effective", json!(null)),
        ],
    );
    Held::Yes
}

fn set_gid_program(stage: &Stage) -> Held {
    let dir = match grants_rights(stage, "set-gid") {
        Ok(dir) => dir,
        Err(held) => return held,
    };
    let [owner, caller] = [OWNER, CALLER].map(|id| json!(id.to_string()));
    for (mode, works) in [(0o2755, true), (0o2745, false)] {
        let path = dir.join(format!("{mode:o}"));
        let program = copy(STILL, &path);
        std::os::unix::fs::chown(&path, None, Some(OWNER)).expect("we are root");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .expect("it is ours");
        let family = stage.play(&mut as_caller(&program));
        let flag = if works { json!(true) } else { json!(null) };
        expect(
            family.root().the("exec"),
            &[
                ("process.group.id", if works { owner.clone() } else { caller.clone() }),
                ("process.real_group.id", caller.clone()),
                ("process.user.id", caller.clone()),
                ("ocellus.exe.setgid", flag.clone()),
                ("ocellus.exe.setuid", json!(null)),
                ("ocellus.exe.capabilities", json!(null)),
                ("ocellus.secure_exec", flag),
                ("ocellus.previous.group.id", if works { caller.clone() } else { json!(null) }),
            ],
        );
    }
    Held::Yes
}

fn each_id(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["each-id"]));
    let root = family.root();
    let kinds = ["id_change"; 8].join(" ");
    root.assert_kinds(&format!("fork exec {kinds} exit"));
    let group = |id: [u32; 4]| ids("group", id);
    let user = |id: [u32; 4]| ids("user", id);
    // Real, effective, saved, for files: after each call.
    let steps = [
        group([2001, 2001, 2001, 2001]),
        group([2002, 2003, 2003, 2003]),
        group([2004, 2005, 2006, 2005]),
        group([2004, 2005, 2006, 2007]),
        user([0, 0, 0, 1007]),
        user([1002, 0, 0, 0]),
        user([1004, 0, 1006, 0]),
        user([1001, 1001, 1001, 1001]),
    ];
    let changes = root.all("id_change");
    for (event, step) in changes.iter().zip(steps) {
        expect(event, &step);
    }
    let before = |field: &'static str, id: u32| (field, json!(id.to_string()));
    expect(
        changes[1],
        &[
            before("ocellus.previous.real_group.id", 2001),
            before("ocellus.previous.group.id", 2001),
            before("ocellus.previous.saved_group.id", 2001),
            before("ocellus.previous.filesystem_group.id", 2001),
            ("ocellus.previous.user.id", json!(null)),
            ("ocellus.changes", json!(["group"])),
            ("event.action", json!("process_changed_ids")),
            ("event.type", json!(["change"])),
        ],
    );
    expect(
        changes[6],
        &[
            before("ocellus.previous.real_user.id", 1002),
            before("ocellus.previous.saved_user.id", 0),
            ("ocellus.previous.user.id", json!(null)),
            ("ocellus.changes", json!(["user"])),
        ],
    );
    expect(
        changes[7],
        &[
            before("ocellus.previous.real_user.id", 1004),
            before("ocellus.previous.user.id", 0),
            before("ocellus.previous.saved_user.id", 1006),
            before("ocellus.previous.filesystem_user.id", 0),
            ("ocellus.changes", json!(["user", "capabilities"])),
            ("process.thread.capabilities.effective", json!(null)),
            ("process.thread.id", json!(null)),
        ],
    );
    assert!(field(changes[7], "ocellus.previous.capabilities.permitted").is_array());
    Held::Yes
}

/// Real, effective and saved id of users or groups, and the one for access to files.
fn ids(of: &str, [real, effective, saved, files]: [u32; 4]) -> Vec<(&'static str, Value)> {
    let names = if of == "user" {
        [
            "process.real_user.id",
            "process.user.id",
            "process.saved_user.id",
            "ocellus.filesystem_user.id",
        ]
    } else {
        [
            "process.real_group.id",
            "process.group.id",
            "process.saved_group.id",
            "ocellus.filesystem_group.id",
        ]
    };
    let files = if files == effective { Value::Null } else { json!(files.to_string()) };
    let ids = [real, effective, saved].map(|id| json!(id.to_string()));
    names.into_iter().zip(ids.into_iter().chain([files])).collect()
}

fn same_ids(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["same-ids"]));
    family.root().assert_kinds("fork exec id_change pgid_change exit");
    Held::Yes
}

fn thread_ids(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["thread-ids"]));
    let root = family.root();
    root.assert_kinds("fork exec id_change exit");
    expect(
        root.the("id_change"),
        &[
            ("process.thread.id", json!(family.fact("thread"))),
            ("process.pid", json!(root.pid)),
            ("process.user.id", json!("1001")),
            ("ocellus.previous.user.id", json!("0")),
        ],
    );
    expect(root.the("exit"), &[("process.user.id", json!("0"))]);
    Held::Yes
}

fn all_threads_ids(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["all-threads-ids"]));
    let root = family.root();
    root.assert_kinds("fork exec id_change exit");
    let id = |event| expect(event, &[("process.user.id", json!("1001"))]);
    id(root.the("id_change"));
    id(root.the("exit"));
    Held::Yes
}

fn set_session(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["places"]));
    let (root, child) = (family.root(), family.named("session"));
    child.assert_kinds("fork id_change exit");
    let before = root.the("exec");
    expect(
        child.the("id_change"),
        &[
            ("ocellus.sid", json!(child.pid)),
            ("ocellus.pgid", json!(child.pid)),
            ("ocellus.previous.sid", field(before, "ocellus.sid").clone()),
            ("ocellus.previous.pgid", field(before, "ocellus.pgid").clone()),
            ("ocellus.changes", json!(["session", "process_group"])),
            ("process.session_leader.same_as_process", json!(true)),
            ("process.interactive", json!(false)),
        ],
    );
    Held::Yes
}

fn set_process_group(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["places"]));
    let (group, other) = (family.named("group"), family.named("other"));
    let before = field(family.root().the("exec"), "ocellus.pgid").clone();
    let moved = [
        ("ocellus.pgid", json!(group.pid)),
        ("ocellus.previous.pgid", before.clone()),
        ("ocellus.previous.sid", json!(null)),
        ("ocellus.changes", json!(["process_group"])),
    ];
    group.assert_kinds("fork pgid_change exit");
    expect(group.the("pgid_change"), &moved);
    expect(group.the("pgid_change"), &[("event.action", json!("process_changed_pgid"))]);
    let told = match other.kinds()[..] {
        ["fork", "pgid_change", "exit"] => other.the("pgid_change"),
        _ => other.the("exit"),
    };
    expect(told, &moved);
    Held::Yes
}

fn lower_capability(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["lower-capability"]));
    let root = family.root();
    root.assert_kinds("fork exec id_change exit");
    let all = field(root.the("exec"), "process.thread.capabilities.effective");
    let event = root.the("id_change");
    expect(
        event,
        &[
            ("ocellus.changes", json!(["capabilities"])),
            ("ocellus.previous.capabilities.effective", all.clone()),
            ("ocellus.previous.capabilities.permitted", json!(null)),
            ("process.thread.capabilities.permitted", all.clone()),
        ],
    );
    let left = field(event, "process.thread.capabilities.effective");
    let left = left.as_array().expect("some are left");
    assert!(!left.contains(&json!("CAP_SYS_TIME")) && left.contains(&json!("CAP_SYS_PTRACE")));
    Held::Yes
}

fn names(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["names"]));
    let root = family.root();
    root.assert_kinds("fork exec name_change name_change exit");
    let names = [("first name", "workload"), ("second name", "first name")];
    for (event, (after, before)) in root.all("name_change").into_iter().zip(names) {
        expect(
            event,
            &[
                ("process.name", json!(after)),
                ("ocellus.previous.name", json!(before)),
                ("ocellus.changes", json!(["name"])),
                ("event.action", json!("process_changed_name")),
            ],
        );
    }
    expect(root.the("exit"), &[("process.name", json!("second name"))]);
    Held::Yes
}

fn ambient_capabilities(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["ambient", STILL]));
    let event = family.root().last("exec").clone();
    expect(
        &event,
        &[
            ("ocellus.capabilities.ambient", json!(["CAP_NET_RAW"])),
            ("ocellus.capabilities.inheritable", json!(["CAP_NET_RAW"])),
        ],
    );
    let bounding = event["ocellus"]["capabilities"]["bounding"].as_array().expect("it is known");
    assert!(bounding.contains(&json!("CAP_NET_RAW")), "{bounding:?}");
    assert!(!bounding.contains(&json!("CAP_SYS_TIME")), "{bounding:?}");
    // Root regains by exec what its bounding set allows.
    let expected = json!(bounding);
    expect(
        &event,
        &[
            ("process.thread.capabilities.effective", expected.clone()),
            ("process.thread.capabilities.permitted", expected),
        ],
    );
    Held::Yes
}
