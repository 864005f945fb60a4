//! The socket's place in the file system, and who may talk through it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

use super::ControlError;
use crate::rules::check_trust;

/// Who may ask.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    /// Its members may read.
    pub(super) group: Option<String>,
}

/// What a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rights {
    None,
    Read,
    Change,
}

impl Peers {
    /// Root and the sensor's own user may do everything, members of the group may read.
    pub(super) fn rights(&self, uid: u32, gid: u32) -> Rights {
        if uid == 0 || uid == nix::unistd::geteuid().as_raw() {
            return Rights::Change;
        }
        let Some(group) = &self.group else { return Rights::None };
        let Ok(Some(group)) = Group::from_name(group) else { return Rights::None };
        let is_listed = || {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.is_some_and(|user| group.mem.contains(&user.name))
        };
        if group.gid == Gid::from_raw(gid) || is_listed() { Rights::Read } else { Rights::None }
    }
}

/// Makes the socket, with its directory if there is none. Only the sensor's user may connect, and
/// the group if one is named.
pub(super) fn bind(path: &Path, peers: &Peers) -> Result<UnixListener, ControlError> {
    let failed = |source| ControlError::Bind { path: path.to_owned(), source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !dir.exists() {
        DirBuilder::new().mode(0o755).create(dir).map_err(failed)?;
    }
    let metadata = fs::metadata(dir).map_err(failed)?;
    check_trust(&metadata).map_err(|why| ControlError::Untrusted { path: dir.to_owned(), why })?;
    remove_stale(path)?;
    let listener = UnixListener::bind(path).map_err(failed)?;
    let mode = match &peers.group {
        None => 0o600,
        Some(group) => {
            let no_group = || ControlError::NoGroup { group: group.clone() };
            let group = Group::from_name(group).ok().flatten().ok_or_else(no_group)?;
            chown(path, None, Some(group.gid.as_raw())).map_err(failed)?;
            0o660
        }
    };
    // Nobody else can connect before this: the directory is ours alone to write, and the rights of
    // a peer are looked at for each request.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Removes the socket that a sensor left behind; one that is served is another sensor's.
fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Bind { path: path.to_owned(), source };
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ControlError::Taken { path: path.to_owned() }),
        Err(_) => fs::remove_file(path).map_err(failed),
    }
}

/// The socket's file, which goes away with the server.
#[derive(Debug)]
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next sensor removes what stays.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const NOBODY: Peers = Peers { group: None };

    #[test]
    fn the_socket_is_ours_alone_and_stale_ones_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/control.sock");
        let listener = bind(&path, &NOBODY).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(bind(&path, &NOBODY), Err(ControlError::Taken { .. })));
        drop(listener);
        drop(SocketFile(path.clone()));
        assert!(!path.exists());
        drop(bind(&path, &NOBODY).unwrap());
        bind(&path, &NOBODY).expect("a socket that nobody serves is stale");
    }

    #[test]
    fn a_directory_that_others_can_write_to_and_a_file_in_the_way_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(bind(&file, &NOBODY), Err(ControlError::Bind { .. })));
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let refused = bind(&dir.path().join("sock"), &NOBODY);
        assert!(matches!(refused, Err(ControlError::Untrusted { .. })), "{refused:?}");
    }

    #[test]
    fn members_of_the_group_may_read() {
        let own = nix::unistd::geteuid().as_raw();
        let other = 3_999_999_999;
        assert_eq!(NOBODY.rights(0, 0), Rights::Change);
        assert_eq!(NOBODY.rights(own, other), Rights::Change);
        assert_eq!(NOBODY.rights(other, 0), Rights::None);
        let root_group = Peers { group: Some("root".to_owned()) };
        assert_eq!(root_group.rights(other, 0), Rights::Read);
        assert_eq!(root_group.rights(other, other), Rights::None);
        let unknown = Peers { group: Some("no-such-group".to_owned()) };
        assert_eq!(unknown.rights(other, 0), Rights::None);
    }
}
