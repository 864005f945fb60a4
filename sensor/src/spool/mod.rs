//! A queue on disk: what it has accepted is delivered, whatever happens to the sensor or to the
//! receiver.
//!
//! [`Writer`] and [`Reader`] are the two ends, on a thread each. Records are numbered from the
//! first one that was ever written, and lie in segments ([`segment`](self::segment)); a [`cursor`]
//! says how far they are delivered. A record is accepted once the kernel has it, so that the end of
//! the sensor loses none; how much a power cut can take is said by [`SpoolSettings::sync`].

mod cursor;
mod reader;
mod segment;
mod writer;

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crc::{CRC_32_ISCSI, Crc, Table};
use cursor::Cursor;

pub use reader::{Batch, Reader};
pub use segment::{RECORD_BYTES_MAX, frame};
pub use writer::{AppendError, Frames, Writer};

/// CRC-32C, the checksum of all that is on disk.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// How to open a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its own directory, created with mode 0700.
    pub dir: PathBuf,
    /// Bytes on disk at most.
    pub size_bytes: u64,
    /// Bytes of one segment; the last record may go beyond.
    pub segment_bytes: u64,
    /// How long a record may be with the kernel alone: what a power cut can take. Zero waits for
    /// the disk each time.
    pub sync: Duration,
}

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("cannot use the spool directory {dir}")]
    Io { dir: PathBuf, source: io::Error },
    #[error("the spool {dir} is in use by another process")]
    InUse { dir: PathBuf },
}

/// What the two ends share.
#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    state: Mutex<State>,
    /// Records came in, or none will any more.
    changed: Condvar,
    /// Keeps other processes out for as long as it is open.
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    /// In order; the last is being written to if `is_open`.
    segments: VecDeque<Segment>,
    is_open: bool,
    /// Number of the first record that is not delivered.
    acked: u64,
    /// Number of the next record.
    next: u64,
    /// The reader cannot go on in the segment that is being written to.
    seal_wanted: bool,
    finished: bool,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    first: u64,
    bytes: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are right after every statement, also where a panic came between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, first: u64) -> PathBuf {
        segment::path(&self.dir, first)
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|it| it.bytes).sum()
    }

    /// The number behind the last record of a segment.
    fn end_of(&self, index: usize) -> u64 {
        self.segments.get(index + 1).map_or(self.next, |it| it.first)
    }
}

/// Looks at a spool from outside its ends.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<Shared>);

impl Gauge {
    /// Records that are accepted and not delivered.
    pub fn records(&self) -> u64 {
        let state = self.0.lock();
        state.next - state.acked
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.0.lock().bytes()
    }
}

/// Both ends of a spool.
#[derive(Debug)]
pub struct Spool {
    pub writer: Writer,
    pub reader: Reader,
    pub gauge: Gauge,
}

impl Spool {
    /// Opens a spool and looks at what an earlier run left in it.
    pub fn open(settings: &SpoolSettings) -> Result<Spool, SpoolError> {
        let dir = settings.dir.clone();
        let failed = |source| SpoolError::Io { dir: settings.dir.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(SpoolError::InUse { dir }),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let (cursor, acked) = Cursor::open(&dir.join("cursor")).map_err(failed)?;
        let state = take_stock(&dir, acked).map_err(failed)?;
        let shared = Shared { dir, state: state.into(), changed: Condvar::new(), _lock: lock };
        let shared = Arc::new(shared);
        Ok(Spool {
            writer: Writer::new(shared.clone(), settings),
            reader: Reader::new(shared.clone(), cursor),
            gauge: Gauge(shared),
        })
    }
}

/// What is in the directory: segments, the last one looked through and its torn end cut off.
fn take_stock(dir: &Path, acked: u64) -> io::Result<State> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir)? {
        firsts.extend(entry?.file_name().to_str().and_then(segment::first_of));
    }
    firsts.sort_unstable();
    let mut state = State { acked, next: acked, ..State::default() };
    for (index, &first) in firsts.iter().enumerate() {
        let path = segment::path(dir, first);
        let end = match firsts.get(index + 1) {
            Some(next) => *next,
            None => first + look_through(&path)?,
        };
        if end <= acked || end == first {
            fs::remove_file(&path)?;
            continue;
        }
        state.segments.push_back(Segment { first, bytes: path.metadata()?.len() });
        state.next = state.next.max(end);
    }
    // Where the cursor is missing, what segments there are says how far delivery has come.
    if let Some(oldest) = state.segments.front() {
        state.acked = state.acked.max(oldest.first);
    }
    Ok(state)
}

/// Counts the records of the segment that was written last, and cuts its torn end off.
fn look_through(path: &Path) -> io::Result<u64> {
    let scan = segment::scan(&fs::read(path)?);
    if scan.torn_bytes > 0 {
        tracing::warn!(
            bytes = scan.torn_bytes,
            "cut off what a crash left half-written at the end of {}; it was never accepted",
            path.display()
        );
        OpenOptions::new().write(true).open(path)?.set_len(scan.end)?;
    }
    Ok(scan.records)
}

#[cfg(test)]
mod tests;
