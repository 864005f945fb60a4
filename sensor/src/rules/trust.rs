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
pub(crate) fn check(metadata: &Metadata) -> Result<(), Untrusted> {
    check_owner(metadata.uid(), nix::unistd::geteuid().as_raw())?;
    check_mode(metadata)
}

/// The same, but a third user may own it: the one to whom the directory belongs that the operator
/// named. Who can replace every file of a directory gains nothing by a file of his own.
pub(crate) fn check_in(metadata: &Metadata, directory: &Metadata) -> Result<(), Untrusted> {
    if metadata.uid() != directory.uid() {
        check_owner(metadata.uid(), nix::unistd::geteuid().as_raw())?;
    }
    check_mode(metadata)
}

/// Check that nobody but the owner can write to something.
pub(super) fn check_mode(metadata: &Metadata) -> Result<(), Untrusted> {
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 { Ok(()) } else { Err(Untrusted::Writable { mode }) }
}

fn check_owner(owner: u32, user: u32) -> Result<(), Untrusted> {
    if owner == 0 || owner == user { Ok(()) } else { Err(Untrusted::Owner { owner, user }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn root_and_the_own_user_are_trusted() {
        assert_eq!(check_owner(0, 1000), Ok(()));
        assert_eq!(check_owner(1000, 1000), Ok(()));
        assert_eq!(check_owner(1001, 1000), Err(Untrusted::Owner { owner: 1001, user: 1000 }));
        assert_eq!(check_owner(1000, 0), Err(Untrusted::Owner { owner: 1000, user: 0 }));
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, trusted) in
            [(0o600, true), (0o755, true), (0o620, false), (0o602, false), (0o777, false)]
        {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let metadata = file.as_file().metadata().unwrap();
            assert_eq!(check(&metadata).is_ok(), trusted, "{mode:o}");
            assert_eq!(check_in(&metadata, &metadata).is_ok(), trusted, "{mode:o}");
        }
    }
}
