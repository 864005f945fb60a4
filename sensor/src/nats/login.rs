//! Who the sensor says it is to a NATS server.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crc::{CRC_16_XMODEM, Crc};
use ring::signature::Ed25519KeyPair;
use serde_json::Value;

use crate::net::secret::{AuthSettings, Secret, SecretError};

/// The alphabet of keys: RFC 4648, section 6, without padding.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);
/// The prefix of a user's public key, an encoded `U`.
const USER_PREFIX: u8 = 20 << 3;
/// The prefix of a seed, an encoded `S`.
const SEED_PREFIX: u8 = 18 << 3;

/// What is added to the first words of a connection.
#[derive(Debug)]
pub(crate) enum Login {
    Nobody,
    Password {
        user: String,
        password: Secret,
    },
    Token(Secret),
    /// A key that signs what the server gives, with a token that says whose it is. A server that
    /// knows the key itself needs no token.
    Key {
        jwt: Option<Secret>,
        seed: Secret,
    },
}

impl Login {
    pub(crate) fn read(auth: &AuthSettings) -> Result<Login, SecretError> {
        if let Some(path) = &auth.credentials_file {
            return read_credentials(path);
        }
        if let Some(path) = &auth.key_file {
            return Ok(Login::Token(Secret::read(path)?));
        }
        match (&auth.user, &auth.password_file) {
            (Some(user), Some(path)) => {
                Ok(Login::Password { user: user.clone(), password: Secret::read(path)? })
            }
            _ => Ok(Login::Nobody),
        }
    }

    /// Adds what the server wants to know to the options of CONNECT.
    pub(crate) fn add(&self, nonce: &str, options: &mut Value) -> io::Result<()> {
        match self {
            Login::Nobody => {}
            Login::Password { user, password } => {
                options["user"] = user.as_str().into();
                options["pass"] = password.expose().into();
            }
            Login::Token(token) => options["auth_token"] = token.expose().into(),
            Login::Key { jwt, seed } => {
                let key = key_pair(seed.expose())
                    .ok_or_else(|| io::Error::other("the key of the credentials is none"))?;
                options["sig"] = URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes())).into();
                match jwt {
                    Some(jwt) => options["jwt"] = jwt.expose().into(),
                    None => options["nkey"] = public_key(&key).into(),
                }
            }
        }
        Ok(())
    }
}

/// A file as `nsc` writes it, with a token and a seed between lines of dashes; or a seed alone.
fn read_credentials(path: &Path) -> Result<Login, SecretError> {
    let text = Secret::read(path)?;
    let is_content = |line: &&str| !line.is_empty() && !line.starts_with('-');
    let mut jwt = None;
    let mut seed = None;
    for line in text.expose().lines().map(str::trim).filter(is_content) {
        if key_pair(line).is_some() {
            seed = Some(Secret::new(line.to_owned()));
        } else if line.starts_with("eyJ") && line.matches('.').count() == 2 {
            jwt = Some(Secret::new(line.to_owned()));
        }
    }
    match seed {
        Some(seed) => Ok(Login::Key { jwt, seed }),
        None => Err(SecretError::NoKey { path: path.to_owned() }),
    }
}

/// The key pair of a user's seed, if it is one.
fn key_pair(seed: &str) -> Option<Ed25519KeyPair> {
    let bytes = decode(seed)?;
    // Two bytes of prefix, 32 of seed.
    let (prefix, seed) = bytes.split_first_chunk::<2>()?;
    let kind = prefix[0] << 5 | prefix[1] >> 3;
    if prefix[0] & 0xf8 != SEED_PREFIX || kind != USER_PREFIX {
        return None;
    }
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}

fn public_key(pair: &Ed25519KeyPair) -> String {
    use ring::signature::KeyPair as _;
    let mut bytes = vec![USER_PREFIX];
    bytes.extend_from_slice(pair.public_key().as_ref());
    bytes.extend_from_slice(&CRC16.checksum(&bytes).to_le_bytes());
    encode(&bytes)
}

/// The bytes of a key, without the checksum at their end, if that is right.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|it| *it == byte)?;
        bits = bits << 5 | value as u32;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    let (content, checksum) = bytes.split_last_chunk::<2>()?;
    (CRC16.checksum(content) == u16::from_le_bytes(*checksum)).then(|| content.to_vec())
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count & 31) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count) & 31) as usize]));
    }
    text
}

/// The seed of a user, from 32 bytes.
#[cfg(test)]
fn seed_of(bytes: [u8; 32]) -> String {
    let mut all = vec![SEED_PREFIX | USER_PREFIX >> 5, USER_PREFIX << 3];
    all.extend_from_slice(&bytes);
    all.extend_from_slice(&CRC16.checksum(&all).to_le_bytes());
    encode(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_its_key_and_nothing_else_is_one() {
        let seed = seed_of([7; 32]);
        assert!(seed.starts_with("SU"), "{seed}");
        let public = public_key(&key_pair(&seed).unwrap());
        assert!(public.starts_with('U') && public.len() == 56, "{public}");
        assert!(decode(&public).is_some());
        for wrong in ["", "SU", &public, &seed.to_lowercase(), &seed[1..]] {
            assert!(key_pair(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn credentials_are_found_between_their_dashes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.creds");
        let seed = seed_of([9; 32]);
        std::fs::write(
            &path,
            format!(
                "-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n\n\
                 -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
            ),
        )
        .unwrap();
        let login = read_credentials(&path).unwrap();
        let mut options = serde_json::json!({});
        login.add("nonce", &mut options).unwrap();
        assert_eq!(options["jwt"], "eyJ0.eyJq.c2ln");
        assert_eq!(options["sig"].as_str().map(str::len), Some(86));
        assert!(!format!("{login:?}").contains(&seed));
        std::fs::write(&path, &seed).unwrap();
        let mut options = serde_json::json!({});
        read_credentials(&path).unwrap().add("nonce", &mut options).unwrap();
        assert_eq!(options["nkey"].as_str().map(str::len), Some(56));
        std::fs::write(&path, "nothing").unwrap();
        assert!(matches!(read_credentials(&path), Err(SecretError::NoKey { .. })));
    }
}
