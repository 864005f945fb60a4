//! What the fuzzers run, and the gate on their corpus: any bytes go through the machine, and what
//! comes out must be sound whatever went in.
//!
//! [`records`] takes the input for what a ring hands over, [`recordings`] for a file that somebody
//! gives to `ocellus replay`. Both panic on a finding.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use ocellus::actions::Actions;
use ocellus::aggregate::Policy;
use ocellus::event::Event;
use ocellus::input::{Digests, HashResult, HashStatus, Input, Lost, NameAnswers};
use ocellus::machine::{Hashing, Sensor, Settings};
use ocellus::recording::{Reader, Writer};
use ocellus::replay::replay_from;
use ocellus::rules::RuleSet;
use ocellus::sink::encode;
use ocellus_ebpf::abi::{ABI_VERSION, Kind, Parsed, Record, SPAN_COUNT};

use crate::history::{Rng, history};
use crate::workload::preamble;

const NS_PER_MS: u64 = 1_000_000;

/// A target: its name, what it runs, and inputs to begin with, made from a seed.
type Target = (&'static str, fn(&[u8]), fn(u64) -> Vec<u8>);

/// All targets.
pub const TARGETS: [Target; 2] =
    [("records", records, records_seed), ("recordings", recordings, recording_seed)];

/// Whether an input goes through twice: every fourth, as it takes twice the time.
fn is_repeated(input: &[u8]) -> bool {
    input.len().is_multiple_of(4)
}

/// Settings from one byte, so that a fuzzer reaches them all.
fn settings(choice: u8) -> Settings {
    let is_set = |bit: u8| choice & (1 << bit) != 0;
    let hashing = Hashing {
        cache_entries: NonZeroUsize::new(4).expect("it is not zero"),
        wait_ms: if is_set(0) { 1_000 } else { 10 },
    };
    Settings {
        hold_time_ms: if is_set(1) { 100 } else { 0 },
        policy: match (is_set(2), is_set(5)) {
            (false, _) => Policy::Minimal,
            (true, false) => Policy::Full,
            (true, true) => Policy::Whole,
        },
        actions: if is_set(3) { Actions::Auditbeat } else { Actions::Endpoint },
        processes_max: if is_set(4) { 64 } else { 4 },
        grace_ms: if is_set(5) { 4_000 } else { 0 },
        ancestors_max: if is_set(5) { 8 } else { 1 },
        snapshot_events: is_set(6),
        hashing: is_set(7).then_some(hashing),
        ..Settings::default()
    }
}

/// Kernel records: a byte of settings, then for each record a byte that says how it comes, its
/// length in two bytes, and its bytes.
///
/// How it comes: bits 0 to 3 are the time that has passed, 4 to 6 what else happens, and bit 7 asks
/// for the lengths and the version to be put right, as guessing these is no test of what follows.
pub fn records(input: &[u8]) {
    let first = feed_records(input);
    if is_repeated(input) {
        assert!(first == feed_records(input), "the same inputs must give the same events");
    }
}

fn feed_records(input: &[u8]) -> Vec<u8> {
    let Some((choice, mut rest)) = input.split_first() else { return Vec::new() };
    let mut sensor = Sensor::new(&settings(*choice), RuleSet::new());
    let mut events = Vec::new();
    for input in preamble() {
        sensor.feed(&input, 0, &mut events);
    }
    let mut now_ns = 1_000_000_000;
    let mut output = Vec::new();
    let mut fed = 0;
    while let Some((how, length, after)) = frame_head(rest) {
        let (bytes, after) = after.split_at(length.min(after.len()));
        rest = after;
        now_ns += u64::from(how & 0xf) * 10 * NS_PER_MS;
        if how & 0x80 == 0 {
            sensor.feed_raw(bytes, now_ns, &mut events);
        } else {
            sensor.feed_raw(&repaired(bytes), now_ns, &mut events);
        }
        fed += 1 + happen(&mut sensor, how >> 4 & 7, now_ns, &mut events);
        assert_eq!(sensor.counters().unaccounted(), 0, "{}", sensor.counters());
        encode_all(&mut events, &mut output);
    }
    sensor.drain(now_ns, &mut events);
    encode_all(&mut events, &mut output);
    let counters = sensor.counters();
    assert_eq!((counters.unaccounted(), counters.held), (0, 0), "{counters}");
    let own = counters.received.get("sensor").copied().unwrap_or(0);
    assert_eq!(counters.received_total() - own, fed, "{counters}");
    output
}

fn frame_head(bytes: &[u8]) -> Option<(u8, usize, &[u8])> {
    let ([how, low, high], after) = bytes.split_first_chunk()?;
    Some((*how, usize::from(u16::from_le_bytes([*low, *high])), after))
}

/// What happens after a record; how many raw events were lost with it.
fn happen(sensor: &mut Sensor, what: u8, now_ns: u64, events: &mut Vec<Arc<Event>>) -> u64 {
    let mut lost = 0;
    let input = match what {
        0 | 1 => Input::Tick,
        2 => Input::SnapshotEnd { began_ns: now_ns / 2 },
        3 => {
            lost = 3;
            Input::Lost(Lost { cause: "ring_full".into(), kind: "exec".into(), count: lost })
        }
        4 => Input::Clock { wall_offset_ns: -(now_ns as i64) },
        5 => {
            let questions = sensor.take_questions();
            let name = |id: &u32| (*id, id.is_multiple_of(2).then(|| format!("name-{id}")));
            Input::MoreNames(NameAnswers {
                users: questions.users.iter().map(name).collect::<BTreeMap<_, _>>(),
                groups: questions.groups.iter().map(name).collect::<BTreeMap<_, _>>(),
            })
        }
        _ => {
            for request in sensor.take_hash_requests() {
                let digests = Digests { sha256: Some("ab".repeat(32)), ..Digests::default() };
                let status = if what == 6 { HashStatus::Ok } else { HashStatus::Changed };
                let result = HashResult { id: request.id, status, digests, detail: None };
                sensor.feed(&Input::Hash(result), now_ns, events);
            }
            Input::Tick
        }
    };
    sensor.feed(&input, now_ns, events);
    sensor.step(now_ns, events);
    lost
}

/// The bytes with size, version, kind and the lengths of the spans put right.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(Record::SIZE_BYTES), 0);
    let size = (bytes.len() as u32).to_le_bytes();
    let kind = u16::from_le_bytes([bytes[4], bytes[5]]);
    if Kind::from_number(kind).is_none() {
        let kind = Kind::PROBED[usize::from(kind) % Kind::PROBED.len()];
        bytes[4..6].copy_from_slice(&(kind as u16).to_le_bytes());
    }
    bytes[..4].copy_from_slice(&size);
    bytes[6..8].copy_from_slice(&ABI_VERSION.to_le_bytes());
    let mut left = bytes.len() - Record::SIZE_BYTES;
    for span in 0..SPAN_COUNT {
        let at = Record::SIZE_BYTES - 8 * (SPAN_COUNT - span);
        let number = |at: usize| bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
        let is_last = span + 1 == SPAN_COUNT;
        let len = if is_last { left } else { left.min(number(at) as usize) };
        let full = number(at + 4).max(len as u32);
        bytes[at..at + 4].copy_from_slice(&(len as u32).to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&full.to_le_bytes());
        left -= len;
    }
    let parsed: Parsed<'_> = Record::parse(&bytes).expect("all that is checked was put right");
    assert_eq!(parsed.record.encode(parsed.spans), bytes, "what parses is encoded as it was");
    bytes
}

