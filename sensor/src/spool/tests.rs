use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;

use proptest::prelude::*;

use super::*;

/// Small segments, so that a test has many.
fn settings(dir: &Path) -> SpoolSettings {
    let dir = dir.join("spool");
    SpoolSettings { dir, size_bytes: 1 << 20, segment_bytes: 256, sync: Duration::from_secs(1) }
}

fn open(dir: &Path) -> Spool {
    Spool::open(&settings(dir)).unwrap()
}

fn payload(number: u64) -> Vec<u8> {
    format!("record {number} {}", "x".repeat(number as usize % 50)).into_bytes()
}

fn frames(numbers: Range<u64>) -> Frames {
    let mut frames = Frames::default();
    for number in numbers {
        assert!(frames.add(|out| out.extend_from_slice(&payload(number))));
    }
    frames
}

use std::ops::Range;

/// The next batch, without waiting for records.
fn next(spool: &mut Spool) -> Option<Batch> {
    spool.reader.next(7, 4_096, Duration::ZERO).unwrap()
}

/// Delivers all there is. Gives the payloads, and how many records were damaged.
fn drain(spool: &mut Spool) -> (Vec<Vec<u8>>, u64) {
    let (mut payloads, mut damaged) = (Vec::new(), 0);
    while let Some(batch) = next(spool) {
        payloads.extend(batch.payloads().map(<[u8]>::to_vec));
        damaged += batch.damaged();
        spool.reader.commit(&batch, |dropped| assert_eq!(dropped, 0)).unwrap();
    }
    (payloads, damaged)
}

fn expected(numbers: Range<u64>) -> Vec<Vec<u8>> {
    numbers.map(payload).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("spool")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "spool"));
    paths.sort();
    paths
}

#[test]
fn records_come_out_in_order_and_their_segments_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    for first in (0..100).step_by(10) {
        spool.writer.append(&frames(first..first + 10)).unwrap();
    }
    assert_eq!(spool.gauge.records(), 100);
    assert!(segments(dir.path()).len() > 5);
    assert_eq!(drain(&mut spool), (expected(0..100), 0));
    assert_eq!((spool.gauge.records(), segments(dir.path()).len()), (0, 1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("spool")), 0o700);
    assert_eq!(mode(&segments(dir.path())[0]), 0o600);
}

#[test]
fn what_was_not_committed_comes_again_after_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.writer.append(&frames(0..30)).unwrap();
    let batch = next(&mut spool).unwrap();
    assert_eq!(batch.numbers, 0..7);
    spool.reader.commit(&batch, |_| {}).unwrap();
    assert_eq!(next(&mut spool).unwrap().numbers, 7..14);
    drop(spool);
    let mut spool = open(dir.path());
    assert_eq!(spool.gauge.records(), 23);
    spool.writer.append(&frames(30..40)).unwrap();
    assert_eq!(drain(&mut spool), (expected(7..40), 0));
}

#[test]
fn two_processes_do_not_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    assert!(matches!(Spool::open(&settings(dir.path())), Err(SpoolError::InUse { .. })));
    drop(first);
    open(dir.path());
}

