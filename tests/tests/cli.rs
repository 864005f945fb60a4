//! The command line, as a user meets it.

use std::fs;
use std::process::{Command, Output, Stdio};

use ocellus_tests::program::ocellus;

fn run(args: &[&str]) -> Output {
    Command::new(ocellus()).args(args).stdin(Stdio::null()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program writes UTF-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

#[test]
fn help_teaches_and_each_command_has_it() {
    let output = run(&["--help"]);
    assert_eq!(code(&output), 0);
    let help = text(&output.stdout);
    for word in ["Examples:", "Exit status:", "run", "replay", "record", "rules", "doctor", "ps"] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    let commands: [&[&str]; 17] = [
        &["run"],
        &["replay"],
        &["record"],
        &["rules", "check"],
        &["rules", "build"],
        &["rules", "new"],
        &["rules", "test"],
        &["rules", "inspect"],
        &["rules", "bench"],
        &["rules", "watch"],
        &["rules", "explain"],
        &["rules", "diff"],
        &["rules", "stats"],
        &["doctor"],
        &["ps"],
        &["config", "check"],
        &["config", "show"],
    ];
    for command in commands {
        let output = run(&[command, &["--help"]].concat());
        assert_eq!(code(&output), 0, "{command:?}");
        assert!(text(&output.stdout).contains("Usage: ocellus"), "{command:?}");
    }
}

#[test]
fn run_takes_the_flags_that_users_know() {
    let output = run(&["run", "--help"]);
    let help = text(&output.stdout);
    let flags =
        ["--config", "--rules", "--backend", "--format", "--output", "--hold-ms", "--no-snapshot"];
    for flag in flags {
        assert!(help.contains(flag), "{flag}\n{help}");
    }
    for value in ["auto", "ebpf", "kprobe", "json", "msgpack", "pretty"] {
        assert!(help.contains(value), "{value}\n{help}");
    }
}

#[test]
fn a_wrong_command_line_is_status_2_and_helps() {
    let output = run(&["rnu"]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("unrecognized subcommand 'rnu'"));
    let output = run(&["run", "--format", "xml"]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("json, msgpack, pretty"));
    assert!(output.stdout.is_empty());
    assert_eq!(code(&run(&[])), 2);
}

#[test]
fn a_failure_is_status_1_and_one_line() {
    let output = run(&["config", "check", "/nonexistent/file.toml"]);
    assert_eq!(code(&output), 1);
    assert_eq!(
        text(&output.stderr),
        "ocellus: cannot read the configuration file /nonexistent/file.toml: No such file or \
         directory (os error 2)\n"
    );
    assert!(output.stdout.is_empty());
    let nothing = tempfile::tempdir().unwrap();
    let output = run(&["rules", "check", nothing.path().to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let said = text(&output.stderr);
    assert!(
        said.starts_with("ocellus: there is neither a component (a file named *.wasm)"),
        "{said}"
    );
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ocellus.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, "[aggregate]\nhold_ms = 7\n").unwrap();
    let output = run(&["config", "check", path]);
    assert_eq!((code(&output), text(&output.stdout)), (0, &*format!("{path}: ok\n")));
    let shown = run(&["config", "show", "--config", path]);
    assert!(text(&shown.stdout).contains("hold_ms = 7\n"), "{}", text(&shown.stdout));

    let again = dir.path().join("again.toml");
    fs::write(&again, &shown.stdout).unwrap();
    assert_eq!(run(&["config", "show", "--config", again.to_str().unwrap()]).stdout, shown.stdout);

    fs::write(&file, "[aggregate]\nhold = 7\n").unwrap();
    let output = run(&["config", "check", path]);
    assert_eq!(code(&output), 1);
    assert_eq!(
        text(&output.stderr),
        format!("ocellus: {path}:2: there is no key `aggregate.hold`; did you mean `hold_ms`?\n")
    );
}

#[test]
fn completions_and_the_manual_are_printed() {
    let output = run(&["completions", "bash"]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("--no-snapshot"));
    let output = run(&["man"]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains(".SH \"EXIT STATUS\""));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(ocellus())
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), text(&output.stderr)), (0, ""));
}

