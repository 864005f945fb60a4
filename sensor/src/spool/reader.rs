//! The end of a spool that gives records.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::cursor::Cursor;
use super::segment::{self, HEADER_BYTES, Parsed};
use super::{Segment, Shared, State};

/// Read from a segment at once, unless one record is longer.
const READ_BYTES: usize = 1 << 20;

/// Records that are to be delivered together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Their numbers, those of damaged ones among them.
    pub numbers: Range<u64>,
    bytes: Vec<u8>,
    /// Where each payload lies in `bytes`.
    payloads: Vec<Range<usize>>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    pub fn payloads(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.payloads.iter().map(|range| &self.bytes[range.clone()])
    }

    /// Records that cannot be read.
    pub fn damaged(&self) -> u64 {
        self.numbers.end - self.numbers.start - self.payloads.len() as u64
    }
}

/// Gives records in order. Those that are not committed are given again after the next opening.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    cursor: Cursor,
    current: Option<Current>,
}

/// The segment that is being read.
#[derive(Debug)]
struct Current {
    first: u64,
    file: File,
    /// Number of the next record and where it begins.
    number: u64,
    offset: u64,
    /// Something in it cannot be read: it is kept for whoever wants to know why.
    is_damaged: bool,
    /// Nothing behind the offset can be read.
    is_broken: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, cursor: Cursor) -> Reader {
        Reader { shared, cursor, current: None }
    }

    /// The next records: some, but no more than `records_max`, and bytes no more than `bytes_max`
    /// unless the first is larger. None when none came in `wait`, or none will come any more.
    pub fn next(
        &mut self,
        records_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> io::Result<Option<Batch>> {
        let deadline = Instant::now() + wait;
        loop {
            let Some((segment, end, is_open)) = self.wait_for_record(deadline) else {
                return Ok(None);
            };
            self.go_to(segment)?;
            let Some(current) = &mut self.current else { return Ok(None) };
            let batch = current.read(segment.bytes, end, records_max, bytes_max)?;
            if !batch.numbers.is_empty() {
                return Ok(Some(batch));
            }
            // Nothing of the rest can be read. How many records that is, is known when the segment
            // has ended.
            if is_open {
                self.shared.lock().seal_wanted = true;
                return Ok(None);
            }
            let numbers = current.number..end;
            (current.number, current.is_damaged) = (end, true);
            if !numbers.is_empty() {
                return Ok(Some(Batch { numbers, ..Batch::default() }));
            }
        }
    }

    /// Where the first record lies that is not read yet: its segment, the number behind the
    /// segment's last record, and whether the segment is still written to.
    fn wait_for_record(&mut self, deadline: Instant) -> Option<(Segment, u64, bool)> {
        let mut state = self.shared.lock();
        loop {
            let number = self.current.as_ref().map_or(state.acked, |it| it.number);
            let number = number.max(state.acked);
            if number < state.next {
                return Some(place_of(&state, number));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.finished || left.is_zero() {
                return None;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Opens a segment, and skips what is delivered already.
    fn go_to(&mut self, segment: Segment) -> io::Result<()> {
        let acked = self.shared.lock().acked;
        if self.current.as_ref().is_none_or(|it| it.first != segment.first) {
            let opened = segment::open(&self.shared.dir, segment.first);
            let (file, is_right) = match opened {
                Ok(opened) => opened,
                // Somebody has removed it: what it held is missing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    (File::open("/dev/null")?, false)
                }
                Err(error) => return Err(error),
            };
            self.current = Some(Current {
                first: segment.first,
                file,
                number: segment.first,
                offset: HEADER_BYTES,
                is_damaged: !is_right,
                is_broken: !is_right,
            });
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        while current.number < acked && !current.is_broken {
            let skipped = (acked - current.number) as usize;
            current.read(segment.bytes, acked, skipped, READ_BYTES)?;
        }
        current.number = current.number.max(acked);
        Ok(())
    }

    /// Every record is committed, and no more will come.
    pub fn is_finished(&self) -> bool {
        let state = self.shared.lock();
        state.finished && state.acked == state.next
    }

    /// The batch is delivered, or dropped: it will not be given again. `count` is told how many of
    /// its records the writer has dropped meanwhile to make room.
    pub fn commit(&mut self, batch: &Batch, count: impl FnOnce(u64)) -> io::Result<()> {
        let Range { start, end } = batch.numbers;
        let mut state = self.shared.lock();
        count(state.acked.clamp(start, end) - start);
        state.acked = state.acked.max(end);
        let acked = state.acked;
        let mut done = Vec::new();
        while state.segments.len() > usize::from(state.is_open) && state.end_of(0) <= acked {
            done.extend(state.segments.pop_front());
        }
        drop(state);
        let noted = self.cursor.write(acked);
        // Also where the disk is too full to note it: what is removed makes the room.
        for segment in done {
            self.remove(segment.first)?;
        }
        noted.or_else(|_| self.cursor.write(acked))
    }

    /// Removes a segment that is delivered; one that is damaged is set aside.
    fn remove(&self, first: u64) -> io::Result<()> {
        let path = self.shared.path(first);
        let is_damaged = self.current.as_ref().is_some_and(|it| it.first == first && it.is_damaged);
        let outcome = if is_damaged {
            let aside = path.with_extension("spool.corrupt");
            tracing::error!("a part of the spool is damaged; it is kept as {}", aside.display());
            fs::rename(&path, aside)
        } else {
            fs::remove_file(&path)
        };
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}

/// The segment with a record, or the first one after it where its own is missing.
fn place_of(state: &State, number: u64) -> (Segment, u64, bool) {
    let index = state.segments.partition_point(|it| it.first <= number).saturating_sub(1);
    let is_last = index + 1 == state.segments.len();
    (state.segments[index], state.end_of(index), is_last && state.is_open)
}

impl Current {
    /// Reads records up to the number `end`, from a segment with so many bytes.
    fn read(
        &mut self,
        segment_bytes: u64,
        end: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> io::Result<Batch> {
        let mut batch = Batch { numbers: self.number..self.number, ..Batch::default() };
        if self.is_broken {
            return Ok(batch);
        }
        let left = segment_bytes.saturating_sub(self.offset) as usize;
        batch.bytes = self.bytes(left.min(READ_BYTES.min(bytes_max.max(1))))?;
        let mut at = 0;
        while self.number < end && batch.payloads.len() < records_max {
            let bytes = match segment::parse(&batch.bytes[at..]) {
                Parsed::Record { payload, bytes } => {
                    let start = at + bytes - payload.len();
                    batch.payloads.push(start..at + bytes);
                    bytes
                }
                Parsed::Damaged { bytes } => {
                    self.is_damaged = true;
                    bytes
                }
                Parsed::Cut { .. } if at > 0 => break,
                Parsed::Cut { bytes } if bytes <= left && bytes > batch.bytes.len() => {
                    batch.bytes = self.bytes(bytes)?;
                    if batch.bytes.len() == bytes {
                        continue;
                    }
                    self.is_broken = true;
                    break;
                }
                Parsed::Cut { .. } | Parsed::Broken => {
                    self.is_broken = true;
                    break;
                }
            };
            at += bytes;
            self.offset += bytes as u64;
            self.number += 1;
        }
        batch.numbers.end = self.number;
        Ok(batch)
    }

    /// So many bytes at the offset; fewer when the file is shorter than it should be.
    fn bytes(&self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.file.read_at(&mut bytes[filled..], self.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}
