//! Who a process is: users, groups, capabilities.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::statvfs::{FsFlags, statvfs};
use serde_json::{Value, json};

use crate::family::expect;
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, STILL, Stage, copy};

/// Users and groups that exist on no host; names play no part.
const OWNER: u32 = 1_641_001;
const CALLER: u32 = 1_641_002;

pub const GROUP: Group = Group {
    title: "Users, groups, capabilities",
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
                       caller's",
            run: set_uid_program,
        },
        Scenario {
            name: "file capabilities",
            expected: "effective and permitted capabilities are those of the file",
            run: file_capabilities,
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
        ],
    );
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
