//! Outputs over the network. Each has a spool before it: one thread puts events there, another
//! takes them out and sends them until the receiver has them.

mod bulk;
mod deliver;
mod forward;
mod nats;
mod stream;
pub mod template;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SinkError;
use super::encoder::Encoder;
use super::queue::Queue;
use super::settings::{Facility, Format, SinkSettings, SyslogHeader, WhenFull};
use super::syslog::Syslog;
use super::tally::{Tally, cause};
use super::worker::{Flow, LogLimit, Target};
use crate::event::{Event, Field};
use crate::net::backoff::Backoff;
use crate::net::{AuthSettings, PeerError, TlsSettings};
use crate::spool::{AppendError, Frames, Gauge, Spool, SpoolSettings, Writer};
use deliver::{Delivery, Peer};

pub use nats::NatsSettings;

/// Bytes of records that are appended to the spool at once.
const APPEND_BYTES: usize = 256 << 10;
/// How long to wait for room in a spool that is full.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// Who receives events over the network, and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerSettings {
    /// The events, one after the other.
    Tcp { address: String, tls: Option<TlsSettings> },
    /// Syslog messages with octet counting (RFC 6587, section 3.4.1).
    Syslog { address: String, facility: Facility, header: SyslogHeader, tls: Option<TlsSettings> },
    /// The bulk interface of Elasticsearch and OpenSearch.
    Bulk { url: String, data_stream: String, auth: AuthSettings, tls: Option<TlsSettings> },
    /// The forward protocol of Fluentd and Fluent Bit.
    Forward { address: String, tag: String, auth: AuthSettings, tls: Option<TlsSettings> },
    /// A JetStream stream of NATS.
    Nats { settings: NatsSettings, auth: AuthSettings, tls: Option<TlsSettings> },
}

/// What makes the body of a record out of an event.
#[derive(Debug)]
enum Body {
    Plain(Encoder),
    Syslog(Syslog),
    Forward,
}

impl Body {
    fn new(peer: &PeerSettings, format: Format) -> Body {
        match peer {
            PeerSettings::Syslog { facility, header, .. } => {
                Body::Syslog(Syslog::new(*facility, *header))
            }
            PeerSettings::Forward { .. } => Body::Forward,
            _ => Body::Plain(Encoder::new(format, false)),
        }
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Body::Plain(encoder) => encoder.encode(event, out),
            Body::Syslog(syslog) => syslog.message(event, out),
            Body::Forward => forward::entry(event, out),
        }
    }
}

/// One record of a spool: an event, ready to be sent.
#[derive(Clone, Copy, Debug)]
struct Record<'a> {
    /// `event.id`.
    id: &'a str,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// None for what no sensor has written.
    fn parse(payload: &'a [u8]) -> Option<Record<'a>> {
        let (length, rest) = payload.split_first()?;
        let (id, body) = rest.split_at_checked(usize::from(*length))?;
        Some(Record { id: std::str::from_utf8(id).ok()?, body })
    }

    fn write(event: &Event, body: &mut Body, out: &mut Vec<u8>) {
        let id = event.text(Field::EVENT_ID).unwrap_or_default();
        let id = id.get(..id.len().min(usize::from(u8::MAX))).unwrap_or_default();
        out.push(id.len() as u8);
        out.extend_from_slice(id.as_bytes());
        body.encode(event, out);
    }
}

/// Both sides of an output over the network.
#[derive(Debug)]
pub(super) struct Net {
    pub gauge: Gauge,
    pub delivery: Delivery,
}

/// Opens the spool and starts to deliver what an earlier run left in it. The target is for the
/// thread that takes events from the queue.
pub(super) fn open(
    settings: &SinkSettings,
    peer: &PeerSettings,
    spool: &SpoolSettings,
    tally: &Arc<Tally>,
) -> Result<(Net, SpoolTarget), SinkError> {
    let name = &settings.name;
    let body = Body::new(peer, settings.format);
    let peer = connect_later(peer, name)?;
    let Spool { writer, reader, gauge } = Spool::open(spool)?;
    tally.lock().found = gauge.records();
    match gauge.records() {
        0 => {}
        found => tracing::info!("output {name}: {found} events of an earlier run are in the spool"),
    }
    let target = SpoolTarget {
        name: name.clone(),
        writer: Some(writer),
        frames: Frames::default(),
        body,
        when_full: settings.when_full,
        backoff: Backoff::default(),
        log: LogLimit::default(),
    };
    let delivery = Delivery::start(name, reader, peer, tally.clone()).map_err(SinkError::Thread)?;
    Ok((Net { gauge, delivery }, target))
}

