//! What was built before need not be built again, if nothing of what it was built of has changed.
//!
//! That is decided by a digest of all of it: the files that the tool gets to see, its arguments,
//! the tool, and this program, which has the contract, the SDKs and the arguments.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::tools::{self, Scratch};
use super::{BuildError, Cache, io};

/// The file in the scratch folder into which a tool writes the component.
pub(super) const MADE: &str = "rule.wasm";

/// Runs a tool that sees nothing but the scratch folder and leaves [`MADE`] there; or gives what it
/// made before. One that does not say which `version` it is runs each time.
pub(super) fn made(
    command: &mut Command,
    scratch: &Scratch,
    cache: Option<&Cache>,
    version: impl FnOnce() -> Option<String>,
) -> Result<Vec<u8>, BuildError> {
    let Some(cache) = cache else { return run(command, scratch) };
    let Some(version) = version() else { return run(command, scratch) };
    let inputs = inputs(command, scratch.path(), &version)?;
    if let Some(component) = cache.built(&inputs) {
        return Ok(component);
    }
    let component = run(command, scratch)?;
    cache.keep_built(&inputs, &component);
    Ok(component)
}

fn run(command: &mut Command, scratch: &Scratch) -> Result<Vec<u8>, BuildError> {
    tools::run(command)?;
    scratch.read(MADE)
}

/// The version of a tool of npm's: the description of its package, which names also what it needs.
pub(super) fn package_of(tool: &Path) -> Option<String> {
    let tool = tool.canonicalize().ok()?;
    let mut folders = tool.ancestors().skip(1);
    folders.find_map(|folder| std::fs::read_to_string(folder.join("package.json")).ok())
}

/// The digest of all that the outcome depends on.
fn inputs(command: &Command, scratch: &Path, version: &str) -> Result<[u8; 32], BuildError> {
    let mut digest = Sha256::new();
    // With its length, so that one part cannot look like two.
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    add(&identity(Path::new("/proc/self/exe"))?);
    add(&identity(Path::new(command.get_program()))?);
    add(version.as_bytes());
    for argument in command.get_args() {
        add(without(scratch, argument));
    }
    let mut files = Vec::new();
    collect(scratch, &mut files)?;
    // A folder tells its entries in any order.
    files.sort_unstable();
    for path in files {
        add(without(scratch, path.as_os_str()));
        add(&std::fs::read(&path).map_err(io("read", &path))?);
    }
    Ok(digest.finalize().into())
}

/// The scratch folder has another name each time.
fn without<'a>(scratch: &Path, text: &'a OsStr) -> &'a [u8] {
    let bytes = text.as_bytes();
    bytes.strip_prefix(scratch.as_os_str().as_bytes()).unwrap_or(bytes)
}

/// Whose bytes these are, without reading them: whatever is written into a file, or put in its
/// place, changes one of these.
fn identity(path: &Path) -> Result<Vec<u8>, BuildError> {
    let metadata = std::fs::metadata(path).map_err(io("read", path))?;
    let numbers = [
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime() as u64,
        metadata.mtime_nsec() as u64,
        metadata.ctime() as u64,
        metadata.ctime_nsec() as u64,
    ];
    Ok(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    for entry in std::fs::read_dir(folder).map_err(io("read", folder))? {
        let path = entry.map_err(io("read", folder))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that is asked to copy `source/rule` into the component, and to leave word that it
    /// did.
    fn command(scratch: &Scratch, word: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.current_dir(scratch.path());
        command.args(["-c", "cat source/rule > $0 && echo ran >> $1"]);
        command.arg(scratch.path().join(MADE)).arg(word);
        command
    }

    #[test]
    fn what_did_not_change_is_not_built_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        let word = folder.path().join("word");
        let built = |rule: &str, version: Option<&str>, cache: Option<&Cache>| {
            let scratch = Scratch::new().unwrap();
            scratch.write("source/rule", rule).unwrap();
            let version = || version.map(str::to_owned);
            let component = made(&mut command(&scratch, &word), &scratch, cache, version);
            let runs = std::fs::read_to_string(&word).unwrap_or_default().lines().count();
            (String::from_utf8(component.unwrap()).unwrap(), runs)
        };
        let cache = Some(&cache);
        assert_eq!(built("a", Some("1"), cache), ("a".into(), 1));
        assert_eq!(built("a", Some("1"), cache), ("a".into(), 1));
        assert_eq!(built("b", Some("1"), cache), ("b".into(), 2));
        assert_eq!(built("a", Some("1"), cache), ("a".into(), 2));
        assert_eq!(built("a", Some("2"), cache), ("a".into(), 3));
        assert_eq!(built("a", None, cache), ("a".into(), 4));
        assert_eq!(built("a", Some("1"), None), ("a".into(), 5));
    }

    #[test]
    fn whatever_changes_the_outcome_changes_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        std::fs::write(&tool, "tool 1").unwrap();
        let digest = |files: &[(&str, &str)], arguments: &[&str], version: &str| {
            let scratch = Scratch::new().unwrap();
            for (name, text) in files {
                scratch.write(name, text).unwrap();
            }
            let mut command = Command::new(&tool);
            command.args(arguments).arg(scratch.path().join(MADE));
            inputs(&command, scratch.path(), version).unwrap()
        };
        let files = [("source/rule.py", "1"), ("ocellus/sdk.py", "1")];
        let same = || digest(&files, &["-w", "rule"], "1");
        let first = same();
        assert_eq!(same(), first, "the name of the scratch folder is no part of it");
        let mut all = vec![
            first,
            digest(&[("source/rule.py", "2"), files[1]], &["-w", "rule"], "1"),
            digest(&[files[0], ("ocellus/sdk.py", "2")], &["-w", "rule"], "1"),
            digest(&[files[0], ("ocellus/sdk2.py", "1")], &["-w", "rule"], "1"),
            digest(&files[..1], &["-w", "rule"], "1"),
            digest(&files, &["-wr", "ule"], "1"),
            digest(&files, &["-w", "rule"], "2"),
        ];
        // The same bytes once more are another installation.
        std::fs::remove_file(&tool).unwrap();
        std::fs::write(&tool, "tool 2").unwrap();
        all.push(same());
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_package_of_npm_is_found_through_the_link_to_its_program() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("node_modules/tool/bin");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::create_dir(folder.path().join("node_modules/.bin")).unwrap();
        std::fs::write(package.join("tool.js"), "").unwrap();
        std::fs::write(package.join("../package.json"), "version 1").unwrap();
        let link = folder.path().join("node_modules/.bin/tool");
        std::os::unix::fs::symlink("../tool/bin/tool.js", &link).unwrap();
        assert_eq!(package_of(&link).as_deref(), Some("version 1"));
        assert_eq!(package_of(&folder.path().join("none")), None);
    }
}
