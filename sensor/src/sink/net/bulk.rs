//! The bulk interface of Elasticsearch and OpenSearch, over HTTP or HTTPS.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use super::Record;
use super::deliver::{Answer, Peer};
use crate::net::PeerError;
use crate::net::secret::{AuthSettings, Secret, SecretError};
use crate::net::tls::{self, TlsError, TlsSettings};
use crate::sink::tally::cause;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// An answer has less than 200 bytes an event, and says a lot about a refused one.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// What stands around the id in front of each document.
const ACTION_BYTES: usize = 22;
/// What is shown of an answer that is no answer.
const SHOWN_CHARS: usize = 200;

/// Creates documents in a data stream, under `event.id`: one that is there already is not created
/// again.
#[derive(Debug)]
pub(super) struct BulkPeer {
    agent: Agent,
    url: String,
    auth: AuthSettings,
    authorization: Option<Secret>,
    /// Bytes of a request; fewer once the receiver has called one too large.
    bytes_max: usize,
    body: Vec<u8>,
}

/// What the receiver says about a request. It is asked for no more than this.
#[derive(Deserialize)]
struct BulkAnswer {
    errors: bool,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    reason: String,
}

impl BulkPeer {
    pub(super) fn new(
        url: &str,
        data_stream: &str,
        auth: &AuthSettings,
        tls: Option<&TlsSettings>,
    ) -> Result<BulkPeer, PeerError> {
        let url = url.trim_end_matches('/');
        // The address without what the receiver need not say.
        let filter = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .user_agent(concat!("ocellus/", env!("CARGO_PKG_VERSION")));
        let default_tls = TlsSettings::default();
        let config = match (tls, url.starts_with("https://")) {
            (Some(tls), _) => config.tls_config(tls_config(tls)?),
            (None, true) => config.tls_config(tls_config(&default_tls)?),
            (None, false) => config,
        };
        Ok(BulkPeer {
            agent: config.build().new_agent(),
            url: format!("{url}/{data_stream}/_bulk?{filter}"),
            auth: auth.clone(),
            authorization: authorization(auth)?,
            bytes_max: usize::MAX,
            body: Vec::new(),
        })
    }

