use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::sink::Format;

fn event(sequence: u64) -> Arc<Event> {
    let mut event = Event::default();
    event.set_number(Field::EVENT_SEQUENCE, sequence);
    Arc::new(event)
}

fn settings(path: &Path) -> SinkSettings {
    SinkSettings { target: Target::File(path.to_owned()), ..SinkSettings::default() }
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
        let sink = Sink::open(&settings(&path)).unwrap();
        assert_eq!(sink.push(event(sequence)), Push::Queued);
        let stats = sink.finish();
        assert_eq!((stats.written, stats.events()), (1, 1));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), sequence * stats.bytes);
    }
    assert_eq!(sequences(&std::fs::read_to_string(&path).unwrap()), [1, 2]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_output_that_cannot_be_opened_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Sink::open(&settings(dir.path())).unwrap_err();
    let path = dir.path().display();
    assert_eq!(
        error.to_string(),
        format!("cannot write events to {path}: it is a directory; name a file in it")
    );
    let error = Sink::open(&settings(&dir.path().join("no/where"))).unwrap_err();
    let chain = ErrorChain(&error).to_string();
    let start = format!("cannot open {path}/no/where for writing events: No such file");
    assert!(chain.starts_with(&start), "{chain}");
}

#[test]
fn a_full_disk_is_counted_and_the_sink_goes_on() {
    let sink = Sink::open(&settings(Path::new("/dev/full"))).unwrap();
    for sequence in 1..=10 {
        assert_eq!(sink.push(event(sequence)), Push::Queued);
    }
    let stats = sink.finish();
    assert_eq!((stats.written, stats.dropped_error, stats.bytes), (0, 10, 0));
    assert!(stats.errors > 0);
}

/// Two ends of a pipe: the sink's, and the test's.
fn pipe() -> (File, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(writer)), reader)
}

#[test]
fn a_reader_that_goes_away_closes_the_sink() {
    let (file, reader) = pipe();
    let sink = Sink::start(file, &SinkSettings::default()).unwrap();
    drop(reader);
    let mut pushed = 1;
    while sink.push(event(pushed)) != Push::Closed {
        pushed += 1;
    }
    let stats = sink.finish();
    assert_eq!((stats.written, stats.dropped_closed), (0, pushed));
    assert_eq!(stats.errors, 0);
}

/// MessagePack, which takes large texts as they are.
fn large_settings(when_full: WhenFull) -> SinkSettings {
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

#[test]
fn a_queue_that_is_full_drops_the_newest_and_counts_it() {
    let (file, reader) = pipe();
    let sink = Sink::start(file, &large_settings(WhenFull::Drop)).unwrap();
    let mut taken = Vec::new();
    let mut full = 0;
    for sequence in 0..100 {
        match sink.push(large_event(sequence)) {
            Push::Queued => taken.push(sequence),
            Push::Full => full += 1,
            Push::Closed => panic!("the reader is there"),
        }
    }
    assert!(full >= 30 && taken.len() >= 60, "{full} {}", taken.len());
    let reading = read_in_background(reader);
    let stats = sink.finish();
    assert_eq!((stats.written, stats.dropped_full), (taken.len() as u64, full));
    assert_eq!(reading.join().unwrap(), taken);
}

#[test]
fn replay_waits_for_its_output() {
    let (file, reader) = pipe();
    let sink = Sink::start(file, &large_settings(WhenFull::Block)).unwrap();
    let reading = read_in_background(reader);
    for sequence in 0..200 {
        assert_eq!(sink.push(large_event(sequence)), Push::Queued);
    }
    assert_eq!(sink.finish().written, 200);
    assert_eq!(reading.join().unwrap(), (0..200).collect::<Vec<_>>());
}

#[test]
fn an_output_that_takes_nothing_is_given_up_at_the_end() {
    let (file, reader) = pipe();
    let sink = Sink::start(file, &large_settings(WhenFull::Drop)).unwrap();
    for sequence in 0..3 {
        assert_eq!(sink.push(large_event(sequence)), Push::Queued);
    }
    let stats = sink.finish();
    assert_eq!((stats.dropped_full, stats.events()), (3, 3));
    drop(reader);
}

#[test]
fn a_file_that_was_moved_away_is_left_alone_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("events"), dir.path().join("events.1"));
    let sink = Sink::open(&settings(&path)).unwrap();
    assert_eq!(sink.push(event(1)), Push::Queued);
    while sink.stats().written == 0 {
        thread::yield_now();
    }
    std::fs::rename(&path, &moved).unwrap();
    sink.reopen();
    assert_eq!(sink.push(event(2)), Push::Queued);
    assert_eq!(sink.finish().written, 2);
    assert_eq!(sequences(&std::fs::read_to_string(&moved).unwrap()), [1]);
    assert_eq!(sequences(&std::fs::read_to_string(&path).unwrap()), [2]);
}

#[test]
fn msgpack_and_pretty_go_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    for (format, expected) in [(Format::Msgpack, &b"\x81\xa5event\x81"[..]), (Format::Pretty, b"?")]
    {
        let path = dir.path().join(format!("{format:?}"));
        let sink = Sink::open(&SinkSettings { format, ..settings(&path) }).unwrap();
        assert_eq!(sink.push(event(1)), Push::Queued);
        assert_eq!(sink.finish().written, 1);
        assert!(std::fs::read(&path).unwrap().starts_with(expected));
    }
}
