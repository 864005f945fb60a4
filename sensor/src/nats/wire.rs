//! The text protocol of NATS, a client's side.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::time::Duration;

use serde::Deserialize;

use super::login::Login;
use crate::net::connection::{Address, Connection};

/// Longest line that a server may send; its INFO names all servers of a cluster.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Longest message that is read: a piece of an object, which has 128 KiB as a rule and never more
/// than a server's `max_payload`, 1 MiB as a rule, comes in base64.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Longest header of a message that we publish.
pub(crate) const HEADER_BYTES_MAX: usize = 512;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// A connection that has been let in.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: BufReader<Connection>,
    out: Vec<u8>,
    /// What the server takes at most.
    pub payload_bytes_max: usize,
}

/// What a server says of itself first.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    headers: bool,
    tls_required: bool,
    tls_available: bool,
    max_payload: usize,
    nonce: String,
}

/// A message that came for us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub subject: String,
    /// Where an answer would go; JetStream tells the message's place in the stream by it.
    pub reply: Option<String>,
    /// Of a header that has one: 503 says that nobody takes the message.
    pub status: Option<u16>,
    /// The lines of the header after the first.
    headers: String,
    pub payload: Vec<u8>,
}

impl Message {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.lines().filter_map(|line| line.split_once(':'));
        let mut named = pairs.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }
}

impl Wire {
    /// Connects, with TLS if `is_secured`, and logs in.
    pub(crate) fn connect(
        address: &Address,
        is_secured: bool,
        login: &Login,
        name: &str,
    ) -> io::Result<Wire> {
        let stream = address.connect_plain()?;
        // The server speaks first, in the clear; no byte of what follows may be read too early.
        let line = unbuffered_line(&stream)?;
        let info = line.strip_prefix("INFO ").ok_or_else(|| {
            io::Error::other(format!("the receiver is no NATS server: it says {line:?}"))
        })?;
        let info: Info = serde_json::from_str(info).map_err(io::Error::other)?;
        if info.tls_required && !is_secured {
            return Err(io::Error::other("the server asks for TLS: add `tls = {}`"));
        }
        if is_secured && !info.tls_required && !info.tls_available {
            return Err(io::Error::other("the server has no TLS, and the output asks for it"));
        }
        if !info.headers {
            return Err(io::Error::other("the server knows no headers: it is older than 2.2"));
        }
        let stream = match is_secured {
            true => address.secure(stream)?,
            false => Connection::Plain(stream),
        };
        let stream = BufReader::new(stream);
        let mut wire = Wire { stream, out: Vec::new(), payload_bytes_max: info.max_payload };
        let mut options = serde_json::json!({
            "verbose": false,
            "pedantic": false,
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": 1,
            "name": name,
            "headers": true,
            "no_responders": true,
            "tls_required": is_secured,
        });
        login.add(&info.nonce, &mut options)?;
        wire.out.extend_from_slice(format!("CONNECT {options}\r\n").as_bytes());
        wire.ping()?;
        Ok(wire)
    }

    /// Has messages of a subject sent to us. Each subscription has a number of its own.
    pub(crate) fn subscribe(&mut self, subject: &str, number: u64) -> io::Result<()> {
        write!(self.out, "SUB {subject} {number}\r\n")
    }

    /// Puts a message into the buffer; with a header, if it has one.
    pub(crate) fn publish(
        &mut self,
        subject: &str,
        reply: &str,
        header: Option<(&str, &str)>,
        payload: &[u8],
    ) -> io::Result<()> {
        match header {
            Some((name, value)) => {
                let header = format!("NATS/1.0\r\n{name}: {value}\r\n\r\n");
                let total = header.len() + payload.len();
                write!(self.out, "HPUB {subject} {reply} {} {total}\r\n{header}", header.len())?;
            }
            None => write!(self.out, "PUB {subject} {reply} {}\r\n", payload.len())?,
        }
        self.out.extend_from_slice(payload);
        self.out.extend_from_slice(b"\r\n");
        if self.out.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(&self.out)?;
        self.out.clear();
        stream.flush()
    }

