//! The whole product on live events: probes, core, rules, output, through the program that users
//! run. As root, on the running kernel.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use ocellus_tests::ecs::assert_ecs_clean;
use ocellus_tests::guest::{Action, Guest, Term};
use ocellus_tests::program::{Ended, Running, field, has_argument, need_root};
use serde_json::{Value, json};
use tempfile::TempDir;

fn temp() -> TempDir {
    // Rules and cache are refused where others can write: the directory is ours alone.
    tempfile::Builder::new().prefix("ocellus-e2e-").tempdir().expect("there is room")
}

/// Installs a component as an operator should: under another name first, then renamed.
fn put(dir: &Path, name: &str, guest: &Guest) {
    let partial = dir.join(format!(".{name}.partial"));
    std::fs::write(&partial, guest.build()).expect("the directory is writable");
    std::fs::rename(&partial, dir.join(format!("{name}.wasm"))).expect("it is the same directory");
}

/// A guest that alerts with this message on every execution with an argument that begins so.
fn alerting(prefix: &str, message: &str) -> Guest {
    let term = Term { field: "process.args".into(), how: 1, texts: vec![prefix.to_owned()] };
    Guest::new("e2e").interest(&["process.exec"], &[term]).hits(&[(0, Action::alert(73, message))])
}

fn sha256(path: &str) -> String {
    let output = Command::new("sha256sum").arg(path).output().expect("coreutils are installed");
    String::from_utf8(output.stdout).expect("it is text")[..64].to_owned()
}

fn resolved(path: &str) -> String {
    let path = std::fs::canonicalize(path).expect("it exists");
    path.to_str().expect("it is UTF-8").to_owned()
}

#[test]
fn a_process_arrives_with_all_that_is_true_of_it() {
    need_root();
    let dir = temp();
    // Long enough to be whole on a busy machine.
    let running = Running::start(dir.path(), &["--no-snapshot", "--hold-ms", "2000"]);
    let marker = format!("unique-{}", std::process::id());
    let mut child = Command::new("/bin/sh")
        .args(["-c", "exit 7", &marker, "", "ünïcode"])
        .current_dir(dir.path())
        .spawn()
        .expect("there is a shell");
    let pid = child.id();
    child.wait().expect("it is our child");
    let event = running.wait_for_event("process", |event| has_argument(event, &marker));
    let exe = resolved("/bin/sh");
    for (path, expected) in [
        ("process.pid", json!(pid)),
        ("process.parent.pid", json!(std::process::id())),
        ("process.args", json!(["/bin/sh", "-c", "exit 7", marker, "", "ünïcode"])),
        ("process.args_count", json!(6)),
        ("process.working_directory", json!(resolved(dir.path().to_str().expect("UTF-8")))),
        ("process.executable", json!(exe)),
        ("process.name", json!("sh")),
        ("process.exit_code", json!(7)),
        ("process.user.id", json!("0")),
        ("user.name", json!("root")),
        ("process.hash.sha256", json!(sha256(&exe))),
        ("ocellus.hash.status", json!("ok")),
        ("ocellus.exe.inode", json!(std::fs::metadata(&exe).expect("it exists").ino())),
        ("event.action", json!("process_ran")),
        ("event.type", json!(["start", "change", "end"])),
        ("ocellus.kinds", json!(["process.fork", "process.exec", "process.exit"])),
        ("ocellus.raw_events", json!(3)),
        ("message", json!(format!("Process sh (PID: {pid}) by user root RAN"))),
    ] {
        assert_eq!(*field(&event, path), expected, "{path} of {event:#}");
    }
    let entity = field(&event, "process.entity_id").as_str().expect("it is a text");
    assert_eq!(entity.len(), 16);
    let parent = field(&event, "process.parent.executable");
    assert_eq!(*parent, json!(resolved("/proc/self/exe")), "{event:#}");
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_sound(&ended);
}

/// The totals add up, and every event is ECS.
fn assert_sound(ended: &Ended) {
    ended.assert_balanced();
    assert_ecs_clean(&ended.output);
}

#[test]
fn running_processes_are_told_once_and_keep_their_identity() {
    need_root();
    let dir = temp();
    let mut sleeper = Command::new("sleep").arg("1234567").spawn().expect("there is sleep");
    let mut identities = Vec::new();
    for _ in 0..2 {
        let dir = temp();
        let running = Running::start(dir.path(), &[]);
        let event = running.wait_for_event("existing process", |event| {
            field(event, "process.pid") == sleeper.id() && has_argument(event, "1234567")
        });
        assert_eq!(*field(&event, "event.action"), json!("existing_process"));
        assert_eq!(*field(&event, "process.parent.pid"), json!(std::process::id()));
        identities.push(field(&event, "process.entity_id").clone());
        let ended = running.stop();
        let told = ended.events.iter().filter(|event| has_argument(event, "1234567")).count();
        assert_eq!(told, 1, "{}", ended.log);
        assert_sound(&ended);
    }
    sleeper.kill().expect("it runs");
    sleeper.wait().expect("it is our child");
    assert_eq!(identities[0], identities[1], "entity ids survive a restart of the sensor");
    drop(dir);
}

