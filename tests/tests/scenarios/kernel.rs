//! Programs that the kernel itself starts (usermode helpers). Their parents are kernel threads, and
//! they begin as such; they are processes all the same, and a way to run code as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount, umount};
use serde_json::json;

use crate::family::expect;
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, Stage, script};

pub const GROUP: Group = Group {
    title: "Started by the kernel",
    // The program for a core is one for the whole kernel.
    alone: true,
    scenarios: &[
        Scenario {
            name: "release_agent of a cgroup",
            expected: "exec and exit of a process, not taken for a kernel thread; its script, \
                       arguments and hash",
            run: release_agent,
        },
        Scenario {
            name: "core_pattern pipe",
            expected: "the same, for the program that takes a core",
            run: core_pattern,
        },
    ],
};

/// Set where the kernel belongs to the scenarios: there they may change settings of all of it.
pub const GUEST_VARIABLE: &str = "SCENARIOS_GUEST";

/// Where the program for a core is set (core(5)).
const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// What the helper does. It has no standard input to wait for, so it waits for a file to go, by
/// which time all is told of it that is read from /proc.
fn helper(dir: &Path) -> (String, PathBuf) {
    let wait = dir.join("wait");
    fs::write(&wait, "").expect("there is room");
    let content =
        format!("#!/bin/sh\nwhile [ -e {} ]; do sleep 1; done\nexit 7\n", stage::text(&wait));
    (script(&dir.join("helper"), &content), wait)
}

/// Waits for the helper's exec, lets it go on, and looks at both of its events.
fn check(stage: &Stage, helper: &str, wait: &Path, arguments: &[&str]) {
    let exec = stage.event("exec of the helper", |event| event["ocellus"]["filename"] == helper);
    fs::remove_file(wait).expect("it is ours");
    let shell = stage::resolved("/bin/sh");
    let words = [&["/bin/sh", helper], arguments].concat();
    expect(
        &exec,
        &[
            ("ocellus.kinds", json!(["process.exec"])),
            ("process.executable", json!(shell)),
            ("process.args", json!(words)),
            ("ocellus.hash.status", json!("ok")),
            ("process.hash.sha256", json!(stage::sha256(Path::new(&shell)))),
            ("process.user.id", json!("0")),
            ("process.interactive", json!(false)),
        ],
    );
    let exit = stage.event("exit of the helper", |event| {
        event["process"]["entity_id"] == exec["process"]["entity_id"]
            && event["ocellus"]["kinds"] == json!(["process.exit"])
    });
    expect(&exit, &[("process.exit_code", json!(7)), ("process.args", json!(words))]);
}

/// A hierarchy of cgroups of the scenario's own, unmounted when it goes.
struct Hierarchy(PathBuf);

impl Drop for Hierarchy {
    fn drop(&mut self) {
        drop(fs::remove_dir(self.0.join("child")));
        let _ = umount(&self.0);
    }
}

fn release_agent(stage: &Stage) -> Held {
    let dir = stage.directory("release-agent");
    let (helper, wait) = helper(&dir);
    let at = dir.join("cgroup");
    fs::create_dir(&at).expect("there is room");
    // Without a controller, and under a name of its own, it concerns nobody else.
    let options = format!("none,name=ocellus-{},release_agent={helper}", std::process::id());
    let (cgroup, flags) = (Some("cgroup"), MsFlags::empty());
    if let Err(errno) = mount(cgroup, &at, cgroup, flags, Some(options.as_str())) {
        return Held::Unsupported(format!("no cgroups of version 1 can be mounted ({errno})"));
    }
    let hierarchy = Hierarchy(at);
    let child = hierarchy.0.join("child");
    fs::create_dir(&child).expect("a cgroup can be made");
    fs::write(child.join("notify_on_release"), "1").expect("it is there");
    let enter = format!("echo 0 >{}/cgroup.procs", stage::text(&child));
    stage.play(Command::new("sh").args(["-c", &enter]));
    check(stage, &helper, &wait, &["/child"]);
    Held::Yes
}

fn core_pattern(stage: &Stage) -> Held {
    if std::env::var_os(GUEST_VARIABLE).is_none() {
        return Held::Unsupported("it changes a setting of the whole host".to_owned());
    }
    let dir = stage.directory("core-pattern");
    let (helper, wait) = helper(&dir);
    let before = fs::read_to_string(CORE_PATTERN).expect("it is readable");
    fs::write(CORE_PATTERN, format!("|{helper} core %e")).expect("root may set it");
    // It may hang until the helper is gone, which takes nothing of the core.
    let crashed = stage.begin(Command::new("sh").args(["-c", "kill -SEGV $$"]));
    check(stage, &helper, &wait, &["core", "sh"]);
    fs::write(CORE_PATTERN, before).expect("root may set it");
    expect(crashed.finish().root().the("exit"), &[("ocellus.core_dumped", json!(true))]);
    Held::Yes
}
