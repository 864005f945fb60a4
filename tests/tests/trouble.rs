//! What goes wrong on a host at three in the morning: each time a clear message or a counted fault,
//! and the events go on. As root, on the running kernel.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use ocellus_tests::ecs::assert_ecs_clean;
use ocellus_tests::guest::{Action, Guest};
use ocellus_tests::program::{Ended, Running, field, has_argument, need_root, ocellus, parse};
use serde_json::json;
use tempfile::TempDir;

fn temp() -> TempDir {
    tempfile::Builder::new().prefix("ocellus-trouble-").tempdir().expect("there is room")
}

fn execute(argument: &str) {
    let status = Command::new("/bin/true").arg(argument).status();
    assert!(status.expect("there is true").success());
}

/// A run that cannot start: status 1, one line that says why, and no output.
fn refused(dir: &Path, arguments: &[&str]) -> String {
    let ended = Running::launch(dir, arguments).wait_for_end();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let last = ended.log.lines().last().expect("there is a reason").to_owned();
    assert!(last.starts_with("ocellus: "), "{}", ended.log);
    last
}

#[test]
fn a_missing_rules_directory_is_named() {
    need_root();
    let dir = temp();
    let message = refused(dir.path(), &["--rules", "/nowhere/rules"]);
    assert!(message.contains("/nowhere/rules"), "{message}");
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    need_root();
    let dir = temp();
    for (output, expected) in [("/nowhere/events", "/nowhere/events"), ("/tmp", "is a directory")] {
        let mut command = Command::new(ocellus());
        command.args(["run", "--output", output]).stdin(Stdio::null());
        let result = command.output().expect("the program starts");
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        assert_eq!(result.status.code(), Some(1), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    drop(dir);
}

#[test]
fn who_may_not_capture_is_told_what_is_missing() {
    need_root();
    const NOBODY: u32 = 65_534;
    // The program may stand below a directory that nobody else may enter.
    let dir = temp();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("it is ours");
    let program = dir.path().join("ocellus");
    std::fs::copy(ocellus(), &program).expect("there is room");
    let result = Command::new(&program)
        .arg("run")
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let message = String::from_utf8_lossy(&result.stderr).into_owned();
    assert_eq!(result.status.code(), Some(1), "{message}");
    assert!(message.contains("CAP_BPF") && message.contains("run as root"), "{message}");
    let result = Command::new(&program).arg("doctor").uid(NOBODY).gid(NOBODY).output();
    let report = String::from_utf8_lossy(&result.expect("it starts").stdout).into_owned();
    assert!(report.contains("CAP_BPF"), "{report}");
}

/// In a mount namespace of its own, so that the host keeps its BTF.
#[test]
fn a_kernel_without_btf_is_named() {
    need_root();
    let script = "mount --bind /dev/null /sys/kernel/btf/vmlinux && \
                  exec \"$0\" run --backend ebpf --output /dev/null";
    let result = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(ocellus())
        .stdin(Stdio::null())
        .output()
        .expect("util-linux is installed");
    let message = String::from_utf8_lossy(&result.stderr).into_owned();
    assert_eq!(result.status.code(), Some(1), "{message}");
    assert!(message.contains("BTF") && message.contains("CONFIG_DEBUG_INFO_BTF"), "{message}");
}

#[test]
fn signals_drain_what_is_held_and_print_totals_that_add_up() {
    need_root();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = temp();
        // Held for ten seconds: only the end lets the event out.
        let running = Running::start(dir.path(), &["--no-snapshot", "--hold-ms", "10000"]);
        execute("held-until-the-end");
        std::thread::sleep(std::time::Duration::from_millis(100));
        running.signal(signal);
        let ended = running.wait_for_end();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let held = ended.events.iter().find(|event| has_argument(event, "held-until-the-end"));
        assert!(held.is_some(), "{}", ended.log);
        let last = ended.events.last().expect("there are events");
        assert_eq!(*field(last, "event.action"), json!("sensor_stopped"));
        assert_sound(&ended);
    }
}

fn assert_sound(ended: &Ended) {
    ended.assert_balanced();
    assert_ecs_clean(&ended.output);
}

#[test]
fn sighup_opens_a_rotated_output_anew_and_loads_rules() {
    need_root();
    let dir = temp();
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    execute("before-the-rotation");
    running.wait_for_event("first", |event| has_argument(event, "before-the-rotation"));
    let rotated = dir.path().join("events.1");
    std::fs::rename(dir.path().join("events.ndjson"), &rotated).expect("it exists");
    running.signal(Signal::SIGHUP);
    running.wait_for_log("SIGHUP");
    execute("after-the-rotation");
    running.wait_for_event("second", |event| has_argument(event, "after-the-rotation"));
    let ended = running.stop();
    ended.assert_balanced();
    let before = parse(&std::fs::read(rotated).expect("it exists"));
    assert!(before.iter().any(|event| has_argument(event, "before-the-rotation")));
}

#[test]
fn a_failing_rule_is_counted_and_events_go_on() {
    need_root();
    let dir = temp();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    let good = Guest::new("good").hits(&[(0, Action::tag("seen"))]);
    let spins = Guest::new("spins").on_event("(loop $again (br $again)) (i32.const 0)");
    for (name, guest) in [("good", good), ("spins", spins)] {
        std::fs::write(rules.join(format!("{name}.wasm")), guest.build()).expect("it is writable");
    }
    std::fs::write(rules.join("text.wasm"), "no component").expect("it is writable");
    let rules_arg = rules.to_str().expect("it is UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules_arg]);
    for n in 0..20 {
        execute(&format!("trouble-{n}"));
    }
    running.wait_for_event("last", |event| has_argument(event, "trouble-19"));
    let ended = running.stop();
    assert_sound(&ended);
    for n in 0..20 {
        let argument = format!("trouble-{n}");
        let mut events = ended.events.iter().filter(|event| has_argument(event, &argument));
        let tags = field(events.next().expect("it arrives"), "tags");
        assert_eq!(*tags, json!(["seen"]));
    }
    let faults = |event: &&serde_json::Value| field(event, "event.action") == &json!("rule_fault");
    let faults: Vec<_> = ended.events.iter().filter(faults).collect();
    assert!(!faults.is_empty(), "{}", ended.log);
    assert_eq!(*field(faults[0], "ocellus.component"), json!("spins"));
    assert!(ended.log.contains("in quarantine"), "{}", ended.log);
    assert!(ended.log.contains("`text` is refused"), "{}", ended.log);
}

/// An output that nobody reads any more, or that stalls, does not stop the capture.
#[test]
fn a_reader_that_goes_away_ends_the_run_cleanly() {
    need_root();
    let dir = temp();
    let config = dir.path().join("ocellus.toml");
    std::fs::write(&config, "").expect("the directory is writable");
    let mut child = Command::new(ocellus())
        .args(["run", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    execute("nobody-reads-this");
    let output = child.wait_with_output().expect("it is our child");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("nobody reads the events any more"), "{log}");
    assert!(log.contains(" dropped (closed "), "{log}");
    assert!(!log.contains("UNACCOUNTED"), "{log}");
}

#[test]
fn a_recording_replays_to_the_same_bytes_each_time() {
    need_root();
    let dir = temp();
    let recording = dir.path().join("r.ocellus");
    // A busy host hashes late: wait for it.
    let config = dir.path().join("ocellus.toml");
    std::fs::write(&config, "[hash]\nwait_ms = 60000\n").expect("the directory is writable");
    let mut recorder = Command::new(ocellus())
        .args(["record", "--config"])
        .arg(&config)
        .arg(&recording)
        .args(["--duration", "3"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    execute("recorded");
    assert!(recorder.wait().expect("it is our child").success());
    let replay = |format: &str| {
        let result = Command::new(ocellus())
            .args(["replay", "--format", format, "--config"])
            .arg(&config)
            .arg(&recording)
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let log = String::from_utf8_lossy(&result.stderr).into_owned();
        assert!(result.status.success(), "{log}");
        result.stdout
    };
    let first = replay("json");
    assert!(first == replay("json"), "a replay is the same each time");
    assert!(!replay("msgpack").is_empty() && !replay("pretty").is_empty());
    assert_ecs_clean(&first);
    let events = parse(&first);
    let event = events.iter().find(|event| has_argument(event, "recorded")).expect("it is there");
    assert_eq!(*field(event, "ocellus.hash.status"), json!("ok"));
    assert!(events.len() > 10, "the running processes are there too");
}

/// A sensor that stands still loses events. It counts each, says so in the stream, and goes on.
#[test]
fn a_stall_loses_events_and_accounts_for_each() {
    const PROCESSES: u64 = 2_000;
    need_root();
    let dir = temp();
    let config = "[capture]\nring_bytes = \"256 KiB\"\nsnapshot = false\n";
    std::fs::write(dir.path().join("ocellus.toml"), config).expect("the directory is writable");
    let running = Running::start(dir.path(), &[]);
    execute("before-the-stall");
    running.wait_for_event("first", |event| has_argument(event, "before-the-stall"));
    running.signal(Signal::SIGSTOP);
    for n in 0..PROCESSES {
        execute(&format!("stalled-{n}"));
    }
    running.signal(Signal::SIGCONT);
    running.wait_for_event("loss", |event| field(event, "event.action") == &json!("events_lost"));
    // What it knows of the processes is doubtful now.
    running.wait_for_log("reading the running processes again, since events were lost");
    execute("after-the-stall");
    running.wait_for_event("last", |event| has_argument(event, "after-the-stall"));
    let ended = running.stop();
    assert_sound(&ended);
    let is_exec = |event: &&serde_json::Value| {
        let kinds = field(event, "ocellus.kinds").as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "process.exec"))
    };
    let is_stalled = |event: &&serde_json::Value| {
        let argument = field(event, "process.args").get(1).and_then(|argument| argument.as_str());
        argument.is_some_and(|argument| argument.starts_with("stalled-"))
    };
    let seen = ended.events.iter().filter(is_exec).filter(is_stalled).count() as u64;
    let lost: u64 = ended
        .events
        .iter()
        .filter(|event| {
            field(event, "event.action") == &json!("events_lost")
                && field(event, "ocellus.lost.kind") == &json!("exec")
        })
        .filter_map(|event| field(event, "ocellus.lost.count").as_u64())
        .sum();
    assert!(lost > 0 && seen < PROCESSES, "{seen} seen, {lost} lost");
    // What else this host executed meanwhile may be among the lost.
    assert!(seen + lost >= PROCESSES, "{seen} seen, {lost} lost");
}
