//! The machine through its public face: inputs and times in, events out.

use std::sync::Arc;

use ocellus::actions::Actions;
use ocellus::aggregate::Policy;
use ocellus::event::{Event, Field, Kinds};
use ocellus::input::{Digests, HashResult, HashStatus, Input, Lost};
use ocellus::machine::{Sensor, Settings};
use ocellus::process::ProcessId;
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
    assert!(bench.until(T0 + 40 * MS).is_empty(), "nothing is ripe");
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
    let mut bench = Bench::new(&Settings { hashing: None, redactor, ..Settings::default() });
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
        let parent =
            |event: &&Arc<Event>| event.number(Field::PROCESS_PARENT_PID) == Some(u64::from(pid));
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

/// A table of eight: init, a shell with a child, and processes that come and go.
#[test]
fn a_full_table_forgets_the_dead_first_and_live_parents_last() {
    let settings = Settings { hashing: None, processes_max: 8, ..Settings::default() };
    let mut bench = Bench::new(&settings);
    let known = |bench: &Bench, one: Proc| {
        let Proc { pid, start_ns, .. } = one;
        bench.sensor.table().get(ProcessId { pid, start_ns }).is_some()
    };
    bench.raw(Proc::INIT.existing(T0, "/sbin/init"), T0);
    let shell = Proc::INIT.child(10, T0 + 1);
    let child = shell.child(11, T0 + 2);
    let dead = Proc::INIT.child(12, T0 + 3);
    for (at_ns, bytes) in [
        (1, shell.fork(T0 + 1, "sh")),
        (2, child.fork(T0 + 2, "sh")),
        (3, dead.fork(T0 + 3, "true")),
        (4, dead.exit(T0 + 4, "true", 0)),
    ] {
        bench.raw(bytes, T0 + at_ns);
    }
    let idlers: Vec<Proc> =
        (0..40).map(|n| Proc::INIT.child(100 + n, T0 + 100 + u64::from(n))).collect();
    for idler in &idlers[..5] {
        bench.raw(idler.fork(idler.start_ns, "idle"), idler.start_ns);
    }
    bench.until(T0 + 500 * MS);
    assert!(!known(&bench, dead), "who is dead goes first, within its grace time, too");
    assert!(known(&bench, child), "everyone alive has room");
    for idler in &idlers[5..] {
        bench.raw(idler.fork(idler.start_ns, "idle"), idler.start_ns);
    }
    bench.until(T0 + 1_000 * MS);
    assert!(known(&bench, Proc::INIT), "init is the parent of all, however old it is");
    assert!(!known(&bench, child), "the oldest without children went");
    assert!(!known(&bench, shell), "and its parent, when it had none any more");
    assert_eq!(bench.sensor.table().len(), 8);

    // An orphan is a child of who adopts it, from the first event on that says so.
    let keeper = Proc::INIT.child(50, T0 + 2_000 * MS);
    let orphan = keeper.child(51, T0 + 2_001 * MS);
    bench.raw(keeper.fork(keeper.start_ns, "sh"), T0 + 2_001 * MS);
    bench.raw(orphan.fork(orphan.start_ns, "sh"), T0 + 2_001 * MS);
    let moved = Proc::INIT.child(orphan.pid, orphan.start_ns);
    bench.raw(moved.exec(T0 + 2_002 * MS, "/bin/cat", &["cat"]), T0 + 2_002 * MS);
    bench.raw(keeper.exit(T0 + 2_003 * MS, "sh", 0), T0 + 2_003 * MS);
    bench.until(T0 + 2_500 * MS);
    let late = Proc::INIT.child(60, T0 + 3_000 * MS);
    bench.raw(late.fork(late.start_ns, "idle"), late.start_ns);
    bench.until(T0 + 3_500 * MS);
    assert!(known(&bench, Proc::INIT) && known(&bench, orphan) && !known(&bench, keeper));
}

#[test]
fn changed_ids_show_what_was_before() {
    let mut bench = Bench::without_hashes();
    let root = Proc::INIT.child(42, T0);
    bench.raw(root.exec(T0, "/bin/su", &["su", "user"]), T0);
    let user = Proc { euid: 1000, egid: 1000, ..root };
    bench.raw(Proc { egid: 1000, ..root }.changed(T0 + MS, "su"), T0 + MS);
    bench.raw(user.changed(T0 + 2 * MS, "su"), T0 + 2 * MS);
    bench.raw(user.exec(T0 + 3 * MS, "/bin/sh", &["sh"]), T0 + 3 * MS);
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(events.len(), 3, "exec, changes of ids, exec");
    let change = &events[1];
    assert_eq!(change.kinds, Kinds::PROCESS_ID_CHANGE);
    assert_eq!(change.text(Field::EVENT_ACTION), Some("process_changed_ids"));
    let message = "Process su (PID: 42) by user root CHANGED IDS";
    assert_eq!(change.text(Field::MESSAGE), Some(message));
    assert_eq!(change.text(Field::PROCESS_USER_NAME), Some("user"));
    assert_eq!(change.text(Field::OCELLUS_PREVIOUS_USER_NAME), Some("root"));
    assert_eq!(change.text(Field::OCELLUS_PREVIOUS_GROUP_ID), Some("0"));
    assert_eq!(change.text(Field::OCELLUS_PREVIOUS_REAL_USER_ID), None, "it stayed");
    assert_eq!(list(change, Field::OCELLUS_CHANGES), ["user", "group"]);
    assert_eq!(list(change, Field::OCELLUS_ID_CHANGES_USER), ["0", "1000"]);
    assert_eq!(list(change, Field::OCELLUS_ID_CHANGES_GROUP), ["1000", "1000"]);
    let times = ["2023-11-14T22:13:21.001000000Z", "2023-11-14T22:13:21.002000000Z"];
    assert_eq!(list(change, Field::OCELLUS_ID_CHANGES_TIME), times);
    assert_eq!(events[2].texts(Field::OCELLUS_CHANGES), None, "the exec changed no id");
}

