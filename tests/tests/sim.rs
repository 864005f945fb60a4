//! The simulation: seeded histories go into the machine in and out of order, with and without
//! faults, and what comes out must be true.
//!
//! `make sim SEED=… RUNS=…` runs more of it. A failure names its seed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use ocellus::aggregate::Policy;
use ocellus::event::{Event, Field, Kinds};
use ocellus::input::{Digests, FileId, HashResult, HashStatus, Input, Lost};
use ocellus::machine::{DROP_KERNEL_THREADS, DROP_SNAPSHOT, Hashing, Sensor, Settings};
use ocellus::raw::Kind;
use ocellus::rules::RuleSet;
use ocellus_tests::history::{Deed, Happening, Rng, history};
use ocellus_tests::workload::{Proc, file_id_of, preamble};

const HOLD_MS: u64 = 100;
const HOLD_NS: u64 = HOLD_MS * 1_000_000;
/// How far records overtake each other at most: what the queue is made for.
const SHUFFLE_NS: u64 = HOLD_NS / 4;
/// Raw events of one history.
const EVENTS: usize = 300;
/// Processes in a small table, to see it overflow.
const SMALL_TABLE: usize = 20;
/// Histories that `cargo test` runs, of each kind.
const RUNS: u64 = 300;
/// Answers of hashes that a machine keeps: few, so that they are pushed out.
const HASHES_KEPT: NonZeroUsize = NonZeroUsize::new(4).expect("it is not zero");
/// What the preamble adds to boottime.
const WALL_NS: u64 = 1_700_000_000_000_000_000;

#[derive(Clone, Copy, Default)]
struct Faults {
    shuffle: bool,
    lose: bool,
    duplicate: bool,
    garbage: bool,
    late: bool,
    step_clock: bool,
    small_table: bool,
}

impl Faults {
    const ALL: Faults = Faults {
        shuffle: true,
        lose: true,
        duplicate: true,
        garbage: true,
        late: true,
        step_clock: true,
        small_table: true,
    };
}

/// How one machine is set.
#[derive(Clone, Copy)]
struct Setup {
    policy: Policy,
    hashing: bool,
    snapshot_events: bool,
}

impl Setup {
    fn random(rng: &mut Rng) -> Setup {
        let policies = [Policy::Full, Policy::Minimal, Policy::Whole];
        let policy = policies[rng.below(policies.len() as u64) as usize];
        Setup { policy, hashing: rng.once_in(2), snapshot_events: rng.once_in(2) }
    }

    fn sensor(self, processes_max: usize) -> Sensor {
        let hashing = Hashing { cache_entries: HASHES_KEPT, wait_ms: HOLD_MS };
        let settings = Settings {
            hold_time_ms: HOLD_MS,
            policy: self.policy,
            processes_max,
            hashing: self.hashing.then_some(hashing),
            snapshot_events: self.snapshot_events,
            ..Settings::default()
        };
        Sensor::new(&settings, RuleSet::new())
    }
}

/// What one run gave.
struct Outcome {
    events: Vec<Arc<Event>>,
    sensor: Sensor,
    fed: u64,
}

fn simulate(rng: &mut Rng, history: &[Happening], faults: Faults, setup: Setup) -> Outcome {
    let processes_max = if faults.small_table { SMALL_TABLE } else { 4_096 };
    let mut sensor = setup.sensor(processes_max);
    let mut events = Vec::new();
    for input in preamble() {
        sensor.feed(&input, 0, &mut events);
    }
    let mut hashes = Vec::new();
    let mut fed = 0;
    for (at_ns, one) in arrivals(rng, history, faults) {
        answer(rng, &mut sensor, &mut hashes, at_ns, &mut events);
        sensor.step(at_ns, &mut events);
        if faults.lose && rng.once_in(20) {
            let (cause, kind) = ("ring_full".into(), one.deed.kind().name().to_owned());
            sensor.feed(&Input::Lost(Lost { cause, kind, count: 1 }), at_ns, &mut events);
            fed += 1;
            continue;
        }
        if faults.step_clock && rng.once_in(30) {
            let wall_offset_ns = 1_600_000_000_000_000_000 + rng.below(1 << 50) as i64;
            sensor.feed(&Input::Clock { wall_offset_ns }, at_ns, &mut events);
        }
        if faults.garbage && rng.once_in(20) {
            sensor.feed_raw(&garbage(rng, &one.bytes), at_ns, &mut events);
            fed += 1;
        }
        let copies = if faults.duplicate && rng.once_in(30) { 2 } else { 1 };
        for _ in 0..copies {
            sensor.feed_raw(&one.bytes, at_ns, &mut events);
            fed += 1;
        }
        assert!(sensor.table().len() <= processes_max, "the table is bounded");
        assert_eq!(sensor.counters().unaccounted(), 0, "{}", sensor.counters());
    }
    sensor.drain(u64::MAX, &mut events);
    Outcome { events, sensor, fed }
}

