//! An output to a JetStream stream of NATS: publishes with a reply subject and a message id, and
//! reads the acknowledgements.

use std::collections::HashMap;
use std::io;

use serde::Deserialize;

use super::Record;
use super::deliver::{Answer, Peer};
use crate::nats::wire::{self, Message, Wire};
use crate::nats::{JetStreamError, Servers};
use crate::net::{AuthSettings, PeerError, TlsSettings, hex, random_bytes};
use crate::sink::tally::cause;

/// How long a stream that we create knows the ids of its messages. What is sent again after an
/// outage is older than that only if the sensor did not learn that it had arrived.
const DUPLICATE_WINDOW_NS: u64 = 600_000_000_000;

/// Publishes events, each under `event.id`, and counts them as delivered once the stream has
/// acknowledged them.
#[derive(Debug)]
pub(super) struct NatsPeer {
    servers: Servers,
    subject: String,
    create_stream: Option<String>,
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
    error: Option<JetStreamError>,
}

impl NatsPeer {
    pub(super) fn new(
        settings: &NatsSettings,
        name: &str,
        auth: &AuthSettings,
        tls: Option<&TlsSettings>,
    ) -> Result<NatsPeer, PeerError> {
        let NatsSettings { url, subject, create_stream } = settings;
        Ok(NatsPeer {
            servers: Servers::new(url, name, auth, tls)?,
            subject: subject.clone(),
            create_stream: create_stream.clone(),
            connected: None,
        })
    }

    fn connect(&self) -> io::Result<Connected> {
        let wire = self.servers.connect()?;
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
