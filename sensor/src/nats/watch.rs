//! The last message of each subject of a stream, and those that come after it.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::client::{Client, NatsError};
use super::wire::Message;

/// How often the server says that it is there, when there is nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After so long without a word the connection is worth nothing.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The shortest time that can be waited for.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// A status that is no message: the server is there, or asks us to say that we are.
const STATUS_IDLE: u16 = 100;

/// A consumer that JetStream made for us, and forgets when the connection ends. It sends each
/// message once; one that is missed is found by its number, and the watch ends with an error.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The consumer's name, which is part of where answers to its messages would go.
    consumer: String,
    /// Where its heartbeats come to.
    subject: String,
    /// Messages that it has sent.
    sent: u64,
    /// Messages that are still to come before all is known that was there at the start.
    pending: u64,
    heard: Instant,
}

impl Watch {
    /// Watches the subjects of a stream that match a filter.
    pub(crate) fn start(
        client: &mut Client,
        stream: &str,
        filter: &str,
        what: &str,
    ) -> Result<Watch, NatsError> {
        #[derive(Deserialize)]
        struct Created {
            name: String,
            #[serde(default)]
            num_pending: u64,
        }
        let subject = client.subscribe()?;
        let question = json!({
            "stream_name": stream,
            "config": {
                "deliver_subject": subject,
                "deliver_policy": "last_per_subject",
                "ack_policy": "none",
                "replay_policy": "instant",
                "filter_subject": filter,
                "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        let created: Created = client.ask(&format!("CONSUMER.CREATE.{stream}"), &question, what)?;
        let Created { name: consumer, num_pending: pending } = created;
        Ok(Watch { consumer, subject, sent: 0, pending, heard: Instant::now() })
    }

    /// All that was there at the start has come.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.pending == 0
    }

    /// The next message, if one comes in time.
    pub(crate) fn next(
        &mut self,
        client: &mut Client,
        at_most: Duration,
    ) -> Result<Option<Message>, NatsError> {
        let until = Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = match client.aside.pop_front() {
                Some(message) => Some(message),
                None if client.wire.wait(left.max(WAIT_MIN))? => client.wire.word()?,
                None if self.heard.elapsed() >= SILENCE_MAX => return Err(NatsError::Silent),
                None => return Ok(None),
            };
            let Some(message) = message else { continue };
            if message.status == Some(STATUS_IDLE) && message.subject == self.subject {
                self.beat(&message)?;
            } else if let Some(place) = message.reply.as_deref().and_then(Place::parse)
                && place.consumer == self.consumer
            {
                self.arrived(&place)?;
                return Ok(Some(message));
            }
        }
    }

    /// All that is there now.
    pub(crate) fn rest(mut self, client: &mut Client) -> Result<Vec<Message>, NatsError> {
        let mut messages = Vec::new();
        while !self.is_caught_up() {
            messages.extend(self.next(client, HEARTBEAT)?);
        }
        Ok(messages)
    }

    fn arrived(&mut self, place: &Place<'_>) -> Result<(), NatsError> {
        self.heard = Instant::now();
        self.sent += 1;
        self.pending = place.pending;
        if place.number == self.sent { Ok(()) } else { Err(NatsError::Gap) }
    }

    /// The consumer is there, and says how much it has sent.
    fn beat(&mut self, message: &Message) -> Result<(), NatsError> {
        self.heard = Instant::now();
        let sent = message.header("Nats-Last-Consumer").and_then(|text| text.parse::<u64>().ok());
        if sent.is_some_and(|sent| sent != self.sent) { Err(NatsError::Gap) } else { Ok(()) }
    }
}

/// Which message of a consumer one is, by where an answer to it would go:
/// `$JS.ACK.STREAM.CONSUMER.TIMES.SEQUENCE.NUMBER.TIME.PENDING`, and with domain and account before
/// the stream where the server knows them.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    consumer: &'a str,
    number: u64,
    pending: u64,
}

impl<'a> Place<'a> {
    fn parse(reply: &'a str) -> Option<Place<'a>> {
        let words: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let first = match words.len() {
            7 => 0,
            9.. => 2,
            _ => return None,
        };
        let number = |at: usize| words.get(first + at)?.parse().ok();
        Some(Place { consumer: words[first + 1], number: number(4)?, pending: number(6)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_both_forms() {
        let place = Some(Place { consumer: "c", number: 4, pending: 0 });
        assert_eq!(Place::parse("$JS.ACK.s.c.1.3.4.1700000000.0"), place);
        assert_eq!(Place::parse("$JS.ACK.hub.acc.s.c.1.3.4.1700000000.0"), place);
        assert_eq!(Place::parse("$JS.ACK.hub.acc.s.c.1.3.4.1700000000.0.x"), place);
        for wrong in ["", "_INBOX.1", "$JS.ACK.s.c.1.3.4", "$JS.ACK.s.c.1.3.x.4.5"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
