//! Writes whole events, whatever the disk does.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The buffer is written once it holds this much.
const WRITE_BYTES: usize = 64 << 10;
/// How long to wait before a non-blocking output, such as a pipe set so by its reader, is tried
/// again.
const RETRY_WAIT: Duration = Duration::from_millis(2);
/// At most one log line about failed writes in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The file, with encoded events that are not written yet.
pub(super) struct Output<W> {
    file: W,
    buffer: Vec<u8>,
    /// Where each event in the buffer ends.
    ends: Vec<usize>,
    /// The first event in the buffer has been written in part.
    started: bool,
    last_logged: Option<Instant>,
    dropped_since_logged: u64,
}

/// What came of writing the buffer.
#[derive(Default)]
pub(super) struct Outcome {
    pub events_written: u64,
    pub bytes_written: u64,
    pub events_dropped: u64,
    pub events_left: u64,
    pub failed: bool,
    pub closed: bool,
}

impl<W: Write> Output<W> {
    pub(super) fn new(file: W) -> Output<W> {
        Output {
            file,
            buffer: Vec::with_capacity(2 * WRITE_BYTES),
            ends: Vec::new(),
            started: false,
            last_logged: None,
            dropped_since_logged: 0,
        }
    }

    /// It is time to write.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= WRITE_BYTES
    }

    /// Events that are neither written nor dropped.
    pub(super) fn events_left(&self) -> u64 {
        self.ends.len() as u64
    }

    pub(super) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.buffer);
        self.ends.push(self.buffer.len());
    }

    /// A new file begins with a whole event.
    pub(super) fn replace(&mut self, file: W) {
        self.file = file;
        if std::mem::take(&mut self.started) {
            self.buffer.clear();
            self.ends.clear();
        }
    }

    /// Writes all, or drops what the output refuses. An event that was written in part stays: its
    /// rest is the first thing written once the output takes something again, so that a full disk
    /// never leaves half an event in the stream.
    pub(super) fn write(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut at = 0;
        let error = loop {
            if at == self.buffer.len() {
                break None;
            }
            match self.file.write(&self.buffer[at..]) {
                Ok(0) => break Some(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(count) => at += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(RETRY_WAIT);
                }
                Err(error) => break Some(error),
            }
        };
        outcome.bytes_written = at as u64;
        let written = self.ends.iter().take_while(|end| **end <= at).count();
        outcome.events_written = written as u64;
        let Some(error) = error else {
            self.buffer.clear();
            self.ends.clear();
            self.started = false;
            return outcome;
        };
        if error.kind() == io::ErrorKind::BrokenPipe {
            outcome.closed = true;
            outcome.events_left = (self.ends.len() - written) as u64;
            self.buffer.clear();
            self.ends.clear();
            return outcome;
        }
        outcome.failed = true;
        outcome.events_dropped = self.keep_started_event(at, written);
        self.log(&error, outcome.events_dropped);
        outcome
    }

    /// Leaves in the buffer only the rest of the event that byte `at` cuts, if it does. Gives how
    /// many events that drops.
    fn keep_started_event(&mut self, at: usize, written: usize) -> u64 {
        let start = if written == 0 { 0 } else { self.ends[written - 1] };
        self.started = at > start || (written == 0 && self.started);
        if !self.started {
            let dropped = self.ends.len() - written;
            self.buffer.clear();
            self.ends.clear();
            return dropped as u64;
        }
        let end = self.ends[written];
        let dropped = self.ends.len() - written - 1;
        self.buffer.copy_within(at..end, 0);
        self.buffer.truncate(end - at);
        self.ends.clear();
        self.ends.push(end - at);
        dropped as u64
    }

    fn log(&mut self, error: &io::Error, dropped: u64) {
        self.dropped_since_logged += dropped;
        if self.last_logged.is_some_and(|last| last.elapsed() < LOG_INTERVAL) {
            return;
        }
        self.last_logged = Some(Instant::now());
        let events = std::mem::take(&mut self.dropped_since_logged);
        tracing::error!(%error, events_dropped = events, "cannot write events");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        data: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.data.extend_from_slice(&bytes[..count]);
            self.room -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest::proptest! {
        /// Whatever fits when, what is on the disk is whole events, in order, but for the last.
        #[test]
        fn a_disk_that_fills_up_and_is_cleared_never_holds_half_an_event(
            rooms in proptest::collection::vec(0usize..40, 1..20)
        ) {
            let mut output = Output::new(Disk { data: Vec::new(), room: 0 });
            let (mut pushed, mut written, mut dropped) = (0u64, 0, 0);
            for room in rooms.into_iter().chain([1000]) {
                output.file.room = room;
                for _ in 0..3 {
                    output.add(|out| out.extend_from_slice(format!("<{pushed:04}>").as_bytes()));
                    pushed += 1;
                }
                let outcome = output.write();
                written += outcome.events_written;
                dropped += outcome.events_dropped;
                proptest::prop_assert_eq!(pushed, written + dropped + output.ends.len() as u64);
                proptest::prop_assert!(output.ends.len() <= 1);
            }
            let text = String::from_utf8(output.file.data).unwrap();
            let events: Vec<&str> = text.split_inclusive('>').collect();
            proptest::prop_assert_eq!(events.len() as u64, written);
            proptest::prop_assert!(events.iter().all(|it| it.len() == 6 && it.starts_with('<')));
            proptest::prop_assert!(events.is_sorted());
        }
    }
}