#[test]
fn a_reader_waits_for_records_and_for_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let Spool { mut writer, mut reader, .. } = open(dir.path());
    let reading = thread::spawn(move || {
        let mut numbers = Vec::new();
        while let Some(batch) = reader.next(100, 4_096, Duration::from_secs(60)).unwrap() {
            numbers.extend(batch.numbers.clone());
            reader.commit(&batch, |_| {}).unwrap();
        }
        assert!(reader.is_finished());
        numbers
    });
    for number in 0..20 {
        writer.append(&frames(number..number + 1)).unwrap();
    }
    drop(writer);
    assert_eq!(reading.join().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_record_that_is_too_large_is_refused_alone() {
    let mut frames = Frames::default();
    assert!(frames.add(|out| out.push(1)));
    let bytes = frames.len_bytes();
    assert!(!frames.add(|out| out.resize(out.len() + RECORD_BYTES_MAX + 1, 1)));
    assert_eq!((frames.len_bytes(), frames.records()), (bytes, 1));
    assert!(frames.add(|out| out.resize(out.len() + RECORD_BYTES_MAX, 1)));
    let dir = tempfile::tempdir().unwrap();
    let mut spool =
        Spool::open(&SpoolSettings { size_bytes: 8 << 20, ..settings(dir.path()) }).unwrap();
    spool.writer.append(&frames).unwrap();
    let (payloads, damaged) = drain(&mut spool);
    assert_eq!((payloads.len(), payloads[1].len(), damaged), (2, RECORD_BYTES_MAX, 0));
}

#[test]
fn a_full_spool_takes_nothing_or_loses_its_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool =
        Spool::open(&SpoolSettings { size_bytes: 1_024, ..settings(dir.path()) }).unwrap();
    let mut accepted = 0;
    while spool.writer.append(&frames(accepted..accepted + 1)).is_ok() {
        accepted += 1;
    }
    assert!(accepted > 10 && spool.gauge.bytes() <= 1_024);
    assert_eq!(spool.gauge.records(), accepted);
    let full = spool.writer.append(&frames(accepted..accepted + 1));
    assert!(matches!(full, Err(AppendError::Full)));

    // A batch that is on its way while its records are dropped.
    let batch = next(&mut spool).unwrap();
    let dropped = spool.writer.drop_oldest().unwrap();
    assert!(dropped > 0);
    spool.writer.append(&frames(accepted..accepted + 1)).unwrap();
    let sent = batch.numbers.end;
    let mut both = None;
    spool.reader.commit(&batch, |dropped_meanwhile| both = Some(dropped_meanwhile)).unwrap();
    assert_eq!(both, Some(sent.min(dropped)));
    let rest = sent.max(dropped);
    assert_eq!(drain(&mut spool), (expected(rest..accepted + 1), 0));
    assert_eq!(spool.writer.drop_oldest(), None);
}

/// Cuts the newest segment after `length` bytes, as a crash may, and opens the spool again.
fn cut(dir: &Path, bytes: &[u8], length: usize) -> Spool {
    let path = segments(dir).pop().unwrap();
    fs::write(&path, &bytes[..length]).unwrap();
    open(dir)
}

#[test]
fn a_segment_cut_at_any_byte_keeps_the_whole_records_before() {
    const RECORDS: u64 = 6;
    let dir = tempfile::tempdir().unwrap();
    let mut spool =
        Spool::open(&SpoolSettings { segment_bytes: 4_096, ..settings(dir.path()) }).unwrap();
    spool.writer.append(&frames(0..RECORDS)).unwrap();
    drop(spool);
    let path = segments(dir.path()).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut ends = vec![segment::HEADER_BYTES as usize];
    for number in 0..RECORDS {
        ends.push(ends[number as usize] + frames(number..number + 1).len_bytes());
    }
    assert_eq!(ends.last(), Some(&bytes.len()));
    for length in 0..=bytes.len() {
        let mut spool = cut(dir.path(), &bytes, length);
        let whole = ends.iter().filter(|end| **end <= length).count().saturating_sub(1) as u64;
        assert_eq!(spool.gauge.records(), whole, "after {length} bytes");
        // Appended to, it goes on behind what is whole.
        spool.writer.append(&frames(whole..whole + 1)).unwrap();
        let batch = spool.reader.next(100, 4_096, Duration::ZERO).unwrap().unwrap_or_default();
        assert_eq!((batch.damaged(), batch.numbers.start), (0, 0), "after {length} bytes");
        drop(spool);
        segments(dir.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::write(&path, &bytes).unwrap();
    }
}

/// Changes one byte of a segment.
fn damage(path: &Path, at: usize, to: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] = to;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_segment_is_set_aside_and_the_others_are_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    for number in 0..40 {
        spool.writer.append(&frames(number..number + 1)).unwrap();
    }
    drop(spool);
    let paths = segments(dir.path());
    assert!(paths.len() > 4);
    let first_of = |path: &Path| segment::first_of(path.file_name()?.to_str()?);
    let first = first_of(&paths[1]).unwrap();
    let end = first_of(&paths[2]).unwrap();
    // The payload of a segment's first record; the length of another's; the header of a third.
    damage(&paths[1], segment::HEADER_BYTES as usize + 8, 0xff);
    damage(&paths[2], segment::HEADER_BYTES as usize + 3, 0xff);
    damage(&paths[3], 0, 0xff);
    let broken_end = first_of(&paths[4]).unwrap();
    let mut spool = open(dir.path());
    assert_eq!(spool.gauge.records(), 40);
    let (payloads, damaged) = drain(&mut spool);
    let whole = (0..first).chain(first + 1..end).chain(broken_end..40);
    assert_eq!(payloads, whole.map(payload).collect::<Vec<_>>());
    assert_eq!(payloads.len() as u64 + damaged, 40);
    let aside = fs::read_dir(dir.path().join("spool")).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "corrupt")
    });
    assert_eq!(aside.count(), 3);
    assert_eq!(spool.gauge.records(), 0);
}

