//! `ocellus rules …`, as an author meets it: each command, and each way in which it says no.

#[path = "author/again.rs"]
mod again;
#[path = "author/interests.rs"]
mod interests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ocellus_tests::guest::{Action, Guest, TAG, Term};
use ocellus_tests::program::{PATIENCE, need_root, ocellus};
use serde_json::Value;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sample.ocellus");
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/dist");

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `ocellus rules …` in a folder.
fn rules(dir: &Path, args: &[&str]) -> Output {
    Command::new(ocellus())
        .arg("rules")
        .args(args)
        .current_dir(dir)
        .env("XDG_CACHE_HOME", author_dir().join("cache"))
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program writes UTF-8")
}

#[track_caller]
fn succeeds(dir: &Path, args: &[&str]) -> String {
    let output = rules(dir, args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{args:?}\n{out}\n{err}");
    out.to_owned()
}

/// Standard output and standard error of a command that fails.
#[track_caller]
fn fails(dir: &Path, args: &[&str]) -> (String, String) {
    let output = rules(dir, args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{args:?}\n{out}\n{err}");
    assert!(err.starts_with("ocellus: "), "{err}");
    (out.to_owned(), err.to_owned())
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn name_term(how: u8, texts: &[&str]) -> Term {
    let texts = texts.iter().map(ToString::to_string).collect();
    Term { field: "process.name".into(), how, texts }
}

/// A guest that alerts on each execution of nc.
fn netcat(id: &str, message: &str) -> Guest {
    Guest::new(id)
        .interest(&["process.exec"], &[name_term(0, &["nc"])])
        .hits(&[(0, Action::alert(47, message))])
}

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(dir.join(name), bytes).expect("the directory is writable");
}

const FIXTURES: &str = r#"
[[test]]
name = "netcat"
exec = ["nc", "-l", "4444"]
match = "netcat"
severity = 47
message = "netcat"
verdict = "alert"

[[test]]
name = "an editor"
exec = ["vim", "a.txt"]
match = []
"#;

// check, inspect

#[test]
fn a_component_is_checked_and_inspected() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "netcat.wasm", netcat("netcat", "netcat").attack(&["T1095"]).build());
    let checked = succeeds(dir.path(), &["check", "netcat.wasm"]);
    assert_has(
        &checked,
        &[
            "netcat.wasm: ",
            "netcat 1.0.0: Name of netcat; wants to raise alerts, add tags and DROP EVENTS; T1095",
            "called for process.exec where process.name is \"nc\"",
        ],
    );
    write(dir.path(), "all.wasm", Guest::new("all").build());
    let checked = succeeds(dir.path(), &["check", "all.wasm"]);
    assert_has(&checked, &["called for every event: interests would keep most of them away"]);
    let inspected = succeeds(dir.path(), &["inspect", "netcat.wasm"]);
    assert_has(&inspected, &["sha256", "imports   ocellus:rule/event@", "exports   on-event"]);
    let json: Value =
        serde_json::from_str(&succeeds(dir.path(), &["inspect", "netcat.wasm", "--json"]))
            .expect("it is JSON");
    assert_eq!(json["rules"][0]["id"], "netcat");
    assert_eq!(json["rules"][0]["permissions"]["drop"], true);
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn what_is_wrong_with_a_component_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |wasm: &[u8]| {
        write(dir.path(), "a.wasm", wasm);
        fails(dir.path(), &["check", "a.wasm"]).1
    };
    let field = Term { field: "process.nam".into(), how: 0, texts: vec!["nc".into()] };
    let guest = Guest::new("a").interest(&["process.exec"], &[field]);
    assert_has(
        &refused(&guest.build()),
        &[
            "a.wasm: its metadata is wrong: ",
            "interest 0: there is no field `process.nam`; did you mean `process.name`?",
        ],
    );
    let whole = netcat("a", "a").build();
    assert_has(&refused(&whole[..whole.len() / 2]), &["a.wasm: it does not compile: "]);
    assert_eq!(refused(b"#!/bin/sh\n"), "ocellus: a.wasm: it is not WebAssembly\n");
    let (_, error) = fails(dir.path(), &["check", "b.wasm"]);
    assert_has(&error, &["cannot read b.wasm: No such file"]);
}

