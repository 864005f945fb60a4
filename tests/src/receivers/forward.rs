//! A strict receiver of the forward protocol: what breaks its rules fails the test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ocellus::digest::hex;
use rustls::ServerConfig;
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use super::tls::{Stream, accepted};

/// What the receiver does.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Asks for this key.
    pub shared_key: Option<String>,
    pub tls: Option<Arc<ServerConfig>>,
    /// Takes every so many chunks without a word, and closes the connection.
    pub mute_every: Option<u64>,
}

/// A receiver with what it has taken.
#[derive(Debug)]
pub struct Forward {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    behaviour: Behaviour,
    events: Mutex<Vec<Value>>,
    chunks: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
    /// What was against the protocol.
    wrong: Mutex<Vec<String>>,
}

impl Forward {
    pub fn start(port: u16, behaviour: Behaviour) -> Forward {
        let listener = super::wait_for("free port", || TcpListener::bind(("127.0.0.1", port)).ok());
        listener.set_nonblocking(true).expect("it is ours");
        let shared = Arc::new(Shared { behaviour, ..Shared::default() });
        let server = shared.clone();
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            while !server.stop.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                stream.set_nonblocking(false).expect("it is ours");
                stream.set_read_timeout(Some(Duration::from_millis(100))).expect("it is ours");
                let shared = server.clone();
                connections.push(thread::spawn(move || {
                    let stream = accepted(stream, shared.behaviour.tls.as_ref());
                    shared.serve(Patient { stream, shared: &shared });
                }));
            }
            connections.into_iter().for_each(|it| it.join().expect("a connection does not panic"));
        });
        Forward { shared, thread: Some(thread) }
    }

    pub fn events(&self) -> Vec<Value> {
        self.shared.events.lock().expect("nobody panics with it").clone()
    }

    /// Chunks that were taken, and those of them that were acknowledged.
    pub fn chunks(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.shared.chunks), count(&self.shared.acknowledged))
    }

    /// Hosts that did not know the key.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Ends it. Panics with what was against the protocol.
    pub fn stop(mut self) -> Vec<Value> {
        self.end();
        let wrong = self.shared.wrong.lock().expect("nobody panics with it").clone();
        assert!(wrong.is_empty(), "against the protocol: {wrong:?}");
        self.events()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for bytes until the receiver is stopped.
struct Patient<'a> {
    stream: Box<dyn Stream>,
    shared: &'a Shared,
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        loop {
            match self.stream.read(bytes) {
                Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => {
                    if self.shared.stop.load(Ordering::Relaxed) {
                        return Err(error);
                    }
                }
                read => return read,
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Options {
    size: u64,
    chunk: String,
}

impl Shared {
    fn wrong(&self, what: impl Into<String>) {
        self.wrong.lock().expect("nobody panics with it").push(what.into());
    }

    fn serve(&self, mut stream: Patient<'_>) {
        if self.behaviour.shared_key.is_some() && !self.greet(&mut stream) {
            return;
        }
        // An end between two messages is none of the protocol's business.
        while let Ok(message) =
            rmp_serde::from_read::<_, (String, serde_bytes::ByteBuf, Options)>(&mut stream)
        {
            let (tag, entries, options) = message;
            if tag != "ocellus.events" {
                self.wrong(format!("tag {tag}"));
            }
            self.take(&entries, options.size);
            let chunks = self.chunks.fetch_add(1, Ordering::Relaxed) + 1;
            if self.behaviour.mute_every.is_some_and(|every| chunks.is_multiple_of(every)) {
                return;
            }
            let ack = rmp_serde::to_vec_named(&serde_json::json!({ "ack": options.chunk }));
            if stream.stream.write_all(&ack.expect("it is a map")).is_err() {
                return;
            }
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            if stream.stream.flush().is_err() {
                return;
            }
        }
    }

    fn take(&self, entries: &[u8], size: u64) {
        let mut rest = entries;
        let mut count = 0;
        while !rest.is_empty() {
            // An array of two, and an EventTime: extension type 0 of eight bytes.
            let Some((time, fields)) = rest.split_at_checked(11) else {
                return self.wrong("an entry is cut");
            };
            if time[..3] != [0x92, 0xd7, 0x00] {
                return self.wrong(format!("an entry begins with {:?}", &time[..3]));
            }
            rest = fields;
            match rmp_serde::from_read::<_, Value>(&mut rest) {
                Ok(event) => self.events.lock().expect("nobody panics with it").push(event),
                Err(error) => return self.wrong(format!("an entry's fields: {error}")),
            }
            count += 1;
        }
        if count != size {
            self.wrong(format!("{count} entries, and size says {size}"));
        }
    }

    /// The handshake of version 1.
    fn greet(&self, stream: &mut Patient<'_>) -> bool {
        let key = self.behaviour.shared_key.as_deref().unwrap_or_default();
        let options = serde_json::json!({ "nonce": "a nonce", "auth": "", "keepalive": true });
        let helo = rmp_serde::to_vec_named(&("HELO", options)).expect("it is an array");
        if stream.stream.write_all(&helo).and_then(|()| stream.stream.flush()).is_err() {
            return false;
        }
        type Ping = (String, String, String, String, String, String);
        let Ok(ping) = rmp_serde::from_read::<_, Ping>(&mut *stream) else { return false };
        let (word, host, salt, digest, _, _) = ping;
        if word != "PING" || host.is_empty() || salt.is_empty() {
            self.wrong(format!("{word} {host} {salt}"));
        }
        let sha512 = |text: String| hex(&Sha512::digest(text));
        let is_granted = digest == sha512(format!("{salt}{host}a nonce{key}"));
        let reason = if is_granted { "" } else { "shared_key mismatch" };
        let answer = sha512(format!("{salt}server{key}"));
        let pong = rmp_serde::to_vec(&("PONG", is_granted, reason, "server", answer));
        let sent = stream.stream.write_all(&pong.expect("it is an array"));
        self.refused.fetch_add(u64::from(!is_granted), Ordering::Relaxed);
        is_granted && sent.and_then(|()| stream.stream.flush()).is_ok()
    }
}
