//! The machine through its public face: inputs and times in, events out.

use std::sync::Arc;

use ocellus::event::{Event, Field, Kinds};
use ocellus::input::{Digests, HashResult, HashStatus, Input, Lost};
use ocellus::machine::{Sensor, Settings};
use ocellus::queue::QUEUE_EVENTS_MAX;
use ocellus::redact::{DEFAULTS, Redactor};
use ocellus::rules::RuleSet;
use ocellus::throttle::{Limits, Rate};
use ocellus_ebpf::abi::{File, Record};
use ocellus_tests::workload::{Proc, file_id_of, preamble, raw};

const MS: u64 = 1_000_000;
const T0: u64 = 1_000_000_000;

struct Bench {
    sensor: Sensor,
    out: Vec<Arc<Event>>,
}

impl Bench {
    fn new(settings: &Settings) -> Bench {
        let mut bench = Bench { sensor: Sensor::new(settings, RuleSet::new()), out: Vec::new() };
        for input in preamble() {
            bench.feed(&input, 0);
        }
        bench
    }

    fn without_hashes() -> Bench {
        Bench::new(&Settings { hashing: None, ..Settings::default() })
    }

    fn feed(&mut self, input: &Input<'_>, now_ns: u64) {
        self.sensor.feed(input, now_ns, &mut self.out);
    }

    fn raw(&mut self, bytes: Vec<u8>, now_ns: u64) {
        self.feed(&raw(bytes), now_ns);
    }

    /// The events that are ripe by then.
    fn until(&mut self, now_ns: u64) -> Vec<Arc<Event>> {
        self.sensor.step(now_ns, &mut self.out);
        assert_eq!(self.sensor.counters().unaccounted(), 0);
        std::mem::take(&mut self.out)
    }
}

#[test]
fn a_short_process_is_one_event_with_its_parent_and_its_end() {
    let mut bench = Bench::without_hashes();
    bench.raw(Proc::INIT.existing(T0, "/sbin/init"), T0);
    let child = Proc::INIT.child(42, T0 + MS);
    bench.raw(child.exit(T0 + 3 * MS, "cat", 9 | 0x80), T0 + 3 * MS);
    bench.raw(child.fork(T0 + MS, "init"), T0 + 3 * MS);
    bench.raw(child.exec(T0 + 2 * MS, "/bin/cat", &["cat", "/etc/hosts"]), T0 + 3 * MS);
    assert!(bench.until(T0 + 50 * MS).is_empty(), "nothing is ripe");
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(events.len(), 2);
    let event = &events[1];
    assert!(event.kinds.intersects(Kinds::PROCESS_FORK));
    assert_eq!(event.text(Field::EVENT_ACTION), Some("process_ran"));
    assert_eq!(event.text(Field::MESSAGE), Some("Process cat (PID: 42) by user root RAN"));
    assert_eq!(event.text(Field::PROCESS_EXECUTABLE), Some("/bin/cat"));
    assert_eq!(event.text(Field::PROCESS_COMMAND_LINE), Some("cat /etc/hosts"));
    assert_eq!(event.number(Field::PROCESS_EXIT_CODE), Some(128 + 9));
    assert_eq!(event.number(Field::OCELLUS_SIGNAL), Some(9));
    assert_eq!(event.number(Field::OCELLUS_CORE_DUMPED), Some(1));
    assert_eq!(event.number(Field::OCELLUS_RAW_EVENTS), Some(3));
    assert_eq!(event.text(Field::PROCESS_PARENT_NAME), Some("init"));
    assert_eq!(
        event.text(Field::PROCESS_PARENT_ENTITY_ID),
        events[0].text(Field::PROCESS_ENTITY_ID)
    );
    assert_eq!(event.number(Field::TIMESTAMP), Some(1_700_000_000_000_000_000 + T0 + MS));
    let ancestors = event.texts(Field::OCELLUS_ANCESTORS_EXECUTABLE).expect("it has a parent");
    assert_eq!(ancestors.iter().collect::<Vec<_>>(), ["/sbin/init"]);
    assert_eq!(bench.sensor.counters().merged, 2);
}

#[test]
fn a_process_seen_by_snapshot_and_ring_is_one() {
    let mut bench = Bench::without_hashes();
    let child = Proc::INIT.child(42, T0);
    bench.raw(child.existing(T0 + MS, "/bin/cat"), T0 + MS);
    bench.raw(child.fork(T0, "sh"), T0 + 2 * MS);
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].text(Field::EVENT_ACTION), Some("process_started"));
    assert_eq!(bench.sensor.table().len(), 1);
    assert_eq!(bench.sensor.counters().merged, 1);
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut bench = Bench::without_hashes();
    let first = Proc::INIT.child(42, T0);
    let second = Proc::INIT.child(42, T0 + 5 * MS);
    bench.raw(first.fork(T0, "sh"), T0);
    bench.raw(second.fork(T0 + 5 * MS, "sh"), T0 + 5 * MS);
    let events = bench.until(T0 + 500 * MS);
    let ids: Vec<_> = events
        .iter()
        .map(|event| event.text(Field::PROCESS_ENTITY_ID).map(str::to_owned))
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(bench.sensor.table_stats().exits_inferred, 1);
}

