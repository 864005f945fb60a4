//! One file, from request to answer.

use std::time::Instant;

use crate::digest::HashSettings;
use crate::digest::hasher::{self, Hasher, ReadError};
use crate::digest::open::{self, OpenError};
use crate::digest::pace::Pace;
use crate::input::{HashRequest, HashResult, HashStatus};

/// Opens, reads and checks the file. Never takes longer than until `deadline`, but for a read
/// that hangs.
pub fn hash_file(
    settings: &HashSettings,
    pace: &Pace,
    request: &HashRequest,
    deadline: Instant,
    buffer: &mut [u8],
) -> HashResult {
    let without = |status, detail| HashResult::without_digests(request.id, status, detail);
    let max_bytes = settings.max_file_size.0;
    if request.id.size > max_bytes {
        let detail = format!("{} bytes are more than hash.max_file_size", request.id.size);
        return without(HashStatus::TooLarge, Some(detail));
    }
    let mut opened = match open::open(request) {
        Ok(opened) => opened,
        Err(error) => {
            let status = match error {
                OpenError::Changed => HashStatus::Changed,
                OpenError::Gone => HashStatus::Gone,
                OpenError::Io { .. } => HashStatus::Error,
            };
            return without(status, Some(error.to_string()));
        }
    };
    let changed = || without(HashStatus::Changed, Some("it changed during the reading".to_owned()));
    let size_bytes = opened.size_bytes();
    let hasher = Hasher::new(&settings.algorithms);
    let keep_pace = |chunk_bytes| pace.keep(chunk_bytes, deadline);
    let digests = match hasher::hash(&mut opened.file, size_bytes, hasher, buffer, keep_pace) {
        Ok(digests) => digests,
        Err(ReadError::Size) => return changed(),
        Err(ReadError::Io(error)) => {
            return without(HashStatus::Error, Some(format!("cannot read the file: {error}")));
        }
        Err(ReadError::Stopped) => {
            let detail = "hash.rate leaves no time to read the file".to_owned();
            return without(HashStatus::Timeout, Some(detail));
        }
    };
    match opened.is_unchanged() {
        Ok(true) => HashResult { id: request.id, status: HashStatus::Ok, digests, detail: None },
        Ok(false) => changed(),
        Err(error) => {
            without(HashStatus::Error, Some(format!("cannot look at the file again: {error}")))
        }
    }
}
