//! `ocellus rules new`: a small project that builds, with a rule, fixtures and a test.
//!
//! A language is a folder `sdk/LANGUAGE/template`, whose files are in the program, with the rule of
//! `examples/rule-LANGUAGE` where the folder has none. In them, `{{name}}`, or the example's id, is
//! the project's name; `gitignore` becomes `.gitignore`, and `next.txt`, which is
//! not copied, has the commands that the language needs before a build. The SDK comes along in the
//! folder `ocellus`, so that the project's own tests run without a checkout or a network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::rules::build::sdk;

/// Path inside the project, and content.
type File = (&'static str, &'static str);

/// What a new project in one language is.
#[derive(Debug)]
pub struct Template {
    /// Name of the language: that of its folder below `sdk/`.
    pub language: &'static str,
    files: &'static [File],
}

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// Longest name of a project, in bytes: it becomes a rule's id.
const NAME_BYTES_MAX: usize = 64;
/// Commands to type before the first build.
const NEXT: &str = "next.txt";

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error(
        "{0:?} cannot be the name of a rule: lower-case letters, digits and `-`, beginning with a \
         letter, at most {NAME_BYTES_MAX}"
    )]
    Name(String),
    #[error("{} exists already; choose another name", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Template {
    /// The template of a language, also by its other names.
    pub fn of(language: &str) -> Option<&'static Template> {
        let aliases = TEMPLATES.iter().find(|template| template.aliases().contains(&language));
        let language = aliases.map_or(language, |template| template.language);
        TEMPLATES.iter().find(|template| template.language == language)
    }

    /// Other names that people type.
    pub fn aliases(&self) -> &'static [&'static str] {
        match self.language {
            "go" => &["golang"],
            "js" => &["javascript"],
            "python" => &["py"],
            "rust" => &["rs"],
            _ => &[],
        }
    }

    /// Makes the project `name` in the folder `parent`. Gives what to tell the author.
    pub fn make(&self, name: &str, parent: &Path) -> Result<String, NewError> {
        check_name(name)?;
        let project = parent.join(name);
        match fs::create_dir(&project) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(NewError::Exists(project));
            }
            Err(source) => return Err(NewError::Write { path: project, source }),
        }
        let example = format!("example-netcat-{}", self.language);
        let fill = |text: &str| text.replace("{{name}}", name).replace(&example, name);
        let mut next = String::new();
        for (path, content) in self.files {
            match *path {
                NEXT => next = fill(content),
                path => {
                    write(&project.join(path.replace("gitignore", ".gitignore")), &fill(content))?
                }
            }
        }
        if self.language == "rust" {
            for (path, content) in RUST_SDK {
                write(&project.join("ocellus").join(path), &standing_alone(path, content))?;
            }
        }
        for (path, content) in sdk::files(self.language) {
            write(&project.join(sdk::OWN).join(path), content)?;
        }
        let shown = project.strip_prefix("./").unwrap_or(&project).display();
        let before: String = next.lines().map(|line| format!("  {line}\n")).collect();
        Ok(format!(
            "Made {shown}, a rule that alerts on netcat. Next:\n{before}  \
             ocellus rules test {shown}     # builds it, and runs tests/fixtures.toml\n  \
             ocellus rules watch {shown} --into RULES_DIR\n"
        ))
    }
}

/// The SDK's manifest takes from a workspace what the project has not got.
fn standing_alone(path: &str, content: &str) -> String {
    if path != "sdk/rust/Cargo.toml" {
        return content.to_owned();
    }
    let own = [
        ("version.workspace = true", format!("version = {:?}", env!("CARGO_PKG_VERSION"))),
        ("edition.workspace = true", "edition = \"2024\"".to_owned()),
        ("license.workspace = true", "license = \"Apache-2.0\"".to_owned()),
        ("repository.workspace = true\n", String::new()),
        ("readme = \"README.md\"\n", String::new()),
        ("[lints]\nworkspace = true\n", String::new()),
    ];
    own.iter().fold(content.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn check_name(name: &str) -> Result<(), NewError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(allowed);
    is_good.then_some(()).ok_or_else(|| NewError::Name(name.to_owned()))
}

fn write(path: &Path, content: &str) -> Result<(), NewError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, content))
        .map_err(|source| NewError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_makes_a_project_with_fixtures() {
        let dir = tempfile::tempdir().unwrap();
        for template in TEMPLATES {
            let name = format!("{}-rule", template.language);
            let said = template.make(&name, dir.path()).unwrap();
            assert!(said.contains("ocellus rules test"), "{said}");
            let project = dir.path().join(&name);
            let fixtures = crate::author::fixture::files(&project.join("tests")).unwrap();
            assert!(!fixtures.is_empty(), "{name} has no fixtures");
            for file in fixtures {
                let read = crate::author::fixture::read(&file).unwrap();
                assert!(read.tests.len() > 1);
            }
            let detected = crate::rules::build::Language::detect(&project);
            assert!(detected.is_some(), "`rules build` does not know what {name} is");
            assert!(project.join("README.md").is_file());
            assert!(matches!(template.make(&name, dir.path()), Err(NewError::Exists(_))));
        }
        assert!(Template::of("rust").is_some() && Template::of("cobol").is_none());
        assert_eq!(Template::of("py").map(|it| it.language), Some("python"));
    }

    #[test]
    fn the_sdk_stands_alone() {
        let manifest = RUST_SDK.iter().find(|(path, _)| *path == "sdk/rust/Cargo.toml").unwrap();
        let text = standing_alone(manifest.0, manifest.1);
        assert!(!text.contains("workspace"), "{text}");
        assert!(text.parse::<toml::Table>().is_ok());
    }

    #[test]
    fn names_are_ids() {
        assert!(check_name("reverse-shell-2").is_ok());
        for wrong in ["", "2a", "A", "a_b", "../a", "a b", &"a".repeat(65)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
}