/// What arrives when, in the order of arrival.
fn arrivals<'a>(
    rng: &mut Rng,
    history: &'a [Happening],
    faults: Faults,
) -> Vec<(u64, &'a Happening)> {
    let mut arrivals = Vec::new();
    for one in history {
        let delay_ns = match rng.below(50) {
            0 if faults.late => HOLD_NS + rng.below(5 * HOLD_NS),
            _ if faults.shuffle => rng.below(SHUFFLE_NS),
            _ => 0,
        };
        arrivals.push((one.time_ns + delay_ns, one));
    }
    arrivals.sort_by_key(|(at_ns, _)| *at_ns);
    arrivals
}

/// A record with a few wrong bytes, cut somewhere.
fn garbage(rng: &mut Rng, record: &[u8]) -> Vec<u8> {
    let mut bytes = record.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] = rng.number() as u8;
    }
    bytes.truncate(rng.below(2 * bytes.len() as u64) as usize);
    bytes
}

/// Takes the requests for hashes and answers some of those that wait: later ones perhaps first,
/// and some never.
fn answer(
    rng: &mut Rng,
    sensor: &mut Sensor,
    waiting: &mut Vec<FileId>,
    now_ns: u64,
    events: &mut Vec<Arc<Event>>,
) {
    let requests = sensor.take_hash_requests();
    waiting.extend(requests.into_iter().map(|request| request.id).filter(|_| !rng.once_in(8)));
    while !waiting.is_empty() && rng.once_in(2) {
        let id = waiting.swap_remove(rng.below(waiting.len() as u64) as usize);
        let digests = Digests { sha256: Some(digest(&id)), ..Digests::default() };
        let result = HashResult { id, status: HashStatus::Ok, digests, detail: None };
        sensor.feed(&Input::Hash(result), now_ns, events);
    }
}

fn digest(id: &FileId) -> String {
    format!("{:064x}", id.inode)
}

fn is_process(event: &Event) -> bool {
    !event.kinds.intersects(Kinds::SENSOR)
}

/// Who an event is about: pid and start in boottime are one entity, and one only.
fn check_identity(events: &[Arc<Event>]) {
    let mut entities: HashMap<&str, u64> = HashMap::new();
    for event in events.iter().filter(|event| is_process(event)) {
        let id = event.text(Field::PROCESS_ENTITY_ID).expect("every process has an entity id");
        let pid = event.number(Field::PROCESS_PID).expect("every process has a pid");
        assert_eq!(*entities.entry(id).or_insert(pid), pid, "{event:?}");
    }
}

/// No field of one process is on another: executables name the process that executed them.
fn check_fields(events: &[Arc<Event>]) {
    for event in events.iter().filter(|event| event.kinds.intersects(Kinds::PROCESS_EXEC)) {
        let pid = event.number(Field::PROCESS_PID).expect("every process has a pid");
        let exe = event.text(Field::PROCESS_EXECUTABLE).expect("an exec has an executable");
        assert!(exe.starts_with(&format!("/bin/{pid}-")), "{event:?}");
        let args = event.texts(Field::PROCESS_ARGS).expect("an exec has arguments");
        assert_eq!(args.get(0), Some(exe));
    }
}

/// The hash of an event is that of its executable.
fn check_hashes(events: &[Arc<Event>]) {
    for event in events {
        let Some(hash) = event.text(Field::PROCESS_HASH_SHA256) else { continue };
        let exe = event.text(Field::PROCESS_EXECUTABLE).expect("what was hashed has a path");
        assert_eq!(hash, digest(&file_id_of(exe)), "{event:?}");
    }
}