    /// How many of the records make a request that is not too large, as far as is known.
    fn fill_body(&mut self, records: &[Record<'_>]) -> usize {
        self.body.clear();
        for (count, record) in records.iter().enumerate() {
            let bytes = ACTION_BYTES + record.id.len() + record.body.len();
            if count > 0 && self.body.len() + bytes > self.bytes_max {
                return count;
            }
            // An id is letters, digits, `-` and `_`: nothing of it need be escaped.
            self.body.extend_from_slice(b"{\"create\":{\"_id\":\"");
            self.body.extend_from_slice(record.id.as_bytes());
            self.body.extend_from_slice(b"\"}}\n");
            // Ends in a line end itself.
            self.body.extend_from_slice(record.body);
        }
        records.len()
    }

    fn post(&self) -> io::Result<(u16, Vec<u8>)> {
        let mut request = self.agent.post(&self.url).content_type("application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.expose());
        }
        let mut response = request.send(&self.body[..]).map_err(ureq::Error::into_io)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok((status, body.map_err(ureq::Error::into_io)?))
    }

    /// One request with as many of the records as it may have. Gives how many these were, and the
    /// answer; none when the request was too large, and the next one will have fewer.
    fn send_some(&mut self, records: &[Record<'_>]) -> io::Result<Option<(usize, Answer)>> {
        let count = self.fill_body(records);
        let (status, body) = self.post()?;
        match status {
            200 => Ok(Some((count, read_answer(&body, count)?))),
            413 if count > 1 => {
                self.bytes_max = self.body.len() / 2;
                Ok(None)
            }
            413 => {
                let refused = [(cause::TOO_LARGE.to_owned(), 1)].into();
                let reason = "the receiver takes no request as large as this event".to_owned();
                Ok(Some((1, Answer { refused, reason: Some(reason), ..Answer::default() })))
            }
            _ => {
                if status == 401 || status == 403 {
                    // A key may have been exchanged.
                    self.authorization = authorization(&self.auth).map_err(io::Error::other)?;
                }
                Err(io::Error::other(format!("HTTP status {status}: {}", shown(&body))))
            }
        }
    }
}

impl Peer for BulkPeer {
    /// What was answered before an error stays so: only the rest is sent again.
    fn send(&mut self, records: &[Record<'_>]) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let mut done = 0;
        while done < records.len() {
            match self.send_some(&records[done..]) {
                Ok(Some((count, part))) => {
                    answer.append(part, done);
                    done += count;
                }
                Ok(None) => {}
                Err(error) if done == 0 => return Err(error),
                Err(error) => {
                    answer.again.extend(done..records.len());
                    answer.reason.get_or_insert(error.to_string());
                    break;
                }
            }
        }
        Ok(answer)
    }
}

fn read_answer(body: &[u8], records: usize) -> io::Result<Answer> {
    let read: BulkAnswer = serde_json::from_slice(body)
        .map_err(|error| io::Error::other(format!("no bulk answer ({error}): {}", shown(body))))?;
    if read.items.len() != records {
        let told = read.items.len();
        return Err(io::Error::other(format!("an answer about {told} events to {records}")));
    }
    let mut answer = Answer::default();
    if !read.errors {
        return Ok(answer);
    }
    for (index, Item { create }) in read.items.into_iter().enumerate() {
        let Created { status, error } = create;
        match status {
            200..300 => continue,
            // It is there already: what was sent again had arrived.
            409 => {
                answer.repeated += 1;
                continue;
            }
            429 | 500.. => answer.again.push(index),
            _ => {
                let kind = error.as_ref().map_or("", |error| &error.kind);
                *answer.refused.entry(refusal(kind)).or_default() += 1;
            }
        }
        answer.reason = answer.reason.or(error.map(|it| format!("{}: {}", it.kind, it.reason)));
    }
    Ok(answer)
}

/// The cause of a drop, by the receiver's name for what is wrong.
fn refusal(kind: &str) -> String {
    /// The longest name of Elasticsearch's has 40.
    const KIND_CHARS_MAX: usize = 64;
    let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
    let kind: String = kind.chars().filter(is_plain).take(KIND_CHARS_MAX).collect();
    if kind.is_empty() { cause::REFUSED.to_owned() } else { format!("{}_{kind}", cause::REFUSED) }
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

fn authorization(auth: &AuthSettings) -> Result<Option<Secret>, SecretError> {
    if let Some(path) = &auth.key_file {
        let key = Secret::read(path)?;
        return Ok(Some(Secret::new(format!("ApiKey {}", key.expose()))));
    }
    let (Some(user), Some(path)) = (&auth.user, &auth.password_file) else { return Ok(None) };
    let password = Secret::read(path)?;
    let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
    Ok(Some(Secret::new(format!("Basic {pair}"))))
}

fn tls_config(settings: &TlsSettings) -> Result<TlsConfig, TlsError> {
    let certificate =
        |der: &rustls::pki_types::CertificateDer<'_>| Certificate::from_der(der).to_owned();
    let roots: Vec<_> = tls::roots(settings)?.iter().map(certificate).collect();
    let identity = match (tls::identity(settings)?, &settings.key_file) {
        (Some((chain, _)), Some(path)) => {
            let chain: Vec<_> = chain.iter().map(certificate).collect();
            let failed = |what: String| TlsError::Pem { path: path.clone(), what };
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let key = PrivateKey::from_pem(&pem).map_err(|error| failed(error.to_string()))?;
            Some(ClientCert::new_with_certs(&chain, key))
        }
        _ => None,
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(tls::provider())
        .root_certs(RootCerts::new_with_certs(&roots))
        .client_cert(identity)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(items: &str) -> io::Result<Answer> {
        let records = items.matches("create").count();
        read_answer(format!("{{\"errors\":true,\"items\":[{items}]}}").as_bytes(), records)
    }

    #[test]
    fn each_item_gets_what_its_status_says() {
        let item = |status: u16, kind: &str| {
            let error = format!("\"error\":{{\"type\":\"{kind}\",\"reason\":\"because\"}}");
            format!("{{\"create\":{{\"status\":{status},{error}}}}}")
        };
        let items = [
            "{\"create\":{\"status\":201}}".to_owned(),
            item(429, "es_rejected_execution_exception"),
            item(409, "version_conflict_engine_exception"),
            item(400, "document_parsing_exception"),
            item(503, "unavailable_shards_exception"),
            item(400, "document_parsing_exception"),
            item(400, "\\u001b[2J"),
        ];
        let answer = answer(&items.join(",")).unwrap();
        assert_eq!(answer.again, [1, 4]);
        assert_eq!(answer.repeated, 1);
        let refused: Vec<(&str, u64)> =
            answer.refused.iter().map(|(cause, count)| (&**cause, *count)).collect();
        assert_eq!(refused, [("refused_2", 1), ("refused_document_parsing_exception", 2)]);
        assert_eq!(answer.reason.unwrap(), "es_rejected_execution_exception: because");
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_shown_safely() {
        let error = read_answer(b"<html>\x1b[2J", 1).unwrap_err().to_string();
        assert!(error.contains("<html>[2J") && !error.contains('\u{1b}'), "{error}");
        let error = read_answer(b"{\"errors\":false,\"items\":[]}", 2).unwrap_err();
        assert_eq!(error.to_string(), "an answer about 0 events to 2");
    }
}
