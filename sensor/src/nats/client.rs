//! Questions and answers, and JetStream's words.

use std::collections::VecDeque;
use std::io;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Servers;
use super::wire::{Message, Wire};
use crate::digest::hex;
use crate::net::random_bytes;

/// There is no stream of this name.
const STREAM_NOT_FOUND: u64 = 10_059;
/// There is no such message in the stream.
const MESSAGE_NOT_FOUND: u64 = 10_037;
/// The name is in use, with other settings.
const NAME_IN_USE: u64 = 10_058;

/// Why a server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("nobody answers for {what}: is JetStream on, and is there one?")]
    Nobody { what: String },
    #[error("{what}: {description}")]
    Refused { what: String, code: u64, description: String },
    #[error("an answer that is none for {what}: {source}")]
    Strange { what: String, source: serde_json::Error },
    #[error("the server has been silent for too long")]
    Silent,
    #[error("the server left messages out")]
    Gap,
}

impl From<NatsError> for io::Error {
    fn from(error: NatsError) -> io::Error {
        match error {
            NatsError::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

impl NatsError {
    pub(super) fn is_missing_stream(&self) -> bool {
        matches!(self, NatsError::Refused { code: STREAM_NOT_FOUND, .. })
    }

    pub(super) fn is_missing_message(&self) -> bool {
        matches!(self, NatsError::Refused { code: MESSAGE_NOT_FOUND, .. })
    }

    /// Somebody made a stream of this name before, in his own way.
    pub(crate) fn is_name_in_use(&self) -> bool {
        matches!(self, NatsError::Refused { code: NAME_IN_USE, .. })
    }
}

/// What JetStream says when it refuses.
#[derive(Debug, Deserialize)]
pub(crate) struct JetStreamError {
    #[serde(default)]
    pub err_code: u64,
    #[serde(default)]
    pub description: String,
}

/// A connection on which questions are asked.
#[derive(Debug)]
pub(crate) struct Client {
    pub wire: Wire,
    /// Replies come to `INBOX.NUMBER`.
    inbox: String,
    /// Number of the next reply or subscription.
    next: u64,
    /// What came for others while an answer was waited for.
    pub(super) aside: VecDeque<Message>,
}

impl Client {
    pub(crate) fn connect(servers: &Servers) -> Result<Client, NatsError> {
        let mut wire = servers.connect()?;
        let inbox = format!("_INBOX.{}", hex(&random_bytes()));
        wire.subscribe(&format!("{inbox}.*"), 0)?;
        Ok(Client { wire, inbox, next: 1, aside: VecDeque::new() })
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Where the next reply is to go, and its number.
    pub(crate) fn reply_to(&mut self) -> (u64, String) {
        let number = self.number();
        (number, format!("{}.{number}", self.inbox))
    }

    /// A subject to which others send than those who answer. JetStream wants a subscription to
    /// the very subject, not to one that covers it.
    pub(super) fn subscribe(&mut self) -> io::Result<String> {
        let number = self.number();
        let subject = format!("{}.watch.{number}", self.inbox);
        self.wire.subscribe(&subject, number)?;
        Ok(subject)
    }

    /// The number of the reply that a message is; None for other messages.
    pub(crate) fn number_of(&self, message: &Message) -> Option<u64> {
        let rest = message.subject.strip_prefix(&*self.inbox)?.strip_prefix('.')?;
        rest.parse().ok()
    }

    /// Publishes a message and waits for the answer, which is JSON.
    pub(crate) fn request<T: DeserializeOwned>(
        &mut self,
        subject: &str,
        header: Option<(&str, &str)>,
        payload: &[u8],
        what: &str,
    ) -> Result<T, NatsError> {
        let (number, reply) = self.reply_to();
        self.wire.publish(subject, &reply, header, payload)?;
        self.wire.flush()?;
        loop {
            let message = self.wire.message()?;
            if self.number_of(&message) == Some(number) {
                return answer(&message, what);
            }
            self.set_aside(message)?;
        }
    }

    /// Asks JetStream.
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        subject: &str,
        question: &Value,
        what: &str,
    ) -> Result<T, NatsError> {
        let question = match question {
            Value::Null => Vec::new(),
            question => question.to_string().into_bytes(),
        };
        self.request(&format!("$JS.API.{subject}"), None, &question, what)
    }

    fn set_aside(&mut self, message: Message) -> Result<(), NatsError> {
        /// More than there are objects in a bucket of rules, heartbeats among them.
        const ASIDE_MAX: usize = 4_096;
        if self.aside.len() >= ASIDE_MAX {
            return Err(NatsError::Gap);
        }
        self.aside.push_back(message);
        Ok(())
    }
}

/// What an answer says.
pub(crate) fn answer<T: DeserializeOwned>(message: &Message, what: &str) -> Result<T, NatsError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<JetStreamError>,
    }
    if message.status == Some(503) {
        return Err(NatsError::Nobody { what: what.to_owned() });
    }
    let strange = |source| NatsError::Strange { what: what.to_owned(), source };
    let refusal: Refusal = serde_json::from_slice(&message.payload).map_err(strange)?;
    match refusal.error {
        Some(JetStreamError { err_code: code, description }) => {
            Err(NatsError::Refused { what: what.to_owned(), code, description })
        }
        None => serde_json::from_slice(&message.payload).map_err(strange),
    }
}
