//! A real nats-server with JetStream, which a test may kill and start again, and a client of our
//! own that reads what its stream holds.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::tls::{Authority, Stream};

/// The stream of the tests.
pub const STREAM: &str = "OCELLUS";

/// A server with a store in a directory.
#[derive(Debug)]
pub struct Nats {
    child: Option<Child>,
    config: PathBuf,
    port: u16,
    access: Access,
}

/// How the tests' client gets in.
#[derive(Debug, Default)]
pub struct Access {
    /// The server speaks TLS.
    pub authority: Option<Authority>,
    pub user: Option<(String, String)>,
    /// A user's public key that the server knows too.
    pub nkey: Option<String>,
}

impl Nats {
    pub fn start(dir: &Path) -> Nats {
        Nats::with_access(dir, Access::default())
    }

    pub fn with_access(dir: &Path, access: Access) -> Nats {
        let port = super::free_port();
        let store = dir.join("jetstream");
        let mut text = format!("listen: 127.0.0.1:{port}\njetstream {{ store_dir: {store:?} }}\n");
        if let Some(Authority { cert, key, .. }) = &access.authority {
            text.push_str(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}\n"));
        }
        let user = access.user.as_ref();
        let user =
            user.map(|(user, password)| format!("{{ user: {user:?}, password: {password:?} }}"));
        let nkey = access.nkey.as_ref().map(|nkey| format!("{{ nkey: {nkey} }}"));
        let users: Vec<String> = user.into_iter().chain(nkey).collect();
        if !users.is_empty() {
            text.push_str(&format!("authorization {{ users: [ {} ] }}\n", users.join(", ")));
        }
        let config = dir.join("nats.conf");
        std::fs::write(&config, text).expect("the directory is writable");
        let mut nats = Nats { child: None, config, port, access };
        nats.start_again();
        nats
    }

    pub fn url(&self) -> String {
        let scheme = if self.access.authority.is_some() { "tls" } else { "nats" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// Ends it as a power cut would, but for what the kernel has.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it is our child");
        }
    }

    pub fn start_again(&mut self) {
        let child = Command::new(super::installed("nats-server", "nats-server"))
            .arg("-c")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        self.child = Some(child);
        let port = self.port;
        super::wait_for("nats-server", || TcpStream::connect(("127.0.0.1", port)).ok());
    }

    /// All events in the stream, in its order; none when there is no stream yet.
    pub fn events(&self) -> Vec<Value> {
        self.events_from(&mut 1)
    }

    /// The events in the stream from this number on, which is then that of the next one to come.
    pub fn events_from(&self, next: &mut u64) -> Vec<Value> {
        let mut client = Client::connect(self.port, &self.access);
        let info = client.ask(&format!("$JS.API.STREAM.INFO.{STREAM}"), &json!({}));
        let (first, last) = (&info["state"]["first_seq"], &info["state"]["last_seq"]);
        let (Some(first), Some(last)) = (first.as_u64(), last.as_u64()) else { return Vec::new() };
        let mut events = Vec::new();
        for number in first.max(*next)..=last {
            let subject = format!("$JS.API.STREAM.MSG.GET.{STREAM}");
            let answer = client.ask(&subject, &json!({ "seq": number }));
            let decoded = |name: &str| {
                let text = answer["message"][name].as_str().expect("a message has it");
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text)
                    .expect("it is base64")
            };
            let event: Value = serde_json::from_slice(&decoded("data")).expect("it is an event");
            let header = String::from_utf8(decoded("hdrs")).expect("it is text");
            let id = event["event"]["id"].as_str().expect("each event has an id");
            assert_eq!(header, format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n"));
            events.push(event);
        }
        *next = last + 1;
        events
    }
}

/// What a bucket says of the digest of an object.
pub fn digest_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    format!(
        "SHA-256={}",
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE, digest)
    )
}

impl Nats {
    /// Publishes into a stream and waits for its acknowledgement.
    pub fn publish(&self, subject: &str, payload: &[u8]) {
        let mut client = Client::connect(self.port, &self.access);
        let answer = client.ask_bytes(subject, payload);
        assert!(answer["seq"].is_u64(), "{subject}: {answer}");
    }

    /// Puts an object into a bucket, in pieces of so many bytes, described as it is but for
    /// `instead`.
    pub fn put_object(
        &self,
        bucket: &str,
        name: &str,
        bytes: &[u8],
        piece: usize,
        instead: Option<Value>,
    ) {
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE, name);
        let nuid = format!("of{}", encoded.trim_end_matches('='));
        for piece in bytes.chunks(piece) {
            self.publish(&format!("$O.{bucket}.C.{nuid}"), piece);
        }
        let mut info = json!({
            "name": name,
            "bucket": bucket,
            "nuid": nuid,
            "size": bytes.len(),
            "mtime": "0001-01-01T00:00:00Z",
            "chunks": bytes.len().div_ceil(piece),
            "digest": digest_of(bytes),
        });
        for (key, value) in instead.as_ref().and_then(Value::as_object).into_iter().flatten() {
            info[key] = value.clone();
        }
        self.publish(&format!("$O.{bucket}.M.{encoded}"), info.to_string().as_bytes());
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// As much of a client as questions to JetStream need.
struct Client(BufReader<Box<dyn Stream>>);

impl Client {
    fn connect(port: u16, access: &Access) -> Client {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
        let mut byte = [0];
        while byte != *b"\n" {
            stream.read_exact(&mut byte).expect("the server speaks first");
        }
        let stream: Box<dyn Stream> = match &access.authority {
            Some(authority) => authority.connect(stream),
            None => Box::new(stream),
        };
        let mut options = json!({ "verbose": false, "headers": true, "no_responders": true });
        if let Some((user, password)) = &access.user {
            options["user"] = user.as_str().into();
            options["pass"] = password.as_str().into();
        }
        let mut client = Client(BufReader::new(stream));
        client.say(&format!("CONNECT {options}\r\nSUB answers 1\r\n"));
        client
    }

    fn say(&mut self, words: &str) {
        self.say_bytes(words.as_bytes());
    }

    fn say_bytes(&mut self, words: &[u8]) {
        let stream = self.0.get_mut();
        stream.write_all(words).expect("the server reads");
        stream.flush().expect("the server reads");
    }

    fn ask(&mut self, subject: &str, question: &Value) -> Value {
        self.ask_bytes(subject, question.to_string().as_bytes())
    }

    fn ask_bytes(&mut self, subject: &str, question: &[u8]) -> Value {
        let command = format!("PUB {subject} answers {}\r\n", question.len());
        self.say_bytes(&[command.as_bytes(), question, b"\r\n"].concat());
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("the server answers");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("PING") => self.say("PONG\r\n"),
                Some("MSG") => {
                    let length: usize = words.last().expect("it has").parse().expect("a number");
                    let mut bytes = vec![0; length + 2];
                    self.0.read_exact(&mut bytes).expect("the server answers");
                    return serde_json::from_slice(&bytes[..length]).expect("it is JSON");
                }
                Some("HMSG") | None => return Value::Null,
                Some("-ERR") => panic!("{line}"),
                Some(_) => {}
            }
        }
    }
}
