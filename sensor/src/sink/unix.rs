//! A stream socket on this host, whose reader may come and go.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::encoder::Encoder;
use super::queue::Queue;
use super::settings::Format;
use super::stream::Buffer;
use super::worker::{Flow, LogLimit, Target};
use crate::event::Event;
use crate::net::backoff::Backoff;

/// Connects to a listening socket. While nobody listens, events wait in the queue.
#[derive(Debug)]
pub(super) struct UnixTarget {
    path: PathBuf,
    stream: Option<UnixStream>,
    encoder: Encoder,
    buffer: Buffer,
    backoff: Backoff,
    log: LogLimit,
}

impl UnixTarget {
    pub(super) fn new(path: &Path, format: Format) -> UnixTarget {
        UnixTarget {
            path: path.to_owned(),
            stream: None,
            encoder: Encoder::new(format, false),
            buffer: Buffer::default(),
            backoff: Backoff::default(),
            log: LogLimit::default(),
        }
    }

    /// Nobody listens, or the reader has gone: whoever comes next gets whole events.
    fn disconnected(&mut self, error: &std::io::Error) -> Flow {
        self.stream = None;
        self.buffer.begin_anew();
        if self.log.take(0).is_some() {
            let path = self.path.display();
            tracing::warn!(%error, %path, "nobody takes events at the socket");
        }
        Flow::Later(self.backoff.next())
    }
}

impl Target for UnixTarget {
    fn add(&mut self, event: &Event) -> bool {
        self.buffer.add(|out| self.encoder.encode(event, out));
        true
    }

    fn is_full(&self) -> bool {
        self.buffer.is_full()
    }

    fn flush(&mut self, queue: &Queue) -> Flow {
        if self.buffer.is_empty() {
            return Flow::Done;
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => match UnixStream::connect(&self.path) {
                Ok(stream) => {
                    tracing::info!(path = %self.path.display(), "connected to the socket");
                    self.stream.insert(stream)
                }
                Err(error) => {
                    queue.settle(0, |stats| stats.failures += 1);
                    return self.disconnected(&error);
                }
            },
        };
        let written = self.buffer.write(stream);
        queue.settle(written.events, |stats| {
            stats.delivered += written.events;
            stats.bytes += written.bytes;
            stats.failures += u64::from(written.error.is_some());
        });
        match written.error {
            Some(error) => self.disconnected(&error),
            None => {
                self.backoff.reset();
                self.log.reset();
                Flow::Done
            }
        }
    }
}