#[test]
fn the_line_of_the_contract_that_differs_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // A component whose `configure` takes nothing and answers nothing.
    let wasm = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (export "configure" (func $f))
            (export "on-event" (func $f)))"#,
    )
    .unwrap();
    write(dir.path(), "a.wasm", wasm);
    let (_, error) = fails(dir.path(), &["check", "a.wasm"]);
    assert_has(
        &error,
        &[
            "wit/rule.wit:",
            "export configure: func(config: string)",
            "the component has: export \
           configure: func()",
        ],
    );
}

#[test]
fn shipped_components_do_not_differ_from_the_contract() {
    for shelf in ["rules/dist", "examples/dist"] {
        for entry in fs::read_dir(root(shelf)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                let wasm = fs::read(&path).unwrap();
                assert_eq!(ocellus::rules::world::differences(&wasm), [""; 0], "{path:?}");
            }
        }
    }
}

// test

#[test]
fn fixtures_pass_or_tell_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "netcat.wasm", netcat("netcat", "netcat").build());
    write(dir.path(), "f.toml", FIXTURES);
    let arguments = ["test", "netcat.wasm", "--fixtures", "f.toml"];
    let passed = succeeds(dir.path(), &arguments);
    assert_has(&passed, &["ok    netcat", "ok    an editor", "2 passed, 0 failed", "fuel for an"]);
    assert_eq!(succeeds(dir.path(), &arguments), passed, "cost and answer are reproducible");

    let wrong = FIXTURES
        .replace("severity = 47", "severity = 73\ntags = [\"x\"]")
        .replace("message = \"netcat\"", "message = \"telnet\"")
        .replace("match = []", "match = \"netcat\"");
    write(dir.path(), "f.toml", wrong);
    let (out, error) = fails(dir.path(), &arguments);
    assert_has(
        &out,
        &[
            "FAIL  netcat",
            "expected severity 73, got 47",
            "expected a message with \"telnet\", got \"netcat\"",
            "expected the tag \"x\", got []",
            "FAIL  an editor",
            "expected `netcat` to match, and it said nothing",
            "it was not called:",
            "process.name is \"vim\", not \"nc\"",
            "0 passed, 2 failed",
        ],
    );
    assert_has(&error, &["2 tests of netcat failed"]);
}

#[test]
fn what_is_wrong_with_fixtures_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "netcat.wasm", netcat("netcat", "netcat").build());
    let refused = |fixtures: &str| {
        write(dir.path(), "f.toml", fixtures);
        fails(dir.path(), &["test", "netcat.wasm", "--fixtures", "f.toml"]).1
    };
    let misspelt = "[[test]]\nname = \"a\"\nevent = { \"process.nam\" = \"a\" }\nmatch = []";
    assert_has(
        &refused(misspelt),
        &["f.toml: test \"a\": there is no field `process.nam`; did you mean `process.name`?"],
    );
    assert_has(&refused("[[test]]\nname = \"a\"\nexec = [\"a\"]"), &["it expects nothing"]);
    assert_has(&refused("[[tests]]"), &["f.toml: ", "unknown field `tests`"]);
    let baseline = "[[baseline]]\nrecording = \"none.ocellus\"";
    assert_has(&refused(baseline), &["cannot open the recording none.ocellus"]);
    let (_, error) = fails(dir.path(), &["test", "netcat.wasm"]);
    assert_has(&error, &["there is nothing to test: netcat.wasm has no fixtures"]);
    let (_, error) = fails(dir.path(), &["test", "telnet.wasm"]);
    assert_has(&error, &["cannot read telnet.wasm: No such file"]);
}

#[test]
fn results_are_junit_too() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "netcat.wasm", netcat("netcat", "netcat").build());
    write(dir.path(), "f.toml", FIXTURES);
    let arguments = ["test", "netcat.wasm", "--fixtures", "f.toml", "--junit"];
    succeeds(dir.path(), &[&arguments[..], &["out.xml"]].concat());
    let xml = fs::read_to_string(dir.path().join("out.xml")).unwrap();
    assert_has(
        &xml,
        &["<testsuite name=\"netcat\" tests=\"2\" failures=\"0\">", "classname=\"f\""],
    );
    let (_, error) = fails(dir.path(), &[&arguments[..], &["none/out.xml"]].concat());
    assert_has(&error, &["cannot write none/out.xml: No such file or directory"]);
}

