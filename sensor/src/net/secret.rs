//! Passwords and keys: read from files, never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret's file larger than this is something else.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Who the sensor says it is. Secrets are read from files, so that the configuration has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// An API key of Elasticsearch, a token of NATS, or the shared key of the forward protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Credentials of NATS, as `nsc` writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

/// A file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("there is no user's key in {path}: it should be a file as `nsc` writes it")]
    NoKey { path: PathBuf },
    #[error("{path} is empty or larger than 64 KiB: it should hold one secret")]
    Size { path: PathBuf },
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The file's text without white space around it.
    pub(crate) fn read(path: &Path) -> Result<Secret, SecretError> {
        let failed = |source| super::read_error(path, source);
        let length = std::fs::metadata(path).map_err(failed)?.len();
        let text = match length {
            0 | FILE_BYTES_MAX.. => String::new(),
            _ => std::fs::read_to_string(path).map_err(failed)?,
        };
        match text.trim() {
            "" => Err(SecretError::Size { path: path.to_owned() }),
            text => Ok(Secret(text.to_owned())),
        }
    }

    pub(crate) fn new(text: String) -> Secret {
        Secret(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_whole_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, " open sesame \n").unwrap();
        let secret = Secret::read(&path).unwrap();
        assert_eq!(secret.expose(), "open sesame");
        assert_eq!(format!("{secret:?}"), "(secret)");
        for text in [String::new(), "\n".to_owned(), "x".repeat(1 << 16)] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Secret::read(&path), Err(SecretError::Size { .. })));
        }
        assert!(matches!(Secret::read(&dir.path().join("no")), Err(SecretError::Read { .. })));
    }
}
