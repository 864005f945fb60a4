//! What takes a kernel of its own: settings of the whole host. `make test-kernels` runs it.

use serde_json::json;

use crate::family::{expect, kind};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{STILL, Stage};

pub const GROUP: Group = Group {
    title: "A kernel of one's own",
    alone: true,
    scenarios: &[Scenario {
        name: "program that the kernel starts",
        expected: "exec and exit of the program in core_pattern, which is no kernel thread",
        run: core_pattern_program,
    }],
};

/// Set in guests.
const GUEST_VARIABLE: &str = "SCENARIOS_GUEST";

const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Tells the program from others.
const ARGUMENT: &str = "takes-a-core";

fn core_pattern_program(stage: &Stage) -> Held {
    if std::env::var_os(GUEST_VARIABLE).is_none() {
        let reason = "it changes a setting of the whole host; `make test-kernels` runs it";
        return Held::Unsupported(reason.to_owned());
    }
    let before = std::fs::read(CORE_PATTERN).expect("the kernel writes core files");
    std::fs::write(CORE_PATTERN, format!("|{STILL} {ARGUMENT} %P")).expect("we are root");
    let family = stage.play(&mut stage.workload(["signal", "11", "1"]));
    let pid = family.root().pid.to_string();
    let args = json!([STILL, ARGUMENT, pid]);
    let exec = stage.wait_for_event("exec of the program", |event| {
        kind(event) == "exec" && event["process"]["args"] == args
    });
    let entity = &exec["process"]["entity_id"];
    let exit = stage.wait_for_event("end of the program", |event| {
        kind(event) == "exit" && event["process"]["entity_id"] == *entity
    });
    std::fs::write(CORE_PATTERN, before).expect("it was writable");
    assert!(entity.is_string(), "{exec:#}");
    for event in [&exec, &exit] {
        expect(
            event,
            &[
                ("process.executable", json!(STILL)),
                ("process.name", json!("still")),
                ("process.user.id", json!("0")),
                ("process.pid", exec["process"]["pid"].clone()),
            ],
        );
    }
    expect(&exec, &[("ocellus.hash.status", json!("ok"))]);
    expect(&exit, &[("process.exit_code", json!(0))]);
    Held::Yes
}
