//! Connections to others: TCP with TLS or without, and who the sensor says it is.
//!
//! rustls is named in this module, and in `sink/net/bulk.rs` for the client of HTTP.

pub(crate) mod backoff;
pub(crate) mod connection;
pub(crate) mod secret;
pub(crate) mod tls;

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

pub use secret::{AuthSettings, SecretError};
pub use tls::{TlsError, TlsSettings};

/// Why a receiver cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("`{url}` is no address: {what}")]
    Address { url: String, what: String },
}

/// Where a file that is named in the configuration is.
fn read_error(path: &std::path::Path, source: std::io::Error) -> SecretError {
    SecretError::Read { path: PathBuf::from(path), source }
}

/// A number that will not come again: the keys of a hash map are random.
fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// Bytes that will not come again.
pub(crate) fn random_bytes() -> [u8; 16] {
    (u128::from(random()) << 64 | u128::from(random())).to_be_bytes()
}