#[test]
fn an_event_waits_for_its_hash_and_not_for_ever() {
    let mut bench = Bench::new(&Settings::default());
    let child = Proc::INIT.child(42, T0);
    bench.raw(child.exec(T0, "/bin/cat", &["cat"]), T0);
    let requests = bench.sensor.take_hash_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, b"/bin/cat");
    assert!(bench.until(T0 + 500 * MS).is_empty(), "it waits for its hash");
    let digests = Digests { sha256: Some("ab".repeat(32)), ..Digests::default() };
    let result = HashResult { id: requests[0].id, status: HashStatus::Ok, digests, detail: None };
    assert_eq!(result.id, file_id_of("/bin/cat"));
    bench.feed(&Input::Hash(result), T0 + 600 * MS);
    let events = bench.until(T0 + 600 * MS);
    assert_eq!(events[0].text(Field::PROCESS_HASH_SHA256), Some(&*"ab".repeat(32)));
    assert_eq!(events[0].text(Field::OCELLUS_HASH_STATUS), Some("ok"));

    let other = Proc::INIT.child(43, T0 + 700 * MS);
    bench.raw(other.exec(T0 + 700 * MS, "/bin/slow", &["slow"]), T0 + 700 * MS);
    let events = bench.until(T0 + 1_750 * MS);
    assert_eq!(events[0].text(Field::OCELLUS_HASH_STATUS), Some("timeout"));
    assert!(events[0].text(Field::ERROR_MESSAGE).is_some());
}

#[test]
fn a_full_queue_waits_for_no_hash_and_says_so() {
    let mut bench = Bench::new(&Settings::default());
    let child = Proc::INIT.child(42, T0);
    bench.raw(child.exec(T0, "/bin/cat", &["cat"]), T0);
    let requests = bench.sensor.take_hash_requests();
    for n in 1..QUEUE_EVENTS_MAX as u64 {
        bench.raw(Proc::INIT.child(100, T0 + n).fork(T0 + n, "sh"), T0 + n);
    }
    let events = bench.until(T0 + 200 * MS);
    let status = |event: &Event| event.text(Field::OCELLUS_HASH_STATUS).map(str::to_owned);
    assert_eq!(status(&events[0]).as_deref(), Some("pending"));
    assert_eq!(events[0].text(Field::ERROR_MESSAGE), None, "nothing went wrong");
    assert_eq!(status(&events[1]), None, "a fork of who never executed has no hash to wait for");

    let digests = Digests { sha256: Some("ab".repeat(32)), ..Digests::default() };
    let result = HashResult { id: requests[0].id, status: HashStatus::Ok, digests, detail: None };
    bench.feed(&Input::Hash(result), T0 + 300 * MS);
    bench.raw(child.exit(T0 + 300 * MS, "cat", 0), T0 + 300 * MS);
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(status(&events[0]).as_deref(), Some("ok"), "the next event has it");
    assert_eq!(events[0].text(Field::PROCESS_HASH_SHA256), Some(&*"ab".repeat(32)));
}

#[test]
fn an_executable_that_nobody_identified_has_a_status_too() {
    let mut bench = Bench::new(&Settings::default());
    let child = Proc::INIT.child(42, T0);
    let mut bytes = child.exec(T0, "/bin/cat", &["cat"]);
    let parsed = Record::parse(&bytes).expect("it is a record");
    bytes = Record { file: File::default(), ..parsed.record }.encode(parsed.spans);
    bench.raw(bytes, T0);
    let events = bench.until(T0 + 200 * MS);
    assert_eq!(events[0].text(Field::OCELLUS_HASH_STATUS), Some("unknown"));
    assert!(bench.sensor.take_hash_requests().is_empty());
}

#[test]
fn loss_is_an_event_and_balances() {
    let mut bench = Bench::without_hashes();
    let lost = Lost { cause: "ring_full".into(), kind: "exec".into(), count: 12 };
    bench.feed(&Input::Lost(lost), T0);
    let events = bench.until(T0);
    assert_eq!(events[0].kinds, Kinds::SENSOR_LOSS);
    assert_eq!(events[0].number(Field::OCELLUS_LOST_COUNT), Some(12));
    bench.raw(vec![1, 2, 3], T0);
    bench.until(T0);
    let counters = bench.sensor.counters();
    assert_eq!(counters.lost["ring_full"]["exec"], 12);
    assert_eq!(counters.lost["malformed"]["unknown"], 1);
}

