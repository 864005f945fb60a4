//! Whether others could have written what the sensor is about to run.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

use nix::unistd::geteuid;

/// Write permission of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Root, the sensor's user, and who became root by sudo: that user decides anyway what root does.
static TRUSTED: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let user = geteuid().as_raw();
    let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    [0, user].into_iter().chain(caller.filter(|_| user == 0)).collect()
});

/// Why a file or directory is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("it can be written by others (mode {mode:04o}); `chmod go-w` it")]
    Writable { mode: u32 },
    #[error(
        "it belongs to user {owner}, who is neither root nor the sensor's user {user}; `chown` it"
    )]
    Owner { owner: u32, user: u32 },
}

/// Check that something belongs to root or to this user, and that nobody else can write to it.
pub(crate) fn check(metadata: &Metadata) -> Result<(), Untrusted> {
    check_owner(metadata.uid(), &TRUSTED)?;
    check_mode(metadata)
}

/// Check that nobody but the owner can write to something.
pub(super) fn check_mode(metadata: &Metadata) -> Result<(), Untrusted> {
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 { Ok(()) } else { Err(Untrusted::Writable { mode }) }
}

fn check_owner(owner: u32, trusted: &[u32]) -> Result<(), Untrusted> {
    match trusted.contains(&owner) {
        true => Ok(()),
        false => Err(Untrusted::Owner { owner, user: geteuid().as_raw() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn root_and_the_own_user_are_trusted() {
        for owner in [0, 1000] {
            assert_eq!(check_owner(owner, &[0, 1000]), Ok(()));
        }
        let user = geteuid().as_raw();
        assert_eq!(check_owner(1001, &[0, 1000]), Err(Untrusted::Owner { owner: 1001, user }));
        assert!(TRUSTED.contains(&0) && TRUSTED.contains(&user));
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
        }
    }
}