/// A recording: a byte of settings, then the file.
pub fn recordings(input: &[u8]) {
    let Some((choice, file)) = input.split_first() else { return };
    let first = replay_recording(*choice, file);
    if is_repeated(input) {
        let second = replay_recording(*choice, file);
        assert!(first == second, "the same recording must give the same events");
    }
}

fn replay_recording(choice: u8, file: &[u8]) -> Vec<u8> {
    let Ok(reader) = Reader::new(file, Path::new("fuzzed")) else { return Vec::new() };
    let mut events = Vec::new();
    let mut output = Vec::new();
    let deliver = |event| {
        events.push(event);
        encode_all(&mut events, &mut output);
        true
    };
    // What stands before the damage was replayed, and counts.
    let replayed = replay_from(reader, &settings(choice), RuleSet::new(), deliver);
    let replayed = replayed.expect("memory can be read");
    let counters = replayed.counters();
    assert_eq!((counters.unaccounted(), counters.held), (0, 0), "{counters}");
    output
}

/// Takes the events and checks what the sinks make of them: valid JSON in one line, and the same
/// document as MessagePack. Appends the JSON to `output`.
fn encode_all(events: &mut Vec<Arc<Event>>, output: &mut Vec<u8>) {
    let mut packed = Vec::new();
    for event in events.drain(..) {
        let begin = output.len();
        encode::json(&event, output);
        let line = &output[begin..];
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one event is one line");
        let json: serde_json::Value = serde_json::from_slice(line).expect("it is valid JSON");
        packed.clear();
        encode::msgpack(&event, &mut packed);
        let mut rest = packed.as_slice();
        let other: serde_json::Value =
            rmp_serde::from_read(&mut rest).expect("it is valid MessagePack");
        assert!(rest.is_empty(), "nothing follows the document");
        assert_eq!(json, other, "both formats say the same");
    }
}

