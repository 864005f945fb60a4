//! What an exec record says of arguments, environment and the name that was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use ocellus::backend::{ARGS_BYTES_MAX, CaptureSettings};
use ocellus_ebpf::abi::{F_ARGS_FAULT, F_ENV_FAULT, Kind, SpanId};

use crate::Case;
use crate::bench::{Bench, this_program};

pub const CASES: &[Case] = &[
    ("arguments_are_whole", arguments_are_whole),
    ("ten_thousand_arguments", ten_thousand_arguments),
    ("one_argument_of_120_kb", one_argument_of_120_kb),
    ("arguments_up_to_the_bound", arguments_up_to_the_bound),
    ("bounds_are_configurable", bounds_are_configurable),
    ("environment_only_when_configured", environment_only_when_configured),
    ("scripts_name_both", scripts_name_both),
    ("relative_names_are_kept", relative_names_are_kept),
];

/// What the command line is in memory: each argument and its NUL.
fn joined(arguments: &[String]) -> Vec<u8> {
    arguments.iter().flat_map(|text| text.bytes().chain([0])).collect()
}

fn run_with(bench: &mut Bench, extra: &[String]) -> (crate::bench::Seen, Vec<u8>) {
    let program = this_program().to_string_lossy().into_owned();
    let mut line = vec![program.clone(), "role".to_owned(), "end".to_owned()];
    line.extend_from_slice(extra);
    let run = bench.run(Command::new(program).args(&line[1..]));
    assert_eq!(run.status.code(), Some(7));
    let exec = run.only(Kind::Exec).clone();
    assert_eq!(exec.record.argc as usize, line.len());
    assert!(!exec.flag(F_ARGS_FAULT) && !exec.flag(F_ENV_FAULT));
    (exec, joined(&line))
}

fn arguments_are_whole(bench: &mut Bench) {
    let extra = ["", "two words", "naïve", "tab\there", "line\nbreak"].map(str::to_owned);
    let (exec, line) = run_with(bench, &extra);
    assert_eq!(exec.bytes(SpanId::Args), line);
    assert_eq!(exec.lengths(SpanId::Args), (line.len(), line.len()));
    assert_eq!(exec.args()[3..], extra);
    assert_eq!(exec.text(SpanId::Exe), this_program().to_string_lossy());
}

fn ten_thousand_arguments(bench: &mut Bench) {
    let extra: Vec<String> = (0..10_000).map(|number| format!("argument-{number}")).collect();
    let (exec, line) = run_with(bench, &extra);
    assert_eq!(exec.lengths(SpanId::Args), (ARGS_BYTES_MAX as usize, line.len()));
    assert_eq!(exec.bytes(SpanId::Args), &line[..ARGS_BYTES_MAX as usize]);
}

fn one_argument_of_120_kb(bench: &mut Bench) {
    let (exec, line) = run_with(bench, &["y".repeat(120_000)]);
    assert_eq!(exec.lengths(SpanId::Args), (ARGS_BYTES_MAX as usize, line.len()));
    assert_eq!(exec.bytes(SpanId::Args), &line[..ARGS_BYTES_MAX as usize]);
}

fn arguments_up_to_the_bound(bench: &mut Bench) {
    let (_, bare) = run_with(bench, &[String::new()]);
    let room = ARGS_BYTES_MAX as usize - bare.len();
    let (exec, line) = run_with(bench, &["z".repeat(room)]);
    assert_eq!(exec.lengths(SpanId::Args), (line.len(), ARGS_BYTES_MAX as usize));
    let (exec, line) = run_with(bench, &["z".repeat(room + 1)]);
    assert_eq!(exec.lengths(SpanId::Args), (line.len() - 1, ARGS_BYTES_MAX as usize + 1));
}

fn bounds_are_configurable(bench: &mut Bench) {
    bench.reopen(&CaptureSettings { args_max: 100, env_max: 50, ..CaptureSettings::default() });
    let (exec, line) = run_with(bench, &["w".repeat(500)]);
    assert_eq!(exec.lengths(SpanId::Args), (100, line.len()));
    assert_eq!(exec.bytes(SpanId::Args), &line[..100]);
    assert_eq!(exec.lengths(SpanId::Env).0, 50.min(exec.lengths(SpanId::Env).1));
    bench.reopen(&CaptureSettings { args_max: 0, ..CaptureSettings::default() });
    let (exec, line) = run_with(bench, &[]);
    assert_eq!(exec.lengths(SpanId::Args), (0, line.len()));
}

fn environment_only_when_configured(bench: &mut Bench) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exit 0"]).env_clear().env("FIRST", "1").env("SECOND", "two words");
    let run = bench.run(&mut command);
    let exec = run.only(Kind::Exec);
    assert_eq!(exec.lengths(SpanId::Env), (0, 0));
    assert_eq!(exec.record.envc, 2);
    bench.reopen(&CaptureSettings { env_max: ARGS_BYTES_MAX, ..CaptureSettings::default() });
    let run = bench.run(&mut command);
    let exec = run.only(Kind::Exec);
    let mut variables: Vec<&[u8]> = exec.bytes(SpanId::Env).split(|byte| *byte == 0).collect();
    variables.sort_unstable();
    assert_eq!(variables, [&b""[..], b"FIRST=1", b"SECOND=two words"]);
    assert_eq!(exec.args(), ["/bin/sh", "-c", "exit 0"]);
}

fn scripts_name_both(bench: &mut Bench) {
    let script = bench.dir().join("script");
    fs::write(&script, "#!/bin/sh -e\nexit 4\n").expect("the script is written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is executable");
    let run = bench.run(Command::new(&script).arg("one"));
    assert_eq!(run.status.code(), Some(4));
    let exec = run.only(Kind::Exec);
    let shell = fs::canonicalize("/bin/sh").expect("there is a shell");
    assert_eq!(exec.text(SpanId::Exe), shell.to_string_lossy());
    assert_eq!(exec.text(SpanId::Filename), script.to_string_lossy());
    assert_eq!(exec.args(), ["/bin/sh", "-e", &*script.to_string_lossy(), "one"]);
    assert_eq!(exec.record.argc, 4);
    assert!(exec.record.task.comm.starts_with(b"script\0"));
}

fn relative_names_are_kept(bench: &mut Bench) {
    let dir = bench.dir();
    bench.copy(&this_program(), "copy");
    let mut command = Command::new("/bin/sh");
    let run = bench.run(command.args(["-c", "exec ./copy role end"]).current_dir(&dir));
    let exec = run.last_exec();
    assert_eq!(exec.text(SpanId::Filename), "./copy");
    assert_eq!(exec.text(SpanId::Exe), dir.join("copy").to_string_lossy());
}
