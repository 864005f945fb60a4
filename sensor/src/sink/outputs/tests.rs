use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use super::*;
use crate::error_chain::ErrorChain;
use crate::event::{Field, Kinds};
use crate::sink::cause;
use crate::sink::settings::{Format, RotateSettings};

fn event(sequence: u64) -> Arc<Event> {
    let mut event = Event::default();
    event.set_number(Field::EVENT_SEQUENCE, sequence);
    Arc::new(event)
}

fn file(path: &Path) -> SinkSettings {
    let (path, rotate) = (path.to_owned(), RotateSettings::default());
    SinkSettings { target: settings::Target::File { path, rotate }, ..SinkSettings::default() }
}

fn open(settings: &SinkSettings) -> Outputs {
    Outputs::open(std::slice::from_ref(settings), Pace::Live).unwrap()
}

/// The only output's counters, which add up.
fn finish(outputs: Outputs) -> SinkStats {
    let [(_, stats)] = outputs.finish().try_into().unwrap();
    assert_eq!(stats.unaccounted(), 0, "{stats}");
    stats
}

/// `event.sequence` of each line; each line must be a whole document.
fn sequences(text: &str) -> Vec<u64> {
    let sequence = |line| {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is a document");
        value["event"]["sequence"].as_u64().expect("each event has one")
    };
    text.lines().map(sequence).collect()
}

#[test]
fn a_file_is_created_for_the_owner_alone_and_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.ndjson");
    for sequence in 1..=2 {
        let mut outputs = open(&file(&path));
        assert_eq!(outputs.deliver(&mut vec![event(sequence)]), Readers::Some);
        let stats = finish(outputs);
        assert_eq!((stats.delivered, stats.pushed), (1, 1));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), sequence * stats.bytes);
    }
    assert_eq!(sequences(&std::fs::read_to_string(&path).unwrap()), [1, 2]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_output_that_cannot_be_opened_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let chain = |path: &Path| {
        let error = Outputs::open(&[file(path)], Pace::Live).unwrap_err();
        ErrorChain(&error).to_string()
    };
    let path = dir.path().display();
    assert_eq!(
        chain(dir.path()),
        format!(
            "output stdout: cannot write events to {path}: it is a directory; name a file in it"
        )
    );
    let start = format!("output stdout: cannot open {path}/no/where for writing events: No such");
    let error = chain(&dir.path().join("no/where"));
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn a_full_disk_is_counted_and_the_output_goes_on() {
    let mut outputs = open(&file(Path::new("/dev/full")));
    assert_eq!(outputs.deliver(&mut (1..=10).map(event).collect()), Readers::Some);
    let stats = finish(outputs);
    assert_eq!((stats.delivered, stats.dropped_by(cause::ERROR), stats.bytes), (0, 10, 0));
    assert!(stats.failures > 0);
}

/// An output that writes into a pipe, and the other end.
fn pipe(settings: &SinkSettings, pace: Pace) -> (Outputs, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let file = File::from(OwnedFd::from(writer));
    let target = Box::new(FileTarget::new_for(file, settings.format));
    let sink = Sink::start(settings, target, None, Arc::default()).unwrap();
    let outputs = Outputs { sinks: vec![sink], pace, backlog: VecDeque::new(), backlog_bytes: 0 };
    (outputs, reader)
}

#[test]
fn a_reader_that_goes_away_closes_the_output() {
    let (mut outputs, reader) = pipe(&SinkSettings::default(), Pace::Live);
    drop(reader);
    let mut pushed = 1;
    while outputs.deliver(&mut vec![event(pushed)]) == Readers::Some {
        pushed += 1;
    }
    let stats = finish(outputs);
    assert_eq!((stats.delivered, stats.dropped_by(cause::CLOSED)), (0, pushed));
    assert_eq!(stats.failures, 0);
}

/// MessagePack, which takes large texts as they are.
fn large(when_full: WhenFull) -> SinkSettings {
    SinkSettings { format: Format::Msgpack, when_full, ..SinkSettings::default() }
}

/// `event.sequence` of all that is read.
fn read_in_background(mut reader: std::io::PipeReader) -> JoinHandle<Vec<u64>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        let mut sequences = Vec::new();
        while !rest.is_empty() {
            let value: serde_json::Value = rmp_serde::from_read(&mut rest).unwrap();
            sequences.push(value["event"]["sequence"].as_u64().unwrap());
        }
        sequences
    })
}

