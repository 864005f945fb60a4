//! Standard output and files.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::SinkError;
use super::archive::{Archive, rotated_name};
use super::encoder::Encoder;
use super::queue::Queue;
use super::settings::{Format, RotateSettings};
use super::stream::Buffer;
use super::tally::cause;
use super::worker::{Flow, LogLimit, Target};
use crate::error_chain::ErrorChain;
use crate::event::Event;

/// How often an idle file is asked for its age.
const AGE_INTERVAL: Duration = Duration::from_secs(1);

/// A file, or whatever standard output is.
#[derive(Debug)]
pub(super) struct FileTarget {
    file: File,
    /// None for standard output, which is not ours to open anew.
    place: Option<Place>,
    encoder: Encoder,
    buffer: Buffer,
    log: LogLimit,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    rotate: RotateSettings,
    archive: Option<Archive>,
    size_bytes: u64,
    created: SystemTime,
}

impl FileTarget {
    pub(super) fn stdout(format: Format) -> Result<FileTarget, SinkError> {
        // Not `io::stdout()`: its buffer looks for line ends, and ours ends where events do.
        let file = io::stdout().as_fd().try_clone_to_owned().map_err(SinkError::Stdout)?;
        Ok(FileTarget::new(file.into(), None, Encoder::new(format, io::stdout().is_terminal())))
    }

    pub(super) fn open(
        path: &Path,
        rotate: &RotateSettings,
        format: Format,
    ) -> Result<FileTarget, SinkError> {
        let file = open(path)?;
        let archive = match *rotate == RotateSettings::default() {
            true => None,
            false => Some(Archive::start(path, rotate).map_err(SinkError::Thread)?),
        };
        let (size_bytes, created) = (0, SystemTime::UNIX_EPOCH);
        let (path, rotate) = (path.to_owned(), rotate.clone());
        let mut place = Place { path, rotate, archive, size_bytes, created };
        place.look_at(&file);
        Ok(FileTarget::new(file, Some(place), Encoder::new(format, false)))
    }

    #[cfg(test)]
    pub(super) fn new_for(file: File, format: Format) -> FileTarget {
        FileTarget::new(file, None, Encoder::new(format, false))
    }

    fn new(file: File, place: Option<Place>, encoder: Encoder) -> FileTarget {
        let (buffer, log) = (Buffer::default(), LogLimit::default());
        FileTarget { file, place, encoder, buffer, log }
    }

    /// Puts the file aside if it is time, between two events.
    fn rotate_if_due(&mut self) {
        let Some(place) = &self.place else { return };
        if self.buffer.has_begun() || !place.is_due(self.buffer.len() as u64) {
            return;
        }
        if let Err(error) = self.rotate() {
            if let Some(events) = self.log.take(0) {
                tracing::error!(%error, events, "cannot rotate the output file; going on with it");
            }
            // Tried again after as much time or as many bytes.
            if let Some(place) = &mut self.place {
                (place.size_bytes, place.created) = (0, SystemTime::now());
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Some(place) = &mut self.place else { return Ok(()) };
        std::fs::rename(&place.path, rotated_name(&place.path, SystemTime::now()))?;
        self.file = open_file(&place.path)?;
        place.look_at(&self.file);
        if let Some(archive) = &place.archive {
            archive.wake();
        }
        Ok(())
    }
}

impl Place {
    /// Takes over a file's size and age.
    fn look_at(&mut self, file: &File) {
        let metadata = file.metadata();
        self.size_bytes = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        // Not every file system knows when a file was created.
        self.created = metadata.and_then(|it| it.created()).unwrap_or_else(|_| SystemTime::now());
    }

    fn is_due(&self, more_bytes: u64) -> bool {
        let RotateSettings { size_bytes, age, .. } = self.rotate;
        if self.size_bytes == 0 {
            return false;
        }
        let is_large = size_bytes > 0 && self.size_bytes + more_bytes > size_bytes;
        is_large || (!age.is_zero() && self.created.elapsed().is_ok_and(|it| it >= age))
    }
}

impl Target for FileTarget {
    fn add(&mut self, event: &Event) -> bool {
        self.buffer.add(|out| self.encoder.encode(event, out));
        true
    }

    fn is_full(&self) -> bool {
        self.buffer.is_full()
    }

    fn flush(&mut self, queue: &Queue) -> Flow {
        self.rotate_if_due();
        let written = self.buffer.write(&mut self.file);
        if let Some(place) = &mut self.place {
            place.size_bytes += written.bytes;
        }
        let closed =
            written.error.as_ref().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe);
        let dropped = match &written.error {
            Some(_) if !closed => self.buffer.drop_whole(),
            _ => 0,
        };
        queue.settle(written.events + dropped, |stats| {
            stats.delivered += written.events;
            stats.bytes += written.bytes;
            stats.drop_by(cause::ERROR, dropped);
            stats.failures += u64::from(written.error.is_some() && !closed);
        });
        match written.error {
            Some(_) if closed => Flow::Closed,
            Some(error) => {
                if let Some(events_dropped) = self.log.take(dropped) {
                    tracing::error!(%error, events_dropped, "cannot write events");
                }
                Flow::Done
            }
            None => Flow::Done,
        }
    }

    fn reopen(&mut self) {
        let Some(place) = &mut self.place else { return };
        match open(&place.path) {
            Ok(file) => {
                place.look_at(&file);
                self.file = file;
                self.buffer.begin_anew();
            }
            Err(error) => {
                tracing::error!(error = %ErrorChain(&error), "keeping the old output file");
            }
        }
    }

    fn upkeep(&mut self) -> Option<Instant> {
        let place = self.place.as_ref()?;
        if place.rotate.age.is_zero() {
            return None;
        }
        self.rotate_if_due();
        Some(Instant::now() + AGE_INTERVAL)
    }
}

fn open(path: &Path) -> Result<File, SinkError> {
    open_file(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::IsADirectory {
            SinkError::IsDirectory { path }
        } else {
            SinkError::Open { path, source }
        }
    })
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
