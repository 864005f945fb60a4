//! Each output through the program that users run, with what receives it: real servers where there
//! are some, strict ones of our own where there are none. As root, on the running kernel.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use ocellus_tests::ecs::assert_ecs_clean;
use ocellus_tests::guest::{Action, Guest, Term};
use ocellus_tests::program::{Ended, Running, field, need_root};
use ocellus_tests::receivers::lines::Lines;
use ocellus_tests::receivers::nats::{Access, Nats, STREAM};
use ocellus_tests::receivers::rsyslog::Rsyslog;
use ocellus_tests::receivers::tls::Authority;
use ocellus_tests::receivers::{Load, bulk, forward, free_port, wait_for};
use serde_json::Value;
use tempfile::TempDir;

fn scene() -> (TempDir, Load) {
    need_root();
    let dir = tempfile::Builder::new().prefix("ocellus-outputs-").tempdir();
    (dir.expect("there is room"), Load::default())
}

/// A network output's own spool, in the test's directory.
fn spool(dir: &Path) -> String {
    let dir = dir.join("spool");
    format!("[output.spool]\ndir = {dir:?}\nmax_size = \"64 MiB\"\nsegment_size = \"1 MiB\"\n")
}

/// A directory with a rule that alerts on the tests' own processes.
fn alerting(dir: &Path, load: &Load) -> String {
    let rules = dir.join("rules");
    std::fs::create_dir(&rules).expect("the directory is writable");
    let term = Term { field: "process.args".into(), how: 1, texts: vec![load.tag().to_owned()] };
    let guest = Guest::new("numbered").interest(&["process.exec"], &[term]);
    let guest = guest.hits(&[(0, Action::alert(73, "a numbered process"))]);
    std::fs::write(rules.join("numbered.wasm"), guest.build()).expect("it is writable");
    rules.to_str().expect("the path is UTF-8").to_owned()
}

/// Waits until a receiver has all of these numbers.
fn wait_for_all(load: &Load, count: u64, events: impl Fn() -> Vec<Value>) -> Vec<Value> {
    wait_for("all events", || {
        let events = events();
        load.received(&events).missing(0..count).is_empty().then_some(events)
    })
}

fn assert_clean(events: &[Value]) {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    assert_ecs_clean(lines.join("\n").as_bytes());
}

/// Nothing is missing, in the output's own words.
fn assert_delivered(ended: &Ended, name: &str) {
    ended.assert_balanced();
    for word in ["dropped", "waiting"] {
        assert_eq!(ended.output_count(name, word), 0, "{}", ended.output_line(name));
    }
}

