//! The templates of `ocellus rules new`: the files of each `sdk/LANGUAGE/template`, with the rule
//! and its tests from `examples/rule-LANGUAGE`; and the Rust SDK with the contract, which a project
//! in Rust brings along.

use std::path::{Path, PathBuf};

/// What of an SDK's folder is no part of it for a rule.
const LEFT_OUT: [&str; 4] = ["template", "tests", "node_modules", "__pycache__"];
/// Ends of the names of what is.
const SOURCES: [&str; 6] = [".js", "package.json", ".py", ".go", ".mod", ".zig"];

/// Rust source of the SDKs that are files and not packages: language, path inside, content.
pub fn generate_sdks(root: &Path) -> String {
    let mut sdks = String::new();
    for (language, folder) in [("go", ""), ("js", ""), ("python", "ocellus"), ("zig", "")] {
        let base = root.join("sdk").join(language).join(folder);
        let mut files = files(&base);
        files.retain(|file| {
            let inside = file.strip_prefix(&base).expect("it lies below");
            let name = inside.display().to_string();
            !inside.iter().any(|part| LEFT_OUT.iter().any(|out| part == *out))
                && SOURCES.iter().any(|end| name.ends_with(end))
                && !name.ends_with("_test.go")
        });
        sdks += &format!("    ({language:?}, &[\n{}    ]),\n", table(&base, &files));
    }
    format!("/// The SDKs by language.\nstatic SDKS: &[(&str, &[File])] = &[\n{sdks}];\n")
}

/// Rust source of the tables: name of the language or part, path inside, content.
pub fn generate(root: &Path) -> String {
    let sdk = root.join("sdk");
    println!("cargo::rerun-if-changed={}", sdk.display());
    let mut languages = String::new();
    for folder in entries(&sdk) {
        let template = folder.join("template");
        if template.is_dir() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut files = table(&template, &files(&template));
            if !template.join("src").is_dir() {
                let example = root.join(format!("examples/rule-{name}"));
                files += &table(&example, &rule_of(&example));
            }
            languages +=
                &format!("    Template {{ language: {name:?}, files: &[\n{files}    ] }},\n");
        }
    }
    let mut brought = files(&root.join("sdk/rust/src"));
    brought.extend(["sdk/rust/Cargo.toml", "sdk/rust/build.rs"].map(|file| root.join(file)));
    brought.extend(files(&root.join("wit")));
    let brought = table(root, &brought);
    format!(
        "/// The languages, in order of their names.\npub static TEMPLATES: &[Template] = &[\n\
         {languages}];\n\n/// What a project in Rust depends on, with paths as in the repository.\n\
         static RUST_SDK: &[File] = &[\n{brought}];\n"
    )
}

/// The rule of an example and its native tests.
fn rule_of(example: &Path) -> Vec<PathBuf> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = entries(example);
    found.retain(|path| path.is_file() && name(path).starts_with("rule"));
    if example.join("tests").is_dir() {
        found.extend(entries(&example.join("tests")).into_iter().filter(|path| path.is_file()));
    }
    found
}

fn table(base: &Path, files: &[PathBuf]) -> String {
    let row = |file: &PathBuf| {
        println!("cargo::rerun-if-changed={}", file.display());
        let inside = file.strip_prefix(base).expect("it lies below");
        format!("        ({:?}, include_str!({:?})),\n", inside.display().to_string(), file)
    };
    files.iter().map(row).collect()
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it is readable").path()).collect();
    paths.sort();
    paths
}