    /// Asks the server for a word and waits for it.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.out.extend_from_slice(b"PING\r\n");
        self.flush()?;
        loop {
            let line = self.line()?;
            match self.read(&line)? {
                Some(Said::Pong) => return Ok(()),
                // An answer that nobody waits for any more.
                Some(Said::Message(_)) | None => {}
            }
        }
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = self.word()? {
                return Ok(message);
            }
        }
    }

    /// The server's next word, if that is a message.
    pub(crate) fn word(&mut self) -> io::Result<Option<Message>> {
        let line = self.line()?;
        Ok(match self.read(&line)? {
            Some(Said::Message(message)) => Some(message),
            Some(Said::Pong) | None => None,
        })
    }

    /// Waits until something comes, for so long at most, which is more than nothing. True when
    /// there is something to read.
    pub(crate) fn wait(&mut self, at_most: Duration) -> io::Result<bool> {
        if !self.stream.buffer().is_empty() {
            return Ok(true);
        }
        self.stream.get_ref().wait_at_most(Some(at_most))?;
        let come = self.stream.fill_buf().map(|bytes| !bytes.is_empty());
        self.stream.get_ref().wait_at_most(None)?;
        match come {
            Ok(true) => Ok(true),
            Ok(false) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The server has closed its end, or will: it says why, and that was not read.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.get_mut().is_closed()
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What a line says, with what follows it. None is nothing for us.
    fn read(&mut self, line: &str) -> io::Result<Option<Said>> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word.to_ascii_uppercase().as_str() {
            "MSG" | "HMSG" => {
                let frame = Frame::parse(word.len() == 4, rest).ok_or_else(|| strange(line))?;
                let mut bytes = vec![0; frame.bytes + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(frame.bytes);
                Ok(Some(Said::Message(frame.message(bytes))))
            }
            "PING" => {
                self.out.extend_from_slice(b"PONG\r\n");
                self.flush()?;
                Ok(None)
            }
            "PONG" => Ok(Some(Said::Pong)),
            "INFO" | "+OK" => Ok(None),
            "-ERR" => Err(io::Error::other(format!("the server says {rest}"))),
            _ => Err(strange(line)),
        }
    }
}

/// What a server says that matters here.
enum Said {
    Pong,
    Message(Message),
}

fn strange(line: &str) -> io::Error {
    io::Error::other(format!("the server says {line:?}, which is not the protocol"))
}

/// The line before a message: `subject sid [reply] [header bytes] bytes`.
struct Frame<'a> {
    subject: &'a str,
    reply: Option<&'a str>,
    header_bytes: usize,
    bytes: usize,
}

impl<'a> Frame<'a> {
    fn parse(has_header: bool, rest: &'a str) -> Option<Frame<'a>> {
        let parts: Vec<&str> = rest.split_ascii_whitespace().collect();
        let bytes: usize = parts.last()?.parse().ok()?;
        let header_bytes = match has_header {
            true => parts.get(parts.len().checked_sub(2)?)?.parse().ok()?,
            false => 0,
        };
        let numbers = if has_header { 2 } else { 1 };
        let reply = (parts.len() == 3 + numbers).then(|| parts[2]);
        let is_right = header_bytes <= bytes && bytes <= MESSAGE_BYTES_MAX && parts.len() >= 3;
        is_right.then_some(Frame { subject: parts[0], reply, header_bytes, bytes })
    }

    fn message(&self, mut bytes: Vec<u8>) -> Message {
        let payload = bytes.split_off(self.header_bytes);
        let header = String::from_utf8_lossy(&bytes);
        // `NATS/1.0 503`, and perhaps words.
        let (first, headers) = header.split_once("\r\n").unwrap_or((&header, ""));
        let digits = first.strip_prefix("NATS/1.0 ").and_then(|rest| rest.get(..3));
        Message {
            subject: self.subject.to_owned(),
            reply: self.reply.map(str::to_owned),
            status: digits.and_then(|digits| digits.parse().ok()),
            headers: headers.to_owned(),
            payload,
        }
    }
}

/// A line, read byte by byte.
fn unbuffered_line(mut stream: &std::net::TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(has_header: bool, line: &str, bytes: &[u8]) -> Option<Message> {
        Some(Frame::parse(has_header, line)?.message(bytes.to_vec()))
    }

    #[test]
    fn messages_are_read_with_and_without_header_and_reply() {
        let message = |reply: Option<&str>, status, headers: &str, payload: &[u8]| {
            let (subject, reply) = ("a.1".to_owned(), reply.map(str::to_owned));
            let (headers, payload) = (headers.to_owned(), payload.to_vec());
            Some(Message { subject, reply, status, headers, payload })
        };
        assert_eq!(read(false, "a.1 1 3", b"xyz"), message(None, None, "", b"xyz"));
        assert_eq!(read(false, "a.1 1 re.1 3", b"xyz"), message(Some("re.1"), None, "", b"xyz"));
        let header = b"NATS/1.0 503\r\n\r\n";
        assert_eq!(read(true, "a.1 1 16 16", header), message(None, Some(503), "\r\n", b""));
        let with_payload = b"NATS/1.0\r\nA: b\r\n\r\nxyz";
        let read_whole = read(true, "a.1 1 re 18 21", with_payload).unwrap();
        assert_eq!(read_whole.header("a"), Some("b"));
        assert_eq!(read_whole.header("b"), None);
        assert_eq!(Some(read_whole), message(Some("re"), None, "A: b\r\n\r\n", b"xyz"));
        for wrong in ["", "a.1", "a.1 1", "a.1 1 x", "a.1 1 4294967296000"] {
            assert_eq!(read(false, wrong, b""), None, "{wrong}");
        }
        assert_eq!(read(true, "a.1 1 9 3", b"xyz"), None);
    }
}
