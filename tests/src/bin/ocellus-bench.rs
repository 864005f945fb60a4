//! `make bench`: what the core costs, by stage, on a made-up recording of a storm of processes;
//! what it holds in memory; and, as root, what the sensor costs on live ones and how late its
//! events are.
//!
//! `target/release/ocellus-bench hold` measures the hold times from which the default was chosen,
//! and `soak` what a sensor holds in the course of an hour.
//!
//! Absolute figures depend on the machine; the columns of one run compare with each other.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ocellus::actions::Actions;
use ocellus::aggregate::Policy;
use ocellus::digest::cache::{Cache, Lookup};
use ocellus::digest::identity::Identity;
use ocellus::enrich::Enricher;
use ocellus::event::Event;
use ocellus::input::{Digests, HashResult, HashStatus, HostInfo, Input};
use ocellus::machine::{Sensor, Settings};
use ocellus::process::{ProcessId, Table};
use ocellus::queue::Queue;
use ocellus::raw::{Decoder, Kind};
use ocellus::recording::Writer;
use ocellus::rules::{Loader, Metering, RuleEngine, RuleSet};
use ocellus::sink::encode;
use ocellus_tests::churn::Churn;
use ocellus_tests::latency::{self, Load, Setup};
use ocellus_tests::load;
use ocellus_tests::program::ocellus;
use ocellus_tests::soak;
use ocellus_tests::workload::{preamble, storm};

/// Processes of the workload: three raw events each.
const PROCESSES: u32 = 40_000;
/// Time between two raw events: 50,000 raw events/s, so that some 2,500 are held.
const STEP_NS: u64 = 20_000;
/// Records fed between two steps, as the rim drains the ring.
const BATCH: usize = 256;
/// Raw events that wait in the queue while it is measured: what the default hold time keeps.
const HELD: usize = 2_500;
/// Files whose hashes are remembered while looking one up is measured.
const HASHES: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");
/// Rounds of each measurement; the fastest counts, the others met something else.
const ROUNDS: usize = 5;

/// Load of the live part.
const WORKERS: usize = 2;
const LIVE_DURATION: Duration = Duration::from_secs(10);

/// How long a latency is measured.
const LATENCY_DURATION: Duration = Duration::from_secs(5);
/// Loads under which it is.
const LOADS: [Load; 2] = [Load::Idle, Load::Storm { workers: WORKERS }];
/// Hold times that are compared, in ms.
const HOLDS_MS: [u64; 8] = [0, 2, 5, 10, 20, 50, 100, 200];

/// Processes that must take as much memory as many more of them: enough to fill every table that
/// the default settings bound by time.
const CHURN_FEW: u64 = 10_000;
const CHURN_MANY: u64 = 1_000_000;

type Workload = [(u64, Vec<u8>)];

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => all(),
        Some("hold") => holds(),
        Some("churn") => churn(),
        Some("soak") => soaked(),
        Some(other) => panic!("{other} is not measured: hold, churn or soak, or nothing for all"),
    }
}

fn all() {
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
    replayed(&records);
    let bench = std::env::current_exe().expect("a program knows where it is");
    // In a process of its own, whose memory nothing else has used.
    assert!(Command::new(bench).arg("churn").status().expect("it starts").success());
    live();
}

/// Memory after few and after many processes. Fails where it grows.
fn churn() {
    let mut churn = Churn::default();
    println!("\nmemory of the core under churn, each process with a file that is new");
    let mut resident = |processes| {
        churn.run_until(processes);
        let kib = load::resident_kib(std::process::id());
        println!("after {processes:>9} processes, {:>9} events: {kib} KiB", churn.events());
        kib
    };
    let (few, many) = (resident(CHURN_FEW), resident(CHURN_MANY));
    assert!(many <= few + few / 10, "it grew by more than a tenth");
}

