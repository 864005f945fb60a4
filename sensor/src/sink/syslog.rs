//! Events as syslog messages: RFC 5424, or as the C library writes them, and the local socket that
//! takes them.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::date::Date;
use super::encode::JsonLines;
use super::queue::Queue;
use super::settings::{Facility, SyslogHeader};
use super::tally::{SinkStats, cause};
use super::worker::{Flow, LogLimit, Target};
use crate::event::{Event, Field, Value};
use crate::net::backoff::Backoff;

/// Messages that are encoded before they are sent.
const MESSAGES_MAX: usize = 64;
/// Longest host name and message id of RFC 5424, section 6.
const HOST_BYTES_MAX: usize = 255;
const MESSAGE_ID_BYTES_MAX: usize = 32;

/// Puts a header before an event's JSON.
#[derive(Debug)]
pub(super) struct Syslog {
    facility: Facility,
    header: SyslogHeader,
    pid: u32,
    lines: JsonLines,
}

impl Syslog {
    pub(super) fn new(facility: Facility, header: SyslogHeader) -> Syslog {
        Syslog { facility, header, pid: std::process::id(), lines: JsonLines::default() }
    }

    /// Appends the message, without a line end.
    pub(super) fn message(&mut self, event: &Event, out: &mut Vec<u8>) {
        let priority = self.facility as u8 * 8 + severity(event);
        let date = match event.get(Field::TIMESTAMP) {
            Value::Time(ns) => Date::new(*ns),
            _ => Date::new(0),
        };
        let pid = self.pid;
        let header = match self.header {
            SyslogHeader::Rfc5424 => {
                // Six digits of a second at most, and ours has nine.
                let time = &date.as_str()[..26];
                let host = printable(event.text(Field::HOST_NAME), HOST_BYTES_MAX);
                let id = printable(event.text(Field::EVENT_ACTION), MESSAGE_ID_BYTES_MAX);
                format!("<{priority}>1 {time}Z {host} ocellus {pid} {id} - ")
            }
            SyslogHeader::Local => {
                format!("<{priority}>{} ocellus[{pid}]: ", date.month_day_time())
            }
        };
        out.extend_from_slice(header.as_bytes());
        self.lines.write(event, out);
        // The line end that closes a JSON document.
        out.pop();
    }
}

/// Syslog's severity: ours from 0 to 100 in the usual steps, and 6, informational, for what is no
/// alert.
fn severity(event: &Event) -> u8 {
    match event.number(Field::EVENT_SEVERITY) {
        Some(99..) => 2,
        Some(73..) => 3,
        Some(47..) => 4,
        Some(21..) => 5,
        _ => 6,
    }
}

/// A header field: printable ASCII without spaces, or `-` for none.
fn printable(text: Option<&str>, bytes_max: usize) -> String {
    let text = text.unwrap_or_default();
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(bytes_max).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// A datagram socket such as `/dev/log`.
#[derive(Debug)]
pub(super) struct SyslogTarget {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    syslog: Syslog,
    messages: VecDeque<Vec<u8>>,
    backoff: Backoff,
    log: LogLimit,
}

impl SyslogTarget {
    pub(super) fn new(path: &Path, syslog: Syslog) -> SyslogTarget {
        SyslogTarget {
            path: path.to_owned(),
            socket: None,
            syslog,
            messages: VecDeque::new(),
            backoff: Backoff::default(),
            log: LogLimit::default(),
        }
    }

    /// Connects if need be and sends the first message.
    fn send_first(&mut self) -> io::Result<()> {
        let Some(message) = self.messages.front() else { return Ok(()) };
        let socket = match &self.socket {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(&self.path)?;
                socket.set_nonblocking(true)?;
                self.socket.insert(socket)
            }
        };
        socket.send(message).map(drop)
    }

    fn settle_first(&mut self, queue: &Queue, count: impl FnOnce(&mut SinkStats, u64)) {
        let bytes = self.messages.pop_front().map_or(0, |message| message.len() as u64);
        queue.settle(1, |stats| count(stats, bytes));
    }
}

impl Target for SyslogTarget {
    fn add(&mut self, event: &Event) -> bool {
        let mut message = Vec::new();
        self.syslog.message(event, &mut message);
        self.messages.push_back(message);
        true
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= MESSAGES_MAX
    }

    fn flush(&mut self, queue: &Queue) -> Flow {
        while !self.messages.is_empty() {
            let Err(error) = self.send_first() else {
                self.settle_first(queue, |stats, bytes| {
                    stats.delivered += 1;
                    stats.bytes += bytes;
                });
                self.backoff.reset();
                continue;
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                return Flow::Busy;
            }
            if error.raw_os_error() == Some(libc::EMSGSIZE) {
                self.settle_first(queue, |stats, _| stats.drop_by(cause::TOO_LARGE, 1));
                continue;
            }
            self.socket = None;
            queue.settle(0, |stats| stats.failures += 1);
            if self.log.take(0).is_some() {
                tracing::warn!(%error, path = %self.path.display(), "nobody takes syslog messages");
            }
            return Flow::Later(self.backoff.next());
        }
        Flow::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Event {
        let mut event = Event::default();
        event.set(Field::TIMESTAMP, Value::Time(1_772_366_400_000_000_001));
        event.set_text(Field::HOST_NAME, "web 1");
        event.set_static(Field::EVENT_ACTION, "process_started");
        event
    }

    fn message(syslog: &mut Syslog, event: &Event) -> String {
        let mut out = Vec::new();
        syslog.message(event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn messages_follow_the_rfc() {
        let mut syslog = Syslog::new(Facility::Auth, SyslogHeader::Rfc5424);
        syslog.pid = 7;
        let mut event = alert();
        let start = "<38>1 2026-03-01T12:00:00.000000Z web1 ocellus 7 process_started - {\"@times";
        assert!(
            message(&mut syslog, &event).starts_with(start),
            "{}",
            message(&mut syslog, &event)
        );
        for (severity, priority) in [(0, 38), (21, 37), (47, 36), (73, 35), (99, 34), (100, 34)] {
            event.set_number(Field::EVENT_SEVERITY, severity as u64);
            let message = message(&mut syslog, &event);
            assert!(message.starts_with(&format!("<{priority}>1 ")), "{message}");
            assert!(message.ends_with('}'), "{message}");
        }
        let message = message(&mut syslog, &Event::default());
        assert_eq!(message, "<38>1 1970-01-01T00:00:00.000000Z - ocellus 7 - - {}");
    }

    #[test]
    fn the_local_socket_gets_what_its_readers_know() {
        let mut syslog = Syslog::new(Facility::Local7, SyslogHeader::Local);
        syslog.pid = 7;
        let message = message(&mut syslog, &alert());
        assert!(message.starts_with("<190>Mar  1 12:00:00 ocellus[7]: {"), "{message}");
    }
}