/// Each event is large, so that neither a pipe nor the queue takes many.
fn large_event(sequence: u64) -> Arc<Event> {
    let mut event = Event::default();
    event.set_number(Field::EVENT_SEQUENCE, sequence);
    event.set_text(Field::MESSAGE, "x".repeat(1 << 20));
    Arc::new(event)
}

fn large_events(count: u64) -> Vec<Arc<Event>> {
    (0..count).map(large_event).collect()
}

#[test]
fn a_queue_that_is_full_drops_the_newest_and_counts_them() {
    let (mut outputs, reader) = pipe(&large(WhenFull::DropNewest), Pace::Live);
    assert_eq!(outputs.deliver(&mut large_events(100)), Readers::Some);
    let full = outputs.stats()[0].1.dropped_by(cause::FULL);
    assert!((30..=40).contains(&full), "{full}");
    let reading = read_in_background(reader);
    let stats = finish(outputs);
    assert_eq!((stats.delivered, stats.dropped_by(cause::FULL)), (100 - full, full));
    let read = reading.join().unwrap();
    assert_eq!(read.len() as u64, 100 - full);
    // What came first is there; only what came when all was full is not.
    assert_eq!(read[..60], (0..60).collect::<Vec<_>>());
}

#[test]
fn a_queue_that_is_full_drops_the_oldest_and_counts_them() {
    let (mut outputs, reader) = pipe(&large(WhenFull::DropOldest), Pace::Live);
    assert_eq!(outputs.deliver(&mut large_events(100)), Readers::Some);
    let full = outputs.stats()[0].1.dropped_by(cause::FULL);
    assert!((30..=40).contains(&full), "{full}");
    let reading = read_in_background(reader);
    assert_eq!(finish(outputs).delivered, 100 - full);
    let read = reading.join().unwrap();
    assert_eq!(read[read.len() - 50..], (50..100).collect::<Vec<_>>());
}

#[test]
fn an_output_that_blocks_holds_up_events_within_a_bound() {
    let forever = Duration::from_secs(3600);
    let (mut outputs, reader) =
        pipe(&SinkSettings { block: forever, ..large(WhenFull::Block) }, Pace::Live);
    // The queue takes 64 MiB, and as much waits behind it.
    assert_eq!(outputs.deliver(&mut large_events(100)), Readers::Some);
    assert!(outputs.is_held_up());
    assert_eq!(outputs.stats()[0].1.dropped_total(), 0);
    let reading = read_in_background(reader);
    while outputs.is_held_up() {
        assert_eq!(outputs.deliver(&mut Vec::new()), Readers::Some);
        thread::yield_now();
    }
    assert_eq!(finish(outputs).delivered, 100);
    assert_eq!(reading.join().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn an_output_that_blocks_too_much_or_too_long_loses_events() {
    let forever = Duration::from_secs(3600);
    for (block, lost) in [(forever, 70..80), (Duration::ZERO, 130..140)] {
        let settings = SinkSettings { block, ..large(WhenFull::Block) };
        let (mut outputs, reader) = pipe(&settings, Pace::Live);
        for event in large_events(200) {
            assert_eq!(outputs.deliver(&mut vec![event]), Readers::Some);
        }
        let dropped = outputs.stats()[0].1.dropped_by(cause::FULL);
        assert!(lost.contains(&dropped), "{dropped} lost, not {lost:?}");
        let reading = read_in_background(reader);
        let stats = finish(outputs);
        assert_eq!(stats.pushed, 200);
        assert_eq!(reading.join().unwrap().len() as u64, stats.delivered);
    }
}

#[test]
fn replay_waits_for_its_outputs() {
    let (mut outputs, reader) = pipe(&large(WhenFull::DropNewest), Pace::Patient);
    let reading = read_in_background(reader);
    assert_eq!(outputs.deliver(&mut large_events(200)), Readers::Some);
    assert_eq!(finish(outputs).delivered, 200);
    assert_eq!(reading.join().unwrap(), (0..200).collect::<Vec<_>>());
}

#[test]
fn an_output_that_takes_nothing_is_given_up_at_the_end() {
    let (mut outputs, reader) = pipe(&large(WhenFull::DropNewest), Pace::Live);
    assert_eq!(outputs.deliver(&mut large_events(3)), Readers::Some);
    let stats = finish(outputs);
    assert_eq!((stats.pushed, stats.dropped_by(cause::UNREACHABLE)), (3, 3));
    drop(reader);
}

#[test]
fn a_file_that_was_moved_away_is_left_alone_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("events"), dir.path().join("events.1"));
    let mut outputs = open(&file(&path));
    assert_eq!(outputs.deliver(&mut vec![event(1)]), Readers::Some);
    while outputs.stats()[0].1.delivered == 0 {
        thread::yield_now();
    }
    std::fs::rename(&path, &moved).unwrap();
    outputs.reopen();
    assert_eq!(outputs.deliver(&mut vec![event(2)]), Readers::Some);
    assert_eq!(finish(outputs).delivered, 2);
    assert_eq!(sequences(&std::fs::read_to_string(&moved).unwrap()), [1]);
    assert_eq!(sequences(&std::fs::read_to_string(&path).unwrap()), [2]);
}

