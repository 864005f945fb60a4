//! Writes whole events into a stream of bytes, whatever the disk or the reader does.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// The buffer is written once it holds this much.
const WRITE_BYTES: usize = 64 << 10;
/// How long to wait before a non-blocking output, such as a pipe set so by its reader, is tried
/// again.
const RETRY_WAIT: Duration = Duration::from_millis(2);

/// Encoded events that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Where each event ends.
    ends: Vec<usize>,
    /// Bytes of the first event that are written already.
    begun: usize,
}

/// What came of writing the buffer.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub events: u64,
    pub bytes: u64,
    /// Why the rest is still there.
    pub error: Option<io::Error>,
}

impl Buffer {
    /// It is time to write.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= WRITE_BYTES
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The first event has been written in part.
    pub(super) fn has_begun(&self) -> bool {
        self.begun > 0
    }

    pub(super) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// A new stream begins with a whole event.
    pub(super) fn begin_anew(&mut self) {
        self.begun = 0;
    }

    /// Writes all that the output takes. An event that was written in part stays: its rest is the
    /// first thing written once the output takes something again, so that a full disk never leaves
    /// half an event in the stream.
    pub(super) fn write(&mut self, output: &mut impl Write) -> Written {
        let mut written = Written::default();
        let began = self.begun;
        let mut at = self.begun;
        while at < self.bytes.len() {
            match output.write(&self.bytes[at..]) {
                Ok(0) => {
                    written.error = Some(io::ErrorKind::WriteZero.into());
                    break;
                }
                Ok(count) => at += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(RETRY_WAIT);
                }
                Err(error) => {
                    written.error = Some(error);
                    break;
                }
            }
        }
        written.bytes = (at - began) as u64;
        let whole = self.ends.iter().take_while(|end| **end <= at).count();
        written.events = whole as u64;
        let removed = self.remove(0, whole);
        self.begun = at - removed;
        written
    }

    /// Drops all events but one that was written in part, and gives their number.
    pub(super) fn drop_whole(&mut self) -> u64 {
        let kept = usize::from(self.has_begun());
        let dropped = self.ends.len() - kept;
        self.remove(kept, dropped);
        dropped as u64
    }

    /// Takes so many events out, from the one at `index`. Gives how many bytes these were.
    fn remove(&mut self, index: usize, count: usize) -> usize {
        let end_of = |ends: &[usize], count: usize| if count == 0 { 0 } else { ends[count - 1] };
        let (from, to) = (end_of(&self.ends, index), end_of(&self.ends, index + count));
        self.bytes.drain(from..to);
        self.ends.drain(index..index + count);
        self.ends[index..].iter_mut().for_each(|it| *it -= to - from);
        to - from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Default)]
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

    /// Events of a disk's data, all whole.
    fn events(disk: Disk) -> Vec<String> {
        let text = String::from_utf8(disk.data).unwrap();
        let events: Vec<String> = text.split_inclusive('>').map(str::to_owned).collect();
        assert!(events.iter().all(|it| it.len() == 6 && it.starts_with('<')), "{events:?}");
        events
    }

    proptest::proptest! {
        /// Whatever fits when, what is on the disk is whole events, in order, but for the last.
        #[test]
        fn a_disk_that_fills_up_and_is_cleared_never_holds_half_an_event(
            rooms in proptest::collection::vec(0usize..40, 1..20)
        ) {
            let (mut buffer, mut disk) = (Buffer::default(), Disk::default());
            let (mut pushed, mut written, mut dropped) = (0u64, 0, 0);
            for room in rooms.into_iter().chain([1000]) {
                disk.room = room;
                for _ in 0..3 {
                    buffer.add(|out| out.extend_from_slice(format!("<{pushed:04}>").as_bytes()));
                    pushed += 1;
                }
                let outcome = buffer.write(&mut disk);
                written += outcome.events;
                if outcome.error.is_some() {
                    dropped += buffer.drop_whole();
                }
                proptest::prop_assert_eq!(pushed, written + dropped + buffer.ends.len() as u64);
                proptest::prop_assert!(buffer.ends.len() <= 1);
            }
            let events = events(disk);
            proptest::prop_assert_eq!(events.len() as u64, written);
            proptest::prop_assert!(events.is_sorted());
        }

        /// A reader that goes away any time loses nothing: the event that it got half of is the
        /// first that the next one gets.
        #[test]
        fn each_new_stream_begins_with_a_whole_event(
            rooms in proptest::collection::vec(0usize..40, 1..20)
        ) {
            let mut buffer = Buffer::default();
            let (mut pushed, mut got) = (0u64, Vec::new());
            for room in rooms.into_iter().chain([1000]) {
                let mut stream = Disk { data: Vec::new(), room };
                for _ in 0..3 {
                    buffer.add(|out| out.extend_from_slice(format!("<{pushed:04}>").as_bytes()));
                    pushed += 1;
                }
                let outcome = buffer.write(&mut stream);
                let half = stream.data.len() % 6;
                proptest::prop_assert_eq!(buffer.has_begun(), half > 0);
                stream.data.truncate(stream.data.len() - half);
                proptest::prop_assert_eq!(stream.data.len() as u64 / 6, outcome.events);
                got.extend(events(stream));
                buffer.begin_anew();
            }
            let expected: Vec<String> = (0..pushed).map(|n| format!("<{n:04}>")).collect();
            proptest::prop_assert_eq!(got, expected);
        }
    }
}