#[test]
fn a_baseline_and_a_limit_are_asserted() {
    let dir = tempfile::tempdir().unwrap();
    let loud = Guest::new("loud")
        .interest(&["process.exec"], &[name_term(1, &["s"])])
        .hits(&[(0, Action::alert(21, "s"))]);
    write(dir.path(), "loud.wasm", loud.build());
    let (out, _) = fails(dir.path(), &["test", "loud.wasm", "--recording", SAMPLE]);
    assert_has(&out, &["more than the 0 allowed", "loud: alert 21 \"s\""]);
    let arguments = ["test", "loud.wasm", "--recording", SAMPLE, "--max-alerts", "100"];
    let out = succeeds(dir.path(), &arguments);
    assert_has(&out, &["1 passed, 0 failed", "of which it saw"]);
    let (out, _) = fails(dir.path(), &[&arguments[..], &["--max-fuel", "1"]].concat());
    assert_has(&out, &["MORE than the 1 allowed", "1 passed, 1 failed"]);
    succeeds(dir.path(), &[&arguments[..], &["--max-fuel", "1000"]].concat());
}

#[test]
fn events_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "netcat.wasm", netcat("netcat", "netcat").build());
    write(
        dir.path(),
        "events.json",
        "{\"process.name\":\"nc\"}\n{\"process\":{\"name\":\"vim\",\"command_line\":\"vim a\"}}\n",
    );
    let out = succeeds(dir.path(), &["test", "netcat.wasm", "--events", "events.json"]);
    assert_has(
        &out,
        &["netcat: alert 47 \"netcat\"", "2. process.exec: vim a: not called", "is \"vim\", not"],
    );
}

#[test]
fn a_verdict_without_permission_and_a_fault_fail_a_test() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "f.toml", FIXTURES);
    let arguments = ["test", "a.wasm", "--fixtures", "f.toml"];
    write(dir.path(), "a.wasm", netcat("netcat", "netcat").permissions(TAG).build());
    let (out, _) = fails(dir.path(), &arguments);
    assert_has(&out, &["1 of its verdicts were refused: its `permissions` do not ask for them"]);
    write(dir.path(), "a.wasm", netcat("netcat", "").on_event("unreachable").build());
    let (out, _) = fails(dir.path(), &arguments);
    assert_has(&out, &["FAULT, it trapped: "]);
}

// explain, diff, stats, bench

