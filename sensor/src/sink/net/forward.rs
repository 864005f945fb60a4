//! The forward protocol, version 1: MessagePack with acknowledgement, as Fluentd and Fluent Bit
//! take it.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Record;
use super::deliver::{Answer, Peer};
use crate::digest::hasher::sha512_hex;
use crate::event::{Event, Field, Value};
use crate::net::connection::{Address, Connection};
use crate::net::secret::{AuthSettings, Secret};
use crate::net::tls::TlsSettings;
use crate::net::{PeerError, random_bytes};
use crate::sink::encode;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Appends the entry of an event: its time, to the nanosecond, and its fields.
pub(super) fn entry(event: &Event, out: &mut Vec<u8>) {
    let ns = match event.get(Field::TIMESTAMP) {
        Value::Time(ns) => *ns,
        _ => 0,
    };
    // An array of two; EventTime is extension type 0 with eight bytes.
    out.extend_from_slice(&[0x92, 0xd7, 0x00]);
    out.extend_from_slice(&((ns / NS_PER_SECOND) as u32).to_be_bytes());
    out.extend_from_slice(&((ns % NS_PER_SECOND) as u32).to_be_bytes());
    encode::msgpack(event, out);
}

/// Sends events in PackedForward mode, and counts them as delivered once the receiver has
/// acknowledged their chunk.
#[derive(Debug)]
pub(super) struct ForwardPeer {
    address: Address,
    tag: String,
    login: Option<Login>,
    connection: Option<Connection>,
}

/// What proves to a receiver that it may trust this host.
#[derive(Debug)]
struct Login {
    shared_key: Secret,
    user: String,
    password: Option<Secret>,
}

/// `["HELO", options]`.
#[derive(Deserialize)]
struct Helo(String, HeloOptions);

#[derive(Deserialize)]
struct HeloOptions {
    #[serde(deserialize_with = "text_or_bytes", default)]
    nonce: Vec<u8>,
    /// Salt for the password; empty when no user is asked for.
    #[serde(deserialize_with = "text_or_bytes", default)]
    auth: Vec<u8>,
}

/// `["PONG", granted, reason, …]`.
#[derive(Deserialize)]
struct Pong(IgnoredAny, bool, String, IgnoredAny, IgnoredAny);

#[derive(Deserialize)]
struct Ack {
    ack: String,
}

/// Implementations differ in which of the two MessagePack types they use.
fn text_or_bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct Either;

    impl serde::de::Visitor<'_> for Either {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or bytes")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
            Ok(text.as_bytes().to_vec())
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    deserializer.deserialize_any(Either)
}

impl ForwardPeer {
    pub(super) fn new(
        address: &str,
        tag: &str,
        auth: &AuthSettings,
        tls: Option<&TlsSettings>,
    ) -> Result<ForwardPeer, PeerError> {
        let login = match &auth.key_file {
            None => None,
            Some(path) => Some(Login {
                shared_key: Secret::read(path)?,
                user: auth.user.clone().unwrap_or_default(),
                password: auth.password_file.as_deref().map(Secret::read).transpose()?,
            }),
        };
        let address = Address::new(address, tls)?;
        Ok(ForwardPeer { address, tag: tag.to_owned(), login, connection: None })
    }

    fn connect(&self) -> io::Result<Connection> {
        let mut connection = self.address.connect()?;
        if let Some(login) = &self.login {
            login.shake_hands(&mut connection)?;
        }
        tracing::info!("connected to {}", self.address.as_str());
        Ok(connection)
    }

