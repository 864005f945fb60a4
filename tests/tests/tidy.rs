//! What holds for the sources as a whole, and what a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file: as much as one can keep in mind.
const SOURCE_LINES_MAX: usize = 500;
/// Lines of a file of tests, which are read one test at a time.
const TEST_LINES_MAX: usize = 650;
const COLUMNS_MAX: usize = 100;

/// Big dependencies, and where alone they may be named: each has one owner.
const OWNERS: [(&[&str], &[&str]); 10] = [
    (&["wasmtime"], &["sensor/src/rules/"]),
    (&["aya", "aya_obj"], &["sensor/src/backend/ebpf"]),
    (&["minisign"], &["sensor/src/rules/signature"]),
    (&["tokio"], &["sensor/src/run/", "sensor/src/rules/watch.rs", "sensor/src/control/"]),
    (&["ureq"], &["sensor/src/sink/net/bulk.rs"]),
    (
        &["rustls", "rustls_native_certs", "ring"],
        &["sensor/src/net/", "sensor/src/nats/login.rs", "sensor/src/sink/net/bulk.rs"],
    ),
    (&["flate2"], &["sensor/src/sink/archive.rs"]),
    (&["crc"], &["sensor/src/spool/", "sensor/src/nats/"]),
    (&["rmp_serde"], &["sensor/src/recording.rs", "sensor/src/sink/"]),
    // Rules are named by their digest, too.
    (&["md5", "sha1", "sha2"], &["sensor/src/digest/", "sensor/src/rules/"]),
];

/// Where the project may point. Others are one's mirror, or somebody's site that goes away.
const HOSTS: [&str; 8] = [
    "github.com",
    "www.elastic.co",
    "attack.mitre.org",
    "keepachangelog.com",
    "semver.org",
    "json-schema.org",
    "www.apache.org",
    "jedisct1.github.io",
];

/// Copied from elsewhere, and kept as they are there.
const FOREIGN: [&str; 3] = ["Cargo.lock", "tests/ecs/", "LICENSE"];

struct File {
    /// Relative to the root of the repository.
    path: String,
    text: String,
}

impl File {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|it| it.to_str());
        extension.is_some_and(|it| extensions.contains(&it))
    }

    /// Lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository exists")
}

/// Every file of ours that is text, whether it is committed yet or not.
fn files() -> Vec<File> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).expect("names of ours are UTF-8");
    let files: Vec<File> = paths
        .lines()
        .filter(|path| !FOREIGN.iter().any(|foreign| path.contains(foreign)))
        .filter_map(|path| {
            let text = fs::read_to_string(root().join(path)).ok()?;
            Some(File { path: path.to_owned(), text })
        })
        .collect();
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn assert_none(what: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{what}:\n{}", problems.join("\n"));
}

#[test]
fn big_dependencies_have_one_owner() {
    let mut problems = Vec::new();
    for file in files() {
        if !file.path.starts_with("sensor/src/") || !file.has_extension(&["rs"]) {
            continue;
        }
        for (names, owners) in OWNERS {
            if owners.iter().any(|owner| file.path.starts_with(owner)) {
                continue;
            }
            let named = file.lines().filter(|(_, line)| !line.trim_start().starts_with("//"));
            let named = named.filter(|(_, line)| names.iter().any(|name| names_crate(line, name)));
            problems.extend(named.map(|(at, line)| format!("{}:{at}: {line}", file.path)));
        }
    }
    assert_none("only its owner may name a big dependency (see OWNERS)", &problems);
}

/// The line has `name::` as a path of its own.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '"' | '`'))
    })
}

#[test]
fn files_and_lines_are_short() {
    let mut problems = Vec::new();
    for file in files() {
        if !file.has_extension(&["rs", "c", "h", "wit", "py", "js"]) {
            continue;
        }
        let is_test = file.path.contains("test");
        let lines_max = if is_test { TEST_LINES_MAX } else { SOURCE_LINES_MAX };
        let lines = file.lines().count();
        if lines > lines_max {
            problems.push(format!("{} has {lines} lines, more than {lines_max}", file.path));
        }
        let long = file.lines().filter(|(_, line)| line.chars().count() > COLUMNS_MAX);
        problems.extend(long.map(|(at, _)| format!("{}:{at} is too long", file.path)));
    }
    assert_none("split files, break lines", &problems);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let here = root();
    let here = here.to_str().expect("the repository's path is UTF-8");
    let mut problems = Vec::new();
    for file in files() {
        for (at, line) in file.lines() {
            let foreign_host = hosts(line).find(|host| !may_be_named(host));
            // A checkout in `/src` would find that word everywhere, a deeper one nowhere.
            if foreign_host.is_some() || (here.matches('/').count() > 1 && line.contains(here)) {
                problems.push(format!("{}:{at}: {line}", file.path));
            }
        }
    }
    assert_none("these name a machine, or a host that is not in HOSTS", &problems);
}

fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// Documentation names and addresses (RFC 2606, RFC 5737), loopback, names without a domain, or
/// ours.
fn may_be_named(host: &str) -> bool {
    let reserved = [".example", ".test", ".invalid", "example.org", "example.com"];
    !host.contains('.')
        || host.starts_with("192.0.2.")
        || host.starts_with("127.")
        || reserved.iter().any(|end| host.ends_with(end))
        || HOSTS.contains(&host)
}

#[test]
fn nothing_is_left_undone() {
    // Put together here, so that this file does not find itself.
    let words = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| file.has_extension(&["rs"])) {
        let undone = file.lines().filter(|(_, line)| {
            words.iter().any(|word| line.contains(word))
                || line.contains(&["#[ig", "nore"].concat())
        });
        problems.extend(undone.map(|(at, line)| format!("{}:{at}: {line}", file.path)));
    }
    assert_none("these are stubs, leftovers or skipped tests", &problems);
}

#[test]
fn what_is_allowed_has_a_reason() {
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| file.has_extension(&["rs"])) {
        for word in ["allow(", "expect("] {
            for open in ["#[", "#!["].map(|open| format!("{open}{word}")) {
                for (at, _) in file.text.match_indices(&open) {
                    let attribute = file.text[at..].split(']').next().unwrap_or_default();
                    if !attribute.contains("reason") {
                        problems.push(format!("{}: {attribute}]", file.path));
                    }
                }
            }
        }
    }
    assert_none("say why, with `reason = \"…\"`", &problems);
}

#[test]
fn commands_in_the_documentation_exist() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for file in files() {
        let is_document =
            file.has_extension(&["md", "roff"]) || file.path == "examples/ocellus.toml";
        if !is_document || file.path == "CHANGELOG.md" {
            continue;
        }
        for (at, line) in file.lines() {
            for words in commands(line) {
                checked += 1;
                if let Err(what) = check_command(&words) {
                    problems.push(format!("{}:{at}: {what}: {line}", file.path));
                }
            }
        }
    }
    assert!(checked > 20, "only {checked} commands were found");
    assert_none("the documentation names commands that do not exist", &problems);
}

/// The words of each `ocellus …` and `make …` in a line: in backquotes, or the line of an example.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.replace("\\-", "-").replace("\\fB", "`").replace("\\fR", "`");
    let quoted = line.split('`').skip(1).step_by(2);
    let example = line.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
    quoted
        .chain([example])
        .filter(|text| text.starts_with("ocellus ") || text.starts_with("make "))
        .map(|text| text.split(['|', '#', '>']).next().unwrap_or_default())
        .map(|text| text.split_whitespace().map(str::to_owned).collect())
        .collect()
}

fn check_command(words: &[String]) -> Result<(), String> {
    let Some(name) = words.get(1).filter(|name| name.starts_with(|c: char| c.is_lowercase()))
    else {
        return Ok(());
    };
    if words[0] == "make" {
        let makefile = fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
        let target = format!("\n{name}:");
        return makefile.contains(&target).then_some(()).ok_or(format!("no target {name}"));
    }
    let root = ocellus::cli::command();
    let mut command = root.find_subcommand(name).ok_or(format!("no command {name}"))?;
    if command.has_subcommands()
        && let Some(name) = words.get(2)
    {
        command = command.find_subcommand(name).ok_or(format!("no command {name}"))?;
    }
    for word in words.iter().filter_map(|word| word.strip_prefix("--")) {
        let known = command.get_arguments().any(|arg| arg.get_long() == Some(word));
        if !known && word != "help" {
            return Err(format!("no flag --{word}"));
        }
    }
    Ok(())
}

#[test]
fn the_commands_are_found_where_they_stand() {
    let found = commands("Run `ocellus run --format pretty | jq`, then `make test`, not `cargo`.");
    let expected: [&[&str]; 2] = [&["ocellus", "run", "--format", "pretty"], &["make", "test"]];
    assert_eq!(found, expected);
    assert!(check_command(&found[0]).is_ok());
    assert!(check_command(&["ocellus".into(), "rnu".into()]).is_err());
    assert!(check_command(&["ocellus".into(), "run".into(), "--nope".into()]).is_err());
    assert!(check_command(&["make".into(), "nothing".into()]).is_err());
    assert_eq!(
        hosts("see https://a.example/c and http://x").collect::<Vec<_>>(),
        ["a.example", "x"]
    );
    assert!(may_be_named("a.example") && !may_be_named("mirror.corp.net"));
    assert!(names_crate("use sha2::Sha256;", "sha2") && !names_crate("let a = my_sha2::x", "sha2"));
}
