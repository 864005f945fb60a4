//! A JetStream stream of NATS.
//!
//! What is needed of the protocol is small: publish with a reply subject and a message id, read the
//! acknowledgements. [`wire`] reads and writes it, [`login`] says who we are.

mod login;
mod wire;

use std::collections::HashMap;
use std::io;

use serde::Deserialize;

use super::connection::Address;
use super::deliver::{Answer, Peer};
use super::secret::AuthSettings;
use super::tls::TlsSettings;
use super::{PeerError, Record, random_bytes};
use crate::sink::tally::cause;
use login::Login;
use wire::{Message, Wire};

/// The port of NATS, where an address has none.
const PORT: u16 = 4222;
/// How long a stream that we create knows the ids of its messages. What is sent again after an
/// outage is older than that only if the sensor did not learn that it had arrived.
const DUPLICATE_WINDOW_NS: u64 = 600_000_000_000;

/// Publishes events, each under `event.id`, and counts them as delivered once the stream has
/// acknowledged them.
#[derive(Debug)]
pub(super) struct NatsPeer {
    /// Tried in turn.
    servers: Vec<Address>,
    login: Login,
    /// Only over TLS.
    is_secured: bool,
    subject: String,
    create_stream: Option<String>,
    name: String,
    connected: Option<Connected>,
}

#[derive(Debug)]
struct Connected {
    wire: Wire,
    /// Replies come to `INBOX.NUMBER`.
    inbox: String,
    /// Number of the next reply.
    next: u64,
}

/// The stream's word about a message, or about itself.
#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    duplicate: bool,
    error: Option<ReplyError>,
}

#[derive(Debug, Deserialize)]
struct ReplyError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl NatsPeer {
    pub(super) fn new(
        settings: &NatsSettings,
        name: &str,
        auth: &AuthSettings,
        tls: Option<&TlsSettings>,
    ) -> Result<NatsPeer, PeerError> {
        let NatsSettings { url, subject, create_stream } = settings;
        let default_tls = TlsSettings::default();
        let tls = match url.split(',').any(|url| url.trim().starts_with("tls://")) {
            true => Some(tls.unwrap_or(&default_tls)),
            false => tls,
        };
        let servers = url.split(',').map(|url| Ok(Address::new(&host_and_port(url)?, tls)?));
        Ok(NatsPeer {
            servers: servers.collect::<Result<_, PeerError>>()?,
            login: Login::read(auth)?,
            is_secured: tls.is_some(),
            subject: subject.clone(),
            create_stream: create_stream.clone(),
            name: format!("ocellus {name}"),
            connected: None,
        })
    }