#[test]
fn an_event_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("rules")).unwrap();
    write(dir.path(), "rules/netcat.wasm", netcat("netcat", "netcat").build());
    let quiet = Guest::new("quiet").interest(&["process.exec"], &[]);
    write(dir.path(), "rules/quiet.wasm", quiet.build());
    write(dir.path(), "rules/broken.wasm", "(module)");
    write(dir.path(), "e.json", r#"{"process.name":"vim","process.args":["vim","a"]}"#);
    let arguments = ["explain", "e.json", "--rules", "rules"];
    let out = succeeds(dir.path(), &arguments);
    assert_has(
        &out,
        &[
            "process.exec: vim a\n",
            "quiet: called, lets it pass",
            "netcat: not called\n      process.name is \"vim\", not \"nc\"",
            "refused: rules/broken.wasm: it is WebAssembly in text form",
        ],
    );
    let json = succeeds(dir.path(), &[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["events"][0]["components"][0]["called"], false);
    write(dir.path(), "e.json", r#"{"process":{"name":"nc","pdi":7}}"#);
    let (_, error) = fails(dir.path(), &arguments);
    assert_has(&error, &["e.json:1: there is no field `process.pdi`; did you mean `process.pid`?"]);
}

#[test]
fn two_versions_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let guest = |names: &[&str]| {
        Guest::new("shells")
            .interest(&["process.exec"], &[name_term(0, names)])
            .hits(&[(0, Action::tag("shell"))])
            .build()
    };
    write(dir.path(), "a.wasm", guest(&["sh"]));
    write(dir.path(), "b.wasm", guest(&["sh", "bash"]));
    let arguments = ["diff", "a.wasm", "b.wasm", "--on", SAMPLE];
    let (out, error) = fails(dir.path(), &arguments);
    assert_has(&out, &["  + shells: tag [\"shell\"]", "hits on "]);
    assert!(!out.contains("  - "), "{out}");
    assert_has(&error, &["they differ on "]);
    let same = succeeds(dir.path(), &["diff", "a.wasm", "a.wasm", "--on", SAMPLE]);
    assert_has(&same, &[": 0 differ;"]);
    let output = rules(dir.path(), &[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(text(&output.stdout)).unwrap();
    assert_eq!(json["differences"][0]["b"][0]["verdict"], "tag");
    assert_eq!(rules(dir.path(), &["diff", "a.wasm", "b.wasm"]).status.code(), Some(2));
}

#[test]
fn two_versions_are_compared_on_this_host() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.wasm", netcat("netcat", "netcat").build());
    let arguments = ["diff", "a.wasm", "a.wasm", "--on", "live", "--duration", "1"];
    let out = succeeds(dir.path(), &arguments);
    assert_has(&out, &[" events: 0 differ;"]);
    let arguments = ["diff", "a.wasm", "a.wasm", "--on", SAMPLE, "--duration", "1"];
    let (_, error) = fails(dir.path(), &arguments);
    assert_has(&error, &["--duration is for `--on live`"]);
}

#[test]
fn a_cost_sheet_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["stats", "--recording", SAMPLE, "--rules", SHIPPED];
    let out = succeeds(dir.path(), &arguments);
    let columns = ["rule  ", "calls", "ns p50", "ns p99", "fuel", "KiB held", "last hit"];
    assert_has(&out, &[&columns[..], &["shell-from-service", " events\n"]].concat());
    let json = || {
        let json = succeeds(dir.path(), &[&arguments[..], &["--json"]].concat());
        serde_json::from_str::<Value>(&json).unwrap()["components"].as_array().unwrap().clone()
    };
    let (components, again) = (json(), json());
    assert!(components.len() > 10);
    for (one, other) in components.iter().zip(&again) {
        assert_eq!(one["fuel"], other["fuel"], "the same recording costs the same fuel");
        let called = one["calls"].as_u64() > Some(0);
        assert_eq!(one["cost"]["p50_ns"].as_u64() > Some(0), called, "{one}");
    }
}

#[test]
fn a_component_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let component = root("rules/dist/shell-from-service.wasm");
    let component = component.to_str().unwrap();
    let arguments = ["bench", component, "--recording", SAMPLE, "--json"];
    let json: Value = serde_json::from_str(&succeeds(dir.path(), &arguments)).unwrap();
    assert!(json["fuel_max"].as_u64().unwrap() > 100, "{json}");
    assert!(json["candidates"].as_u64().unwrap() < json["events"].as_u64().unwrap());
    let out = succeeds(dir.path(), &arguments[..4]);
    assert_has(&out, &["a call of an empty rule", "fuel for a call: p50"]);
}

/// `UPDATE=1 cargo test` writes the component anew that `rules bench` compares with.
#[test]
fn the_empty_component_is_of_this_contract() {
    let path = root("sensor/src/author/empty.wasm");
    let expected = Guest::new("empty").build();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert!(fs::read(&path).unwrap() == expected, "run this test with UPDATE=1 and build again");
}

/// What the shipped rules must find, must not, and how loud they are on the sample.
#[test]
fn the_shipped_rules_pass_their_fixtures() {
    let dir = tempfile::tempdir().unwrap();
    let mut tested = 0;
    let paths = fs::read_dir(SHIPPED).unwrap().map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|it| it == "wasm")) {
        let fixtures = root("rules").join(path.file_stem().unwrap()).join("tests");
        let [wasm, fixtures] = [&path, &fixtures].map(|path| path.to_str().unwrap());
        let arguments = ["test", wasm, "--fixtures", fixtures, "--check-interests"];
        let recording = ["--recording", SAMPLE, "--max-alerts", "50"];
        let out = succeeds(dir.path(), &[&arguments[..], &recording].concat());
        assert_has(&out, &["baseline ", "interests: ", ", 0 failed"]);
        tested += 1;
    }
    assert!(tested > 10, "{tested}");
}