    /// One chunk with its entries.
    fn message(&self, chunk: &str, records: &[Record<'_>]) -> Vec<u8> {
        let length: usize = records.iter().map(|record| record.body.len()).sum();
        let mut out = Vec::with_capacity(length + 256);
        out.push(0x93);
        text(&self.tag, &mut out);
        out.push(0xc6);
        out.extend_from_slice(&(length as u32).to_be_bytes());
        for record in records {
            out.extend_from_slice(record.body);
        }
        out.push(0x82);
        text("size", &mut out);
        out.push(0xce);
        out.extend_from_slice(&(records.len() as u32).to_be_bytes());
        text("chunk", &mut out);
        text(chunk, &mut out);
        out
    }
}

impl Peer for ForwardPeer {
    fn send(&mut self, records: &[Record<'_>]) -> io::Result<Answer> {
        let open = self.connection.take().and_then(|mut it| (!it.is_closed()).then_some(it));
        let mut connection = match open {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let chunk = STANDARD.encode(random_bytes());
        connection.write_all(&self.message(&chunk, records))?;
        connection.flush()?;
        let answer: Ack = read(&mut connection)?;
        if answer.ack != chunk {
            return Err(io::Error::other("the receiver acknowledged another chunk"));
        }
        self.connection = Some(connection);
        Ok(Answer::default())
    }
}

impl Login {
    fn shake_hands(&self, connection: &mut Connection) -> io::Result<()> {
        let Helo(greeting, options) = read(connection)?;
        if greeting != "HELO" {
            return Err(io::Error::other("the receiver does not ask for a shared key"));
        }
        let host = crate::host::hostname();
        let salt = STANDARD.encode(random_bytes());
        let key = self.shared_key.expose().as_bytes();
        let digest = sha512_hex(&[salt.as_bytes(), host.as_bytes(), &options.nonce, key]);
        let password = match (&self.password, options.auth.is_empty()) {
            (Some(password), false) => {
                let password = password.expose().as_bytes();
                sha512_hex(&[&options.auth, self.user.as_bytes(), password])
            }
            _ => String::new(),
        };
        let mut out = vec![0x96];
        for it in ["PING", &host, &salt, &digest, &self.user, &password] {
            text(it, &mut out);
        }
        connection.write_all(&out)?;
        connection.flush()?;
        let Pong(_, is_granted, reason, ..) = read(connection)?;
        match is_granted {
            true => Ok(()),
            false => Err(io::Error::other(format!("the receiver refused this host: {reason}"))),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(connection: &mut Connection) -> io::Result<T> {
    use rmp_serde::decode::Error;
    rmp_serde::from_read(connection).map_err(|error| match error {
        Error::InvalidMarkerRead(error) | Error::InvalidDataRead(error) => error,
        other => io::Error::other(format!("the receiver speaks another protocol: {other}")),
    })
}

fn text(text: &str, out: &mut Vec<u8>) {
    match text.len() {
        length @ 0..32 => out.push(0xa0 | length as u8),
        length @ 32..256 => out.extend_from_slice(&[0xd9, length as u8]),
        length => {
            out.push(0xdb);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_the_protocol_says() {
        let mut event = Event::default();
        event.set(Field::TIMESTAMP, Value::Time(1_772_366_400_000_000_001));
        event.set_number(Field::PROCESS_PID, 7u64);
        let mut body = Vec::new();
        entry(&event, &mut body);
        let peer =
            ForwardPeer::new("localhost:1", "ocellus.events", &AuthSettings::default(), None)
                .unwrap();
        let record = Record { id: "", body: &body };
        let message = peer.message("abc", &[record, record]);
        let (tag, entries, options): (String, serde_bytes::ByteBuf, serde_json::Value) =
            rmp_serde::from_slice(&message).unwrap();
        assert_eq!(tag, "ocellus.events");
        assert_eq!(options, serde_json::json!({ "size": 2, "chunk": "abc" }));
        assert_eq!(entries[..3], [0x92, 0xd7, 0]);
        assert_eq!(entries[3..11], [0x69, 0xa4, 0x2a, 0x40, 0, 0, 0, 1]);
        assert_eq!(entries.len(), 2 * body.len());
        let fields: serde_json::Value = rmp_serde::from_slice(&body[11..]).unwrap();
        assert_eq!(fields["process"]["pid"], 7);
    }

    #[test]
    fn long_texts_have_long_headers() {
        for length in [0, 31, 32, 255, 256, 70_000] {
            let expected = "x".repeat(length);
            let mut out = Vec::new();
            text(&expected, &mut out);
            assert_eq!(rmp_serde::from_slice::<String>(&out).unwrap(), expected);
        }
        assert_ne!(random_bytes(), random_bytes());
    }
}
