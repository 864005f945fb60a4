//! The last good rules: a directory with a file for each component, and one for its signature.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::digest::hasher::sha256;
use crate::rules::budget::COMPONENT_BYTES_MAX;
use crate::rules::check_trust;
use crate::rules::signature::{SIGNATURE_BYTES_MAX, signature_path};

/// Starts the names of files that are being written. Directories of rules leave them alone.
const UNFINISHED: &str = ".new-";

/// Why the last good rules cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot keep the rules of the fleet in {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the directory for the rules of the fleet, {path}, is not used: {why}")]
    Untrusted { path: PathBuf, why: crate::rules::Untrusted },
}

/// A component that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub sha256: [u8; 32],
    pub bytes: u64,
    pub signature: Option<Vec<u8>>,
}

/// The directory, and what is in it.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    kept: BTreeMap<String, Kept>,
}

impl Store {
    /// Opens the directory, and makes it if there is none. What was not finished is removed.
    pub(super) fn open(dir: &Path) -> Result<Store, StoreError> {
        let failed = |source| StoreError::Io { path: dir.to_owned(), source };
        DirBuilder::new().mode(0o700).recursive(true).create(dir).map_err(failed)?;
        let metadata = fs::metadata(dir).map_err(failed)?;
        let untrusted = |why| StoreError::Untrusted { path: dir.to_owned(), why };
        check_trust(&metadata).map_err(untrusted)?;
        let mut store = Store { dir: dir.to_owned(), kept: BTreeMap::new() };
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with(UNFINISHED) {
                fs::remove_file(entry.path()).map_err(failed)?;
            } else if let Some(name) = name.strip_suffix(".wasm")
                && !name.starts_with('.')
                && let Some(kept) = read_kept(&entry.path())
            {
                store.kept.insert(name.to_owned(), kept);
            }
        }
        Ok(store)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Kept> {
        self.kept.get(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.kept.keys().cloned().collect()
    }

    /// Bytes of all components but one.
    pub(super) fn bytes_without(&self, name: &str) -> u64 {
        self.kept.iter().filter(|(other, _)| *other != name).map(|(_, kept)| kept.bytes).sum()
    }

    /// The bytes of a component that is kept.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        read_bounded(&self.path(name), COMPONENT_BYTES_MAX)
    }

    /// Keeps a component in place of the one of the same name. After a crash there is the old one
    /// or the new one, whole.
    pub(super) fn put(
        &mut self,
        name: &str,
        wasm: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let path = self.path(name);
        let signature_path = signature_path(&path);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let write = |suffix: &str, bytes: &[u8]| {
            let path = self.dir.join(format!("{UNFINISHED}{name}{suffix}"));
            // Left over from a write that failed.
            let _ = fs::remove_file(&path);
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            io::Result::Ok(path)
        };
        let kept = Kept {
            sha256: sha256(wasm),
            bytes: wasm.len() as u64,
            signature: signature.map(<[u8]>::to_vec),
        };
        let new_wasm = write(".wasm", wasm).map_err(failed)?;
        // Both take their places right after another, so that a look at the directory, which waits
        // until it is quiet, finds both.
        let done = match signature {
            Some(signature) => {
                write(".minisig", signature).and_then(|new| fs::rename(new, &signature_path))
            }
            None => remove(&signature_path),
        };
        done.and_then(|()| fs::rename(&new_wasm, &path)).map_err(failed)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        self.kept.insert(name.to_owned(), kept);
        Ok(())
    }

    /// Keeps a component no longer.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        remove(&path).and_then(|()| remove(&signature_path(&path))).map_err(failed)?;
        self.kept.remove(name);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.wasm"))
    }
}

/// Removes a file, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read_kept(path: &Path) -> Option<Kept> {
    let wasm = read_bounded(path, COMPONENT_BYTES_MAX)?;
    let signature = read_bounded(&signature_path(path), SIGNATURE_BYTES_MAX);
    Some(Kept { sha256: sha256(&wasm), bytes: wasm.len() as u64, signature })
}

/// A file's bytes; none when it cannot be read or has too many.
fn read_bounded(path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|it| it.is_file()))?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= bytes_max).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn what_is_kept_is_there_after_a_restart_for_us_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state/rules");
        let mut store = Store::open(&dir).unwrap();
        store.put("a", b"first", None).unwrap();
        store.put("a", b"second", Some(b"signed")).unwrap();
        store.put("b", b"other", Some(b"signed")).unwrap();
        store.put("b", b"other", None).unwrap();
        assert_eq!((store.bytes_without("a"), store.bytes_without("c")), (5, 11));
        fs::write(dir.join(".new-c.wasm"), "half").unwrap();
        let again = Store::open(&dir).unwrap();
        assert_eq!(again.kept, store.kept);
        assert_eq!(again.read("a"), Some(b"second".to_vec()));
        assert!(!dir.join(".new-c.wasm").exists() && !dir.join("b.wasm.minisig").exists());
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "{}", path.display());
        }
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        store.remove("a").unwrap();
        store.remove("a").unwrap();
        assert_eq!(Store::open(&dir).unwrap().names(), ["b"]);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Untrusted { .. })));
    }
}
