//! Ways to execute a program.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use serde_json::json;

use crate::family::{expect, text};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, STILL, STILL32, Stage, WORKLOAD, copy, resolved, script};

pub const GROUP: Group = Group {
    title: "Executions",
    alone: false,
    scenarios: &[
        Scenario {
            name: "two execs in one process",
            expected: "two execs of one entity; each names the image before it",
            run: two_execs,
        },
        Scenario {
            name: "relative exec",
            expected: "`process.executable` is absolute, `ocellus.filename` as it was passed",
            run: relative_exec,
        },
        Scenario {
            name: "execveat with an empty path",
            expected: "the executable's own path; `ocellus.filename` is `/dev/fd/N`",
            run: execveat_empty_path,
        },
        Scenario {
            name: "execveat with a directory descriptor",
            expected: "the executable's own path; `ocellus.filename` is `/dev/fd/N/NAME`",
            run: execveat_directory,
        },
        Scenario {
            name: "script through a close-on-exec descriptor",
            expected: "it fails, and there is no exec event",
            run: cloexec_script,
        },
        Scenario {
            name: "script",
            expected: "the executable is the interpreter, `ocellus.filename` the script, which is \
                       among the arguments, too",
            run: a_script,
        },
        Scenario {
            name: "script with a script as its interpreter",
            expected: "the executable is the last interpreter, `ocellus.filename` the first \
                       script; all are among the arguments",
            run: nested_script,
        },
        Scenario {
            name: "script without `#!`",
            expected: "no event of the exec that fails; one of the shell that runs it",
            run: script_without_interpreter,
        },
        Scenario { name: "failing exec, ENOENT", expected: "no event", run: exec_of_nothing },
        Scenario {
            name: "failing exec, EACCES",
            expected: "no event",
            run: exec_without_permission,
        },
        Scenario {
            name: "executable behind a symbolic link",
            expected: "the executable is the file; the link is in `ocellus.filename`",
            run: symbolic_link,
        },
        Scenario {
            name: "argv[0] of a kernel thread",
            expected: "the name that it gives itself, beside the true executable",
            run: spoofed_kernel_thread,
        },
        Scenario {
            name: "ld.so as the program",
            expected: "the executable is the loader, the program is among the arguments",
            run: loader,
        },
        Scenario { name: "/proc/self/exe", expected: "the executable is the file", run: self_exe },
        Scenario { name: "32-bit program", expected: "as any other", run: program_of_32_bits },
    ],
};

fn two_execs(stage: &Stage) -> Held {
    let mut command = stage.workload(["exec", WORKLOAD, "second", "exec", STILL, "third", "x"]);
    let family = stage.play(&mut command);
    let root = family.root();
    // The first one is that of the test.
    root.assert_kinds("fork exec exec exec exit");
    assert_eq!(family.len(), 1);
    expect(
        root.last("exec"),
        &[
            ("event.action", json!("process_changed_image")),
            ("event.type", json!(["change"])),
            ("process.executable", json!(STILL)),
            ("process.args", json!(["third", "x"])),
            ("process.previous.executable", json!(WORKLOAD)),
            ("process.previous.args", json!(["second", "exec", STILL, "third", "x"])),
            ("process.previous.args_count", json!(5)),
            ("process.start", root.the("fork")["process"]["start"].clone()),
        ],
    );
    expect(
        root.the("exit"),
        &[
            ("process.executable", json!(STILL)),
            ("process.args", json!(["third", "x"])),
            ("process.exit_code", json!(0)),
        ],
    );
    Held::Yes
}

fn relative_exec(stage: &Stage) -> Held {
    let dir = stage.directory("relative");
    let program = copy(STILL, &dir.join("program"));
    let mut command = stage.workload(["exec", "./program", "./program", "x"]);
    let family = stage.play(command.current_dir(&dir));
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.args", json!(["./program", "x"])),
            ("process.name", json!("program")),
            ("process.working_directory", json!(stage::text(&dir))),
            ("ocellus.filename", json!("./program")),
        ],
    );
    Held::Yes
}

