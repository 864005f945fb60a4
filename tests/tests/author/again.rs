//! What is built and compiled once, and when it is once more.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use ocellus_tests::guest::Guest;
use ocellus_tests::program::ocellus;

use super::{assert_has, text, write};

/// Stands in for the tool that puts Python and a rule into a component: gives the component that
/// `which.txt` names, and leaves word.
const TOOL: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo VERSION; exit; fi
echo ran >> "FOLDER/runs"
for last; do :; done
cp "FOLDER/$(cat which.txt).wasm" "$last"
"#;

struct Author {
    folder: tempfile::TempDir,
}

impl Author {
    fn new() -> Author {
        let folder = tempfile::tempdir().unwrap();
        for rule in ["first", "second"] {
            write(folder.path(), &format!("{rule}.wasm"), Guest::new(rule).build());
        }
        fs::create_dir_all(folder.path().join("project/tests")).unwrap();
        write(folder.path(), "project/rule.py", "");
        write(folder.path(), "project/which.txt", "first");
        let author = Author { folder };
        author.install("1");
        author
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// By another process: of this one, a child of another thread could hold the file open for
    /// writing, and then it could not be executed.
    fn install(&self, version: &str) {
        let tool = TOOL.replace("FOLDER", self.path().to_str().unwrap());
        write(self.path(), "tool", tool.replace("VERSION", version));
        let installed = Command::new("install")
            .args(["-D", "-m", "755", "tool", "project/.venv/bin/componentize-py"])
            .current_dir(self.path())
            .status();
        assert!(installed.unwrap().success());
    }

    /// What is said of the component in all, and how often the tool has run by then.
    fn checked(&self) -> (String, usize) {
        let output = Command::new(ocellus())
            .args(["rules", "check", "project"])
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("caches"))
            .output()
            .unwrap();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}{error}");
        let runs = fs::read_to_string(self.path().join("runs")).unwrap().lines().count();
        (format!("{out}{error}"), runs)
    }

    #[track_caller]
    fn expect(&self, rule: &str, runs: usize) {
        let (said, ran) = self.checked();
        assert_has(&said, &[&format!("  {rule} 1.0.0")]);
        assert_eq!(ran, runs, "{said}");
    }
}

#[test]
fn a_component_is_built_again_when_something_of_it_has_changed() {
    let author = Author::new();
    author.expect("first", 1);
    author.expect("first", 1);
    write(author.path(), "project/tests/fixtures.toml", "# of no consequence");
    author.expect("first", 1);
    write(author.path(), "project/which.txt", "second");
    author.expect("second", 2);
    write(author.path(), "project/which.txt", "first");
    author.expect("first", 2);
    write(author.path(), "project/rule.py", "# a comment");
    author.expect("first", 3);
    author.install("2");
    author.expect("first", 4);
    // The project's own copy of the SDK.
    fs::create_dir(author.path().join("project/ocellus")).unwrap();
    write(author.path(), "project/ocellus/component.py", "");
    author.expect("first", 5);
    author.expect("first", 5);
}

#[test]
fn what_is_kept_is_private_and_else_not_used() {
    let author = Author::new();
    author.expect("first", 1);
    let kept = author.path().join("caches/ocellus");
    let ends = |end: &str| {
        let names = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().ends_with(end)).count()
    };
    assert_eq!((ends(".wasm"), ends(".code")), (1, 1));
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o777)).unwrap();
    let (said, runs) = author.checked();
    assert_eq!(runs, 2, "{said}");
    let told = "ocellus: all is built and compiled anew: ";
    assert_eq!(said.matches(told).count(), 1, "{said}");
    assert_has(&said, &["it can be written by others"]);
}
