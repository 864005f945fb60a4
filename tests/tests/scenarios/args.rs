//! Arguments, environment, names and directories.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::family::expect;
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, ENV_BYTES, STILL, Stage, WORKLOAD, copy};

pub const GROUP: Group = Group {
    title: "Arguments, environment, paths",
    alone: false,
    scenarios: &[
        Scenario {
            name: "NULL argv",
            expected: "one empty argument, which the kernel puts there",
            run: null_argv,
        },
        Scenario {
            name: "empty arguments",
            expected: "each of them is there",
            run: empty_arguments,
        },
        Scenario {
            name: "arguments that are not UTF-8",
            expected: "escaped without loss, and marked",
            run: not_utf8,
        },
        Scenario {
            name: "newlines, control and bidirectional characters",
            expected: "as they are, in valid JSON",
            run: control_characters,
        },
        Scenario {
            name: "one argument of 120 KB",
            expected: "the first 32 KiB, marked as truncated; true count and bytes",
            run: huge_argument,
        },
        Scenario { name: "10,000 arguments", expected: "all of them", run: ten_thousand_arguments },
        Scenario { name: "2,049 arguments", expected: "all of them", run: many_arguments },
        Scenario {
            name: "220 KB of environment",
            expected: "the configured part, marked as truncated; arguments untouched",
            run: huge_environment,
        },
        Scenario {
            name: "LD_PRELOAD in the environment",
            expected: "in `process.env_vars`, as configured",
            run: preload,
        },
        Scenario { name: "path of 3.6 KB", expected: "the whole path", run: long_path },
        Scenario {
            name: "name changed by prctl",
            expected: "the new name in later events and in children; executable and arguments stay",
            run: changed_name,
        },
        Scenario {
            name: "arguments overwritten later",
            expected: "later events have those of the exec",
            run: overwritten_arguments,
        },
        Scenario {
            name: "current directory removed",
            expected: "the path that it had",
            run: deleted_directory,
        },
        Scenario {
            name: "current directory 40 levels deep",
            expected: "the whole path",
            run: deep_directory,
        },
    ],
};

fn null_argv(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["exec-null-argv", STILL]));
    family.root().assert_kinds("fork exec exec exit");
    expect(
        family.root().last("exec"),
        &[
            ("process.executable", json!(STILL)),
            ("process.args", json!([""])),
            ("process.args_count", json!(1)),
            ("ocellus.args_bytes", json!(1)),
        ],
    );
    Held::Yes
}

fn empty_arguments(stage: &Stage) -> Held {
    let family = stage.play(Command::new(STILL).arg0("").args(["", "a", "", ""]));
    expect(
        family.root().the("exec"),
        &[
            ("process.args", json!(["", "", "a", "", ""])),
            ("process.args_count", json!(5)),
            ("ocellus.args_bytes", json!(6)),
            ("process.command_line", json!("  a  ")),
        ],
    );
    Held::Yes
}

fn not_utf8(stage: &Stage) -> Held {
    let bytes = OsString::from_vec(b"a\xff\xfeb\\c".to_vec());
    let family = stage.play(Command::new(STILL).arg0("still").arg(bytes).arg("\u{fc}"));
    expect(
        family.root().the("exec"),
        &[
            ("process.args", json!(["still", "a\\xff\\xfeb\\\\c", "\u{fc}"])),
            ("process.args_count", json!(3)),
            ("ocellus.escaped", json!(["process.args"])),
            ("ocellus.truncated", json!(null)),
        ],
    );
    Held::Yes
}

fn control_characters(stage: &Stage) -> Held {
    let text = "a\nb\tc\r\u{1b}[2J\u{7f}\u{202e}d\u{2066}\"\\";
    let family = stage.play(Command::new(STILL).arg0("still").arg(text));
    expect(
        family.root().the("exec"),
        &[
            ("process.args", json!(["still", text])),
            ("process.command_line", json!(format!("still {text}"))),
            ("ocellus.escaped", json!(null)),
        ],
    );
    Held::Yes
}

fn huge_argument(stage: &Stage) -> Held {
    const TAKEN: usize = 32 << 10;
    let argument = "x".repeat(120_000);
    let (family, held) =
        stage.play_told(Command::new(STILL).arg0("still").args([&argument[..], "last"]), 1);
    let taken = "x".repeat(TAKEN - "still\0".len());
    expect(
        family.root().the("exec"),
        &[
            ("process.args", json!(["still", taken])),
            ("process.args_count", json!(3)),
            ("ocellus.args_bytes", json!("still\0".len() + argument.len() + 1 + "last\0".len())),
            ("ocellus.truncated", json!(["process.args"])),
            ("process.executable", json!(STILL)),
        ],
    );
    held
}

/// So many arguments, none of which is cut.
fn all_arguments(stage: &Stage, arguments: &[String]) -> Held {
    let (family, held) = stage.play_told(Command::new(STILL).arg0("still").args(arguments), 1);
    let all: Vec<&str> = ["still"].into_iter().chain(arguments.iter().map(|it| &**it)).collect();
    let bytes: usize = all.iter().map(|argument| argument.len() + 1).sum();
    expect(
        family.root().the("exec"),
        &[
            ("process.args", json!(all)),
            ("process.args_count", json!(all.len())),
            ("ocellus.args_bytes", json!(bytes)),
            ("ocellus.truncated", json!(null)),
        ],
    );
    held
}