/// Without faults, every raw event that tells something is in exactly one event, and each
/// process's are in order.
fn check_complete(history: &[Happening], outcome: &Outcome) {
    let mut expected: BTreeMap<(u32, u64), VecDeque<&Happening>> = BTreeMap::new();
    // Who is known and looked at is no news, and kernel threads are none at all.
    let tells = |one: &&Happening| !matches!(one.deed, Deed::Seen | Deed::KernelThread);
    for one in history.iter().filter(tells) {
        expected.entry((one.process.pid, one.process.start_ns)).or_default().push_back(one);
    }
    // The last state that an event has told of each process.
    let mut told: BTreeMap<(u32, u64), Told> = BTreeMap::new();
    let init = Told { process: Proc::INIT, comm: "init".to_owned() };
    told.insert((Proc::INIT.pid, Proc::INIT.start_ns), init);
    for event in outcome.events.iter().filter(|it| !it.kinds.intersects(Kinds::PROCESS_EXISTING)) {
        let number = |field: Field| event.number(field).expect("every process has it");
        let key = (number(Field::PROCESS_PID) as u32, number(Field::PROCESS_START) - WALL_NS);
        let time_ns = number(Field::TIMESTAMP) - WALL_NS;
        let left = expected.get_mut(&key).expect("the history has the process");
        skip_no_news(left, time_ns);
        let raw_events = number(Field::OCELLUS_RAW_EVENTS) as usize;
        assert!(left.len() >= raw_events, "{event:?}");
        let run: Vec<&Happening> = left.drain(..raw_events).collect();
        check_run(event, &run, told.get(&key));
        let last = run[run.len() - 1];
        told.insert(key, Told { process: last.process, comm: last.comm.clone() });
    }
    for (process, mut left) in expected {
        skip_no_news(&mut left, u64::MAX);
        assert!(left.is_empty(), "{process:?} has {left:?} besides");
    }
    let times: Vec<_> = outcome.events.iter().map(|event| event.number(Field::TIMESTAMP)).collect();
    assert!(times.is_sorted(), "events leave in order of kernel time");
    assert_eq!(outcome.sensor.table_stats().exits_inferred, 0);
}

/// A process as the last event about it has shown it.
struct Told {
    process: Proc,
    comm: String,
}

/// What tells nothing new and leads a run that only consists of such makes no event.
fn skip_no_news(left: &mut VecDeque<&Happening>, before_ns: u64) {
    while left.front().is_some_and(|one| one.deed == Deed::SameIds && one.time_ns < before_ns) {
        left.pop_front();
    }
}

/// An event shows what came of its raw events, and what was before.
fn check_run(event: &Event, run: &[&Happening], before: Option<&Told>) {
    let (first, last) = (run[0], run[run.len() - 1]);
    assert_eq!(event.number(Field::TIMESTAMP), Some(WALL_NS + first.time_ns), "{event:?}");
    let kinds: BTreeSet<&str> = run.iter().map(|one| one.deed.kind().name()).collect();
    let told = event.kinds.names().map(|name| name.trim_start_matches("process."));
    assert_eq!(told.collect::<BTreeSet<_>>(), kinds, "{event:?}");
    let text = |field: Field| event.text(field).map(str::to_owned);
    assert_eq!(text(Field::PROCESS_USER_ID), Some(last.process.euid.to_string()), "{event:?}");
    assert_eq!(text(Field::PROCESS_GROUP_ID), Some(last.process.egid.to_string()), "{event:?}");
    assert_eq!(event.number(Field::OCELLUS_SID), Some(last.process.sid.into()), "{event:?}");
    assert_eq!(event.number(Field::OCELLUS_PGID), Some(last.process.pgid.into()), "{event:?}");
    assert_eq!(text(Field::PROCESS_NAME).as_deref(), Some(&*last.comm), "{event:?}");
    assert_eq!(text(Field::PROCESS_EXECUTABLE).as_deref(), Some(&*last.exe), "{event:?}");

    let (before, comm) = match before {
        _ if first.deed == Deed::Fork => (first.process, &first.comm),
        Some(told) => (told.process, &told.comm),
        None => panic!("{event:?} comes before its fork"),
    };
    let changed = |before: u32, after: u32| (before != after).then(|| before.to_string());
    let number = |before: u32, after: u32| (before != after).then(|| u64::from(before));
    let after = last.process;
    assert_eq!(text(Field::OCELLUS_PREVIOUS_USER_ID), changed(before.euid, after.euid));
    assert_eq!(text(Field::OCELLUS_PREVIOUS_GROUP_ID), changed(before.egid, after.egid));
    assert_eq!(event.number(Field::OCELLUS_PREVIOUS_SID), number(before.sid, after.sid));
    assert_eq!(event.number(Field::OCELLUS_PREVIOUS_PGID), number(before.pgid, after.pgid));
    let renamed = run.iter().any(|one| one.deed == Deed::Name);
    assert_eq!(text(Field::OCELLUS_PREVIOUS_NAME), renamed.then(|| comm.clone()), "{event:?}");
    check_steps(event, run);
}

