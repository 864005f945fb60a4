//! Recordings: what went into the machine, and when, in a file.
//!
//! A file is a sequence of frames. A frame is a length (4 bytes, little-endian) and that many
//! bytes of MessagePack: first the header, then pairs of time (boottime ns) and [`Input`].

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::input::Input;

/// First in every recording.
const MAGIC: &str = "ocellus recording";

/// Version of the format; another one is refused.
const VERSION: u32 = 1;

/// Bytes of one frame at most. The largest kernel record is well below 128 KiB, and 65,536 user
/// names take some 2 MiB.
const FRAME_BYTES_MAX: u32 = 8 << 20;

/// Default bound of a recording, in bytes: about 200,000 executions.
pub const RECORDING_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    magic: String,
    version: u32,
    /// Version of the sensor that recorded.
    sensor: String,
}

/// What can go wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("cannot open the recording {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot create the recording {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot write the recording")]
    Write { source: io::Error },
    #[error("cannot read the recording")]
    Read { source: io::Error },
    #[error("{} is not a recording made by `ocellus record`", path.display())]
    NotARecording { path: PathBuf },
    #[error(
        "the recording has version {have}, and this sensor reads version {VERSION}; replay it \
         with the version of the sensor that made it ({sensor})"
    )]
    Version { have: u32, sensor: String },
    #[error("frame {frame} of the recording is damaged: {detail}; what stands before it is whole")]
    Damaged { frame: u64, detail: String },
}

/// Writes a recording.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    frame: Vec<u8>,
    written_bytes: u64,
    max_bytes: u64,
    full: bool,
}

impl Writer {
    /// Creates the file, readable by its owner only: it holds the arguments of every process.
    pub fn create(path: &Path, max_bytes: u64) -> Result<Writer, RecordingError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| RecordingError::Create { path: path.to_owned(), source })?;
        let mut writer = Writer {
            file: BufWriter::with_capacity(1 << 16, file),
            frame: Vec::new(),
            written_bytes: 0,
            max_bytes,
            full: false,
        };
        let sensor = env!("CARGO_PKG_VERSION").to_owned();
        writer.put(&Header { magic: MAGIC.to_owned(), version: VERSION, sensor })?;
        Ok(writer)
    }

    /// Appends one input. Once the bound is reached nothing more is written, so that the recording
    /// has no hole; [`is_full`](Writer::is_full) says so.
    pub fn write(&mut self, now_ns: u64, input: &Input<'_>) -> Result<(), RecordingError> {
        self.put(&(now_ns, input))
    }

    pub fn is_full(&self) -> bool {
        self.full
    }

    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Writes out what is buffered.
    pub fn finish(mut self) -> Result<u64, RecordingError> {
        self.file.flush().map_err(|source| RecordingError::Write { source })?;
        Ok(self.written_bytes)
    }

    fn put(&mut self, value: &impl Serialize) -> Result<(), RecordingError> {
        self.frame.clear();
        rmp_serde::encode::write(&mut self.frame, value)
            .map_err(|error| RecordingError::Write { source: io::Error::other(error) })?;
        let bytes = self.frame.len() as u64 + 4;
        if self.full || self.written_bytes + bytes > self.max_bytes {
            self.full = true;
            return Ok(());
        }
        self.written_bytes += bytes;
        let length = (self.frame.len() as u32).to_le_bytes();
        let write = |file: &mut BufWriter<File>, bytes: &[u8]| file.write_all(bytes);
        write(&mut self.file, &length)
            .and_then(|()| write(&mut self.file, &self.frame))
            .map_err(|source| RecordingError::Write { source })
    }
}

/// Reads a recording.
#[derive(Debug)]
pub struct Reader<R = BufReader<File>> {
    from: R,
    frame: Vec<u8>,
    frames: u64,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Reader, RecordingError> {
        let file = File::open(path)
            .map_err(|source| RecordingError::Open { path: path.to_owned(), source })?;
        Reader::new(BufReader::with_capacity(1 << 16, file), path)
    }
}

impl<R: Read> Reader<R> {
    /// Reads from anywhere; `path` is for messages.
    pub fn new(from: R, path: &Path) -> Result<Reader<R>, RecordingError> {
        let mut reader = Reader { from, frame: Vec::new(), frames: 0 };
        let not_one = || RecordingError::NotARecording { path: path.to_owned() };
        match reader.fill() {
            Ok(true) => {}
            Ok(false) | Err(RecordingError::Damaged { .. }) => return Err(not_one()),
            Err(error) => return Err(error),
        }
        let header: Header = rmp_serde::from_slice(&reader.frame).map_err(|_| not_one())?;
        if header.magic != MAGIC {
            return Err(not_one());
        }
        if header.version != VERSION {
            return Err(RecordingError::Version { have: header.version, sensor: header.sensor });
        }
        Ok(reader)
    }