fn execveat_empty_path(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["exec-at-empty-path", STILL, "x"]));
    let filename = format!("/dev/fd/{}", family.fact("fd"));
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(STILL)),
            ("process.args", json!([STILL, "x"])),
            ("ocellus.filename", json!(filename)),
            ("ocellus.exe.deleted", json!(null)),
            ("ocellus.hash.status", json!("ok")),
        ],
    );
    Held::Yes
}

fn execveat_directory(stage: &Stage) -> Held {
    let dir = Path::new(STILL).parent().expect("it is in a directory");
    let family = stage.play(&mut stage.workload(["exec-at-directory", &stage::text(dir), "still"]));
    let filename = format!("/dev/fd/{}/still", family.fact("fd"));
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(STILL)),
            ("process.args", json!(["still"])),
            ("ocellus.filename", json!(filename)),
            ("ocellus.hash.status", json!("ok")),
        ],
    );
    Held::Yes
}

/// The command fails to execute, with this error, and nothing is told of that.
fn refused(stage: &Stage, words: &[&str], error: Errno) {
    let family = stage.play(&mut stage.workload(words));
    family.root().assert_kinds("fork exec exit");
    assert_eq!(family.len(), 1);
    assert_eq!(Errno::from_raw(family.fact("errno") as i32), error);
    expect(family.root().the("exit"), &[("process.executable", json!(WORKLOAD))]);
}

fn cloexec_script(stage: &Stage) -> Held {
    let path = script(&stage.directory("cloexec").join("script"), "#!/bin/sh\n");
    refused(stage, &["exec-cloexec", &path], Errno::ENOENT);
    Held::Yes
}

fn a_script(stage: &Stage) -> Held {
    let path = script(&stage.directory("script").join("program"), "#!/bin/sh -e\nexit 6\n");
    let family = stage.play(&mut stage.workload(["exec", &path, "zeroth", "first"]));
    family.root().assert_kinds("fork exec exec exit");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(resolved("/bin/sh"))),
            ("process.args", json!(["/bin/sh", "-e", path, "first"])),
            ("process.args_count", json!(4)),
            ("process.name", json!("program")),
            ("ocellus.filename", json!(path)),
            ("ocellus.hash.status", json!("ok")),
        ],
    );
    expect(family.root().the("exit"), &[("process.exit_code", json!(6))]);
    Held::Yes
}

fn nested_script(stage: &Stage) -> Held {
    let dir = stage.directory("nested");
    let inner = script(&dir.join("inner"), "#!/bin/sh\nexit 0\n");
    let outer = script(&dir.join("outer"), &format!("#!{inner} option\n"));
    let family = stage.play(&mut stage.workload(["exec", &outer, "zeroth", "first"]));
    family.root().assert_kinds("fork exec exec exit");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(resolved("/bin/sh"))),
            ("process.args", json!(["/bin/sh", inner, "option", outer, "first"])),
            ("process.args_count", json!(5)),
            ("process.name", json!("outer")),
            ("ocellus.filename", json!(outer)),
        ],
    );
    Held::Yes
}

fn script_without_interpreter(stage: &Stage) -> Held {
    let path = script(&stage.directory("bare").join("script"), "exit 0\n");
    refused(stage, &["exec", &path, &path], Errno::ENOEXEC);
    let family = stage.play(&mut stage.workload(["exec-like-a-shell", &path, "first"]));
    family.root().assert_kinds("fork exec exec exit");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(resolved("/bin/sh"))),
            ("process.args", json!(["/bin/sh", path, "first"])),
            ("process.name", json!("sh")),
            ("ocellus.filename", json!("/bin/sh")),
        ],
    );
    Held::Yes
}

