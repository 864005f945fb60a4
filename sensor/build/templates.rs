//! The templates of `ocellus rules new`: the files of each `sdk/LANGUAGE/template`, and the Rust
//! SDK with the contract, which a project in Rust brings along.

use std::path::{Path, PathBuf};

/// Rust source of the tables: name of the language or part, path inside, content.
pub fn generate(root: &Path) -> String {
    let sdk = root.join("sdk");
    println!("cargo::rerun-if-changed={}", sdk.display());
    let mut languages = String::new();
    for folder in entries(&sdk) {
        let template = folder.join("template");
        if template.is_dir() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let files = table(&template, &files(&template));
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
