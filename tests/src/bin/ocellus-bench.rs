//! `make bench`: what the core costs, by stage, on a made-up recording of a storm of processes.
//!
//! Absolute figures depend on the machine; the columns of one run compare with each other.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ocellus::event::Event;
use ocellus::input::{Digests, HashResult, HashStatus, Input};
use ocellus::machine::{Sensor, Settings};
use ocellus::raw::Decoder;
use ocellus::rules::{Loader, Metering, RuleEngine, RuleSet};
use ocellus::sink::encode;
use ocellus_tests::workload::{preamble, storm};

/// Processes of the workload: three raw events each.
const PROCESSES: u32 = 40_000;
/// Time between two raw events: 50,000 raw events/s, so that some 5,000 are held.
const STEP_NS: u64 = 20_000;
/// Records fed between two steps, as the rim drains the ring.
const BATCH: usize = 256;
/// Rounds of each measurement; the fastest counts, the others met something else.
const ROUNDS: usize = 5;

type Workload = [(u64, Vec<u8>)];

fn main() {
    let records = storm(PROCESSES, 8, STEP_NS);
    println!("{} raw events of {PROCESSES} processes", records.len());
    println!("\n{:<34} {:>12} {:>12}", "core", "raw events/s", "ns/raw event");
    let (without, events) = fastest(|| run(&records, RuleSet::new()));
    line("without rules", without, records.len());
    let rules = rules_dir();
    for count in [1, 10] {
        let (time, _) = fastest(|| run(&records, rule_set(&rules, count)));
        line(&format!("with {count} rules"), time, records.len());
    }
    println!("\n{:<34} {:>12} {:>12}", "stage", "events/s", "ns/event");
    stages(&records, &events);
    println!("\npeak memory of this program: {} KiB", peak_kib());
}

/// All records through a machine; the events that came out.
fn run(records: &Workload, rules: RuleSet) -> (Duration, Vec<Arc<Event>>) {
    let mut sensor = Sensor::new(&Settings::default(), rules);
    let mut out = Vec::new();
    for input in preamble() {
        sensor.feed(&input, 0, &mut out);
    }
    let began = Instant::now();
    let mut events = Vec::new();
    for batch in records.chunks(BATCH) {
        let now_ns = batch.last().map_or(0, |(time_ns, _)| *time_ns);
        for (_, bytes) in batch {
            sensor.feed_raw(bytes, now_ns, &mut out);
        }
        for request in sensor.take_hash_requests() {
            let digests = Digests { sha256: Some("00".repeat(32)), ..Digests::default() };
            let result =
                HashResult { id: request.id, status: HashStatus::Ok, digests, detail: None };
            sensor.feed(&Input::Hash(result), now_ns, &mut out);
        }
        sensor.step(now_ns, &mut out);
        // As a sink would: the events leave, some are kept for the stages below.
        match events.len() {
            0..4_096 => events.append(&mut out),
            _ => out.clear(),
        }
    }
    sensor.drain(u64::MAX, &mut out);
    let time = began.elapsed();
    let counters = sensor.counters();
    assert_eq!(counters.unaccounted(), 0, "{counters}");
    assert_eq!(counters.lost_total(), 0, "{counters}");
    (time, events)
}

fn stages(records: &Workload, events: &[Arc<Event>]) {
    let (decode, ()) = fastest(|| {
        let mut decoder = Decoder::default();
        timed(|| {
            for (_, bytes) in records {
                black_box(decoder.decode(bytes).expect("the workload is whole"));
            }
        })
    });
    line("decode a raw event", decode, records.len());
    type Encode = fn(&Event, &mut Vec<u8>);
    let encoders: [(&str, Encode); 2] = [("JSON", encode::json), ("MessagePack", encode::msgpack)];
    for (name, encode) in encoders {
        let (time, bytes) = fastest(|| {
            let mut out = Vec::new();
            let mut bytes = 0;
            let (time, ()) = timed(|| {
                for event in events {
                    out.clear();
                    encode(event, &mut out);
                    bytes += out.len();
                }
            });
            (time, bytes)
        });
        line(&format!("{name}, {} bytes each", bytes / events.len()), time, events.len());
    }
    for count in [1, 10] {
        let mut rules = rule_set(&rules_dir(), count);
        let (time, ()) = fastest(|| {
            timed(|| {
                for event in events {
                    black_box(rules.judge(event, 0));
                }
            })
        });
        line(&format!("judge by {count} rules"), time, events.len());
    }
}

fn rules_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/dist")
}

/// The first `count` shipped rules; loaded again under other names when there are fewer.
fn rule_set(dir: &Path, count: usize) -> RuleSet {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .expect("rules/dist is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    paths.sort();
    let loader = Loader::new(RuleEngine::new(Metering::Epoch).expect("the engine starts"));
    let mut set = RuleSet::new();
    for path in paths.iter().take(count) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a file has a name");
        let wasm = std::fs::read(path).expect("it is readable");
        set.install(loader.load(name, &wasm, "").expect("it loads")).expect("it is installed");
    }
    set
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let result = work();
    (began.elapsed(), result)
}

fn fastest<T>(mut work: impl FnMut() -> (Duration, T)) -> (Duration, T) {
    let mut best = work();
    for _ in 1..ROUNDS {
        let next = work();
        if next.0 < best.0 {
            best = next;
        }
    }
    best
}

fn line(name: &str, time: Duration, count: usize) {
    let each_ns = time.as_nanos() as f64 / count as f64;
    println!("{name:<34} {:>12.0} {each_ns:>12.0}", 1e9 / each_ns);
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