/// The recipes of docs/rules.md are those of the cookbook, and do what they say.
#[test]
fn the_cookbook_passes_its_fixtures_and_is_what_the_documentation_shows() {
    let fixtures = root("examples/cookbook/tests");
    let component = root("examples/dist/cookbook.wasm");
    let [component, fixtures] = [&component, &fixtures].map(|path| path.to_str().unwrap());
    let arguments = ["test", component, "--fixtures", fixtures, "--check-interests"];
    let recording = ["--recording", SAMPLE, "--max-alerts", "100"];
    let out = succeeds(Path::new("."), &[&arguments[..], &recording].concat());
    assert_has(&out, &["cookbook-first-seen 0.1.0", "21 passed, 0 failed"]);
    // All but the first recipe decide by themselves.
    assert_eq!(out.matches("none of which would have been a hit").count(), 9, "{out}");
    assert_eq!(out.matches("leaves the decision to its interests").count(), 1, "{out}");

    let page = fs::read_to_string(root("docs/rules.md")).unwrap();
    let cookbook = page.split("\n## Cookbook\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let shown: Vec<&str> = cookbook.split("```rust\n").skip(1).collect();
    let mut recipes = 0;
    for entry in fs::read_dir(root("examples/cookbook/src")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == "lib.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let code = source.replacen("use ocellus_sdk::prelude::*;\n\n", "", 1);
        let is_shown = shown.iter().any(|it| it.split("```").next() == Some(&*code));
        assert!(is_shown, "docs/rules.md does not show {} as it is", path.display());
        recipes += 1;
    }
    assert_eq!((recipes, shown.len()), (10, 10));
}

/// What docs/rules.md teaches: the rule and the fixtures of its tutorial, as they stand there.
#[test]
fn the_tutorial_works() {
    let page = fs::read_to_string(root("docs/rules.md")).unwrap();
    let tutorial = page.split("\n## Tutorial\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let block = |language: &str, position: usize| {
        let opening = format!("```{language}\n");
        let mut blocks = tutorial.split(&opening).skip(1);
        blocks.nth(position).unwrap().split("```").next().unwrap().to_owned()
    };
    let dir = author_dir();
    let _ = fs::remove_dir_all(dir.join("served-download"));
    succeeds(&dir, &["new", "--lang", "rust", "served-download"]);
    write(&dir, "served-download/src/lib.rs", block("rust", 0));
    let fixtures = [block("toml", 0), block("toml", 1)].concat();
    write(&dir, "served-download/tests/fixtures.toml", fixtures);
    let out = tested_in_rust(&dir, "served-download", &["--check-interests"]);
    assert_has(&out, &["served-download 0.1.0", "ok    a shell of nginx downloads", "4 passed, 0"]);
}

/// One place for what is built of Rust, so that the standard library is not compiled each time.
fn author_dir() -> PathBuf {
    let dir = root("target/author-test");
    fs::create_dir_all(&dir).unwrap();
    dir.canonicalize().unwrap()
}

/// What `rules test` says of a project in Rust.
#[track_caller]
fn tested_in_rust(dir: &Path, project: &str, more: &[&str]) -> String {
    let output = Command::new(ocellus())
        .args(["rules", "test", project])
        .args(more)
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .output()
        .unwrap();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{error}");
    out.to_owned()
}

// new, build, watch

#[test]
fn a_project_in_c_goes_all_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let out = succeeds(dir.path(), &["new", "--lang", "c", "my-rule"]);
    assert_has(&out, &["Made my-rule", "ocellus rules test my-rule"]);
    let tested =
        succeeds(dir.path(), &["test", "my-rule", "--check-interests", "--max-fuel", "9999"]);
    assert_has(
        &tested,
        &["my-rule: my-rule 0.1.0", "the rule leaves the decision to its interests", "6 passed, 0"],
    );
    let built = succeeds(dir.path(), &["build", "my-rule"]);
    assert_eq!(built, "./my-rule.wasm\n");
    let checked = succeeds(dir.path(), &["check", "my-rule"]);
    assert_has(&checked, &["my-rule: ", "called for process.exec where process.name is one of"]);
    let (_, error) = fails(dir.path(), &["new", "--lang", "c", "my-rule"]);
    assert_has(&error, &["my-rule exists already; choose another name"]);
}

