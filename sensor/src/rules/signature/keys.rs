//! Making keys, and signing with them. The sensor itself never does.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minisign::{KeyPair, PError, SecretKeyBox};

/// What is wrong with a secret key, or keeps one from being made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("it is not a secret key of minisign's, or the password is wrong: {0}")]
    Secret(PError),
    #[error("cannot make keys: {0}")]
    Make(PError),
    #[error("cannot sign: {0}")]
    Sign(PError),
}

/// Where a secret key says how its password becomes a key, and what it says if there is none.
/// Source: minisign's documentation, "Secret key format".
const KDF: Range<usize> = 2..4;
const NO_KDF: [u8; 2] = [0; 2];

/// What protects a secret key in its file.
pub enum Protection {
    /// Nothing but the file's mode.
    None,
    Password(String),
    /// A password that is asked for on the terminal.
    Asked,
}

/// A password is not shown.
impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protection::None => "None",
            Protection::Password(_) => "Password",
            Protection::Asked => "Asked",
        })
    }
}

/// A new pair of keys.
pub struct Keys(KeyPair);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.public())
    }
}

impl Keys {
    /// Make a pair.
    pub fn new(protection: Protection) -> Result<Keys, KeyError> {
        let pair = match protection {
            Protection::None => KeyPair::generate_unencrypted_keypair(),
            Protection::Password(password) => KeyPair::generate_encrypted_keypair(Some(password)),
            Protection::Asked => KeyPair::generate_encrypted_keypair(None),
        };
        pair.map(Keys).map_err(KeyError::Make)
    }

    /// What `rules.trusted_keys` takes.
    pub fn public(&self) -> String {
        self.0.pk.to_base64()
    }

    /// What a `.pub` file holds.
    pub fn public_file(&self) -> Result<String, KeyError> {
        Ok(self.0.pk.to_box().map_err(KeyError::Make)?.into_string())
    }

    /// What a `.key` file holds.
    pub fn secret_file(&self) -> Result<String, KeyError> {
        let comment = Some("secret key for the rules of Ocellus");
        Ok(self.0.sk.to_box(comment).map_err(KeyError::Make)?.into_string())
    }
}

/// A secret key that is ready to sign.
pub struct SecretKey(minisign::SecretKey);

/// Nothing of the key is shown.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

impl SecretKey {
    /// Read a `.key` file. If it is encrypted and there is no password, it is asked for on the
    /// terminal.
    pub fn read(text: &str, password: Option<String>) -> Result<SecretKey, KeyError> {
        let bytes = text.lines().nth(1).and_then(|line| BASE64_STANDARD.decode(line.trim()).ok());
        let key = match bytes {
            // Made without a password; minisign itself gives these no checksum.
            Some(bytes) if bytes.get(KDF) == Some(&NO_KDF[..]) => {
                minisign::SecretKey::from_bytes(&bytes)
            }
            _ => SecretKeyBox::from_string(text).and_then(|file| file.into_secret_key(password)),
        };
        key.map(SecretKey).map_err(KeyError::Secret)
    }

    /// Sign these bytes; gives what their `.minisig` file holds. The name of the file and the time,
    /// in seconds since the epoch, are part of what is signed, as minisign does it.
    pub fn sign(&self, bytes: &[u8], name: &str, time_s: u64) -> Result<String, KeyError> {
        // A line break would end the comment.
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let trusted = format!("timestamp:{time_s}\tfile:{name}\thashed");
        let untrusted = "signature of a rule of Ocellus";
        minisign::sign(None, &self.0, bytes, Some(&trusted), Some(untrusted))
            .map(|signature| signature.to_string())
            .map_err(KeyError::Sign)
    }
}

/// Where the signature of a file is looked for: `NAME.wasm.minisig` beside `NAME.wasm`.
pub fn signature_path(file: &Path) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(".minisig");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let keys = Keys::new(Protection::Password("correct horse".to_owned())).unwrap();
        let file = keys.secret_file().unwrap();
        let with = |password: &str| SecretKey::read(&file, Some(password.to_owned()));
        assert!(with("correct horse").is_ok());
        assert!(matches!(with("battery staple").err(), Some(KeyError::Secret(_))));
        assert!(with("").is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "a", "a\nb", "a\n\nb", "untrusted comment: x\nRWQf6LRCGA9i53mlYecO4Iz"] {
            assert!(SecretKey::read(text, Some(String::new())).is_err(), "{text:?}");
        }
    }
}