#[test]
fn two_last_threads_end_a_process_once() {
    let mut bench = Bench::without_hashes();
    let child = Proc::INIT.child(42, T0);
    for input in [child.fork(T0, "sh"), child.exit(T0 + 1, "sh", 0), child.exit(T0 + 2, "sh", 0)] {
        bench.raw(input, T0 + 2);
    }
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(events.len(), 1, "fork and exit are one event, the second exit none");
}

#[test]
fn who_is_missing_from_a_snapshot_is_gone() {
    let mut bench = Bench::without_hashes();
    let gone = Proc::INIT.child(42, T0);
    let lives = Proc::INIT.child(43, T0);
    bench.raw(gone.fork(T0, "sh"), T0);
    bench.raw(lives.fork(T0, "sh"), T0);
    bench.until(T0 + 500 * MS);
    let began_ns = T0 + 600 * MS;
    bench.raw(lives.existing(T0 + 601 * MS, "/bin/sh"), T0 + 601 * MS);
    bench.feed(&Input::SnapshotEnd { began_ns }, T0 + 602 * MS);
    assert!(bench.until(T0 + 900 * MS).is_empty(), "a known process is no news");
    assert_eq!(bench.sensor.table_stats().exits_inferred, 1);
    bench.until(T0 + 6_000 * MS);
    assert_eq!(bench.sensor.table().len(), 1);
}

#[test]
fn secrets_are_gone_before_an_event_is_made() {
    let redactor = Redactor::new(DEFAULTS).expect("they are regular expressions");
    let mut bench =
        Bench::new(&Settings { hashing: None, redactor, ..Settings::default() });
    let parent = Proc::INIT.child(42, T0);
    let args = ["tool", "--password", "hunter2", "--url=https://me:hunter2@host/"];
    bench.raw(parent.fork(T0, "init"), T0);
    bench.raw(parent.exec(T0 + MS, "/bin/tool", &args), T0 + MS);
    let child = parent.child(43, T0 + 2 * MS);
    bench.raw(child.fork(T0 + 2 * MS, "tool"), T0 + 2 * MS);
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(events.len(), 2);
    for event in &events {
        assert!(!format!("{event:?}").contains("hunter2"), "{event:?}");
    }
    let args = events[0].texts(Field::PROCESS_ARGS).expect("it has some");
    let expected = ["tool", "--password", "[redacted]", "--url=https://me:[redacted]@host/"];
    assert_eq!(args.iter().collect::<Vec<_>>(), expected);
    let redacted = events[0].texts(Field::OCELLUS_REDACTED).expect("something was replaced");
    assert_eq!(redacted.iter().collect::<Vec<_>>(), ["process.args"]);
}

#[test]
fn a_flood_of_one_tree_is_one_event_and_others_are_not_touched() {
    let tree = Some(Rate { per_second: 10, burst: 5 });
    let limits = Limits { tree, global: None };
    let mut bench = Bench::new(&Settings { hashing: None, limits, ..Settings::default() });
    let shell = |pid| Proc::INIT.child(pid, T0 + u64::from(pid) * 1_000);
    let (noisy, quiet) = (shell(42), shell(43));
    for one in [&noisy, &quiet] {
        bench.raw(one.fork(one.start_ns, "init"), T0);
    }
    for number in 0..100 {
        let start_ns = T0 + MS + number * 1_000;
        bench.raw(noisy.child(1000 + number as u32, start_ns).fork(start_ns, "noisy"), T0 + MS);
    }
    let start_ns = T0 + 2 * MS;
    bench.raw(quiet.child(5000, start_ns).fork(start_ns, "quiet"), start_ns);
    let events = bench.until(T0 + 500 * MS);
    let of = |pid: u32| {
        let parent = |event: &&Arc<Event>| {
            event.number(Field::PROCESS_PARENT_PID) == Some(u64::from(pid))
        };
        events.iter().filter(parent).count()
    };
    assert!((1..=6).contains(&of(42)), "{}", of(42));
    assert_eq!(of(43), 1);
    let counters = bench.sensor.counters();
    let dropped = counters.dropped["ocellus.throttle_tree"];
    assert_eq!(dropped, 100 - of(42) as u64);
    // The table knows them all the same.
    assert!(bench.sensor.table().len() > 100);
    bench.sensor.drain(T0 + 3_000 * MS, &mut bench.out);
    assert_eq!(bench.out.len(), 1);
    let summary = &bench.out[0];
    assert_eq!(summary.kinds, Kinds::SENSOR_THROTTLE);
    assert_eq!(summary.number(Field::OCELLUS_THROTTLED_COUNT), Some(dropped));
    assert_eq!(bench.sensor.counters().unaccounted(), 0);
}
