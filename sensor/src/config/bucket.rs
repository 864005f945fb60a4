//! Table `[rules.nats]`: rules of a fleet, in a bucket of NATS.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytesize::ByteSize;
use crate::net::{AuthSettings, TlsSettings};

/// Longest name of a bucket: it is part of the names of streams and of subjects.
const BUCKET_BYTES_MAX: usize = 128;

/// Where the rules of a fleet are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleBucket {
    /// Servers of NATS, separated by commas.
    pub url: String,
    /// The bucket of objects that has the rules. Hosts report into the bucket of keys
    /// `BUCKET-hosts`.
    pub bucket: String,
    /// Where the last good rules are kept, for starts without a server.
    pub dir: PathBuf,
    /// What all rules may have together, in bytes.
    pub max_size: ByteSize,
    /// Create the two buckets where there are none.
    pub create: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
}

impl Default for RuleBucket {
    fn default() -> RuleBucket {
        RuleBucket {
            url: String::new(),
            bucket: "ocellus-rules".to_owned(),
            dir: PathBuf::from("/var/lib/ocellus/rules"),
            max_size: ByteSize(256 << 20),
            create: false,
            auth: None,
            tls: None,
        }
    }
}

impl RuleBucket {
    /// An error names the key, and says what is wrong.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.url.is_empty() {
            let what = "name the servers, as nats://nats.example.org:4222";
            return Err(("rules.nats.url", what.to_owned()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let bucket = &self.bucket;
        if bucket.is_empty() || bucket.len() > BUCKET_BYTES_MAX || !bucket.bytes().all(plain) {
            let what = format!("{bucket:?} is not 1 to 128 letters, digits, `-` and `_`");
            return Err(("rules.nats.bucket", what));
        }
        let tls = self.tls.as_ref().map_or(Ok(()), TlsSettings::check);
        tls.map_err(|what| ("rules.nats.tls", what))
    }
}
