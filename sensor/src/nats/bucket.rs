//! Objects and keys in JetStream streams, laid out as all clients of NATS do it.
//!
//! A bucket of objects is the stream `OBJ_BUCKET`. An object is a message that describes it on
//! `$O.BUCKET.M.NAME`, the name in base64, and its pieces on `$O.BUCKET.C.ID`. A bucket of keys is
//! the stream `KV_BUCKET`, with the value of a key on `$KV.BUCKET.KEY`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Client, NatsError};
use super::watch::Watch;
use super::wire::Message;
use crate::digest::hasher::sha256;
use crate::digest::hex;
use crate::net::random_bytes;

/// Bytes of a piece, as other clients have it.
const CHUNK_BYTES: usize = 128 << 10;
/// The header of a message that ends a key.
const OPERATION: &str = "KV-Operation";
/// What comes before the digest of an object.
const DIGEST_PREFIX: &str = "SHA-256=";

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// It was replaced or deleted, or its pieces were.
    #[error("its pieces are not in the bucket")]
    Gone,
    #[error("it has {0} bytes, and is said to have {1}")]
    Size(u64, u64),
    #[error("its bytes do not have the digest that it is said to have")]
    Digest,
    #[error("it does not say its SHA-256")]
    NoDigest,
}

/// A bucket of objects.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    bucket: String,
}

/// What a bucket says of an object. Keys that are not known here are left alone by others too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectInfo {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, Vec<String>>>,
    pub bucket: String,
    /// Its pieces are on the subject of this id.
    pub nuid: String,
    pub size: u64,
    pub chunks: u64,
    pub digest: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

impl ObjectInfo {
    /// The value of one of its headers.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name)?.first().map(String::as_str)
    }

    /// Its SHA-256.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        let text = self.digest.strip_prefix(DIGEST_PREFIX)?.trim_end_matches('=');
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
    }
}

/// A message as JetStream gives it when it is asked for.
#[derive(Debug, Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Debug, Deserialize)]
struct StoredMessage {
    seq: u64,
    #[serde(default)]
    data: String,
}

impl StoredMessage {
    fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.data).ok()
    }
}

impl Objects {
    pub(crate) fn new(bucket: &str) -> Objects {
        Objects { bucket: bucket.to_owned() }
    }

    fn stream(&self) -> String {
        format!("OBJ_{}", self.bucket)
    }

    fn info_subject(&self, name: &str) -> String {
        format!("$O.{}.M.{}", self.bucket, URL_SAFE.encode(name))
    }