/// What a sensor holds in the course of an hour, or of as many minutes as the argument says. Fails
/// where it grows, or where an event is not accounted for.
fn soaked() {
    let minutes = std::env::args().nth(2).map_or(60, |it| it.parse().expect("minutes"));
    assert!(minutes >= 4, "the first quarter of the minutes is compared with the last");
    let dir = tempfile::tempdir().expect("there is room");
    println!("{:>8} {:>13} {:>12} {:>12}", "minute", "resident KiB", "descriptors", "processes");
    let mut samples = Vec::new();
    let ended = soak::run(dir.path(), &rules_dir(), minutes, |sample| {
        let soak::Sample { minute, resident_kib, descriptors, processes } = sample;
        println!("{minute:>8} {resident_kib:>13} {descriptors:>12} {processes:>12}");
        samples.push(sample);
    });
    print!("{}", ended.log.split_once("received ").map_or(&*ended.log, |(_, totals)| totals));
    ended.assert_balanced();
    let quarter = samples.len() / 4;
    let most = |of: &[soak::Sample]| {
        let resident = of.iter().map(|it| it.resident_kib).max().unwrap_or(0);
        (resident, of.iter().map(|it| it.descriptors).max().unwrap_or(0))
    };
    let (first, last) = (most(&samples[..quarter]), most(&samples[samples.len() - quarter..]));
    println!("at most, first and last quarter: {first:?}, {last:?}");
    assert!(last.0 <= first.0 + first.0 / 10, "its memory grew by more than a tenth");
    assert!(last.1 <= first.1, "it holds more descriptors");
}

/// Latency and merging by hold time, without hashes.
fn holds() {
    println!("processes that are one event, and milliseconds from the kernel to the output");
    println!(
        "{:>8} {:>6} {:>10} {:>8} {:>8} {:>8}",
        "hold ms", "load", "run", "whole %", "p50", "p99"
    );
    for hold_ms in HOLDS_MS {
        for load in LOADS {
            let hold = hold_ms.to_string();
            latency_line(
                &hold,
                load,
                latency::measure(Setup::Hold { ms: hold_ms }, load, LATENCY_DURATION),
            );
        }
    }
}

