//! Operators and the running sensor: its socket, its metrics, its health. As root, through the
//! program.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use ocellus_tests::guest::{Action, Guest};
use ocellus_tests::program::{Running, field, has_argument, need_root, ocellus};
use serde_json::{Value, json};
use tempfile::TempDir;

fn temp() -> TempDir {
    tempfile::Builder::new().prefix("ocellus-control-").tempdir().expect("there is room")
}

/// A configuration with its own socket, and these lines.
fn configure(dir: &Path, more: &str) {
    let (socket, cache) = (dir.join("control.sock"), dir.join("cache"));
    let text = format!("[control]\nsocket = {socket:?}\n[rules]\ncache_dir = {cache:?}\n{more}\n");
    std::fs::write(dir.join("ocellus.toml"), text).expect("the directory is writable");
}

fn command(dir: &Path, arguments: &[&str]) -> Output {
    let socket = dir.join("control.sock");
    let output = Command::new(ocellus()).args(arguments).arg("--socket").arg(socket).output();
    output.expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn report(dir: &Path) -> Value {
    let output = command(dir, &["status", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

/// Waits until the report is as it should be.
fn wait_for_report(dir: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = std::time::Instant::now();
    loop {
        let report = report(dir);
        if wanted(&report) {
            return report;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no {what}: {report:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One line to the socket, one line back; empty when the sensor closes instead.
fn raw(dir: &Path, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(dir.join("control.sock")).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it is a socket");
    // A request that is too long is not read to its end.
    let _ = stream.write_all(line);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn http(address: &str, request: &str) -> (String, String) {
    let address: SocketAddr = address.parse().expect("it is an address");
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    (head.to_owned(), body.to_owned())
}

fn get(address: &str, path: &str) -> (String, String) {
    http(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

/// The address that the log tells.
fn metrics_address(running: &Running) -> String {
    running.wait_for_log("metrics are at ");
    let log = running.log();
    let (_, rest) = log.split_once("metrics are at http://").expect("it was found");
    rest.split('/').next().expect("there is a path").to_owned()
}

fn metric(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn status_tells_of_the_sensor_and_the_self_test_reaches_the_output() {
    need_root();
    let dir = temp();
    // One output that may hold up all of them, and one that has other events only.
    let outputs = format!(
        "[[output]]\ntype = \"file\"\nname = \"patient\"\npath = {:?}\nwhen_full = \"block\"\n\
         [[output]]\ntype = \"file\"\nname = \"sensor\"\npath = {:?}\nevents = \"sensor\"\n\
         [self_test]\ninterval_s = 1\n",
        dir.path().join("patient.ndjson"),
        dir.path().join("sensor.ndjson"),
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    let report = wait_for_report(dir.path(), "two passed self-tests", |report| {
        report["self_test"]["passed"].as_u64() >= Some(2)
    });
    assert_eq!(report["pid"], json!(running.pid()));
    // A kernel may let some of the probes down; nothing else is wrong.
    let problems = report["health"]["problems"].as_array().expect("a list");
    let is_of_probe = |problem: &Value| problem.as_str().is_some_and(|it| it.contains("probe"));
    assert!(problems.iter().all(is_of_probe), "{report:#}");
    let state = if problems.is_empty() { "healthy" } else { "degraded" };
    assert_eq!(report["health"]["state"], json!(state), "{report:#}");
    assert!(report["events"]["delivered"].as_u64() > Some(0), "{report:#}");
    assert!(report["self_test"]["latency_s"].as_f64() > Some(0.0));
    let names = report["outputs"].as_array().expect("a list").iter().map(|it| &it["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["own", "patient", "sensor"]);
    let status = command(dir.path(), &["status"]);
    assert!(status.status.success(), "{}", text(&status.stderr));
    let shown = text(&status.stdout);
    assert!(shown.contains(state) && shown.contains("self-test  passed"), "{shown}");
    let top = command(dir.path(), &["top", "--once", "--interval", "0.2"]);
    assert!(text(&top.stdout).contains("per second"), "{}", text(&top.stdout));

    // The children of the self-test are marked as the sensor's own.
    running.wait_for_event("self-test", |event| {
        has_argument(event, "self-test") && *field(event, "ocellus.self") == json!(true)
    });
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.assert_balanced();
    assert!(!dir.path().join("control.sock").exists(), "the socket is removed at the end");
    let gone = command(dir.path(), &["status"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("no sensor runs here"), "{}", text(&gone.stderr));
}

#[test]
fn a_self_test_that_does_not_arrive_makes_the_sensor_fail() {
    need_root();
    let dir = temp();
    configure(
        dir.path(),
        "[self_test]\ninterval_s = 1\ntimeout_s = 1\n[metrics]\n\
        listen = \"127.0.0.1:0\"",
    );
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    let address = metrics_address(&running);
    // The helper that executes the children is gone.
    let helper = Command::new("pkill")
        .args(["-KILL", "-P", &running.pid().to_string()])
        .status()
        .expect("procps is installed");
    assert!(helper.success(), "the sensor has a helper");
    let report = wait_for_report(dir.path(), "failed self-test", |report| {
        report["self_test"]["failed"].as_u64() > Some(0)
    });
    assert_eq!(report["health"]["state"], json!("failing"), "{report:#}");
    let (head, body) = get(&address, "/healthz");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(body.starts_with("failing\n") && body.contains("self-test"), "{body}");
    assert_eq!(command(dir.path(), &["status"]).status.code(), Some(1));
    running.stop().assert_balanced();
}

#[test]
fn metrics_tell_of_every_part_and_add_up() {
    need_root();
    let dir = temp();
    configure(dir.path(), "[metrics]\nlisten = \"127.0.0.1:0\"");
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    let guest = Guest::new("counted")
        .interest(&["process.exec"], &[])
        .hits(&[(0, Action::alert(50, "counted"))]);
    std::fs::write(rules.join("counted.wasm"), guest.build()).expect("it is writable");
    let rules = rules.to_str().expect("UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules]);
    let address = metrics_address(&running);
    Command::new("true").arg("metrics-mark").status().expect("there is true");
    running.wait_for_event("process", |event| has_argument(event, "metrics-mark"));
    let (head, page) = get(&address, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let value = |name: &str| metric(&page, name).unwrap_or_else(|| panic!("no {name} in\n{page}"));
    assert_eq!(value("ocellus_component_active"), 1.0);
    assert!(value("ocellus_rule_alerts_total") >= 1.0);
    assert!(value("ocellus_output_events_delivered_total") >= 1.0);
    let sum = |name: &str| -> f64 {
        let lines = page.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    let received = sum("ocellus_events_received_total");
    let parts = ["delivered_total", "merged_total", "dropped_total", "lost_total", "held"];
    let known: f64 = parts.iter().map(|part| sum(&format!("ocellus_events_{part}"))).sum();
    assert_eq!(received, known, "{page}");
    for (request, status) in [
        ("GET /nothing HTTP/1.1\r\n\r\n".to_owned(), "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n".to_owned(), "405"),
        ("rubbish\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)), "431"),
    ] {
        let (head, _) = http(&address, &request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    running.stop().assert_balanced();
}

#[test]
fn rules_are_listed_reloaded_and_put_into_other_modes() {
    need_root();
    let dir = temp();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    let guest = Guest::new("moded")
        .interest(&["process.exec"], &[])
        .hits(&[(0, Action::alert(50, "moded"))]);
    std::fs::write(rules.join("noisy.wasm"), guest.build()).expect("it is writable");
    let rules = rules.to_str().expect("UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules]);
    let execute = |argument: &str| {
        Command::new("/bin/true").arg(argument).status().expect("there is true");
        let event = running.wait_for_event(argument, |event| has_argument(event, argument));
        field(&event, "event.kind").clone()
    };
    let list = || text(&command(dir.path(), &["rules", "list"]).stdout);
    assert!(list().contains("noisy") && list().contains("active"), "{}", list());
    assert_eq!(execute("mode-1"), json!("alert"));
    // By the component's name, and by the id of its rule.
    for (step, (name, mode, kind)) in [
        ("noisy", "shadow", "event"),
        // The mode of a rule wins over that of its component.
        ("moded", "active", "alert"),
        ("noisy", "quarantine", "event"),
        ("noisy", "active", "alert"),
        ("moded", "off", "event"),
        ("noisy", "active", "alert"),
        ("moded", "shadow", "event"),
        ("moded", "active", "alert"),
        // What is said of the component holds for all of its rules.
        ("noisy", "off", "event"),
    ]
    .into_iter()
    .enumerate()
    {
        let done = command(dir.path(), &["rules", "mode", name, mode]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let list = list();
        let line = list.lines().find(|line| line.contains(name)).expect("it is listed");
        assert!(line.contains(mode), "{name} {mode}: {list}");
        assert_eq!(execute(&format!("mode-step-{step}")), json!(kind), "{name} {mode}");
    }
    let sheet = text(&command(dir.path(), &["rules", "stats"]).stdout);
    for part in ["noisy: moded", "calls", "shadowed", "events delivered"] {
        assert!(sheet.contains(part), "{part}: {sheet}");
    }
    let of_a_rule = command(dir.path(), &["rules", "mode", "moded", "quarantine"]);
    assert!(text(&of_a_rule.stderr).contains("`ocellus rules mode noisy quarantine`"));
    let unknown = command(dir.path(), &["rules", "mode", "nothing", "off"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("no rule `nothing`"), "{}", text(&unknown.stderr));
    let reloaded = command(dir.path(), &["rules", "reload"]);
    assert!(reloaded.status.success(), "{}", text(&reloaded.stderr));
    running.stop().assert_balanced();
}

#[test]
fn the_log_level_changes_while_the_sensor_runs() {
    need_root();
    let dir = temp();
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    let report = report(dir.path());
    assert_eq!(report["log_level"], json!("info"));
    let done = command(dir.path(), &["loglevel", "error"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    running.signal(Signal::SIGHUP);
    // A later level says whether the line of the signal came before it.
    let done = command(dir.path(), &["loglevel", "info"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    running.signal(Signal::SIGHUP);
    running.wait_for_log("(SIGHUP)");
    assert_eq!(running.log().matches("(SIGHUP)").count(), 1, "{}", running.log());
    running.stop().assert_balanced();
}

#[test]
fn hostile_clients_do_not_hold_up_events() {
    need_root();
    let dir = temp();
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    let socket = dir.path().join("control.sock");
    let mode = std::fs::metadata(&socket).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    for (line, answer) in [
        (&b"\x00\xff\xfe rubbish\n"[..], "not understood"),
        (b"{\"command\":\"stop\"}\n", "not understood"),
        (b"{\"command\":\"rules_mode\",\"rule\":\"a\"}\n", "not understood"),
        (b"[[[[[[[[[[[[[[[[[[[[[[[[\n", "not understood"),
        (b"\n", "not understood"),
        (b"{\"command\":", ""),
    ] {
        let got = raw(dir.path(), line);
        assert!(got.contains(answer) && (!answer.is_empty() || got.is_empty()), "{got}");
    }
    let long = vec![b'x'; 1 << 20];
    assert_eq!(raw(dir.path(), &long), "", "a request that is too long gets no answer");
    // Two requests at once get two answers.
    let two = raw(dir.path(), b"{\"command\":\"status\"}\n{\"command\":\"status\"}\n");
    assert_eq!(two.lines().count(), 2);

    // A thousand connections that ask for an answer and never read it.
    let clients: Vec<UnixStream> = (0..1_000)
        .filter_map(|_| {
            let stream = UnixStream::connect(&socket).ok()?;
            stream.set_nonblocking(true).expect("it is a socket");
            let _ = (&stream).write(b"{\"command\":\"status\"}\n".repeat(100).as_slice());
            Some(stream)
        })
        .collect();
    assert_eq!(clients.len(), 1_000);
    Command::new("/bin/true").arg("beside-the-storm").status().expect("there is true");
    running.wait_for_event("process", |event| has_argument(event, "beside-the-storm"));
    drop(clients);
    let report = wait_for_report(dir.path(), "answer after the storm", |_| true);
    assert!(report["control"]["refused_busy"].as_u64() > Some(0), "{report:#}");
    assert!(report["control"]["failed"].as_u64() >= Some(7), "{report:#}");
    running.stop().assert_balanced();
}

#[test]
fn other_users_may_not_ask_and_members_of_the_group_may_only_read() {
    need_root();
    let dir = temp();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    configure(dir.path(), "");
    let config = std::fs::read_to_string(dir.path().join("ocellus.toml")).expect("it exists");
    let config = config.replace("[rules]", "group = \"daemon\"\n[rules]");
    std::fs::write(dir.path().join("ocellus.toml"), config).expect("it is writable");
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    let socket = dir.path().join("control.sock");
    // A copy, as others may not reach the one in our directories.
    let program = dir.path().join("ocellus");
    std::fs::copy(ocellus(), &program).expect("there is room");
    let ask = |user: &str, group: &str, arguments: &[&str]| {
        let output = Command::new("setpriv")
            .args(["--reuid", user, "--regid", group, "--clear-groups"])
            .arg(&program)
            .args(arguments)
            .arg("--socket")
            .arg(&socket)
            .output()
            .expect("util-linux is installed");
        text(&output.stdout) + &text(&output.stderr)
    };
    let (status, change) = (&["status"][..], &["loglevel", "debug"][..]);
    for (user, group, arguments, expected) in [
        ("nobody", "nogroup", status, "is not for this user"),
        ("nobody", "daemon", status, "self-test"),
        ("nobody", "daemon", change, "only root may change"),
        ("root", "root", change, "the log level is debug now"),
    ] {
        let answer = ask(user, group, arguments);
        assert!(answer.contains(expected), "{user} of {group}: {answer}");
    }
    running.stop().assert_balanced();
}

#[test]
fn a_second_sensor_leaves_the_socket_of_the_first_alone() {
    need_root();
    let dir = temp();
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    let other = temp();
    std::fs::copy(dir.path().join("ocellus.toml"), other.path().join("ocellus.toml"))
        .expect("the directories are ours");
    let second = Running::start(other.path(), &["--no-snapshot"]);
    second.wait_for_log("another sensor serves the control socket");
    second.stop().assert_balanced();
    assert_eq!(report(dir.path())["pid"], json!(running.pid()));
    running.stop().assert_balanced();
}

#[test]
fn systemd_is_told_of_the_start_of_life_and_of_the_end() {
    need_root();
    let dir = temp();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("the directory is writable");
    manager.set_read_timeout(Some(Duration::from_secs(60))).expect("it is a socket");
    let received = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).expect("the sensor tells something");
        text(&buffer[..length])
    };
    let wait_for = |wanted: &str| while !received().contains(wanted) {};
    let notify = path.to_str().expect("UTF-8");
    let environment = [("NOTIFY_SOCKET", notify), ("WATCHDOG_USEC", "200000")];
    let running = Running::launch_with(dir.path(), &[], &environment);
    wait_for("READY=1");
    running.wait_for_log(" started: ");
    // The first snapshot is in: this process is told.
    let own = std::process::id();
    running.wait_for_event("snapshot", |event| field(event, "process.pid") == own);
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    running.signal(Signal::SIGHUP);
    wait_for("RELOADING=1");
    wait_for("READY=1");
    running.signal(Signal::SIGTERM);
    wait_for("STOPPING=1");
    running.wait_for_end().assert_balanced();
}

/// `Name: value` of each thread's status in /proc, by the thread's name.
fn threads(pid: u32, name: &str) -> Vec<(String, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let mut all = Vec::new();
    for task in tasks {
        let path = task.expect("it is readable").path();
        let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(|line| line.trim_start_matches(':').trim().to_owned()).unwrap_or_default()
        };
        all.push((value("Name"), value(name)));
    }
    all
}

#[test]
fn the_sensor_gives_up_what_it_does_not_need_and_still_works() {
    need_root();
    let dir = temp();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    let rules_arg = rules.to_str().expect("UTF-8");
    configure(dir.path(), "[self_test]\ninterval_s = 1\n[hash]\nwait_ms = 60000");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules_arg]);
    let pid = running.pid();
    for (thread, value) in threads(pid, "NoNewPrivs") {
        assert_eq!(value, "1", "{thread}");
    }
    for (thread, value) in threads(pid, "Seccomp") {
        assert_eq!(value, "2", "{thread} has no filter");
    }
    // CAP_DAC_READ_SEARCH is 2, CAP_SYS_PTRACE 19.
    let readers = format!("{:016x}", 1 << 2 | 1 << 19);
    let is_wrong = |(thread, value): &(String, String)| {
        let reads = ["ocellus-hash", "ocellus-reader", "ocellus-contain"];
        let is_reader = reads.iter().any(|name| thread.starts_with(name));
        *value != if is_reader { &*readers } else { "0000000000000000" }
    };
    // On a busy machine, a thread still has the name of who started it.
    let began = std::time::Instant::now();
    while let Some(wrong) = threads(pid, "CapPrm").into_iter().find(is_wrong) {
        assert!(began.elapsed() < Duration::from_secs(60), "{wrong:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    for (thread, value) in threads(pid, "CapBnd") {
        assert!(value == readers || value == "0000000000000000", "{thread}: {value}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    assert!(core.is_some_and(|line| line.contains(" 0 ")), "{limits}");

    // What must fail was tried from inside.
    let report = report(dir.path());
    let lines: Vec<&str> =
        report["privileges"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let tried: Vec<&&str> = lines.iter().filter(|line| line.starts_with("tried: ")).collect();
    assert_eq!(tried.len(), 3, "{lines:?}");
    assert!(tried.iter().all(|line| line.contains(": refused (")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("NOT ")), "{lines:?}");

    // It hashes files that others cannot read, of processes of other users.
    let program = dir.path().join("secret-program");
    std::fs::copy("/bin/true", &program).expect("there is true");
    std::os::unix::fs::chown(&program, Some(65_534), Some(65_534)).expect("we are root");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("ours");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let ran = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .arg("hash-me")
        .status()
        .expect("util-linux is installed");
    assert!(ran.success());
    let event = running.wait_for_event("hash", |event| {
        has_argument(event, "hash-me") && field(event, "process.name") == "secret-program"
    });
    assert_eq!(*field(&event, "ocellus.hash.status"), json!("ok"), "{event:#}");

    // It takes new rules, compiles and caches them.
    let guest =
        Guest::new("late").interest(&["process.exec"], &[]).hits(&[(0, Action::alert(50, "late"))]);
    std::fs::write(rules.join("late.wasm"), guest.build()).expect("it is writable");
    running.wait_for_log("the component `late` is loaded");
    let cached = std::fs::read_dir(dir.path().join("cache")).expect("it was made").count();
    assert!(cached > 0, "compiled rules are kept");

    // Its output is rotated.
    let output = dir.path().join("events.ndjson");
    std::fs::rename(&output, dir.path().join("events.1")).expect("it is written");
    running.signal(Signal::SIGHUP);
    wait_for_report(dir.path(), "self-test into the new file", |report| {
        output.exists()
            && report["self_test"]["problem"].is_null()
            && std::fs::metadata(&output).is_ok_and(|file| file.len() > 0)
    });
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.assert_balanced();
}

#[test]
fn a_changed_configuration_comes_into_force_as_far_as_it_can() {
    need_root();
    let dir = temp();
    configure(dir.path(), "");
    let running = Running::start(dir.path(), &["--no-snapshot"]);
    std::fs::create_dir(dir.path().join("conf.d")).expect("the directory is writable");
    let fragment = dir.path().join("conf.d/10.toml");
    let write = |text: &str| std::fs::write(&fragment, text).expect("it is writable");
    write("[host]\nname = \"renamed\"\n[process]\nmax = 5000\n[redact]\npatterns = [\"xyzzy\"]\n");
    running.wait_for_log("in force now: host.name, redact.patterns");
    running.wait_for_log("in force only after a restart: process.max");
    Command::new("/bin/true").arg("say-xyzzy").status().expect("there is true");
    let event =
        running.wait_for_event("redacted event", |event| has_argument(event, "say-[redacted]"));
    assert_eq!(*field(&event, "host.name"), json!("renamed"));
    write("[hots]\n");
    running.wait_for_log("the new configuration is refused, the old one stays");
    running.wait_for_log("did you mean `host`?");
    running.stop().assert_balanced();
}

#[test]
fn settings_of_rules_come_into_force_at_once() {
    need_root();
    let dir = temp();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    let guest = Guest::new("eager")
        .interest(&["process.exec"], &[])
        .hits(&[(0, Action::alert(50, "eager"))]);
    std::fs::write(rules.join("noisy.wasm"), guest.build()).expect("it is writable");
    let rules = rules.to_str().expect("UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", rules]);
    std::fs::create_dir(dir.path().join("conf.d")).expect("the directory is writable");
    let replaced = "the component `noisy` has a new version";
    for (step, (fragment, changed, replacements, kind)) in [
        ("[rules.component.noisy]\nmode = \"shadow\"", "component.noisy.mode", 0, "event"),
        ("[rules.rule.eager]\nmode = \"active\"", "rule.eager.mode", 0, "alert"),
        ("[rules.rule.eager]\nmode = \"off\"", "rule.eager.mode", 0, "event"),
        ("[rules.component.noisy]\npermissions = [\"tag\"]", "noisy.permissions", 1, "event"),
        ("[rules]\ntime_ms = 7", "rules.time_ms", 2, "alert"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(dir.path().join("conf.d/10.toml"), fragment).expect("it is writable");
        running.wait_for_log_times("in force now: ", step + 1);
        let log = running.log();
        let line = log.lines().rfind(|line| line.contains("in force now: ")).expect("it is there");
        assert!(line.contains(changed), "{fragment}: {line}");
        running.wait_for_log_times(replaced, replacements);
        let argument = format!("setting-{step}");
        Command::new("/bin/true").arg(&argument).status().expect("there is true");
        let event = running.wait_for_event(&argument, |event| has_argument(event, &argument));
        assert_eq!(*field(&event, "event.kind"), json!(kind), "{fragment}");
    }
    assert_eq!(running.log().matches(replaced).count(), 2, "modes need no loading");
    let list = text(&command(dir.path(), &["rules", "list"]).stdout);
    assert!(list.contains("refused"), "what was not permitted is counted: {list}");
    running.stop().assert_balanced();
}