#[test]
fn a_rule_alerts_and_its_next_version_does_at_the_next_event() {
    need_root();
    let dir = temp();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    put(&rules, "e2e", &alerting("swap-", "the first version"));
    let rules_arg = rules.to_str().expect("it is UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules_arg]);
    let execute = |argument: &str| {
        Command::new("/bin/true").arg(argument).status().expect("there is true");
        running.wait_for_event(argument, |event| has_argument(event, argument))
    };
    let event = execute("swap-one");
    assert_eq!(*field(&event, "event.kind"), json!("alert"));
    assert_eq!(*field(&event, "event.severity"), json!(73));
    assert_eq!(*field(&event, "rule.id"), json!("e2e"));
    assert_eq!(*field(&event, "ocellus.rules.messages"), json!(["the first version"]));
    let event = execute("noswap");
    assert_eq!(*field(&event, "event.kind"), json!("event"));

    put(&rules, "e2e", &alerting("swap-", "the second version"));
    running.wait_for_log("has a new version");
    let event = execute("swap-two");
    assert_eq!(*field(&event, "ocellus.rules.messages"), json!(["the second version"]));

    std::fs::write(rules.join("e2e.wasm"), b"rubbish").expect("the directory is writable");
    running.wait_for_log("the version before it stays in force");
    let event = execute("swap-three");
    assert_eq!(*field(&event, "ocellus.rules.messages"), json!(["the second version"]));

    std::fs::remove_file(rules.join("e2e.wasm")).expect("it exists");
    running.wait_for_log("is removed");
    let event = execute("swap-four");
    assert_eq!(*field(&event, "event.kind"), json!("event"));
    let ended = running.stop();
    assert_sound(&ended);
    let changes = ended
        .events
        .iter()
        .filter(|event| field(event, "ocellus.kinds") == &json!(["sensor.rules"]));
    assert_eq!(changes.count(), 4, "each change is an event: {}", ended.log);
}

/// Numbered processes run all the while, and rules are swapped under them: every process arrives,
/// once, judged by one version.
#[test]
fn swaps_under_load_miss_nothing_and_repeat_nothing() {
    const PROCESSES: usize = 5_000;
    const SWAPS: usize = 25;
    need_root();
    let dir = temp();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    put(&rules, "e2e", &alerting("load-", "version 0"));
    let rules_arg = rules.to_str().expect("it is UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules_arg]);
    let swaps = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            for n in 0..PROCESSES {
                let status = Command::new("/bin/true").arg(format!("load-{n}")).status();
                assert!(status.expect("there is true").success());
            }
        });
        let mut swaps = 0;
        while !load.is_finished() || swaps < SWAPS {
            swaps += 1;
            put(&rules, "e2e", &alerting("load-", &format!("version {swaps}")));
            running.wait_for_log_times("has a new version", swaps);
        }
        swaps
    });
    let last = format!("load-{}", PROCESSES - 1);
    running.wait_for_event(&last, |event| has_argument(event, &last));
    let ended = running.stop();
    assert_sound(&ended);
    let mut seen: BTreeMap<usize, (&Value, u64)> = BTreeMap::new();
    for event in &ended.events {
        let argument = field(event, "process.args").get(1).and_then(Value::as_str);
        let number = argument.and_then(|arg| arg.strip_prefix("load-")?.parse().ok());
        let is_exec = field(event, "process.executable").as_str().is_some_and(|exe| {
            exe.ends_with("/true")
                && event["event"]["type"]
                    .as_array()
                    .is_some_and(|types| types.contains(&json!("change")))
        });
        let (Some(number), true) = (number, is_exec) else { continue };
        let generation = field(event, "ocellus.rules.generation").as_u64().expect("it is judged");
        let message = field(event, "ocellus.rules.messages");
        assert!(message.is_array(), "{event:#}");
        let twice = seen.insert(number, (message, generation));
        assert!(twice.is_none(), "process {number} was told twice");
    }
    let missing: Vec<usize> = (0..PROCESSES).filter(|n| !seen.contains_key(n)).collect();
    assert!(missing.is_empty(), "missing {missing:?}; the log ends:\n{}", ended.log);
    let generations: Vec<u64> = seen.values().map(|(_, generation)| *generation).collect();
    assert!(generations.is_sorted(), "generations only grow");
    let distinct = seen.values().map(|(message, _)| message.to_string());
    let distinct = distinct.collect::<std::collections::BTreeSet<_>>().len();
    eprintln!("{PROCESSES} processes, {swaps} swaps, {distinct} versions judged some");
    assert!(swaps >= SWAPS && distinct > 1, "{swaps} swaps, {distinct} versions");
}