fn latency_line(hold: &str, load: Load, latency: latency::Latency) {
    let latency::Latency { generated, whole_percent, p50_ms, p99_ms, lost } = latency;
    print!("{hold:>8} {:>6} {generated:>10} {whole_percent:>8.1}", load.name());
    println!(" {p50_ms:>8.1} {p99_ms:>8.1}{}", if lost > 0 { "  (events were lost)" } else { "" });
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
    core_stages(records);
    let mut lines = encode::JsonLines::default();
    type Encode<'a> = &'a mut dyn FnMut(&Event, &mut Vec<u8>);
    let encoders: [(&str, Encode<'_>); 2] = [
        ("JSON", &mut |event, out| lines.write(event, out)),
        ("MessagePack", &mut encode::msgpack),
    ];
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

/// Order, table and enrichment of the same raw events, each by itself.
fn core_stages(records: &Workload) {
    let raws = || {
        let mut decoder = Decoder::default();
        records.iter().map(move |(_, bytes)| decoder.decode(bytes).expect("it is whole"))
    };
    let (order, ()) = fastest(|| {
        let raws: Vec<_> = raws().collect();
        timed(|| {
            let mut queue = Queue::new(0, Policy::Full);
            for raw in raws {
                queue.push(raw);
                if queue.len() > HELD {
                    black_box(queue.pop());
                }
            }
        })
    });
    line("order and merge a raw event", order, records.len());
    let identity = Identity::new(&HostInfo::default());
    let (apply, ()) = fastest(|| {
        let raws: Vec<_> = raws().collect();
        let mut table = Table::new(65_536, 1_000_000_000);
        timed(|| {
            for raw in &raws {
                table.apply(raw, None, |id| identity.entity_id(id).into());
                table.sweep(raw.time_ns);
            }
        })
    });
    line("apply a raw event to the table", apply, records.len());
    let execs: Vec<_> = raws().filter(|raw| raw.kind == Kind::Exec).take(4_096).collect();
    let mut table = Table::new(65_536, 1_000_000_000);
    for raw in &execs {
        table.apply(raw, None, |id| identity.entity_id(id).into());
    }
    let mut enricher = Enricher::new(Actions::Auditbeat, 8, true);
    let (enrich, ()) = fastest(|| {
        timed(|| {
            for raw in &execs {
                let process = table.get(ProcessId::of(raw)).expect("it was applied");
                black_box(enricher.process_event(&table, process, std::slice::from_ref(raw), None));
            }
        })
    });
    line("make an event", enrich, execs.len());
    let ids: Vec<_> = execs.iter().filter_map(|raw| raw.image.as_ref()?.file_id()).collect();
    let mut cache = Cache::new(HASHES, u64::MAX);
    for id in &ids {
        cache.finish(HashResult::without_digests(*id, HashStatus::TooLarge, None), 0);
    }
    let (lookup, ()) = fastest(|| {
        timed(|| {
            for id in &ids {
                assert!(matches!(black_box(cache.lookup(id, 0)), Lookup::Hit(_)));
            }
        })
    });
    line("look up a known hash", lookup, ids.len());
}

/// The same workload as a recording, through `ocellus replay`.
fn replayed(records: &Workload) {
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join("storm.ocellus");
    let mut writer = Writer::create(&path, u64::MAX).expect("there is room");
    for input in preamble() {
        writer.write(0, &input).expect("there is room");
    }
    for (number, (time_ns, bytes)) in records.iter().enumerate() {
        writer.write(*time_ns, &Input::Raw(bytes.into())).expect("there is room");
        if number % BATCH == 0 {
            writer.write(*time_ns, &Input::Tick).expect("there is room");
        }
    }
    let bytes = writer.finish().expect("there is room");
    println!(
        "\nocellus replay of the same as a recording of {} MiB, JSON to /dev/null",
        bytes >> 20
    );
    for rules in [None, Some(rules_dir())] {
        let mut command = Command::new(ocellus());
        command.args(["replay", "--stats", "--output", "/dev/null"]).arg(&path);
        let with = if let Some(rules) = &rules {
            command.arg("--rules").arg(rules);
            "all shipped rules"
        } else {
            "without rules"
        };
        let output = command.output().expect("the program starts");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        let rate = log.lines().find(|line| line.contains(" inputs in ")).unwrap_or_default();
        println!("{with}: {rate}");
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

/// The sensor on live events, under two workers that execute processes as fast as they can.
fn live() {
    if !nix::unistd::geteuid().is_root() {
        println!("\nlive load: not measured, since it needs root");
        return;
    }
    let dir = tempfile::tempdir().expect("there is room");
    let report = load::measure(dir.path(), &rules_dir(), WORKERS, LIVE_DURATION);
    let each_us = report.cpu_seconds * 1e6 / report.generated as f64;
    println!("\nlive load, {WORKERS} workers, all shipped rules, JSON into a file");
    println!(
        "generated {} in {:.1} s ({:.0}/s), seen {}",
        report.generated,
        report.seconds,
        report.generated as f64 / report.seconds,
        report.seen
    );
    println!("CPU of the sensor {:.2} s, {each_us:.0} us a process", report.cpu_seconds);
    println!("peak resident size of the sensor {} KiB", report.peak_kib);
    println!("{}", report.totals);
    println!("\nmilliseconds from the kernel to the output, default hold time");
    println!(
        "{:>8} {:>6} {:>10} {:>8} {:>8} {:>8}",
        "hold ms", "load", "run", "whole %", "p50", "p99"
    );
    for load in LOADS {
        latency_line("default", load, latency::measure(Setup::Default, load, LATENCY_DURATION));
    }
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