fn list(event: &Event, field: Field) -> Vec<String> {
    let texts = event.texts(field).unwrap_or_else(|| panic!("no {field:?} in {event:?}"));
    texts.iter().map(str::to_owned).collect()
}

#[test]
fn a_right_that_was_held_for_a_moment_is_seen() {
    let actions = Actions::Endpoint;
    let mut bench = Bench::new(&Settings { hashing: None, actions, ..Settings::default() });
    let user = Proc { euid: 1000, ..Proc::INIT.child(42, T0) };
    bench.raw(user.exec(T0, "/bin/x", &["x"]), T0);
    bench.until(T0 + 500 * MS);
    let at = T0 + 600 * MS;
    bench.raw(Proc { euid: 0, ..user }.changed(at, "x"), at);
    bench.raw(user.changed(at + MS, "x"), at + MS);
    let events = bench.until(at + 500 * MS);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].text(Field::EVENT_ACTION), Some("uid_change"));
    assert_eq!(events[0].text(Field::PROCESS_USER_ID), Some("1000"));
    assert_eq!(list(&events[0], Field::OCELLUS_ID_CHANGES_USER), ["0", "1000"]);
}

#[test]
fn the_same_change_by_every_thread_is_one_event() {
    for policy in [Policy::Full, Policy::Minimal] {
        let mut bench = Bench::new(&Settings { hashing: None, policy, ..Settings::default() });
        let root = Proc::INIT.child(42, T0);
        bench.raw(root.exec(T0, "/bin/x", &["x"]), T0);
        bench.until(T0 + 500 * MS);
        let at = T0 + 600 * MS;
        let user = Proc { euid: 1000, ..root };
        for tid in 43..50 {
            bench.raw(user.changed_by(tid, at + u64::from(tid), "x"), at + MS);
        }
        bench.raw(user.changed(at + MS, "x"), at + MS);
        let events = bench.until(at + 500 * MS);
        assert_eq!(events.len(), 1, "{policy:?}");
        assert_eq!(events[0].text(Field::PROCESS_USER_ID), Some("1000"));
        let counters = bench.sensor.counters();
        assert_eq!(counters.received["id_change"], 8);
        assert_eq!(counters.merged, 7);
    }
}

#[test]
fn every_exec_of_a_merged_event_is_in_it() {
    let settings = Settings { hashing: None, policy: Policy::Whole, ..Settings::default() };
    let mut bench = Bench::new(&settings);
    let child = Proc::INIT.child(42, T0);
    bench.raw(child.fork(T0, "sh"), T0);
    bench.raw(child.exec(T0 + MS, "/bin/env", &["env", "nice", "make"]), T0 + MS);
    bench.raw(child.exec(T0 + 2 * MS, "/bin/nice", &["nice", "make"]), T0 + 2 * MS);
    bench.raw(child.exec(T0 + 3 * MS, "/bin/make", &["make"]), T0 + 3 * MS);
    bench.raw(child.exit(T0 + 4 * MS, "make", 0), T0 + 4 * MS);
    let events = bench.until(T0 + 500 * MS);
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(event.text(Field::PROCESS_EXECUTABLE), Some("/bin/make"));
    let executables = ["/bin/env", "/bin/nice", "/bin/make"];
    assert_eq!(list(event, Field::OCELLUS_EXECS_EXECUTABLE), executables);
    let lines = ["env nice make", "nice make", "make"];
    assert_eq!(list(event, Field::OCELLUS_EXECS_COMMAND_LINE), lines);
    assert_eq!(list(event, Field::OCELLUS_EXECS_TIME)[0], "2023-11-14T22:13:21.001000000Z");
}

/// The parent's fork and exec are one event, so that they are known before the child's fork is.
#[test]
fn a_child_has_the_image_that_its_parent_had_when_it_forked() {
    let mut bench = Bench::without_hashes();
    let shell = Proc::INIT.child(42, T0);
    bench.raw(shell.fork(T0, "sh"), T0);
    let first = shell.child(43, T0 + MS);
    bench.raw(first.fork(T0 + MS, "sh"), T0 + MS);
    bench.raw(shell.exec(T0 + 2 * MS, "/bin/make", &["make"]), T0 + 2 * MS);
    let second = shell.child(44, T0 + 3 * MS);
    bench.raw(second.fork(T0 + 3 * MS, "make"), T0 + 3 * MS);
    let events = bench.until(T0 + 500 * MS);
    let executables: Vec<_> =
        events.iter().map(|event| event.text(Field::PROCESS_EXECUTABLE)).collect();
    assert_eq!(executables, [Some("/bin/make"), None, Some("/bin/make")]);
    assert_eq!(list(&events[1], Field::OCELLUS_ANCESTORS_NAME)[0], "sh");
    assert_eq!(list(&events[2], Field::OCELLUS_ANCESTORS_NAME)[0], "make");
}