/// `docs/schema.md` is what the field table says. `UPDATE=1 cargo test` writes it anew.
#[test]
fn the_schema_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md");
    let expected = ocellus::cli::schema_page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &expected).unwrap();
    }
    let actual = fs::read_to_string(path).unwrap();
    assert!(actual == expected, "docs/schema.md is out of date; run `make schema`");
    assert_eq!(text(&run(&["schema"]).stdout), expected);
}

#[test]
fn the_readme_shows_what_the_sample_replays_to() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = fs::read_to_string(format!("{root}/README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    let output = Command::new(ocellus())
        .args(["replay", "examples/sample.ocellus", "--rules", "rules/dist"])
        .args(["--format", "pretty"])
        .current_dir(root)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let replayed: Vec<&str> = text(&output.stdout).lines().collect();
    assert!(shown.lines().count() > 4);
    for line in shown.lines() {
        assert!(replayed.contains(&line), "the sample does not replay to: {line}");
    }
}

#[test]
fn where_each_value_comes_from_is_shown() {
    let dir = tempfile::tempdir().expect("there is room");
    let file = dir.path().join("ocellus.toml");
    fs::write(&file, "[aggregate]\nhold_ms = 7\n").expect("the directory is writable");
    fs::create_dir(dir.path().join("conf.d")).expect("the directory is writable");
    let fragment = dir.path().join("conf.d/10-site.toml");
    fs::write(&fragment, "[process]\nmax = 2000\n").expect("the directory is writable");
    let show = |arguments: &[&str], variable: (&str, &str)| {
        let file = file.to_str().expect("UTF-8");
        Command::new(ocellus())
            .args(["config", "show", "--config", file])
            .args(arguments)
            .env(variable.0, variable.1)
            .output()
            .expect("the program runs")
    };
    let output = show(&["--origin"], ("OCELLUS_PROCESS_GRACE_MS", "9"));
    let shown = text(&output.stdout);
    let line = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(key));
        line.unwrap_or_else(|| panic!("no {key} in {shown}")).to_owned()
    };
    assert!(line("aggregate.hold_ms = 7 ").ends_with("ocellus.toml:2"), "{shown}");
    assert!(line("process.max = 2000 ").ends_with("10-site.toml:2"), "{shown}");
    assert!(line("process.grace_ms = 9 ").ends_with("$OCELLUS_PROCESS_GRACE_MS"), "{shown}");
    assert!(line("process.ancestors = 8 ").ends_with("# default"), "{shown}");

    let output = show(&[], ("OCELLUS_PROCESS_MAXIMUM", "9"));
    assert_eq!(code(&output), 1);
    let why = text(&output.stderr);
    assert!(
        why.contains("OCELLUS_PROCESS_MAXIMUM") && why.contains("OCELLUS_PROCESS_MAX`"),
        "{why}"
    );
    fs::write(&fragment, "[process]\n\nmaxx = 2000\n").expect("the directory is writable");
    let output = show(&[], ("OTHER", ""));
    let why = text(&output.stderr);
    assert!(why.contains("10-site.toml:3: ") && why.contains("did you mean `max`?"), "{why}");
}

#[test]
fn pages_that_are_made_from_tables_are_up_to_date() {
    for (arguments, page) in [
        (&["metrics-page"][..], "docs/metrics.md"),
        (&["config", "schema"], "docs/config.schema.json"),
    ] {
        let made = run(arguments);
        let path = format!("{}/../{page}", env!("CARGO_MANIFEST_DIR"));
        let written = fs::read_to_string(&path).expect("the page exists");
        assert_eq!(text(&made.stdout), written, "{page} is behind: run `make metrics`");
    }
}