fn ten_thousand_arguments(stage: &Stage) -> Held {
    let arguments: Vec<String> = (0..9_999).map(|n| (n % 10).to_string()).collect();
    all_arguments(stage, &arguments)
}

fn many_arguments(stage: &Stage) -> Held {
    let arguments: Vec<String> = (0..2_048).map(|n| format!("argument-{n}")).collect();
    all_arguments(stage, &arguments)
}

fn huge_environment(stage: &Stage) -> Held {
    let value = "v".repeat(1_000);
    let variables = (0..220).map(|n| (format!("VARIABLE_{n:03}"), &value));
    let mut command = Command::new(STILL);
    let (family, held) =
        stage.play_told(command.arg0("still").arg("x").env_clear().envs(variables), 1);
    let event = family.root().the("exec").clone();
    expect(
        &event,
        &[
            ("process.args", json!(["still", "x"])),
            ("process.args_count", json!(2)),
            ("ocellus.truncated", json!(["process.env_vars"])),
            ("process.executable", json!(STILL)),
        ],
    );
    let told = event["process"]["env_vars"].as_array().expect("it is configured");
    assert_eq!(told[0], json!(format!("VARIABLE_000={value}")));
    let bytes: usize = told.iter().map(|it| it.as_str().expect("text").len() + 1).sum();
    // The last one was cut and has no NUL.
    assert_eq!(bytes - 1, ENV_BYTES);
    held
}

fn preload(stage: &Stage) -> Held {
    let mut command = Command::new(STILL);
    command.env_clear().env("LD_PRELOAD", "/nowhere/evil.so").env("HOME", "/root");
    let (family, held) = stage.play_told(&mut command, 1);
    let event = family.root().the("exec").clone();
    expect(
        &event,
        &[
            ("process.env_vars", json!(["HOME=/root", "LD_PRELOAD=/nowhere/evil.so"])),
            ("ocellus.truncated", json!(null)),
        ],
    );
    held
}

/// A directory so deep, of names so long.
fn deep(mut path: PathBuf, levels: usize, name: &str) -> PathBuf {
    for _ in 0..levels {
        path.push(name);
    }
    std::fs::create_dir_all(&path).expect("there is room");
    path
}

fn long_path(stage: &Stage) -> Held {
    /// Bytes of the name that was passed to exec, as far as kprobes copy it.
    const KPROBE_NAME: usize = 128;
    let dir = deep(stage.directory("long"), 15, &"d".repeat(239));
    let path = dir.join("program");
    let program = copy(STILL, &path);
    assert!(program.len() > 3_600, "{}", program.len());
    let (family, held) = stage.play_told(&mut Command::new(&program), 1);
    let (filename, truncated) = match &held {
        Held::Yes => (&program[..], json!(null)),
        _ => (&program[..KPROBE_NAME], json!(["ocellus.filename"])),
    };
    expect(
        family.root().the("exec"),
        &[
            ("process.executable", json!(program)),
            ("process.args", json!([program])),
            ("ocellus.filename", json!(filename)),
            ("ocellus.truncated", truncated),
            ("ocellus.hash.status", json!("ok")),
        ],
    );
    held
}

fn changed_name(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["change-name", "another name"]));
    let (root, child) = (family.root(), family.named("child"));
    expect(root.the("exec"), &[("process.name", json!("workload"))]);
    for event in [child.the("fork"), child.the("exit"), root.the("exit")] {
        expect(
            event,
            &[
                ("process.name", json!("another name")),
                ("process.executable", json!(WORKLOAD)),
                ("process.args", json!([WORKLOAD, "change-name", "another name"])),
            ],
        );
    }
    Held::Yes
}

fn overwritten_arguments(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["overwrite-arguments", "first", "second"]));
    let (root, child) = (family.root(), family.named("child"));
    let args: Value = json!([WORKLOAD, "overwrite-arguments", "first", "second"]);
    for event in [root.the("exec"), child.the("fork"), child.the("exit"), root.the("exit")] {
        expect(event, &[("process.args", args.clone()), ("process.args_count", json!(4))]);
    }
    Held::Yes
}

fn deleted_directory(stage: &Stage) -> Held {
    let dir = stage.directory("deleted-directory");
    let words = ["exec-in-deleted-directory", &stage::text(&dir), STILL];
    let (family, held) = stage.play_told(&mut stage.workload(words), 2);
    for kind in ["exec", "exit"] {
        expect(
            family.root().last(kind),
            &[("process.working_directory", json!(stage::text(&dir)))],
        );
    }
    held
}

fn deep_directory(stage: &Stage) -> Held {
    let dir = deep(stage.directory("deep"), 40, "level");
    let words = ["wait-then-exec", WORKLOAD, "fork", "0"];
    let (family, held) = stage.play_told(stage.workload(words).current_dir(&dir), 1);
    let dir = stage::text(&dir);
    assert_eq!(Path::new(&dir).iter().filter(|it| *it == "level").count(), 40);
    for event in [family.root().last("exec"), family.named("child").the("fork")] {
        expect(
            event,
            &[("process.working_directory", json!(dir)), ("ocellus.truncated", json!(null))],
        );
    }
    held
}