/// Raw events of a history that begin an input: few, as a fuzzer makes more of them itself.
const SEED_EVENTS: usize = 12;

/// A seed for [`records`]: the beginning of a made-up history.
fn records_seed(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut input = vec![rng.number() as u8];
    for one in history(&mut rng, SEED_EVENTS) {
        input.push(rng.number() as u8);
        input.extend((one.bytes.len() as u16).to_le_bytes());
        input.extend(one.bytes);
    }
    input
}

/// A seed for [`recordings`]: every kind of input once, among the beginning of a made-up history.
fn recording_seed(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join("seed.ocellus");
    let mut writer = Writer::create(&path, u64::MAX).expect("there is room");
    let mut write = |now_ns: u64, input: &Input<'_>| {
        writer.write(now_ns, input).expect("there is room");
    };
    preamble().iter().for_each(|input| write(0, input));
    let mut last_ns = 0;
    for one in history(&mut rng, SEED_EVENTS) {
        last_ns = one.time_ns;
        let Ok(parsed) = Record::parse(&one.bytes) else { continue };
        write(last_ns, &Input::Raw((&one.bytes).into()));
        if rng.once_in(3) {
            write(last_ns, &Input::Tick);
        }
        if parsed.kind == Kind::Exec {
            let id = crate::workload::file_id_of(&one.exe);
            let digests = Digests { md5: Some("cd".repeat(16)), ..Digests::default() };
            let result = HashResult { id, status: HashStatus::Ok, digests, detail: None };
            write(last_ns, &Input::Hash(result));
        }
    }
    write(last_ns, &Input::SnapshotEnd { began_ns: last_ns / 2 });
    write(last_ns, &Input::Lost(Lost { cause: "preempted".into(), kind: "exit".into(), count: 2 }));
    let users = [(7, Some("seven".to_owned())), (8, None)].into();
    write(last_ns, &Input::MoreNames(NameAnswers { users, groups: BTreeMap::new() }));
    write(last_ns + 5_000 * NS_PER_MS, &Input::Tick);
    writer.finish().expect("there is room");
    let mut input = vec![rng.number() as u8];
    input.extend(std::fs::read(&path).expect("it was just written"));
    input
}
