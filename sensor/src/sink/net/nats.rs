//! An output to a JetStream stream of NATS: publishes with a reply subject and a message id, and
//! reads the acknowledgements.

use std::collections::HashMap;
use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::Record;
use super::deliver::{Answer, Peer};
use crate::nats::client::{self, Client, NatsError};
use crate::nats::{Servers, wire};
use crate::net::{AuthSettings, PeerError, TlsSettings};
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
    client: Option<Client>,
}

/// The stream's word about a message.
#[derive(Debug, Deserialize)]
struct Acknowledged {
    #[serde(default)]
    duplicate: bool,
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
            client: None,
        })
    }

    fn connect(&self) -> Result<Client, NatsError> {
        let mut client = Client::connect(&self.servers)?;
        if let Some(stream) = &self.create_stream {
            self.create_stream(&mut client, stream)?;
        }
        Ok(client)
    }

    /// Creates the stream unless there is one of this name; with other settings, it is the
    /// operator's.
    fn create_stream(&self, client: &mut Client, name: &str) -> Result<(), NatsError> {
        let config = serde_json::json!({
            "name": name,
            "subjects": [self.subject],
            "storage": "file",
            "retention": "limits",
            "duplicate_window": DUPLICATE_WINDOW_NS,
        });
        let what = format!("cannot create the stream {name}");
        match client.ask::<Value>(&format!("STREAM.CREATE.{name}"), &config, &what) {
            Err(error) if !error.is_name_in_use() => Err(error),
            _ => Ok(()),
        }
    }

    /// Publishes all records and waits for a word about each.
    fn publish(&self, client: &mut Client, records: &[Record<'_>]) -> Result<Answer, NatsError> {
        let mut answer = Answer::default();
        let mut waiting = HashMap::with_capacity(records.len());
        let max = client.wire.payload_bytes_max;
        for (index, record) in records.iter().enumerate() {
            if record.body.len() + wire::HEADER_BYTES_MAX > max {
                *answer.refused.entry(cause::TOO_LARGE.to_owned()).or_default() += 1;
                answer.reason = Some(format!("the server's max_payload is {max}"));
                continue;
            }
            let (number, reply) = client.reply_to();
            waiting.insert(number, index);
            let id = Some(("Nats-Msg-Id", record.id));
            client.wire.publish(&self.subject, &reply, id, record.body)?;
        }
        client.wire.flush()?;
        let subject = &self.subject;
        let what = format!("the subject {subject}, a stream takes it if one is created for it");
        while !waiting.is_empty() {
            let message = client.wire.message()?;
            let number = client.number_of(&message);
            let Some(index) = number.and_then(|number| waiting.remove(&number)) else { continue };
            match client::answer::<Acknowledged>(&message, &what) {
                Ok(acknowledged) => answer.repeated += u64::from(acknowledged.duplicate),
                Err(NatsError::Refused { description, .. }) => {
                    // A stream that is full, or has no leader just now.
                    answer.again.push(index);
                    answer.reason = Some(description);
                }
                Err(error) => return Err(error),
            }
        }
        answer.again.sort_unstable();
        Ok(answer)
    }
}

impl Peer for NatsPeer {
    fn send(&mut self, records: &[Record<'_>]) -> io::Result<Answer> {
        // After an error the connection is made anew, and replies of the old one come to nobody.
        let open = self.client.take().and_then(|mut it| (!it.wire.is_closed()).then_some(it));
        let mut client = match open {
            Some(client) => client,
            None => self.connect()?,
        };
        let answer = self.publish(&mut client, records)?;
        self.client = Some(client);
        Ok(answer)
    }

    /// Answers the server's pings, and notices when it has gone.
    fn idle(&mut self) {
        if let Some(client) = &mut self.client
            && client.wire.ping().is_err()
        {
            self.client = None;
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
