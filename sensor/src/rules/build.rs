//! `ocellus rules build`: from a rule's source to a component, by one command whatever the
//! language.
//!
//! Rust, C, Go and Zig become a core module, which is wrapped here; JavaScript and Python have
//! tools that make the whole component. Nothing here runs while events flow.

mod c;
mod go;
mod reuse;
mod rust;
mod script;
pub(crate) mod sdk;
mod source;
mod tools;
mod zig;

pub(crate) use tools::Scratch;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::cache::Cache;
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, decode};
use wit_parser::{Resolve, SourceMap, WorldKey};

/// The contract, so that users need no checkout to build against it: file name and text.
pub const WIT: [(&str, &str); 8] = [
    ("carry.wit", include_str!("../../../wit/carry.wit")),
    ("event.wit", include_str!("../../../wit/event.wit")),
    ("host.wit", include_str!("../../../wit/host.wit")),
    ("packed.wit", include_str!("../../../wit/packed.wit")),
    ("processes.wit", include_str!("../../../wit/processes.wit")),
    ("rule.wit", include_str!("../../../wit/rule.wit")),
    ("state.wit", include_str!("../../../wit/state.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
];

/// The worlds that a rule may implement, the richest first.
const WORLDS: [&str; 4] = ["batch-rule-with-state", "batch-rule", "rule-with-state", "rule"];
/// The module by which WASI's preview 1 is imported.
const WASI: &str = "wasi_snapshot_preview1";

/// Why a rule could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{0} is not a rule: it has no Cargo.toml, rule.{{c,js,py,zig}} or go.mod")]
    NotARule(PathBuf),
    #[error("cannot build {language} here: {missing}; {advice}")]
    NoToolchain { language: &'static str, missing: String, advice: &'static str },
    #[error("cannot start {tool}")]
    Start { tool: String, source: std::io::Error },
    #[error("{tool} failed with {status}; its messages are above")]
    Failed { tool: String, status: ExitStatus },
    #[error("{tool} gave an answer that cannot be read: {reason}")]
    Answer { tool: String, reason: String },
    #[error("{0} has no library: put the rule into src/lib.rs")]
    NoLibrary(PathBuf),
    #[error("the compiled code does not fit a world of ocellus:rule@1.0.0")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the compiled code exports no `{0}`; in Rust, is `ocellus_sdk::rule!(...)` there?")]
    NoExport(&'static str),
    #[error("{path} has more than {} files; is that a rule's folder?", source::FILES_MAX)]
    TooMany { path: PathBuf },
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
}

/// What a rule is written in, by the file that its folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    C,
    JavaScript,
    Python,
    Go,
    Zig,
}

impl Language {
    /// The language of the rule in the folder. None when it has no rule.
    pub fn detect(project: &Path) -> Option<Self> {
        [
            ("Cargo.toml", Self::Rust),
            ("rule.c", Self::C),
            ("rule.js", Self::JavaScript),
            ("rule.py", Self::Python),
            ("rule.zig", Self::Zig),
            ("go.mod", Self::Go),
        ]
        .into_iter()
        .find_map(|(file, language)| project.join(file).is_file().then_some(language))
    }
}

/// Build the rule in the folder `project` into a component and write it to `out`, or, when `out`
/// is a folder, to a file there that is named like the project. Gives the file's path.
///
/// The file appears whole or not at all, so `out` may lie in a folder that a sensor watches.
/// The compiler's messages go to stderr.
///
/// What was built before of the same comes from `cache`, where the language's own tools would
/// build all of it anew.
pub fn build(project: &Path, out: &Path, cache: Option<&Cache>) -> Result<PathBuf, BuildError> {
    let project = project.canonicalize().map_err(io("read", project))?;
    let component = match Language::detect(&project) {
        None => return Err(BuildError::NotARule(project)),
        Some(Language::Rust) => wrap(&rust::core_module(&project)?)?,
        Some(Language::C) => wrap_in_world(&c::core_module(&project)?)?,
        Some(Language::Go) => wrap_in_world(&go::core_module(&project)?)?,
        Some(Language::Zig) => wrap_in_world(&zig::core_module(&project)?)?,
        Some(Language::JavaScript) => script::javascript(&project, cache)?,
        Some(Language::Python) => script::python(&project, cache)?,
    };
    check_exports(&component)?;
    let name = project.file_name().unwrap_or("rule".as_ref());
    let out =
        if out.is_dir() { out.join(name).with_added_extension("wasm") } else { out.to_owned() };
    write_whole(&out, &component)?;
    Ok(out)
}

/// Wrap a core module that implements one of the worlds, but does not say which. What is said about
/// one that implements none is why it is no `rule`.
fn wrap_in_world(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut sources = SourceMap::new();
    for (name, text) in WIT {
        sources.push_str(name, text);
    }
    let mut resolve = Resolve::default();
    let group = sources.parse().map_err(|(_, error)| encode_error(error))?;
    let package = resolve.push_group(group).map_err(encode_error)?;
    let mut tried = Err(BuildError::NoExport("configure"));
    for world in WORLDS {
        let world = resolve.select_world(&[package], Some(world)).map_err(encode_error)?;
        let mut module = module.to_vec();
        let encoding = StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false)
            .map_err(encode_error)?;
        tried = wrap(&module);
        if tried.is_ok() {
            break;
        }
    }
    tried
}

/// Wrap a core module that says which world it implements.
fn wrap(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut encoder = ComponentEncoder::default();
    let encoded = match encoder.module(module).and_then(|it| it.adapter(WASI, go::INERT_WASI)) {
        Ok(encoder) => encoder.validate(true).encode(),
        Err(error) => Err(error),
    };
    encoded.map_err(encode_error)
}

fn encode_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BuildError {
    BuildError::Encode(error.into())
}

/// The error of an action on a path.
fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::Io { action, path, source }
}

/// A module without a rule still makes a component, of an empty world.
fn check_exports(component: &[u8]) -> Result<(), BuildError> {
    let decoded = decode(component).map_err(encode_error)?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(BuildError::Encode("it is a WIT package, not a component".into()));
    };
    let exports = &resolve.worlds[world].exports;
    let has = |name: &str| exports.contains_key(&WorldKey::Name(name.to_owned()));
    match (has("configure"), has("on-event") || has("on-batch")) {
        (true, true) => Ok(()),
        (false, _) => Err(BuildError::NoExport("configure")),
        (true, false) => Err(BuildError::NoExport("on-event")),
    }
}

/// Write beside the file, then rename.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let part = path.with_added_extension("part");
    std::fs::write(&part, bytes).map_err(io("write", &part))?;
    std::fs::rename(&part, path).map_err(io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_contract_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("wit/ is there")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".wit"))
            .collect();
        files.sort();
        assert_eq!(files, WIT.map(|(name, _)| name));
    }

    #[test]
    fn a_folder_without_a_rule_says_what_is_missing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = build(folder.path(), folder.path(), None).expect_err("it is empty");
        assert!(error.to_string().contains("it has no Cargo.toml, rule.{c,js,py,zig} or go.mod"));
    }

    #[test]
    fn a_module_without_a_rule_is_refused() {
        let module = wat::parse_str("(module)").expect("it parses");
        let error = check_exports(&wrap(&module).expect("it wraps")).expect_err("no exports");
        assert!(matches!(error, BuildError::NoExport("configure")), "{error}");
    }

    #[test]
    fn a_module_that_lacks_an_export_of_its_world_is_refused() {
        let module = wat::parse_str("(module (memory (export \"memory\") 1))").expect("it parses");
        assert!(matches!(wrap_in_world(&module), Err(BuildError::Encode(_))));
    }
}
