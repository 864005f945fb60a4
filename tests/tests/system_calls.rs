//! The list of system calls that a sensor may make is long enough: strace(1) sees all that one
//! makes from its start to its end, and none is refused that it needs.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ocellus_tests::fleet::{done, make_publisher};
use ocellus_tests::guest::{Action, Guest};
use ocellus_tests::program::{need_root, ocellus};
use ocellus_tests::receivers::nats::{Nats, STREAM};
use ocellus_tests::receivers::{Load, free_port, installed, wait_for};
use serde_json::Value;

/// A sensor under strace, which ends with it.
struct Traced(Child);

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path) -> Traced {
    let log = File::create(dir.join("log")).expect("the directory is writable");
    let child = Command::new(installed("strace", "strace"))
        .args(["-f", "-qq", "-o", "trace"])
        .arg(ocellus())
        .args(["run", "--config", "ocellus.toml"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Traced(child.expect("strace starts"))
}

/// Everything that makes a sensor do something else than wait.
fn configure(dir: &Path, url: &str, metrics: u16) {
    let at = |name: &str| dir.join(name);
    let text = format!(
        "[capture]\nring_bytes = \"256 KiB\"\n[control]\nsocket = {:?}\n\
         [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n[self_test]\ninterval_s = 1\n\
         [rules]\ndir = {:?}\ncache_dir = {:?}\n\
         [rules.nats]\nurl = {url:?}\ncreate = true\ndir = {:?}\n\
         [[output]]\ntype = \"file\"\npath = {:?}\nrotate.size = \"64 KiB\"\n\
         [[output]]\ntype = \"nats\"\nurl = {url:?}\ncreate_stream = \"{STREAM}\"\n\
         spool.dir = {spool:?}\n\
         [[output]]\ntype = \"elasticsearch\"\nurl = \"http://localhost:1\"\n\
         spool.dir = {spool:?}\n",
        at("control.sock"),
        at("rules"),
        at("cache"),
        at("last-good"),
        at("events.ndjson"),
        spool = at("spool"),
    );
    fs::write(at("ocellus.toml"), text).expect("the directory is writable");
    fs::create_dir(at("rules")).expect("the directory is writable");
}

fn component(rule: &str) -> Vec<u8> {
    Guest::new(rule).interest(&["process.exec"], &[]).hits(&[(0, Action::alert(50, rule))]).build()
}

/// The calls that failed as those that are not allowed do, after the filter came into force. Of one
/// that strace tells in two lines, as another thread came between, it is the first, with what was
/// asked.
fn refused(trace: &str) -> Vec<&str> {
    let (_, filtered) = trace.split_once("seccomp(SECCOMP_SET_MODE_FILTER").expect("it is set");
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut unfinished: HashMap<String, &str> = HashMap::new();
    let mut refused = Vec::new();
    for line in filtered.lines() {
        let Some(thread) = thread(line) else { continue };
        let began = if line.contains(" resumed>") { unfinished.remove(&thread) } else { None };
        if line.contains(" = -1 ENOSYS ") {
            refused.push(began.unwrap_or(line));
        } else if line.ends_with("<unfinished ...>") {
            unfinished.insert(thread, line);
        }
    }
    refused
}

#[test]
fn a_refused_call_is_found_also_where_it_was_interrupted() {
    let trace = "1 seccomp(SECCOMP_SET_MODE_FILTER, 0, x) = 0\n\
        1 execve(\"/proc/self/exe\", [], [] <unfinished ...>\n\
        2 read(3, \"\", 1) = 0\n\
        1 <... execve resumed>) = -1 ENOSYS (Function not implemented)\n\
        2 acct(NULL) = -1 ENOSYS (Function not implemented)\n";
    let found = refused(trace);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("execve(\"/proc/self/exe\""), "{found:?}");
    assert!(found[1].contains("acct("), "{found:?}");
}

#[test]
fn nothing_that_a_sensor_needs_is_refused() {
    need_root();
    let dir = tempfile::Builder::new().prefix("ocellus-calls-").tempdir().expect("there is room");
    let dir = dir.path();
    let mut nats = Nats::start(dir);
    let metrics = free_port();
    make_publisher(dir, &nats.url());
    configure(dir, &nats.url(), metrics);
    let mut traced = start(dir);
    let logged = |text: &str, times: usize| {
        wait_for(&format!("{text:?} in the log"), || {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            (log.matches(text).count() >= times).then_some(())
        });
    };
    logged(" started: ", 1);
    let ask = |words: &[&str]| done(dir, &[words, &["--socket", "control.sock"]].concat());
    let status: Value = serde_json::from_str(&ask(&["status", "--json"])).expect("it is JSON");
    let pid = Pid::from_raw(status["pid"].as_i64().expect("a number") as i32);

    // Rules come from both sources, and change.
    fs::write(dir.join("fleet.wasm"), component("fleet")).expect("it is writable");
    done(dir, &["rules", "publish", "fleet.wasm", "--config", "publisher.toml"]);
    fs::write(dir.join("rules/own.wasm"), component("own")).expect("it is writable");
    ask(&["rules", "reload"]);
    logged("the component `fleet` is loaded", 1);
    logged("the component `own` is loaded", 1);
    ask(&["rules", "mode", "own", "shadow"]);
    ask(&["loglevel", "debug"]);
    let mut page = TcpStream::connect(("127.0.0.1", metrics)).expect("somebody listens");
    page.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("it reads");
    page.read_to_end(&mut Vec::new()).expect("it answers");

    // Files rotate, the server goes away and comes back, the configuration is read again.
    let load = Load::default();
    load.execute(0..200);
    nats.kill();
    logged("no rules come from the fleet's bucket", 1);
    nats.start_again();
    logged("the rules of the fleet come from the bucket", 2);
    kill(pid, Signal::SIGHUP).expect("it runs");
    logged("the configuration is as it was", 1);

    // More than the ring can hold: the running processes are read again.
    kill(pid, Signal::SIGSTOP).expect("it runs");
    load.execute(200..700);
    kill(pid, Signal::SIGCONT).expect("it runs");
    logged("reading the running processes again", 1);
    // The log tells so since its level was changed: this is the second time.
    logged("read the running processes stats", 1);
    load.execute(700..710);

    kill(pid, Signal::SIGTERM).expect("it runs");
    assert!(traced.0.wait().expect("it is our child").success());
    let trace = fs::read(dir.join("trace")).expect("strace wrote it");
    let trace = String::from_utf8_lossy(&trace);
    // It tries to start a program, to see that it cannot.
    let needed: Vec<&str> =
        refused(&trace).into_iter().filter(|line| !line.contains("execve(\"/proc/self")).collect();
    assert!(needed.is_empty(), "refused, and so missing in the list:\n{}", needed.join("\n"));
}
