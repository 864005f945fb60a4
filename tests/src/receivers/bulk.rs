//! A strict receiver of Elasticsearch's bulk requests into a data stream: what breaks the rules of
//! the interface, or does not fit the index template, fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::{Value, json};

use super::tls::{Stream, accepted};
use crate::program::field;

/// What the receiver does.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// The `Authorization` header that it asks for.
    pub authorization: Option<String>,
    pub tls: Option<Arc<ServerConfig>>,
    /// Is too busy for every so many documents, the first time that they come.
    pub busy_every: Option<usize>,
    /// Finds fault with the documents of these processes.
    pub refused: BTreeSet<String>,
    /// Answers every so many requests with status 503.
    pub unavailable_every: Option<u64>,
    /// Creates the documents of every so many requests, and closes the connection without a word.
    pub mute_every: Option<u64>,
    /// Takes no request with more bytes.
    pub request_bytes_max: Option<usize>,
}

/// A receiver with the documents that it has created.
#[derive(Debug)]
pub struct Bulk {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    behaviour: Behaviour,
    template: Value,
    state: Mutex<State>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    documents: BTreeMap<String, Value>,
    busy_with: BTreeSet<String>,
    requests: u64,
    conflicts: u64,
    busy: u64,
    /// Requests without the right authorization.
    strangers: u64,
    wrong: Vec<String>,
}

impl Bulk {
    pub fn start(port: u16, behaviour: Behaviour) -> Bulk {
        let listener = super::wait_for("free port", || TcpListener::bind(("127.0.0.1", port)).ok());
        listener.set_nonblocking(true).expect("it is ours");
        let template = include_str!("../../../docs/index-template.json");
        let template: Value = serde_json::from_str(template).expect("it is JSON");
        let template = template["template"]["mappings"]["properties"].clone();
        let (state, stop) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { behaviour, template, state, stop });
        let server = shared.clone();
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            while !server.stop.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                stream.set_nonblocking(false).expect("it is ours");
                let closing = stream.try_clone().expect("there are descriptors");
                let shared = server.clone();
                let ended = stream.try_clone().expect("there are descriptors");
                let serving = thread::spawn(move || {
                    let stream = accepted(stream, shared.behaviour.tls.as_ref());
                    shared.serve(BufReader::new(stream));
                    // The copy that is kept for the end would hold the connection open.
                    let _ = ended.shutdown(std::net::Shutdown::Both);
                });
                connections.push((closing, serving));
            }
            for (closing, serving) in connections {
                let _ = closing.shutdown(std::net::Shutdown::Both);
                serving.join().expect("a connection does not panic");
            }
        });
        Bulk { shared, thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("nobody panics with it")
    }

    pub fn documents(&self) -> Vec<Value> {
        self.state().documents.values().cloned().collect()
    }

    /// Documents that came again though they were there.
    pub fn conflicts(&self) -> u64 {
        self.state().conflicts
    }

    /// Documents that it was too busy for.
    pub fn busy(&self) -> u64 {
        self.state().busy
    }

    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    pub fn strangers(&self) -> u64 {
        self.state().strangers
    }

    /// Ends it. Panics with what was against the rules.
    pub fn stop(mut self) -> Vec<Value> {
        self.end();
        let wrong = self.state().wrong.clone();
        assert!(wrong.is_empty(), "against the rules: {wrong:?}");
        self.documents()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.end();
    }
}

struct Request {
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// The next request of a connection; none at its end.
fn read_request(stream: &mut BufReader<Box<dyn Stream>>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let target = line.strip_prefix("POST ")?.strip_suffix(" HTTP/1.1\r\n")?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Request { target, headers, body })
}

impl Shared {
    fn serve(&self, mut stream: BufReader<Box<dyn Stream>>) {
        while let Some(request) = read_request(&mut stream) {
            let Some((status, answer)) = self.answer(&request) else { return };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n",
                answer.len()
            );
            let stream = stream.get_mut();
            let sent = stream.write_all(head.as_bytes());
            let sent = sent.and_then(|()| stream.write_all(answer.as_bytes()));
            if sent.and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }

    /// Status and body; none closes the connection.
    fn answer(&self, request: &Request) -> Option<(u16, Value)> {
        let Behaviour { authorization, unavailable_every, mute_every, .. } = &self.behaviour;
        let mut state = self.state.lock().expect("nobody panics with it");
        state.requests += 1;
        let is_turn =
            |every: &Option<u64>| every.is_some_and(|it| state.requests.is_multiple_of(it));
        let (is_unavailable, is_mute) = (is_turn(unavailable_every), is_turn(mute_every));
        if request.headers.get("authorization") != authorization.as_ref() {
            state.strangers += 1;
            return Some((401, json!({ "error": { "type": "security_exception" } })));
        }
        if self.behaviour.request_bytes_max.is_some_and(|max| request.body.len() > max) {
            return Some((413, json!({})));
        }
        if is_unavailable {
            return Some((503, json!({ "error": "no master" })));
        }
        let path = request.target.split('?').next().unwrap_or_default();
        if path != "/logs-ocellus-default/_bulk" {
            state.wrong.push(format!("target {path}"));
        }
        let media = request.headers.get("content-type").map(String::as_str);
        if media != Some("application/x-ndjson") {
            state.wrong.push(format!("content type {media:?}"));
        }
        let items = match self.create_all(&mut state, &request.body) {
            Ok(items) => items,
            Err(what) => {
                state.wrong.push(what.clone());
                return Some((400, json!({ "error": { "type": what } })));
            }
        };
        let failed = |item: &Value| item["create"]["status"].as_u64() != Some(201);
        let errors = items.iter().any(failed);
        (!is_mute).then(|| (200, json!({ "errors": errors, "items": items })))
    }

    /// Actions and documents in turn, each on a line that ends.
    fn create_all(&self, state: &mut State, body: &[u8]) -> Result<Vec<Value>, String> {
        let body = body.strip_suffix(b"\n").ok_or("the body does not end in a line end")?;
        let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
        if !lines.len().is_multiple_of(2) {
            return Err("an action without a document".to_owned());
        }
        let parse = |line: &[u8]| {
            serde_json::from_slice::<Value>(line).map_err(|error| format!("no JSON: {error}"))
        };
        let mut items = Vec::new();
        for (index, pair) in lines.chunks(2).enumerate() {
            let (action, document) = (parse(pair[0])?, parse(pair[1])?);
            let id = action["create"]["_id"].as_str().unwrap_or_default().to_owned();
            if action != json!({ "create": { "_id": id } }) || id.is_empty() || id.len() > 512 {
                return Err(format!("an action that is no create with an id: {action}"));
            }
            if document["event"]["id"] != id.as_str() {
                return Err(format!("the id {id} is not the event's"));
            }
            if !document["@timestamp"].is_string() {
                return Err("a data stream needs @timestamp".to_owned());
            }
            self.check_mapping(state, "", &self.template, &document);
            items.push(self.create(state, index, id, document));
        }
        Ok(items)
    }

    fn create(&self, state: &mut State, index: usize, id: String, document: Value) -> Value {
        let failed = |status: u16, kind: &str| {
            let error = json!({ "type": kind, "reason": "a test" });
            json!({ "create": { "status": status, "error": error } })
        };
        let first = field(&document, "process.args").get(1).and_then(Value::as_str);
        if first.is_some_and(|first| self.behaviour.refused.contains(first)) {
            return failed(400, "document_parsing_exception");
        }
        let is_turn = self.behaviour.busy_every.is_some_and(|every| index.is_multiple_of(every));
        if is_turn && state.busy_with.insert(id.clone()) {
            state.busy += 1;
            return failed(429, "es_rejected_execution_exception");
        }
        if state.documents.contains_key(&id) {
            state.conflicts += 1;
            return failed(409, "version_conflict_engine_exception");
        }
        state.documents.insert(id, document);
        json!({ "create": { "status": 201 } })
    }

    /// Each field is in the template, and of its type.
    fn check_mapping(&self, state: &mut State, path: &str, mapping: &Value, value: &Value) {
        let Some(object) = value.as_object() else { return };
        for (name, value) in object {
            let path = format!("{path}.{name}");
            let mapping = &mapping[name];
            if value.is_object() {
                self.check_mapping(state, &path, &mapping["properties"], value);
                continue;
            }
            let fits = |value: &Value| match mapping["type"].as_str() {
                Some("keyword" | "wildcard" | "match_only_text") => value.is_string(),
                Some("long") => value.is_i64(),
                Some("boolean") => value.is_boolean(),
                Some("date") => value.as_str().is_some_and(|text| text.ends_with('Z')),
                _ => false,
            };
            let fits = match value.as_array() {
                Some(values) => values.iter().all(fits),
                None => fits(value),
            };
            if !fits {
                state.wrong.push(format!("{path} = {value} does not fit {mapping}"));
            }
        }
    }
}