/// The whole loop in Rust.
#[test]
fn a_project_in_rust_goes_all_the_way() {
    let dir = author_dir();
    let _ = fs::remove_dir_all(dir.join("my-rule"));
    succeeds(&dir, &["new", "--lang", "rust", "my-rule"]);
    let out = tested_in_rust(&dir, "my-rule", &["--check-interests"]);
    assert_has(&out, &["my-rule: my-rule 0.1.0", "5 passed, 0 failed"]);
}

#[test]
fn a_saved_rule_is_swapped_in() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["new", "--lang", "c", "netcat"]);
    fs::create_dir(dir.path().join("rules")).unwrap();
    let log = dir.path().join("log");
    let mut child = Command::new(ocellus())
        .args(["rules", "watch", "netcat", "--into", "rules"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(fs::File::create(&log).unwrap())
        .stderr(fs::File::create(dir.path().join("errors")).unwrap())
        .spawn()
        .unwrap();
    let wait_for = |what: &str, times: usize| {
        let began = Instant::now();
        while fs::read_to_string(&log).unwrap().matches(what).count() < times {
            assert!(began.elapsed() < PATIENCE, "{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for("in force: ", 1);
    let first = fs::read(dir.path().join("rules/netcat.wasm")).unwrap();
    let source = fs::read_to_string(dir.path().join("netcat/rule.c")).unwrap();
    write(dir.path(), "netcat/rule.c", "broken");
    wait_for("the version before it stays in force", 1);
    assert_eq!(fs::read(dir.path().join("rules/netcat.wasm")).unwrap(), first);
    write(dir.path(), "netcat/rule.c", source.replace("process.name", "process.nam"));
    wait_for("did you mean `process.name`?", 1);
    assert_eq!(fs::read(dir.path().join("rules/netcat.wasm")).unwrap(), first);
    write(
        dir.path(),
        "netcat/rule.c",
        source.replace("OCELLUS_TEXT(\"nc\")", "OCELLUS_TEXT(\"nx\")"),
    );
    wait_for("in force: ", 2);
    assert_ne!(fs::read(dir.path().join("rules/netcat.wasm")).unwrap(), first);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    wait_for("stays in force.", 1);
    let left: Vec<_> = fs::read_dir(dir.path().join("rules")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let (_, error) = fails(dir.path(), &["watch", "netcat", "--into", "none"]);
    assert_has(&error, &["none is not a directory; create it, or name the sensor's rules"]);
}

#[test]
fn what_cannot_be_made_or_built_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (_, error) = fails(dir.path(), &["new", "--lang", "c", "../My"]);
    assert_has(&error, &["\"../My\" cannot be the name of a rule"]);
    let output = rules(dir.path(), &["new", "--lang", "cobol", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert_has(text(&output.stderr), &["possible values: c, ", "rust"]);
    succeeds(dir.path(), &["new", "--lang", "py", "of-python"]);
    assert!(dir.path().join("of-python/rule.py").is_file());
    succeeds(dir.path(), &["new", "--lang", "c", "a"]);
    // An output that cannot be written.
    let (_, error) = fails(dir.path(), &["build", "a", "-o", "none/a.wasm"]);
    assert_has(&error, &["cannot write none/a.wasm.part: No such file or directory"]);
    // No compiler.
    let output = Command::new(ocellus())
        .args(["rules", "build", "a"])
        .env("PATH", "/nonexistent")
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_has(
        text(&output.stderr),
        &["cannot build C here: there is no clang in PATH; install clang and lld"],
    );
    // A mistake in the source.
    write(dir.path(), "a/rule.c", "#include \"ocellus.h\"\nint x = ;\n");
    let output = rules(dir.path(), &["test", "a"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert_has(error, &["rule.c:2:9: error: ", "failed with exit status: 1; its messages are"]);
}
