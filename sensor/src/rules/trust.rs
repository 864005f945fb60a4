//! Whether others could have written what the sensor is about to run.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Write permission of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file or directory is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("it can be written by others (mode {mode:04o}); `chmod go-w` it")]
    Writable { mode: u32 },
    #[error("it belongs to user {owner}, who is neither root nor the sensor's user {user}")]
    Owner { owner: u32, user: u32 },
}

/// Check that something belongs to root or to this user, and that nobody else can write to it.
pub(super) fn check(metadata: &Metadata) -> Result<(), Untrusted> {
    check_owner(metadata, nix::unistd::geteuid().as_raw())?;
    check_mode(metadata)
}

/// The same, but a third user may own it: the one to whom the directory belongs that the operator
/// named. Who can replace every file of a directory gains nothing by a file of his own.
pub(super) fn check_in(metadata: &Metadata, directory: &Metadata) -> Result<(), Untrusted> {
    if metadata.uid() != directory.uid() {
        check_owner(metadata, nix::unistd::geteuid().as_raw())?;
    }
    check_mode(metadata)
}

/// Check that nobody but the owner can write to something.
pub(super) fn check_mode(metadata: &Metadata) -> Result<(), Untrusted> {
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 { Ok(()) } else { Err(Untrusted::Writable { mode }) }
}

fn check_owner(metadata: &Metadata, user: u32) -> Result<(), Untrusted> {
    let owner = metadata.uid();
    if owner == 0 || owner == user { Ok(()) } else { Err(Untrusted::Owner { owner, user }) }
}