    fn chunk_subject(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.bucket)
    }

    fn what(&self) -> String {
        format!("the bucket of objects {}", self.bucket)
    }

    /// Creates the bucket unless there is one.
    pub(crate) fn create(&self, client: &mut Client) -> Result<(), NatsError> {
        let bucket = &self.bucket;
        let config = json!({
            "name": self.stream(),
            "subjects": [format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
            "storage": "file",
            "discard": "new",
            "allow_rollup_hdrs": true,
            "allow_direct": true,
        });
        create(client, &self.stream(), &config, &self.what())
    }

    /// Watches what the bucket says of its objects.
    pub(crate) fn watch(&self, client: &mut Client) -> Result<Watch, NatsError> {
        let filter = format!("$O.{}.M.>", self.bucket);
        Watch::start(client, &self.stream(), &filter, &self.what())
    }

    /// All objects that there are, by name.
    pub(crate) fn list(&self, client: &mut Client) -> Result<Vec<ObjectInfo>, NatsError> {
        let messages = self.watch(client)?.rest(client)?;
        let infos = messages.iter().filter_map(Objects::info);
        Ok(infos.filter(|info| !info.deleted).collect())
    }

    /// What a message of the watch says of an object. Others may have written rubbish there.
    pub(crate) fn info(message: &Message) -> Option<ObjectInfo> {
        serde_json::from_slice(&message.payload).ok()
    }

    /// The bytes of an object, which are as many as it says, and have the digest that it says.
    pub(crate) fn get(
        &self,
        client: &mut Client,
        info: &ObjectInfo,
    ) -> Result<Vec<u8>, ObjectError> {
        let digest = info.sha256().ok_or(ObjectError::NoDigest)?;
        let subject = self.chunk_subject(&info.nuid);
        let mut bytes = Vec::new();
        let mut next = 1;
        for _ in 0..info.chunks {
            let question = json!({ "seq": next, "next_by_subj": subject });
            let chunk = self.message(client, &question)?.ok_or(ObjectError::Gone)?;
            bytes.extend(chunk.bytes().ok_or(ObjectError::Digest)?);
            if bytes.len() as u64 > info.size {
                break;
            }
            next = chunk.seq + 1;
        }
        let size = bytes.len() as u64;
        match (size == info.size, sha256(&bytes) == digest) {
            (false, _) => Err(ObjectError::Size(size, info.size)),
            (true, false) => Err(ObjectError::Digest),
            (true, true) => Ok(bytes),
        }
    }

    /// Puts an object there, in place of one of the same name.
    pub(crate) fn put(
        &self,
        client: &mut Client,
        name: &str,
        headers: BTreeMap<String, Vec<String>>,
        bytes: &[u8],
    ) -> Result<(), NatsError> {
        let before = self.find(client, name)?;
        let info = ObjectInfo {
            name: name.to_owned(),
            headers: (!headers.is_empty()).then_some(headers),
            bucket: self.bucket.clone(),
            nuid: hex(&random_bytes()),
            size: bytes.len() as u64,
            chunks: bytes.len().div_ceil(CHUNK_BYTES) as u64,
            digest: format!("{DIGEST_PREFIX}{}", URL_SAFE.encode(sha256(bytes))),
            deleted: false,
        };
        let subject = self.chunk_subject(&info.nuid);
        for chunk in bytes.chunks(CHUNK_BYTES) {
            client.request::<Value>(&subject, None, chunk, &self.what())?;
        }
        self.describe(client, &info)?;
        match before {
            Some(before) => self.purge(client, &before),
            None => Ok(()),
        }
    }

    /// Deletes an object. False when there is none of this name.
    pub(crate) fn delete(&self, client: &mut Client, name: &str) -> Result<bool, NatsError> {
        let Some(before) = self.find(client, name)?.filter(|info| !info.deleted) else {
            return Ok(false);
        };
        let (size, chunks, digest, deleted) = (0, 0, String::new(), true);
        let after = ObjectInfo { size, chunks, digest, deleted, ..before.clone() };
        self.describe(client, &after)?;
        self.purge(client, &before)?;
        Ok(true)
    }

    /// What is said of an object from now on, in place of what was said before.
    fn describe(&self, client: &mut Client, info: &ObjectInfo) -> Result<(), NatsError> {
        let text = match serde_json::to_vec(info) {
            Ok(text) => text,
            Err(error) => unreachable!("it is plain data: {error}"),
        };
        let alone = Some(("Nats-Rollup", "sub"));
        let subject = self.info_subject(&info.name);
        client.request::<Value>(&subject, alone, &text, &self.what()).map(drop)
    }

    /// Removes the pieces of an object.
    fn purge(&self, client: &mut Client, info: &ObjectInfo) -> Result<(), NatsError> {
        let question = json!({ "filter": self.chunk_subject(&info.nuid) });
        let subject = format!("STREAM.PURGE.{}", self.stream());
        client.ask::<Value>(&subject, &question, &self.what()).map(drop)
    }

    fn find(&self, client: &mut Client, name: &str) -> Result<Option<ObjectInfo>, NatsError> {
        let question = json!({ "last_by_subj": self.info_subject(name) });
        let message = self.message(client, &question)?;
        Ok(message.and_then(|it| serde_json::from_slice(&it.bytes()?).ok()))
    }

    fn message(
        &self,
        client: &mut Client,
        question: &Value,
    ) -> Result<Option<StoredMessage>, NatsError> {
        let subject = format!("STREAM.MSG.GET.{}", self.stream());
        match client.ask::<Stored>(&subject, question, &self.what()) {
            Ok(stored) => Ok(Some(stored.message)),
            Err(error) if error.is_missing_message() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A bucket of keys, each with its last value.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    bucket: String,
}

impl Keys {
    pub(crate) fn new(bucket: &str) -> Keys {
        Keys { bucket: bucket.to_owned() }
    }

    fn stream(&self) -> String {
        format!("KV_{}", self.bucket)
    }

    fn what(&self) -> String {
        format!("the bucket of keys {}", self.bucket)
    }

    /// Creates the bucket unless there is one.
    pub(crate) fn create(&self, client: &mut Client) -> Result<(), NatsError> {
        let config = json!({
            "name": self.stream(),
            "subjects": [format!("$KV.{}.>", self.bucket)],
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "allow_rollup_hdrs": true,
            "deny_delete": true,
            "allow_direct": true,
        });
        create(client, &self.stream(), &config, &self.what())
    }

    pub(crate) fn put(
        &self,
        client: &mut Client,
        key: &str,
        value: &[u8],
    ) -> Result<(), NatsError> {
        let subject = format!("$KV.{}.{key}", self.bucket);
        client.request::<Value>(&subject, None, value, &self.what()).map(drop)
    }

    /// Deletes a key: what follows its last value says that there is none any more.
    pub(crate) fn delete(&self, client: &mut Client, key: &str) -> Result<(), NatsError> {
        let subject = format!("$KV.{}.{key}", self.bucket);
        let deleted = Some((OPERATION, "DEL"));
        client.request::<Value>(&subject, deleted, b"", &self.what()).map(drop)
    }

    /// The values of all keys.
    pub(crate) fn values(&self, client: &mut Client) -> Result<Vec<Vec<u8>>, NatsError> {
        let filter = format!("$KV.{}.>", self.bucket);
        let watch = Watch::start(client, &self.stream(), &filter, &self.what())?;
        let messages = watch.rest(client)?.into_iter();
        let present = messages.filter(|message| message.header(OPERATION).is_none());
        Ok(present.map(|message| message.payload).collect())
    }
}

/// A text fit for a key: what others may not have in it becomes `_`.
pub(crate) fn key_of(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '/');
    let key: String = text.chars().map(|c| if plain(c) || c == '.' { c } else { '_' }).collect();
    match key.split('.').any(str::is_empty) {
        false => key,
        true if key.is_empty() => "_".to_owned(),
        true => key.replace('.', "_"),
    }
}

/// Creates a stream unless there is one of its name. Only who finds none needs the right to.
fn create(client: &mut Client, name: &str, config: &Value, what: &str) -> Result<(), NatsError> {
    match client.ask::<Value>(&format!("STREAM.INFO.{name}"), &Value::Null, what) {
        Err(error) if error.is_missing_stream() => {}
        other => return other.map(drop),
    }
    match client.ask::<Value>(&format!("STREAM.CREATE.{name}"), config, what) {
        // Another one was faster.
        Err(error) if error.is_name_in_use() => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_clients_say_of_an_object_is_read() {
        let text = br#"{"name":"a.wasm","description":"x","headers":{"K":["v"]},
            "options":{"max_chunk_size":131072},"bucket":"b","nuid":"N1","size":5,
            "mtime":"0001-01-01T00:00:00Z","chunks":1,
            "digest":"SHA-256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}"#;
        let info: ObjectInfo = serde_json::from_slice(text).unwrap();
        assert_eq!((info.name.as_str(), info.header("K")), ("a.wasm", Some("v")));
        assert_eq!(info.sha256(), Some(sha256(b"hello")));
        assert!(!info.deleted);
        for digest in ["", "SHA-256=", "SHA-256=LPJN", "SHA-512=LPJNul-wow4m6DsqxbninhsW"] {
            let digest = digest.to_owned();
            assert_eq!(ObjectInfo { digest, ..ObjectInfo::default() }.sha256(), None);
        }
    }

    #[test]
    fn host_names_become_keys() {
        assert_eq!(key_of("web-1.example.org"), "web-1.example.org");
        assert_eq!(key_of("a b*c>d"), "a_b_c_d");
        assert_eq!(key_of("a..b."), "a__b_");
        assert_eq!(key_of(""), "_");
    }
}