/// The receiver. Nothing is sent yet, but files that are named are read: they should be right.
fn connect_later(peer: &PeerSettings, name: &str) -> Result<Box<dyn Peer>, PeerError> {
    Ok(match peer {
        PeerSettings::Tcp { address, tls } => {
            Box::new(stream::StreamPeer::plain(address, tls.as_ref())?)
        }
        PeerSettings::Syslog { address, tls, .. } => {
            Box::new(stream::StreamPeer::counted(address, tls.as_ref())?)
        }
        PeerSettings::Bulk { url, data_stream, auth, tls } => {
            Box::new(bulk::BulkPeer::new(url, data_stream, auth, tls.as_ref())?)
        }
        PeerSettings::Forward { address, tag, auth, tls } => {
            Box::new(forward::ForwardPeer::new(address, tag, auth, tls.as_ref())?)
        }
        PeerSettings::Nats { settings, auth, tls } => {
            Box::new(nats::NatsPeer::new(settings, name, auth, tls.as_ref())?)
        }
    })
}

/// Puts events into the spool.
#[derive(Debug)]
pub(super) struct SpoolTarget {
    name: String,
    /// None when the queue has ended.
    writer: Option<Writer>,
    frames: Frames,
    body: Body,
    when_full: WhenFull,
    backoff: Backoff,
    log: LogLimit,
}

impl SpoolTarget {
    /// The events in the buffer are dropped.
    fn drop_frames(&mut self, queue: &Queue, cause: &'static str) -> Flow {
        let records = self.frames.records();
        self.frames.clear();
        queue.settle(records, |stats| stats.drop_by(cause, records));
        if let Some(events_dropped) = self.log.take(records) {
            let name = &self.name;
            tracing::error!(events_dropped, cause, "output {name}: events are dropped");
        }
        Flow::Done
    }

    fn make_room(&mut self, queue: &Queue, cause: &'static str) -> Flow {
        let dropped = match (self.when_full, &mut self.writer) {
            (WhenFull::DropOldest, Some(writer)) => writer.drop_oldest(),
            _ => None,
        };
        match dropped {
            Some(dropped) => {
                queue.settle(0, |stats| stats.drop_by(cause::SPOOL_FULL, dropped));
                if let Some(events_dropped) = self.log.take(dropped) {
                    let name = &self.name;
                    tracing::error!(events_dropped, "output {name}: the oldest events are dropped");
                }
                Flow::Later(Duration::ZERO)
            }
            None if self.when_full == WhenFull::Block => {
                if !queue.is_finishing() {
                    return Flow::Later(ROOM_WAIT);
                }
                self.drop_frames(queue, cause)
            }
            None => self.drop_frames(queue, cause),
        }
    }
}

impl Target for SpoolTarget {
    fn add(&mut self, event: &Event) -> bool {
        self.frames.add(|out| Record::write(event, &mut self.body, out))
    }

    fn is_full(&self) -> bool {
        self.frames.len_bytes() >= APPEND_BYTES
    }

    fn flush(&mut self, queue: &Queue) -> Flow {
        let Some(writer) = &mut self.writer else { return Flow::Closed };
        match writer.append(&self.frames) {
            Ok(()) => {
                let records = self.frames.records();
                self.frames.clear();
                queue.settle(records, |_| {});
                self.backoff.reset();
                Flow::Done
            }
            Err(AppendError::Full) => self.make_room(queue, cause::SPOOL_FULL),
            Err(AppendError::Io(error)) => {
                queue.settle(0, |stats| stats.failures += 1);
                if self.log.take(0).is_some() {
                    tracing::error!(%error, "output {}: cannot write the spool", self.name);
                }
                match self.make_room(queue, cause::SPOOL_ERROR) {
                    Flow::Later(wait) if !wait.is_zero() => Flow::Later(self.backoff.next()),
                    flow => flow,
                }
            }
        }
    }

    fn upkeep(&mut self) -> Option<Instant> {
        let writer = self.writer.as_mut()?;
        writer.upkeep().unwrap_or_else(|error| {
            tracing::error!(%error, "output {}: the disk does not take the spool", self.name);
            None
        })
    }

    fn end(&mut self) {
        // The other end learns that no more will come.
        self.writer = None;
    }
}
