//! The end of a spool that takes records.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Segment, Shared, SpoolSettings, segment};

/// Framed records that are appended together.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    records: u64,
}

impl Frames {
    /// Adds a record whose payload `write` appends. False, and nothing is added, when it is larger
    /// than [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX).
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let start = self.bytes.len();
        let length = segment::frame(&mut self.bytes, write);
        if length > segment::RECORD_BYTES_MAX {
            self.bytes.truncate(start);
            return false;
        }
        self.records += 1;
        true
    }

    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records = 0;
    }
}

/// Why records were not accepted. None of them was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the spool is full")]
    Full,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes records. When it is dropped, the reader learns that no more will come.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    size_bytes: u64,
    segment_bytes: u64,
    sync: Duration,
    /// The segment that is being written to.
    file: Option<File>,
    /// Where its last record ends.
    end: u64,
    /// When records first came in that the disk has not got yet.
    unsynced_since: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, settings: &SpoolSettings) -> Writer {
        let SpoolSettings { size_bytes, segment_bytes, sync, .. } = *settings;
        Writer { shared, size_bytes, segment_bytes, sync, file: None, end: 0, unsynced_since: None }
    }

    /// Accepts all of the records, or none.
    pub fn append(&mut self, frames: &Frames) -> Result<(), AppendError> {
        if frames.records == 0 {
            return Ok(());
        }
        let length = frames.bytes.len() as u64;
        if self.shared.lock().bytes() + length > self.size_bytes {
            return Err(AppendError::Full);
        }
        self.make_segment(length)?;
        let Some(file) = &self.file else { return Ok(()) };
        if let Err(error) = file.write_all_at(&frames.bytes, self.end) {
            // What was written of it is no record. The next ones go into another segment, so that
            // this one, which may be all that fills the disk, is removed once it is delivered.
            let _ = file.set_len(self.end);
            self.seal();
            self.remove_delivered()?;
            return Err(error.into());
        }
        self.end += length;
        let mut state = self.shared.lock();
        state.next += frames.records;
        if let Some(last) = state.segments.back_mut() {
            last.bytes = self.end;
        }
        drop(state);
        self.shared.changed.notify_all();
        self.unsynced_since.get_or_insert_with(Instant::now);
        if self.sync.is_zero()
            && let Err(error) = self.sync_now()
        {
            let dir = self.shared.dir.display();
            tracing::error!(%error, %dir, "the disk does not take what the spool has accepted");
        }
        Ok(())
    }

    /// Makes sure that there is a segment with room for so many bytes.
    fn make_segment(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.shared.lock();
        let is_full = self.end + length > self.segment_bytes && self.end > segment::HEADER_BYTES;
        if self.file.is_some() && !is_full && !state.seal_wanted {
            return Ok(());
        }
        state.seal_wanted = false;
        let first = state.next;
        drop(state);
        self.sync_now()?;
        self.seal();
        self.remove_empty(first)?;
        self.file = Some(segment::create(&self.shared.dir, first)?);
        self.end = segment::HEADER_BYTES;
        File::open(&self.shared.dir)?.sync_all()?;
        let mut state = self.shared.lock();
        state.segments.push_back(Segment { first, bytes: self.end });
        state.is_open = true;
        Ok(())
    }

    /// Nothing more goes into the segment.
    fn seal(&mut self) {
        self.file = None;
        self.end = 0;
        self.shared.lock().is_open = false;
    }

    /// Removes all segments if all that they hold is delivered; the reader does so only with what
    /// it delivers from now on.
    fn remove_delivered(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.acked < state.next {
            return Ok(());
        }
        let segments = std::mem::take(&mut state.segments);
        segments.iter().try_for_each(|it| fs::remove_file(self.shared.path(it.first)))
    }

    /// Removes the last segment if it begins with this number, thus holds no record: its name is
    /// wanted for the next one.
    fn remove_empty(&self, first: u64) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.segments.back().is_none_or(|it| it.first != first) {
            return Ok(());
        }
        state.segments.pop_back();
        fs::remove_file(self.shared.path(first))
    }

    /// Makes room by removing the oldest segment. Gives how many undelivered records it held, or
    /// none when there is no segment but the one that is being written to.
    pub fn drop_oldest(&mut self) -> Option<u64> {
        let mut state = self.shared.lock();
        if state.segments.len() <= usize::from(state.is_open) {
            return None;
        }
        let end = state.end_of(0);
        let oldest = state.segments.pop_front()?;
        let dropped = end.saturating_sub(state.acked);
        state.acked = state.acked.max(end);
        drop(state);
        if let Err(error) = fs::remove_file(self.shared.path(oldest.first)) {
            tracing::error!(%error, dir = %self.shared.dir.display(), "cannot remove a segment");
        }
        Some(dropped)
    }

    /// Hands to the disk what is due. Gives when that is next the case.
    pub fn upkeep(&mut self) -> io::Result<Option<Instant>> {
        let Some(since) = self.unsynced_since else { return Ok(None) };
        if since.elapsed() >= self.sync {
            self.sync_now()?;
            return Ok(None);
        }
        Ok(Some(since + self.sync))
    }

    fn sync_now(&mut self) -> io::Result<()> {
        if self.unsynced_since.take().is_some()
            && let Some(file) = &self.file
        {
            file.sync_data()?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.sync_now() {
            let dir = self.shared.dir.display();
            tracing::error!(%error, %dir, "the disk does not take the end of the spool");
        }
        self.shared.lock().finished = true;
        self.shared.changed.notify_all();
    }
}
