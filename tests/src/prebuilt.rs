//! The components that the repository ships ready built: where they lie, and of what they were
//! built. Beside them a file `SOURCES` records the digests, so that a test can tell when a source
//! has changed and its component has not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use ocellus::digest::hasher::sha256;
use ocellus::digest::hex;
use ocellus::rules::build::Language;
use sha2::{Digest, Sha256};

/// Files of the SDK that no component holds: they serve native tests.
const NATIVE_ONLY: [&str; 6] = [
    "sdk/rust/src/testing.rs",
    "sdk/rust/src/host/stand_in.rs",
    "sdk/js/testing.js",
    "sdk/js/stand_in.js",
    "sdk/zig/testing.zig",
    "sdk/zig/stand_in.zig",
];

/// What is not shipped ready built: 18 MB, and 2 MB.
const LARGE: [Language; 2] = [Language::Python, Language::Go];

/// The folder of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate is a folder of the repository").to_owned()
}

/// A folder whose projects are shipped as components in its `dist`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    Rules,
    Examples,
    /// Guests of tests.
    Guests,
}

impl Shelf {
    pub const ALL: [Shelf; 3] = [Shelf::Rules, Shelf::Examples, Shelf::Guests];

    pub fn folder(self) -> PathBuf {
        root().join(match self {
            Shelf::Rules => "rules",
            Shelf::Examples => "examples",
            Shelf::Guests => "tests/guests",
        })
    }

    pub fn dist(self) -> PathBuf {
        self.folder().join("dist")
    }

    /// What is shipped of this folder, by name. Not what holds a large runtime.
    pub fn guests(self) -> io::Result<Vec<Guest>> {
        let mut guests = Vec::new();
        for entry in std::fs::read_dir(self.folder())? {
            let project = entry?.path();
            let language = Language::detect(&project);
            if let Some(language) = language.filter(|one| !LARGE.contains(one)) {
                let name = project.file_name().unwrap_or_default().to_string_lossy().into_owned();
                guests.push(Guest { name, shelf: self, project, language });
            }
        }
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(guests)
    }

    /// What `SOURCES` records, by name.
    pub fn recorded(self) -> io::Result<BTreeMap<String, Digests>> {
        let text = std::fs::read_to_string(self.dist().join("SOURCES"))?;
        let mut recorded = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace().map(str::to_owned);
            if let (Some(name), Some(component), Some(sources)) =
                (words.next(), words.next(), words.next())
            {
                recorded.insert(name, Digests { component, sources });
            }
        }
        Ok(recorded)
    }

    /// Write `SOURCES` for the components that are there now.
    pub fn record(self) -> io::Result<()> {
        let mut text = String::from(
            "# What the components in this folder were built of. Written by\n\
             # `make rules`; a test compares.\n\
             # name, SHA-256 of the component, SHA-256 over its sources\n",
        );
        for guest in self.guests()? {
            let Digests { component, sources } = guest.digests()?;
            writeln!(text, "{} {component} {sources}", guest.name).map_err(io::Error::other)?;
        }
        std::fs::write(self.dist().join("SOURCES"), text)
    }
}

/// SHA-256 in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    pub component: String,
    pub sources: String,
}

/// A project that is shipped as a component.
#[derive(Clone, Debug)]
pub struct Guest {
    pub name: String,
    pub shelf: Shelf,
    pub project: PathBuf,
    pub language: Language,
}

impl Guest {
    /// The shipped file.
    pub fn component(&self) -> PathBuf {
        self.shelf.dist().join(format!("{}.wasm", self.name))
    }

    /// The digests of what is there now.
    pub fn digests(&self) -> io::Result<Digests> {
        let component = hex(&sha256(&std::fs::read(self.component())?));
        let root = root();
        let mut files = self.sources(&root)?;
        files.sort();
        let mut sources = Sha256::new();
        for file in files {
            let name = file.strip_prefix(&root).map_err(io::Error::other)?;
            if !NATIVE_ONLY.iter().any(|native| name == Path::new(native)) {
                let content = hex(&sha256(&std::fs::read(&file)?));
                sources.update(format!("{content} {}\n", name.display()));
            }
        }
        Ok(Digests { component, sources: hex(&sources.finalize()) })
    }

    /// All that decides what the component does.
    fn sources(&self, root: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let builder = root.join("sensor/src/rules/build");
        collect(&root.join("wit"), &mut files)?;
        match self.language {
            Language::Rust => {
                collect(&self.project.join("src"), &mut files)?;
                collect(&root.join("sdk/rust/src"), &mut files)?;
                // What guests of tests share.
                let shared = ["reader.rs", "bench.rs"].map(|file| self.shelf.folder().join(file));
                files.extend(shared.into_iter().filter(|file| file.is_file()));
                files.push(self.project.join("Cargo.toml"));
                files.extend(
                    ["Cargo.toml", "build.rs"].map(|file| root.join("sdk/rust").join(file)),
                );
                let lock = [self.project.as_path(), &self.shelf.folder()];
                files.extend(
                    lock.map(|folder| folder.join("Cargo.lock")).into_iter().find(|l| l.is_file()),
                );
                files.push(builder.join("rust.rs"));
            }
            Language::C => {
                collect(&root.join("sdk/c"), &mut files)?;
                files.extend([self.project.join("rule.c"), builder.join("c.rs")]);
            }
            Language::JavaScript => {
                collect(&root.join("sdk/js"), &mut files)?;
                files.extend(["rule.js", "package.json"].map(|file| self.project.join(file)));
                files.extend([builder.join("script.rs"), builder.join("source.rs")]);
            }
            Language::Zig => {
                collect(&root.join("sdk/zig"), &mut files)?;
                files.extend([self.project.join("rule.zig"), builder.join("zig.rs")]);
            }
            Language::Python | Language::Go => {}
        }
        // What `rules new` writes is no part of a component, nor are tests.
        let is_template = |file: &Path| {
            let others = ["template", "tests", "node_modules"];
            file.iter().any(|part| others.iter().any(|it| part == *it))
        };
        files.retain(|file| !is_template(file) && file.extension().is_none_or(|it| it != "md"));
        Ok(files)
    }
}

/// All files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