fn exec_of_nothing(stage: &Stage) -> Held {
    refused(stage, &["exec", "/nowhere/program", "x"], Errno::ENOENT);
    Held::Yes
}

fn exec_without_permission(stage: &Stage) -> Held {
    let path = stage.directory("forbidden").join("program");
    std::fs::write(&path, "#!/bin/sh\n").expect("it is writable");
    refused(stage, &["exec", &stage::text(&path), "x"], Errno::EACCES);
    Held::Yes
}

fn symbolic_link(stage: &Stage) -> Held {
    let link = stage.directory("link").join("another-name");
    std::os::unix::fs::symlink(STILL, &link).expect("it is writable");
    let link = stage::text(&link);
    let family = stage.play(&mut stage.workload(["exec", &link, &link]));
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(STILL)),
            ("process.args", json!([link])),
            ("process.name", json!("another-name")),
            ("ocellus.filename", json!(link)),
        ],
    );
    Held::Yes
}

fn spoofed_kernel_thread(stage: &Stage) -> Held {
    let family = stage
        .play(Command::new(WORKLOAD).arg0("[kworker/0:1]").args(["change-name", "kworker/0:1"]));
    let (root, child) = (family.root(), family.named("child"));
    root.assert_kinds("fork exec name_change exit");
    expect(
        root.the("exec"),
        &[
            ("process.executable", json!(WORKLOAD)),
            ("process.args", json!(["[kworker/0:1]", "change-name", "kworker/0:1"])),
            ("process.name", json!("workload")),
            ("ocellus.filename", json!(WORKLOAD)),
        ],
    );
    child.assert_kinds("fork exit");
    for event in [root.the("exit"), child.the("fork"), child.the("exit")] {
        expect(
            event,
            &[
                ("process.name", json!("kworker/0:1")),
                ("process.executable", json!(WORKLOAD)),
                ("ocellus.hash.status", json!("ok")),
            ],
        );
    }
    Held::Yes
}

fn loader(stage: &Stage) -> Held {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let Some(loader) = loaders.into_iter().find(|path| Path::new(path).exists()) else {
        return Held::Unsupported("there is no loader of the GNU C library".to_owned());
    };
    let family = stage.play(Command::new(loader).args([WORKLOAD, "exit", "3"]));
    let root = family.root();
    root.assert_kinds("fork exec exit");
    expect(
        root.the("exec"),
        &[
            ("process.executable", json!(resolved(loader))),
            ("process.args", json!([loader, WORKLOAD, "exit", "3"])),
            ("ocellus.filename", json!(loader)),
        ],
    );
    expect(root.the("exit"), &[("process.exit_code", json!(3))]);
    Held::Yes
}

fn self_exe(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["exec-self", "again"]));
    family.root().assert_kinds("fork exec exec exit");
    let event = family.root().last("exec").clone();
    expect(
        &event,
        &[
            ("process.executable", json!(WORKLOAD)),
            ("process.args", json!(["again", "exit", "0"])),
            ("ocellus.filename", json!("/proc/self/exe")),
        ],
    );
    assert_eq!(text(&event, "process.previous.executable"), WORKLOAD);
    Held::Yes
}

fn program_of_32_bits(stage: &Stage) -> Held {
    if STILL32.is_empty() {
        return Held::Unsupported("the compiler makes no 32-bit programs".to_owned());
    }
    let family = stage.play(&mut stage.workload(["exec", STILL32, STILL32, "x"]));
    if family.reported("errno") == Some(Errno::ENOEXEC as u32) {
        return Held::Unsupported("the kernel runs no 32-bit programs".to_owned());
    }
    family.root().assert_kinds("fork exec exec exit");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(STILL32)),
            ("process.args", json!([STILL32, "x"])),
            ("process.args_count", json!(2)),
            ("process.name", json!("still32")),
            ("ocellus.hash.status", json!("ok")),
        ],
    );
    expect(family.root().the("exit"), &[("process.exit_code", json!(0))]);
    Held::Yes
}