    /// The next input and its time; none at the end.
    pub fn next_input(&mut self) -> Result<Option<(u64, Input<'_>)>, RecordingError> {
        if !self.fill()? {
            return Ok(None);
        }
        let frame = self.frames;
        rmp_serde::from_slice(&self.frame)
            .map(Some)
            .map_err(|error| RecordingError::Damaged { frame, detail: error.to_string() })
    }

    /// Reads the next frame; false at the end.
    fn fill(&mut self) -> Result<bool, RecordingError> {
        let damaged =
            |frame, detail: &str| RecordingError::Damaged { frame, detail: detail.into() };
        let mut length = [0; 4];
        match self.read_whole(&mut length)? {
            0 => return Ok(false),
            4 => {}
            _ => return Err(damaged(self.frames, "the file ends inside it")),
        }
        let length = u32::from_le_bytes(length);
        if length > FRAME_BYTES_MAX {
            return Err(damaged(self.frames, "it claims to be larger than any frame is"));
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(length as usize, 0);
        let read = self.read_whole(&mut frame);
        self.frame = frame;
        if read? < length as usize {
            return Err(damaged(self.frames, "the file ends inside it"));
        }
        self.frames += 1;
        Ok(true)
    }

    /// Fills the buffer as far as the file goes.
    fn read_whole(&mut self, buffer: &mut [u8]) -> Result<usize, RecordingError> {
        let mut read = 0;
        while read < buffer.len() {
            match self.from.read(&mut buffer[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(RecordingError::Read { source }),
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn sample(dir: &Path, max_bytes: u64) -> (PathBuf, u64) {
        let path = dir.join("sample.ocellus");
        let mut writer = Writer::create(&path, max_bytes).expect("the directory is writable");
        writer.write(1, &Input::Clock { wall_offset_ns: -5 }).expect("it is written");
        for now_ns in 2..100 {
            let raw = Input::Raw(Cow::Borrowed(&[7; 100]));
            writer.write(now_ns, &raw).expect("it is written");
        }
        let bytes = writer.finish().expect("it is written");
        (path, bytes)
    }

    fn read_all(path: &Path) -> Result<Vec<u64>, RecordingError> {
        let mut reader = Reader::open(path)?;
        let mut times = Vec::new();
        while let Some((now_ns, _)) = reader.next_input()? {
            times.push(now_ns);
        }
        Ok(times)
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().expect("there is a temporary directory");
        let (path, bytes) = sample(dir.path(), 1 << 20);
        assert_eq!(std::fs::metadata(&path).expect("it exists").len(), bytes);
        assert_eq!(read_all(&path).expect("it is whole"), (1..100).collect::<Vec<_>>());
        let mut reader = Reader::open(&path).expect("it is whole");
        let first = reader.next_input().expect("it is whole");
        assert_eq!(first, Some((1, Input::Clock { wall_offset_ns: -5 })));
        let second = reader.next_input().expect("it is whole");
        assert_eq!(second, Some((2, Input::Raw(Cow::Borrowed(&[7; 100])))));
    }

    #[test]
    fn a_full_recording_is_a_beginning_without_holes() {
        let dir = tempfile::tempdir().expect("there is a temporary directory");
        let (path, bytes) = sample(dir.path(), 1_000);
        assert!(bytes <= 1_000);
        let times = read_all(&path).expect("it is whole");
        assert!(times.len() > 3 && times.len() < 99);
        assert_eq!(times, (1..=times.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn every_cut_is_read_or_refused() {
        let dir = tempfile::tempdir().expect("there is a temporary directory");
        let (path, _) = sample(dir.path(), 1 << 20);
        let whole = std::fs::read(&path).expect("it exists");
        for end in 0..whole.len() {
            let reader = Reader::new(&whole[..end], &path);
            let Ok(mut reader) = reader else { continue };
            while let Ok(Some(_)) = reader.next_input() {}
        }
        let huge = Reader::new(&[0xff; 64][..], &path);
        assert!(matches!(huge, Err(RecordingError::NotARecording { .. })));
        let text = Reader::new(&b"#!/bin/sh\nexit 0\n"[..], &path);
        assert!(matches!(text, Err(RecordingError::NotARecording { .. })));
    }

    #[test]
    fn another_version_says_what_to_do() {
        let header = Header { magic: MAGIC.into(), version: 9, sensor: "8.0.0".into() };
        let frame = rmp_serde::to_vec(&header).expect("it is plain data");
        let mut file = (frame.len() as u32).to_le_bytes().to_vec();
        file.extend(frame);
        let error = Reader::new(&file[..], Path::new("x")).expect_err("version 9 is not read");
        assert!(error.to_string().contains("8.0.0"), "{error}");
    }
}
