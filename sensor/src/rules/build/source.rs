//! What a tool gets to see of a rule: a copy of its folder, so that what was built depends on what
//! was copied, and on nothing else.

use std::path::Path;

use super::{BuildError, io};

/// Files of a rule. It has a dozen; more are a folder that holds something else.
pub(super) const FILES_MAX: usize = 10_000;
/// Folders that are no part of a rule, beside hidden ones.
const LEFT_OUT: [&str; 3] = ["node_modules", "__pycache__", "tests"];

/// Copy the files that are `wanted`, by their names, with their folders. Installed packages, tests
/// and what is hidden stay behind.
pub(super) fn copy(from: &Path, to: &Path, wanted: fn(&str) -> bool) -> Result<(), BuildError> {
    let mut copied = 0;
    let mut waiting = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        std::fs::create_dir_all(&to).map_err(io("make", &to))?;
        for entry in std::fs::read_dir(&from).map_err(io("read", &from))? {
            let path = entry.map_err(io("read", &from))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() && !LEFT_OUT.contains(&&*name) {
                waiting.push((path, to.join(name)));
            } else if path.is_file() && wanted(&name) {
                std::fs::copy(&path, to.join(name)).map_err(io("copy", &path))?;
            } else {
                continue;
            }
            copied += 1;
            // A symbolic link to a folder above has no end.
            if copied > FILES_MAX {
                return Err(BuildError::TooMany { path: from });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_part_of_a_rule_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for name in ["rule.py", "own/lists.txt", "tests/test.py", ".venv/a.py", "old.wasm"] {
            let path = from.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        copy(&from, &to, |name| !name.ends_with(".wasm")).unwrap();
        assert_eq!(std::fs::read_to_string(to.join("own/lists.txt")).unwrap(), "own/lists.txt");
        assert!(to.join("rule.py").is_file());
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_contains_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        std::fs::create_dir(&from).unwrap();
        std::os::unix::fs::symlink(".", from.join("again")).unwrap();
        std::os::unix::fs::symlink(".", from.join("once-more")).unwrap();
        let error = copy(&from, &folder.path().join("to"), |_| true).unwrap_err();
        assert!(matches!(error, BuildError::TooMany { .. }), "{error}");
    }
}
