//! The bytes of perf: the attributes that open an event, and the records in its ring. Total: any
//! bytes give records or an end, never a panic.

use std::ops::Range;

use super::perf::ATTR_BYTES;

/// PERF_TYPE_TRACEPOINT, and PERF_TYPE_SOFTWARE with PERF_COUNT_SW_DUMMY.
const TYPE_TRACEPOINT: u32 = 2;
const TYPE_SOFTWARE: u32 = 1;
const SOFTWARE_DUMMY: u64 = 9;
/// PERF_SAMPLE_TID, _TIME, _CPU and _RAW: what a sample has, in this order.
const SAMPLE_TYPE: u64 = 1 << 1 | 1 << 2 | 1 << 7 | 1 << 10;
/// Bits of the attributes: `disabled`, `use_clockid`.
const ATTR_DISABLED: u64 = 1 << 0;
const ATTR_USE_CLOCKID: u64 = 1 << 25;

/// Types of records.
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
/// struct perf_event_header.
const HEADER_BYTES: usize = 8;

/// The clock that stamps samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// CLOCK_BOOTTIME: what raw events are in.
    Boot = 7,
    /// CLOCK_MONOTONIC, which stands still while the machine is suspended. For kernels that refuse
    /// the other.
    Monotonic = 1,
}

/// A struct perf_event_attr: each hit of the tracing event with this number, stopped at first. It
/// wakes the reader after `wakeup_events` samples; with 0, when the ring is half full.
pub(super) fn attr(event: u64, clock: Clock, wakeup_events: u32) -> [u8; ATTR_BYTES] {
    let mut attr = [0; ATTR_BYTES];
    let mut put = |offset: usize, bytes: &[u8]| {
        attr[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &TYPE_TRACEPOINT.to_ne_bytes());
    put(4, &(ATTR_BYTES as u32).to_ne_bytes());
    put(8, &event.to_ne_bytes());
    // sample_period: every hit.
    put(16, &1u64.to_ne_bytes());
    put(24, &SAMPLE_TYPE.to_ne_bytes());
    put(40, &(ATTR_DISABLED | ATTR_USE_CLOCKID).to_ne_bytes());
    put(48, &wakeup_events.to_ne_bytes());
    put(92, &(clock as i32).to_ne_bytes());
    attr
}

/// A struct perf_event_attr of an event that never happens, to see whether perf may be used.
pub(super) fn dummy_attr() -> [u8; ATTR_BYTES] {
    let mut attr = attr(SOFTWARE_DUMMY, Clock::Monotonic, 0);
    attr[..4].copy_from_slice(&TYPE_SOFTWARE.to_ne_bytes());
    attr
}

/// One hit of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Thread group of the task that ran the probe, in our pid namespace.
    pub pid: u32,
    /// In ns of the event's clock.
    pub time_ns: u64,
    pub cpu: u32,
    /// Where in the ring's bytes that is what the probe wrote.
    pub raw: Range<usize>,
}

/// A record of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Sample(Sample),
    /// So many records found no room.
    Lost(u64),
    /// Something that nobody asked for.
    Other,
    /// A record that ends before what it should hold.
    Broken,
}

/// The records in a ring's bytes, in the order in which they were written.
pub(super) fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        if begin >= bytes.len() {
            return None;
        }
        let mut header = Cursor { bytes, at: begin };
        let (kind, _misc, size) = (header.u32(), header.u16(), header.u16());
        let end = begin + usize::from(size.unwrap_or(0));
        if end < begin + HEADER_BYTES || end > bytes.len() {
            // Without its length nothing tells where the next one begins.
            begin = bytes.len();
            return Some(Entry::Broken);
        }
        begin = end;
        let body = Cursor { bytes: &bytes[..end], at: header.at };
        Some(entry(kind.unwrap_or(0), body).unwrap_or(Entry::Broken))
    })
}

fn entry(kind: u32, mut body: Cursor<'_>) -> Option<Entry> {
    Some(match kind {
        RECORD_SAMPLE => Entry::Sample(sample(body)?),
        RECORD_LOST => {
            let _event = body.u64()?;
            Entry::Lost(body.u64()?)
        }
        _ => Entry::Other,
    })
}

fn sample(mut body: Cursor<'_>) -> Option<Sample> {
    let (pid, _tid) = (body.u32()?, body.u32()?);
    let time_ns = body.u64()?;
    let (cpu, _reserved) = (body.u32()?, body.u32()?);
    let raw_bytes = body.u32()? as usize;
    let raw = body.at..body.at.checked_add(raw_bytes)?;
    body.bytes.get(raw.clone())?;
    Some(Sample { pid, time_ns, cpu, raw })
}

/// Where reading has got to.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let size = (HEADER_BYTES + body.len()) as u16;
        [&kind.to_ne_bytes()[..], &[0, 0], &size.to_ne_bytes(), body].concat()
    }

    fn sample_bytes(raw: &[u8]) -> Vec<u8> {
        let body = [
            &7u32.to_ne_bytes()[..],
            &8u32.to_ne_bytes(),
            &123_456u64.to_ne_bytes(),
            &3u32.to_ne_bytes(),
            &[0; 4],
            &(raw.len() as u32).to_ne_bytes(),
            raw,
        ]
        .concat();
        record(RECORD_SAMPLE, &body)
    }

    #[test]
    fn samples_losses_and_others_in_order() {
        let lost = [&1u64.to_ne_bytes()[..], &42u64.to_ne_bytes()].concat();
        let bytes = [
            sample_bytes(b"rawbytes"),
            record(RECORD_LOST, &lost),
            record(5, &[0; 16]),
            sample_bytes(b""),
        ]
        .concat();
        let sample = |raw| Entry::Sample(Sample { pid: 7, time_ns: 123_456, cpu: 3, raw });
        let found: Vec<_> = entries(&bytes).collect();
        let begin = HEADER_BYTES + 28;
        let last = bytes.len()..bytes.len();
        let expected = [sample(begin..begin + 8), Entry::Lost(42), Entry::Other, sample(last)];
        assert_eq!(found, expected);
        assert_eq!(&bytes[begin..begin + 8], b"rawbytes");
        assert_eq!(entries(&[]).count(), 0);
    }

    #[test]
    fn what_is_cut_is_broken() {
        let whole = sample_bytes(b"rawbytes");
        for len in 1..whole.len() {
            let found: Vec<_> = entries(&whole[..len]).collect();
            assert_eq!(found, [Entry::Broken], "{len}");
        }
        // The record says that it is whole, what it holds is not.
        let short = record(RECORD_SAMPLE, &[0; 12]);
        let long = [short, sample_bytes(b"x")].concat();
        assert!(matches!(
            entries(&long).collect::<Vec<_>>()[..],
            [Entry::Broken, Entry::Sample(_)]
        ));
        let mut liar = sample_bytes(b"rawbytes");
        liar[HEADER_BYTES + 24..HEADER_BYTES + 28].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(entries(&liar).collect::<Vec<_>>(), [Entry::Broken]);
        assert_eq!(entries(&record(RECORD_LOST, &[0; 8])).collect::<Vec<_>>(), [Entry::Broken]);
        assert_eq!(entries(&[0; 8]).collect::<Vec<_>>(), [Entry::Broken]);
    }

    #[test]
    fn any_bytes_end() {
        let mut state = 1u32;
        let mut bytes = Vec::new();
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push((state >> 24) as u8 & 0x0f);
        }
        for begin in 0..64 {
            assert!(entries(&bytes[begin..]).count() > 0);
        }
    }
}