#[test]
fn each_output_has_its_own_format_and_selection() {
    let dir = tempfile::tempdir().unwrap();
    let named = |name: &str, format, selection| {
        let path = dir.path().join(name);
        SinkSettings { name: name.to_owned(), format, selection, ..file(&path) }
    };
    let settings = [
        named("all", Format::Json, Selection::ALL),
        named("alerts", Format::Msgpack, Selection::ALERTS),
        named("pretty", Format::Pretty, Selection::ALL),
    ];
    let mut outputs = Outputs::open(&settings, Pace::Live).unwrap();
    let mut alert = Event::default();
    alert.kinds = Kinds::PROCESS_EXEC;
    alert.set_static(Field::EVENT_KIND, "alert");
    let mut events = vec![event(1), Arc::new(alert), event(3)];
    assert_eq!(outputs.deliver(&mut events), Readers::Some);
    for (name, stats) in outputs.finish() {
        let delivered = if name == "alerts" { 1 } else { 3 };
        assert_eq!((stats.pushed, stats.delivered), (3, delivered), "{name}");
        assert_eq!((stats.filtered, stats.unaccounted()), (3 - delivered, 0), "{name}");
    }
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    assert!(read("all").starts_with(b"{\"event\""));
    assert_eq!(read("alerts"), b"\x81\xa5event\x81\xa4kind\xa5alert");
    assert_eq!(read("pretty").iter().filter(|byte| **byte == b'\n').count(), 3);
}

#[test]
fn a_file_is_rotated_between_events_and_none_is_missing() {
    const EVENTS: u64 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let rotate = RotateSettings { size_bytes: 4_096, ..RotateSettings::default() };
    let target = settings::Target::File { path, rotate };
    let mut outputs = open(&SinkSettings { target, ..SinkSettings::default() });
    for sequence in 0..EVENTS {
        assert_eq!(outputs.deliver(&mut vec![event(sequence)]), Readers::Some);
        if sequence % 50 == 0 {
            while outputs.stats()[0].1.delivered < sequence {
                thread::yield_now();
            }
        }
    }
    assert_eq!(finish(outputs).delivered, EVENTS);
    let mut files: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The one that is written to has no time in its name, and comes first.
    files.sort();
    files.rotate_left(1);
    assert!(files.len() > 5, "{files:?}");
    let mut all = Vec::new();
    for path in files {
        let metadata = std::fs::metadata(&path).unwrap();
        assert!(metadata.len() <= 4_096, "{path:?} has {} bytes", metadata.len());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        all.extend(sequences(&std::fs::read_to_string(path).unwrap()));
    }
    assert_eq!(all, (0..EVENTS).collect::<Vec<_>>());
}