#[test]
fn several_outputs_at_once_have_the_same_events_and_all_are_ecs() {
    const COUNT: u64 = 30;
    let (dir, load) = scene();
    let (tcp, bulk, forward) = (free_port(), free_port(), free_port());
    let socket = dir.path().join("socket");
    let lines = [Lines::tcp(tcp), Lines::unix(&socket)];
    let es = bulk::Bulk::start(bulk, bulk::Behaviour::default());
    let fluent = forward::Forward::start(forward, forward::Behaviour::default());
    let nats = Nats::start(dir.path());
    let msgpack = dir.path().join("events.msgpack");
    let spool = spool(dir.path());
    let outputs = format!(
        "[[output]]\ntype = \"unix\"\npath = {socket:?}\n\
         [[output]]\ntype = \"file\"\nname = \"packed\"\nformat = \"msgpack\"\npath = {msgpack:?}\n\
         [[output]]\ntype = \"tcp\"\naddress = \"127.0.0.1:{tcp}\"\n{spool}\
         [[output]]\ntype = \"elasticsearch\"\nurl = \"http://127.0.0.1:{bulk}\"\n{spool}\
         [[output]]\ntype = \"forward\"\naddress = \"localhost:{forward}\"\n{spool}\
         [[output]]\ntype = \"nats\"\nurl = \"{}\"\ncreate_stream = \"{STREAM}\"\n{spool}",
        nats.url()
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(0..COUNT);
    wait_for_all(&load, COUNT, || running.events());
    let mut all: Vec<(&str, Vec<Value>)> = vec![
        ("tcp", wait_for_all(&load, COUNT, || lines[0].events())),
        ("unix", wait_for_all(&load, COUNT, || lines[1].events())),
        ("elasticsearch", wait_for_all(&load, COUNT, || es.documents())),
        ("forward", wait_for_all(&load, COUNT, || fluent.events())),
        ("nats", wait_for_all(&load, COUNT, || nats.events())),
    ];
    let ended = running.stop();
    let packed = std::fs::read(msgpack).expect("it is there");
    let mut rest = packed.as_slice();
    let mut events = Vec::new();
    while !rest.is_empty() {
        events.push(rmp_serde::from_read(&mut rest).expect("a map follows the other"));
    }
    all.push(("packed", events));
    let ids = |events: &[Value]| -> BTreeSet<String> {
        let numbered = events.iter().filter(|event| load.number(event).is_some());
        numbered.map(|event| field(event, "event.id").to_string()).collect()
    };
    for (name, events) in &all {
        assert_delivered(&ended, name);
        assert_clean(events);
        assert_eq!(ids(events), ids(&ended.events), "{name}");
    }
    assert_delivered(&ended, "own");
    es.stop();
    fluent.stop();
}

#[test]
fn a_file_is_rotated_compressed_and_kept_within_bounds() {
    const COUNT: u64 = 120;
    let (dir, load) = scene();
    let path = dir.path().join("rotated.ndjson");
    let outputs = format!(
        "[[output]]\ntype = \"file\"\npath = {path:?}\n[output.rotate]\nsize = \"32 KiB\"\n\
         compress = \"gzip\"\nkeep_files = 0\n[[output]]\ntype = \"file\"\nname = \"few\"\n\
         path = {:?}\n[output.rotate]\nsize = \"16 KiB\"\ncompress = \"gzip\"\nkeep_files = 2\n",
        dir.path().join("few.ndjson")
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(0..COUNT);
    wait_for_all(&load, COUNT, || running.events());
    let names = |start: &str| {
        let entries = std::fs::read_dir(dir.path()).expect("it is ours");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with(&format!("{start}.ndjson."))).collect();
        names.sort();
        names
    };
    let is = |names: &[String], end: &str| names.iter().all(|name| name.ends_with(end));
    wait_for("compressed files", || is(&names("rotated"), ".gz").then_some(()));
    wait_for("few files", || {
        let few = names("few");
        (few.len() == 2 && is(&few, ".gz")).then_some(())
    });
    let ended = running.stop();
    assert_delivered(&ended, "file");
    assert_delivered(&ended, "few");
    let mut all = String::new();
    let rotated = names("rotated");
    assert!(rotated.len() > 3, "{rotated:?}");
    // One that was put aside just before the end is compressed by the next run.
    for name in rotated.iter().filter(|name| !name.ends_with(".partial")) {
        let mut file = std::fs::File::open(dir.path().join(name)).expect("it is there");
        let read = match name.strip_suffix(".gz") {
            Some(plain) if rotated.iter().any(|it| it == plain) => continue,
            Some(_) => flate2::read::GzDecoder::new(file).read_to_string(&mut all),
            None => file.read_to_string(&mut all),
        };
        read.expect("it is whole");
    }
    all.push_str(&std::fs::read_to_string(&path).expect("it is there"));
    assert_ecs_clean(all.as_bytes());
    let events = ocellus_tests::program::parse(all.as_bytes());
    assert_eq!(events.len() as u64, ended.output_count("file", "delivered"));
    assert!(load.received(&events).missing(0..COUNT).is_empty());
}

#[test]
fn rsyslog_reads_alerts_from_its_socket_and_over_tcp() {
    const COUNT: u64 = 20;
    let (dir, load) = scene();
    let rules = alerting(dir.path(), &load);
    let rsyslog = Rsyslog::start(dir.path());
    let outputs = format!(
        "[[output]]\ntype = \"syslog\"\npath = {:?}\n\
         [[output]]\ntype = \"syslog\"\nname = \"five\"\nheader = \"rfc5424\"\npath = {:?}\n\
         [[output]]\ntype = \"syslog\"\nname = \"far\"\naddress = \"127.0.0.1:{}\"\n\
         facility = \"local3\"\n{}",
        rsyslog.socket,
        rsyslog.rfc5424_socket,
        rsyslog.port,
        spool(dir.path())
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &["--rules", &rules]);
    load.execute(0..COUNT);
    let inputs = ["socket", "rfc5424", "tcp"];
    for input in inputs {
        wait_for_all(&load, COUNT, || {
            let messages = rsyslog.messages().into_iter();
            messages.filter(|it| it.input == input).map(|it| it.event).collect()
        });
    }
    let ended = running.stop();
    for name in ["syslog", "five", "far"] {
        assert_delivered(&ended, name);
        assert!(ended.output_count(name, "filtered") > 0, "{}", ended.output_line(name));
    }
    let messages = rsyslog.messages();
    for message in &messages {
        assert_eq!(*field(&message.event, "event.kind"), "alert");
        // Severity 73 is an error; the facilities are auth and local3.
        let is_tcp = message.input == "tcp";
        assert_eq!(message.priority, if is_tcp { 19 * 8 + 3 } else { 4 * 8 + 3 });
        assert_eq!(message.app, "ocellus");
        if message.input != "socket" {
            assert_eq!(message.version, 1);
            assert_eq!(message.id, *field(&message.event, "event.action"));
            assert_eq!(message.host, *field(&message.event, "host.name"));
            let time = field(&message.event, "@timestamp").as_str().expect("it is a text");
            assert_eq!(message.time[..26], time[..26]);
        }
    }
    assert_clean(&messages.into_iter().map(|message| message.event).collect::<Vec<_>>());
}

#[test]
fn a_reader_at_a_unix_socket_may_come_and_go() {
    let (dir, load) = scene();
    let socket = dir.path().join("socket");
    let outputs = format!("[[output]]\ntype = \"unix\"\npath = {socket:?}\n");
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(0..5);
    wait_for_all(&load, 5, || running.events());
    let first = Lines::unix(&socket);
    wait_for_all(&load, 5, || first.events());
    let mut events = first.kill();
    load.execute(5..10);
    let second = Lines::unix(&socket);
    wait_for("the rest", || {
        let all = [events.clone(), second.events()].concat();
        load.received(&all).missing(0..10).is_empty().then_some(())
    });
    let ended = running.stop();
    assert_delivered(&ended, "unix");
    assert!(ended.output_count("unix", "failures") > 0, "{}", ended.output_line("unix"));
    events.extend(second.kill());
    assert_eq!(load.received(&events).repeated(), 0);
}

#[test]
fn bulk_requests_are_repeated_until_each_document_is_created_or_refused() {
    const COUNT: u64 = 150;
    let (dir, load) = scene();
    let port = free_port();
    let authority = Authority::create(dir.path());
    let key = dir.path().join("key");
    std::fs::write(&key, "c2VjcmV0\n").expect("the directory is writable");
    let refused: BTreeSet<u64> = [7, 70, 77].into();
    let texts = refused.iter().map(|number| format!("{}{number}", load.tag())).collect();
    let behaviour = bulk::Behaviour {
        authorization: Some("ApiKey c2VjcmV0".to_owned()),
        tls: Some(authority.server()),
        busy_every: Some(5),
        refused: texts,
        unavailable_every: Some(3),
        mute_every: Some(4),
        request_bytes_max: Some(60_000),
    };
    let es = bulk::Bulk::start(port, behaviour);
    let outputs = format!(
        "[[output]]\ntype = \"elasticsearch\"\nurl = \"https://localhost:{port}/\"\n\
         auth = {{ key_file = {key:?} }}\ntls = {{ ca_file = {:?} }}\n{}",
        authority.ca,
        spool(dir.path())
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(0..COUNT);
    wait_for_all(&load, COUNT, || running.events());
    let expected: Vec<u64> = (0..COUNT).filter(|number| !refused.contains(number)).collect();
    wait_for("documents", || {
        let received = load.received(&es.documents());
        expected.iter().all(|number| received.0.contains_key(number)).then_some(())
    });
    // One that is sent after all of these have been settled.
    load.execute(COUNT..COUNT + 1);
    wait_for("the last document", || {
        load.received(&es.documents()).0.contains_key(&COUNT).then_some(())
    });
    let ended = running.stop();
    ended.assert_balanced();
    let line = ended.output_line("elasticsearch").to_owned();
    let cause = "refused_document_parsing_exception";
    assert_eq!(ended.output_count("elasticsearch", cause), 3, "{line}");
    assert_eq!(ended.output_count("elasticsearch", "dropped"), 3, "{line}");
    assert!(ended.output_count("elasticsearch", "retried") >= es.busy(), "{line}");
    // What was created by a request without an answer was there when it came again.
    assert!(es.conflicts() > 0 && es.busy() > 0 && es.requests() > 4);
    assert!(!ended.log.contains("c2VjcmV0"), "{}", ended.log);
    let documents = es.stop();
    assert_clean(&documents);
    assert_eq!(load.received(&documents).repeated(), 0);
}

#[test]
fn a_receiver_that_does_not_know_us_gets_nothing_and_nothing_is_lost() {
    let (dir, load) = scene();
    let (bulk_port, forward_port) = (free_port(), free_port());
    let authority = Authority::create(dir.path());
    let key = dir.path().join("key");
    std::fs::write(&key, "wrong").expect("the directory is writable");
    let login = |key: &str| Some(format!("ApiKey {key}"));
    let es = bulk::Bulk::start(
        bulk_port,
        bulk::Behaviour { authorization: login("right"), ..Default::default() },
    );
    let fluent = forward::Forward::start(
        forward_port,
        forward::Behaviour {
            shared_key: Some("right".to_owned()),
            tls: Some(authority.server()),
            mute_every: Some(3),
        },
    );
    let spool = spool(dir.path());
    let outputs = format!(
        "[[output]]\ntype = \"elasticsearch\"\nurl = \"http://localhost:{bulk_port}\"\n\
         auth = {{ key_file = {key:?} }}\n{spool}\
         [[output]]\ntype = \"forward\"\naddress = \"localhost:{forward_port}\"\n\
         auth = {{ key_file = {key:?} }}\ntls = {{ ca_file = {:?} }}\n{spool}",
        authority.ca
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(0..20);
    wait_for_all(&load, 20, || running.events());
    wait_for("refusals", || (es.strangers() > 0 && fluent.refused() > 0).then_some(()));
    let ended = running.stop();
    ended.assert_balanced();
    for name in ["elasticsearch", "forward"] {
        let line = ended.output_line(name);
        assert_eq!(ended.output_count(name, "delivered"), 0, "{line}");
        assert!(ended.output_count(name, "waiting") >= 20, "{line}");
    }
    assert!(es.documents().is_empty() && fluent.events().is_empty());

    // With the right key, what waited is delivered.
    std::fs::write(&key, "right").expect("the directory is writable");
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(20..40);
    wait_for_all(&load, 40, || es.documents());
    wait_for_all(&load, 40, || fluent.events());
    // What the last chunk without an answer held may wait at the end, which tries nothing again.
    let ended = running.stop();
    for name in ["elasticsearch", "forward"] {
        ended.assert_balanced();
        assert_eq!(ended.output_count(name, "dropped"), 0, "{}", ended.output_line(name));
        assert!(ended.output_count(name, "found") >= 20, "{}", ended.output_line(name));
    }
    let (taken, acknowledged) = fluent.chunks();
    assert!(taken > acknowledged && acknowledged > 0, "{taken} {acknowledged}");
    assert_clean(&fluent.stop());
    es.stop();
}

/// A user of NATS that was made for this test, and whose key is nobody else's secret.
const NKEY_SEED: &str = "SUAA5EIPHFLTAE7GC6KSX7BICMHNNLMVTGULVAZW4IKU2H23DHEBYY6FOQ";
const NKEY_PUBLIC: &str = "UBA7QS4P5KXMAJMU6OQKUFTB4CSPI3QUHCPRIL5255GZTGVCU6U6TQXH";

#[test]
fn nats_takes_events_with_tls_by_password_or_key_and_a_missing_stream_is_named() {
    let (dir, load) = scene();
    let authority = Authority::create(dir.path());
    let ca = authority.ca.clone();
    let (password, key) = (dir.path().join("password"), dir.path().join("user.creds"));
    std::fs::write(&password, "open sesame").expect("the directory is writable");
    std::fs::write(&key, NKEY_SEED).expect("the directory is writable");
    let user = Some(("sensor".to_owned(), "open sesame".to_owned()));
    let nkey = Some(NKEY_PUBLIC.to_owned());
    let access = Access { authority: Some(authority), user, nkey };
    let nats = Nats::with_access(dir.path(), access);
    let outputs = |lines: &str| {
        format!(
            "[[output]]\ntype = \"nats\"\nurl = \"{}\"\n{lines}tls = {{ ca_file = {ca:?} }}\n{}",
            nats.url(),
            spool(dir.path())
        )
    };
    let by_password = format!("auth = {{ user = \"sensor\", password_file = {password:?} }}\n");
    let by_key = format!("auth = {{ credentials_file = {key:?} }}\n");
    let running = Running::start_with_outputs(dir.path(), &outputs(&by_password), &[]);
    load.execute(0..5);
    running.wait_for_log("nobody answers for the subject ocellus.events");
    running.stop().assert_balanced();

    let with_stream = format!("create_stream = \"{STREAM}\"\n{by_key}");
    let running = Running::start_with_outputs(dir.path(), &outputs(&with_stream), &[]);
    load.execute(5..10);
    let events = wait_for_all(&load, 10, || nats.events());
    let ended = running.stop();
    assert_delivered(&ended, "nats");
    for secret in ["open sesame", NKEY_SEED] {
        assert!(!ended.log.contains(secret), "{}", ended.log);
    }
    assert_clean(&events);

    // A server that does not know us says so, and nothing is lost.
    let running = Running::start_with_outputs(dir.path(), &outputs(""), &[]);
    load.execute(10..15);
    running.wait_for_log("Authorization Violation");
    let ended = running.stop();
    ended.assert_balanced();
    assert!(ended.output_count("nats", "waiting") >= 5, "{}", ended.output_line("nats"));
}
