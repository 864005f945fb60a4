//! Ways to end.

use std::os::unix::process::ExitStatusExt as _;

use serde_json::{Value, json};

use crate::family::expect;
use crate::runner::{Group, Held, Scenario};
use crate::stage::Stage;

pub const GROUP: Group = Group {
    title: "Ends",
    scenarios: &[
        Scenario {
            name: "zombie",
            expected: "the end is told at death, not when the parent asks",
            run: zombie,
        },
        Scenario { name: "SIGKILL", expected: "exit code 137, signal 9, no core", run: killed },
        Scenario {
            name: "SIGSEGV without a core file",
            expected: "exit code 139, signal 11, no core",
            run: segfault,
        },
        Scenario {
            name: "SIGSEGV with a core file",
            expected: "exit code 139, signal 11, `ocellus.core_dumped`",
            run: core_dump,
        },
        Scenario { name: "exit codes 0, 1 and 255", expected: "each as it is", run: exit_codes },
    ],
};

fn state_of(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is not reaped");
    let rest = stat.rsplit_once(") ").expect("proc(5) says so").1;
    rest.chars().next().expect("there is a state")
}

fn zombie(stage: &Stage) -> Held {
    let mut actor = stage.begin(&mut stage.workload(["zombie"]));
    let root_pid = actor.pid;
    let child = actor.wait_for("end of the child", |family| {
        let events = family.events().iter();
        let mut others = events.filter(|event| event["process"]["pid"] != json!(root_pid));
        let end = others.find(|event| crate::family::kind(event) == "exit")?;
        Some(end["process"]["pid"].as_u64()? as u32)
    });
    assert_eq!(state_of(child), 'Z');
    actor.release();
    let family = actor.finish();
    assert_eq!(family.fact("child"), child);
    family.process(child).assert_kinds("fork exit");
    expect(family.process(child).the("exit"), &[("process.exit_code", json!(4))]);
    family.root().assert_kinds("fork exec exit");
    Held::Yes
}

/// A process that ends so by this signal.
fn ended_by(stage: &Stage, signal: i32, core: bool, directory: Option<&std::path::Path>) {
    let (number, with_core) = (signal.to_string(), if core { "1" } else { "0" });
    let mut command = stage.workload(["signal", &number, with_core]);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let family = stage.play(&mut command);
    let status = family.status();
    assert_eq!((status.signal(), status.core_dumped()), (Some(signal), core));
    family.root().assert_kinds("fork exec exit");
    expect(
        family.root().the("exit"),
        &[
            ("process.exit_code", json!(128 + signal)),
            ("ocellus.signal", json!(signal)),
            ("ocellus.core_dumped", json!(core)),
        ],
    );
}

fn killed(stage: &Stage) -> Held {
    ended_by(stage, 9, false, None);
    Held::Yes
}

fn segfault(stage: &Stage) -> Held {
    ended_by(stage, 11, false, None);
    Held::Yes
}

fn core_dump(stage: &Stage) -> Held {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern");
    match pattern {
        Ok(pattern) if pattern.starts_with(['/', '|', '@']) => {
            let reason = "core files do not go to the current directory (core_pattern)";
            return Held::Unsupported(reason.to_owned());
        }
        Ok(_) => {}
        Err(_) => return Held::Unsupported("the kernel writes no core files".to_owned()),
    }
    ended_by(stage, 11, true, Some(&stage.directory("core")));
    Held::Yes
}

fn exit_codes(stage: &Stage) -> Held {
    for code in [0, 1, 255] {
        let family = stage.play(&mut stage.workload(["exit", &code.to_string()]));
        assert_eq!(family.status().code(), Some(code));
        expect(
            family.root().the("exit"),
            &[
                ("process.exit_code", json!(code)),
                ("ocellus.signal", Value::Null),
                ("ocellus.core_dumped", Value::Null),
            ],
        );
    }
    Held::Yes
}