    /// Connects to the first server that lets us in.
    fn connect(&self) -> io::Result<Connected> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for server in &self.servers {
            match self.connect_to(server) {
                Ok(connected) => {
                    tracing::info!("connected to {}", server.as_str());
                    return Ok(connected);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect_to(&self, server: &Address) -> io::Result<Connected> {
        let wire = Wire::connect(server, self.is_secured, &self.login, &self.name)?;
        let inbox = format!("_INBOX.{}", hex(&random_bytes()));
        let mut connected = Connected { wire, inbox, next: 0 };
        connected.wire.subscribe(&format!("{}.*", connected.inbox))?;
        if let Some(stream) = &self.create_stream {
            connected.create_stream(stream, &self.subject)?;
        }
        Ok(connected)
    }
}

impl Connected {
    fn reply_subject(&mut self) -> String {
        self.next += 1;
        format!("{}.{}", self.inbox, self.next - 1)
    }

    /// Creates the stream unless there is one of this name.
    fn create_stream(&mut self, name: &str, subject: &str) -> io::Result<()> {
        /// The name is in use, with other settings: that is the operator's stream.
        const NAME_IN_USE: u64 = 10_058;
        let config = serde_json::json!({
            "name": name,
            "subjects": [subject],
            "storage": "file",
            "retention": "limits",
            "duplicate_window": DUPLICATE_WINDOW_NS,
        });
        let reply = self.reply_subject();
        let subject = format!("$JS.API.STREAM.CREATE.{name}");
        self.wire.publish(&subject, &reply, None, config.to_string().as_bytes())?;
        self.wire.flush()?;
        match self.reply(&format!("the stream {name}"))? {
            (_, Reply { error: Some(error), .. }) if error.err_code != NAME_IN_USE => {
                let what = error.description;
                Err(io::Error::other(format!("cannot create the stream {name}: {what}")))
            }
            _ => Ok(()),
        }
    }

    /// The next reply, with the number of its subject.
    fn reply(&mut self, what: &str) -> io::Result<(u64, Reply)> {
        loop {
            let Message { subject, status, payload } = self.wire.message()?;
            let rest = subject.strip_prefix(&self.inbox).and_then(|rest| rest.strip_prefix('.'));
            let Some(number) = rest.and_then(|rest| rest.parse().ok()) else { continue };
            if status == Some(503) {
                let what = format!("nobody answers for {what}: is JetStream on, and is there one?");
                return Err(io::Error::other(what));
            }
            let reply = serde_json::from_slice(&payload).map_err(|error| {
                io::Error::other(format!("an answer that is none for {what}: {error}"))
            })?;
            return Ok((number, reply));
        }
    }

    /// Publishes all records and waits for a word about each.
    fn publish(&mut self, subject: &str, records: &[Record<'_>]) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let mut waiting = HashMap::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            if record.body.len() + wire::HEADER_BYTES_MAX > self.wire.payload_bytes_max {
                *answer.refused.entry(cause::TOO_LARGE.to_owned()).or_default() += 1;
                let max = self.wire.payload_bytes_max;
                answer.reason = Some(format!("the server's max_payload is {max}"));
                continue;
            }
            waiting.insert(self.next, index);
            let reply = self.reply_subject();
            self.wire.publish(subject, &reply, Some(record.id), record.body)?;
        }
        self.wire.flush()?;
        let what = format!("the subject {subject}, a stream takes it if one is created for it");
        while !waiting.is_empty() {
            let (number, reply) = self.reply(&what)?;
            let Some(index) = waiting.remove(&number) else { continue };
            answer.repeated += u64::from(reply.duplicate);
            if let Some(error) = reply.error {
                // A stream that is full, or has no leader just now.
                answer.again.push(index);
                answer.reason = Some(error.description);
            }
        }
        answer.again.sort_unstable();
        Ok(answer)
    }
}

impl Peer for NatsPeer {
    fn send(&mut self, records: &[Record<'_>]) -> io::Result<Answer> {
        // After an error the connection is made anew, and replies of the old one come to nobody.
        let open = self.connected.take().and_then(|mut it| (!it.wire.is_closed()).then_some(it));
        let mut connected = match open {
            Some(connected) => connected,
            None => self.connect()?,
        };
        let answer = connected.publish(&self.subject, records)?;
        self.connected = Some(connected);
        Ok(answer)
    }

    /// Answers the server's pings, and notices when it has gone.
    fn idle(&mut self) {
        if let Some(connected) = &mut self.connected
            && connected.wire.ping().is_err()
        {
            self.connected = None;
        }
    }
}

/// What a NATS output is told beside who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSettings {
    /// Servers, separated by commas.
    pub url: String,
    pub subject: String,
    /// The stream to create, if there is none of this name.
    pub create_stream: Option<String>,
}

/// `host:port` of `nats://host:port`.
fn host_and_port(url: &str) -> Result<String, PeerError> {
    let url = url.trim();
    let wrong = |what: &str| PeerError::Address { url: url.to_owned(), what: what.to_owned() };
    let rest = match url.split_once("://") {
        Some(("nats" | "tls", rest)) => rest,
        Some(_) => return Err(wrong("it begins with neither nats:// nor tls://")),
        None => url,
    };
    let rest = rest.trim_end_matches('/');
    if rest.contains('@') {
        return Err(wrong("put user and password into `auth`, where they are not shown"));
    }
    let host_end = rest.rfind(']').map_or(0, |at| at + 1);
    match rest[host_end..].rsplit_once(':') {
        _ if rest.is_empty() || rest.contains('/') => Err(wrong("it is not nats://host:port")),
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(rest.to_owned()),
        Some(_) => Err(wrong("the port is no number")),
        None => Ok(format!("{rest}:{PORT}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_default_port() {
        for (url, expected) in [
            ("nats://n.example.org:4223", "n.example.org:4223"),
            (" tls://n.example.org/", "n.example.org:4222"),
            ("n:1", "n:1"),
            ("nats://[::1]", "[::1]:4222"),
            ("nats://[::1]:7", "[::1]:7"),
        ] {
            assert_eq!(host_and_port(url).unwrap(), expected);
        }
        for url in ["", "http://n", "nats://u:p@n", "nats://n:x", "nats://n/a"] {
            assert!(host_and_port(url).is_err(), "{url}");
        }
    }
}
