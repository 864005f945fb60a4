//! Records to bytes and back; bytes that are no record.

use ocellus_ebpf::abi::{
    File, Head, Kind, LostCause, ParseError, Record, SPAN_COUNT, Span, SpanId, Task,
};

fn sample() -> Vec<u8> {
    let mut record = Record::default();
    record.head.kind = Kind::Exec as u16;
    record.head.time_ns = 0x0102_0304_0506_0708;
    record.task.pid = 42;
    record.task.comm[..2].copy_from_slice(b"sh");
    record.file.inode = 7;
    record.argc = 2;
    record.span[SpanId::Args as usize].full = 99;
    record.encode([b"/bin/dash", b"./run", b"/", b"/a.slice", b"sh\0run\0", b""])
}

#[test]
fn encode_and_parse_agree() {
    let bytes = sample();
    let parsed = Record::parse(&bytes).expect("the sample is a record");
    assert_eq!(parsed.kind, Kind::Exec);
    assert_eq!(parsed.record.head.size as usize, bytes.len());
    assert_eq!(parsed.record.head.time_ns, 0x0102_0304_0506_0708);
    assert_eq!(parsed.record.task.pid, 42);
    assert_eq!(&parsed.record.task.comm[..3], b"sh\0");
    assert_eq!(parsed.span(SpanId::Exe), b"/bin/dash");
    assert_eq!(parsed.span(SpanId::Args), b"sh\0run\0");
    assert!(parsed.truncated(SpanId::Args));
    assert!(!parsed.truncated(SpanId::Exe));
    assert_eq!(parsed.record.encode(parsed.spans), bytes);
}

#[test]
fn every_cut_is_an_error() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(Record::parse(&bytes[..len]).is_err(), "{len} bytes parsed");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(Record::parse(&longer), Err(ParseError::Size { .. })));
}

#[test]
fn each_defect_is_named() {
    let with = |offset: usize, value: u32, width: usize| {
        let mut bytes = sample();
        bytes[offset..offset + width].copy_from_slice(&value.to_ne_bytes()[..width]);
        Record::parse(&bytes).expect_err("a defect was let through")
    };
    let span = Record::SIZE_BYTES - SPAN_COUNT * Span::SIZE_BYTES;
    assert_eq!(with(4, 0, 2), ParseError::Kind { have: 0 });
    assert_eq!(with(4, 9, 2), ParseError::Kind { have: 9 });
    assert_eq!(with(6, 7, 2), ParseError::Version { have: 7 });
    assert!(matches!(with(0, 1, 4), ParseError::Size { said: 1, .. }));
    assert!(matches!(with(span, u32::MAX, 4), ParseError::Spans { .. }));
    assert_eq!(with(span + 4, 3, 4), ParseError::SpanFull { index: 0, len: 9, full: 3 });
}

#[test]
fn members_follow_each_other() {
    for members in [Head::MEMBERS, Task::MEMBERS, File::MEMBERS, Span::MEMBERS, Record::MEMBERS] {
        let mut end = 0;
        for member in members {
            assert_eq!(member.offset_bytes, end, "{}", member.name);
            end += member.size_bytes;
        }
    }
}

#[test]
fn kinds_and_causes_have_their_numbers() {
    assert_eq!(Kind::PROBED.map(|kind| kind as u16), [1, 2, 3, 4, 5, 6]);
    assert_eq!(LostCause::ALL.map(|cause| cause as usize), [0, 1, 2, 3]);
    assert_eq!(Kind::from_number(0), None);
}
