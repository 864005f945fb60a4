//! Checks events against ECS with the validator in `tests/ecs/`.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

/// Fields whose values a process chooses: they may be empty, or too long for an index, and are told
/// as they are.
const CHOSEN_BY_THE_PROCESS: [&str; 5] =
    ["args", "env_vars", "command_line", "working_directory", "executable"];

/// Names a folder into which documents are put instead of being checked: in a guest, which has no
/// python3, for the host to check.
const LATER_VARIABLE: &str = "ECS_LATER";

/// What the validator finds in documents, one a line: line, field, code and detail.
///
/// Values that a process chooses may be empty or long; that is no finding.
pub fn findings(ndjson: &[u8]) -> Vec<String> {
    if let Some(folder) = std::env::var_os(LATER_VARIABLE) {
        let (_, path) = tempfile::Builder::new()
            .suffix(".ndjson")
            .tempfile_in(folder)
            .and_then(|file| file.keep().map_err(|error| error.error))
            .expect("the folder for documents is writable");
        std::fs::write(path, ndjson).expect("there is room for the documents");
        return Vec::new();
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ecs/validate_ecs.py");
    let mut child = Command::new("python3")
        .arg(script)
        .args(["--custom", "ocellus"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => panic!("install python3: the ECS validator is written in it"),
            _ => panic!("cannot run python3: {error}"),
        });
    let mut stdin = child.stdin.take().expect("it is piped");
    let documents = ndjson.to_owned();
    let writing = thread::spawn(move || stdin.write_all(&documents));
    let output = child.wait_with_output().expect("the validator runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    writing.join().expect("writing does not panic").unwrap_or_else(|error| {
        panic!("the validator did not read everything ({error}): {stderr}");
    });
    let documents = ndjson.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert!(stderr.contains(&format!(": {documents} events, ")), "the validator failed: {stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout.lines().filter(|line| !is_chosen(line)).map(str::to_owned).collect()
}

fn is_chosen(finding: &str) -> bool {
    let mut parts = finding.split('\t').skip(1);
    let (Some(field), Some(code)) = (parts.next(), parts.next()) else { return false };
    let last = field.rsplit('.').next().unwrap_or(field);
    matches!(code, "EMPTY" | "LONGKW") && CHOSEN_BY_THE_PROCESS.contains(&last)
}

/// Panics with all that is wrong with the documents, if anything is.
pub fn assert_ecs_clean(ndjson: &[u8]) {
    assert!(!ndjson.is_empty(), "there is no event to check");
    let findings = findings(ndjson);
    assert!(findings.is_empty(), "not ECS (line, field, code):\n{}", findings.join("\n"));
}
