//! Digests of executables.
//!
//! The machine looks a file up in the [`cache`]; on a miss it asks the [`pool`], whose threads
//! [`open`] the file that the kernel saw and read it once for all digests ([`hasher`]).

pub mod cache;
mod file;
pub mod hasher;
pub mod identity;
pub mod open;
mod pace;
pub mod pool;

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bytesize::{ByteRate, ByteSize};
use crate::input::{Digests, FileId, HashResult, HashStatus};

/// How long a file may wait for its turn and be read, in all. Longer than anybody waits for an
/// event: the digests are for the next execution then. What takes longer hangs.
pub const FILE_DEADLINE: Duration = Duration::from_secs(30);

/// Requests that wait for a thread at most. A storm of new files is bounded work; beyond it, files
/// go without digests, and are counted.
pub const QUEUE_MAX: usize = 1_024;

/// A digest that can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Table `hash` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HashSettings {
    /// Digests to take; none switches hashing off.
    pub algorithms: Vec<Algorithm>,
    /// Larger files are not hashed.
    pub max_file_size: ByteSize,
    /// How fast files are read, all threads together; 0 is no limit.
    pub rate: ByteRate,
    /// Threads that read files.
    pub threads: NonZeroUsize,
    /// How long an event waits for the digests of its executable.
    pub wait_ms: u64,
    /// Files whose digests are remembered.
    pub cache_entries: NonZeroUsize,
}

impl Default for HashSettings {
    fn default() -> HashSettings {
        HashSettings {
            algorithms: vec![Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256],
            max_file_size: ByteSize(100 << 20),
            rate: ByteRate(200 << 20),
            threads: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            wait_ms: 1_000,
            cache_entries: NonZeroUsize::new(4_096).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

impl HashResult {
    /// The answer for a file of which there are no digests.
    pub fn without_digests(id: FileId, status: HashStatus, detail: Option<String>) -> HashResult {
        HashResult { id, status, digests: Digests::default(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_and_refuse_what_they_do_not_know() {
        let settings: HashSettings = toml::from_str("").expect("all have defaults");
        assert_eq!(settings, HashSettings::default());
        let text = "algorithms = ['sha512']\nmax_file_size = '1 GiB'\nrate = 0\nthreads = 1";
        let settings: HashSettings = toml::from_str(text).expect("valid");
        assert_eq!(settings.algorithms, [Algorithm::Sha512]);
        assert_eq!(settings.max_file_size, ByteSize(1 << 30));
        assert_eq!(settings.rate, ByteRate(0));
        for (text, expected) in [
            ("algorithms = ['sha3']", "unknown variant `sha3`"),
            ("max_files = 1", "unknown field `max_files`"),
            ("threads = 0", "expected a nonzero usize"),
            ("cache_entries = 0", "expected a nonzero usize"),
        ] {
            let error = toml::from_str::<HashSettings>(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn settings_survive_being_written() {
        let text = toml::to_string(&HashSettings::default()).expect("writable");
        assert!(text.contains("max_file_size = \"100 MiB\""), "{text}");
        assert_eq!(toml::from_str::<HashSettings>(&text), Ok(HashSettings::default()));
    }
}