/// Several execs or changes of ids in one event are each told.
fn check_steps(event: &Event, run: &[&Happening]) {
    let of = |kind: Kind| run.iter().filter(move |one| one.deed.kind() == kind);
    let listed = |field: Field, expected: Vec<String>| {
        let found = event.texts(field).map(|texts| texts.iter().map(str::to_owned).collect());
        assert_eq!(found, (expected.len() > 1).then_some(expected), "{field:?} of {event:?}");
    };
    listed(Field::OCELLUS_EXECS_EXECUTABLE, of(Kind::Exec).map(|one| one.exe.clone()).collect());
    let users = of(Kind::Ids).map(|one| one.process.euid.to_string()).collect();
    listed(Field::OCELLUS_ID_CHANGES_USER, users);
    let groups = of(Kind::Ids).map(|one| one.process.egid.to_string()).collect();
    listed(Field::OCELLUS_ID_CHANGES_GROUP, groups);
}

fn one_run(seed: u64, faults: Faults) -> Outcome {
    let mut rng = Rng::new(seed);
    let setup = Setup::random(&mut rng);
    let history = history(&mut rng, EVENTS);
    let again = rng.clone();
    let outcome = simulate(&mut rng, &history, faults, setup);
    let counters = outcome.sensor.counters();
    assert_eq!(counters.unaccounted(), 0, "{counters}");
    assert_eq!(counters.held, 0);
    let own = counters.received.get("sensor").copied().unwrap_or(0);
    assert_eq!(counters.received_total() - own, outcome.fed, "{counters}");
    assert_eq!(counters.delivered, outcome.events.len() as u64);
    // A record with a few flipped bits may still be one, with wrong contents.
    if !faults.garbage {
        check_identity(&outcome.events);
        check_fields(&outcome.events);
        check_hashes(&outcome.events);
    }
    if !(faults.lose || faults.duplicate || faults.late || faults.small_table || faults.garbage) {
        check_complete(&history, &outcome);
    }
    let repeated = simulate(&mut again.clone(), &history, faults, setup);
    assert!(repeated.events == outcome.events, "the same inputs give the same events");
    outcome
}

fn runs(faults: Faults) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("SEED").unwrap_or(1);
    for seed in first..first + number("RUNS").unwrap_or(RUNS) {
        let result = std::panic::catch_unwind(|| drop(one_run(seed, faults)));
        if let Err(panic) = result {
            eprintln!("the simulation failed: repeat it with `make sim SEED={seed} RUNS=1`");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn in_kernel_order() {
    runs(Faults::default());
}

#[test]
fn shuffled_within_the_hold_time() {
    runs(Faults { shuffle: true, step_clock: false, ..Faults::default() });
}

#[test]
fn with_losses() {
    runs(Faults { lose: true, shuffle: true, ..Faults::default() });
}

#[test]
fn with_duplicates_and_late_ones() {
    runs(Faults { duplicate: true, late: true, ..Faults::default() });
}

#[test]
fn with_a_table_that_is_too_small() {
    runs(Faults { small_table: true, shuffle: true, ..Faults::default() });
}

#[test]
fn with_everything_at_once() {
    runs(Faults::ALL);
}

/// Whatever can be counted has been, somewhere among some histories.
#[test]
fn every_counter_counts() {
    let outcomes: Vec<Outcome> = (1..=40).map(|seed| one_run(seed, Faults::ALL)).collect();
    let counters: Vec<_> = outcomes.iter().map(|outcome| outcome.sensor.counters()).collect();
    let received: BTreeSet<&str> =
        counters.iter().flat_map(|it| it.received.keys().map(String::as_str)).collect();
    let kinds = Kind::PROBED.into_iter().chain([Kind::Existing]).map(Kind::name);
    assert_eq!(received, kinds.chain(["sensor", "unknown"]).collect());
    let dropped: BTreeSet<&str> =
        counters.iter().flat_map(|it| it.dropped.keys().map(String::as_str)).collect();
    assert_eq!(dropped, [DROP_KERNEL_THREADS, DROP_SNAPSHOT].into());
    let lost: BTreeSet<&str> =
        counters.iter().flat_map(|it| it.lost.keys().map(String::as_str)).collect();
    assert_eq!(lost, ["malformed", "ring_full"].into());
    assert!(counters.iter().any(|it| it.delivered > 0));
    assert!(counters.iter().any(|it| it.merged > 0));
    let tables = || outcomes.iter().map(|outcome| outcome.sensor.table_stats());
    assert!(tables().any(|it| it.processes_evicted > 0));
    assert!(tables().any(|it| it.exits_inferred > 0));
    let hashes = || outcomes.iter().filter_map(|outcome| outcome.sensor.hash_stats());
    assert!(hashes().any(|it| it.hits > 0));
    assert!(hashes().any(|it| it.joined > 0));
    assert!(hashes().any(|it| it.misses > 0));
    assert!(hashes().any(|it| it.evicted > 0));
    assert!(hashes().any(|it| it.timed_out > 0));
}