#[test]
fn a_segment_that_somebody_removed_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    for number in 0..40 {
        spool.writer.append(&frames(number..number + 1)).unwrap();
    }
    fs::remove_file(&segments(dir.path())[2]).unwrap();
    let (payloads, damaged) = drain(&mut spool);
    assert!(damaged > 0);
    assert_eq!(payloads.len() as u64 + damaged, 40);
    assert_eq!(payloads.last(), Some(&payload(39)));
}

#[test]
fn the_segment_that_is_written_to_may_break_while_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool =
        Spool::open(&SpoolSettings { segment_bytes: 4_096, ..settings(dir.path()) }).unwrap();
    spool.writer.append(&frames(0..5)).unwrap();
    let path = segments(dir.path()).pop().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 8], segment::HEADER_BYTES).unwrap();
    assert!(next(&mut spool).is_none());
    // The next records go into a segment of their own, and then it is known how many are lost.
    spool.writer.append(&frames(5..8)).unwrap();
    assert_eq!(drain(&mut spool), (expected(5..8), 5));
    assert_eq!(spool.gauge.records(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Deliver,
    /// The process ends, and leaves behind what the kernel has.
    Crash,
    /// It ends in the middle of a write.
    Torn(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..12).prop_map(Step::Append),
        4 => Just(Step::Deliver),
        1 => Just(Step::Crash),
        1 => (1u8..40).prop_map(Step::Torn),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever happens in whichever order: every accepted record is delivered, in order, and none
    /// that was committed comes again.
    #[test]
    fn nothing_that_was_accepted_is_lost(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = open(dir.path());
        let mut accepted = 0;
        let mut waiting = VecDeque::new();
        for step in steps {
            match step {
                Step::Append(count) => {
                    spool.writer.append(&frames(accepted..accepted + count)).unwrap();
                    waiting.extend(accepted..accepted + count);
                    accepted += count;
                }
                Step::Deliver => {
                    let Some(batch) = next(&mut spool) else {
                        prop_assert!(waiting.is_empty());
                        continue;
                    };
                    for given in batch.payloads() {
                        prop_assert_eq!(Some(given.to_vec()), waiting.pop_front().map(payload));
                    }
                    spool.reader.commit(&batch, |_| {}).unwrap();
                }
                Step::Crash => {
                    drop(spool);
                    spool = open(dir.path());
                }
                Step::Torn(bytes) => {
                    drop(spool);
                    if let Some(path) = segments(dir.path()).pop() {
                        let mut record = Vec::new();
                        frame(&mut record, |out| out.extend_from_slice(&[b'x'; 40]));
                        let mut whole = fs::read(&path).unwrap();
                        whole.extend_from_slice(&record[..usize::from(bytes)]);
                        fs::write(&path, whole).unwrap();
                    }
                    spool = open(dir.path());
                }
            }
            prop_assert_eq!(spool.gauge.records(), waiting.len() as u64);
        }
        let (rest, damaged) = drain(&mut spool);
        prop_assert_eq!(rest, waiting.into_iter().map(payload).collect::<Vec<_>>());
        prop_assert_eq!(damaged, 0);
    }
}
