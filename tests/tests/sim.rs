//! The simulation: seeded histories go into the machine in and out of order, with and without
//! faults, and what comes out must be true.
//!
//! `make sim SEED=… RUNS=…` runs more of it. A failure names its seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ocellus::aggregate::Policy;
use ocellus::event::{Event, Field, Kinds};
use ocellus::input::{Input, Lost};
use ocellus::machine::{Sensor, Settings};
use ocellus::rules::RuleSet;
use ocellus_tests::history::{Deed, Happening, Rng, history};
use ocellus_tests::workload::preamble;

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

/// What one run gave.
struct Outcome {
    events: Vec<Arc<Event>>,
    sensor: Sensor,
    fed: u64,
}

fn simulate(rng: &mut Rng, history: &[Happening], faults: Faults, policy: Policy) -> Outcome {
    let processes_max = if faults.small_table { SMALL_TABLE } else { 4_096 };
    let settings = Settings {
        hold_time_ms: HOLD_MS,
        policy,
        processes_max,
        hashing: None,
        ..Settings::default()
    };
    let mut sensor = Sensor::new(&settings, RuleSet::new());
    let mut events = Vec::new();
    for input in preamble() {
        sensor.feed(&input, 0, &mut events);
    }
    let mut arrivals: Vec<(u64, &Happening)> = Vec::new();
    for one in history {
        let delay_ns = match rng.below(50) {
            0 if faults.late => HOLD_NS + rng.below(5 * HOLD_NS),
            _ if faults.shuffle => rng.below(SHUFFLE_NS),
            _ => 0,
        };
        arrivals.push((one.time_ns + delay_ns, one));
    }
    arrivals.sort_by_key(|(at_ns, _)| *at_ns);
    let mut fed = 0;
    for (at_ns, one) in arrivals {
        sensor.step(at_ns, &mut events);
        if faults.lose && rng.once_in(20) {
            let kind = format!("{:?}", one.deed).to_lowercase();
            let lost = Lost { cause: "ring_full".into(), kind, count: 1 };
            sensor.feed(&Input::Lost(lost), at_ns, &mut events);
            fed += 1;
            continue;
        }
        if faults.step_clock && rng.once_in(30) {
            let wall_offset_ns = 1_600_000_000_000_000_000 + rng.below(1 << 50) as i64;
            sensor.feed(&Input::Clock { wall_offset_ns }, at_ns, &mut events);
        }
        if faults.garbage && rng.once_in(20) {
            let mut bytes = one.bytes.clone();
            for _ in 0..=rng.below(4) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = rng.number() as u8;
            }
            bytes.truncate(rng.below(2 * bytes.len() as u64) as usize);
            sensor.feed_raw(&bytes, at_ns, &mut events);
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

/// Without faults, every raw event is in exactly one event, and each process's are in order.
fn check_complete(history: &[Happening], outcome: &Outcome) {
    let mut expected: BTreeMap<(u32, u64), Vec<Deed>> = BTreeMap::new();
    for one in history {
        expected.entry((one.process.pid, one.process.start_ns)).or_default().push(one.deed);
    }
    let wall = 1_700_000_000_000_000_000;
    let mut seen: BTreeMap<(u32, u64), Vec<Deed>> = BTreeMap::new();
    for event in &outcome.events {
        let pid = event.number(Field::PROCESS_PID).expect("every process has a pid") as u32;
        let start = event.number(Field::PROCESS_START).expect("every process has a start") - wall;
        let deeds = seen.entry((pid, start)).or_default();
        for (kind, deed) in [
            (Kinds::PROCESS_FORK, Deed::Fork),
            (Kinds::PROCESS_EXEC, Deed::Exec),
            (Kinds::PROCESS_EXIT, Deed::Exit),
        ] {
            if event.kinds.intersects(kind) {
                deeds.push(deed);
            }
        }
    }
    for (process, deeds) in &expected {
        assert_eq!(seen.get(process), Some(deeds), "{process:?}");
    }
    assert_eq!(seen.len(), expected.len());
    let times: Vec<_> = outcome.events.iter().map(|event| event.number(Field::TIMESTAMP)).collect();
    assert!(times.is_sorted(), "events leave in order of kernel time");
    assert_eq!(outcome.sensor.table_stats().exits_inferred, 0);
}

fn one_run(seed: u64, faults: Faults) {
    let mut rng = Rng::new(seed);
    let policy = if rng.once_in(2) { Policy::Full } else { Policy::Minimal };
    let history = history(&mut rng, EVENTS);
    let again = rng.clone();
    let outcome = simulate(&mut rng, &history, faults, policy);
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
    }
    if !(faults.lose || faults.duplicate || faults.late || faults.small_table || faults.garbage) {
        check_complete(&history, &outcome);
    }
    let repeated = simulate(&mut again.clone(), &history, faults, policy);
    assert!(repeated.events == outcome.events, "the same inputs give the same events");
}

fn runs(faults: Faults) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("SEED").unwrap_or(1);
    for seed in first..first + number("RUNS").unwrap_or(RUNS) {
        let result = std::panic::catch_unwind(|| one_run(seed, faults));
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
