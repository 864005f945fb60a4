//! C: clang and LLVM's linker, and the SDK of `sdk/c`, which needs no C library.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::BuildError;
use super::tools::{self, Scratch};

/// The C SDK, so that users need no checkout: file name and text.
const SDK: [(&str, &str); 3] = [
    ("ocellus.h", include_str!("../../../../sdk/c/ocellus.h")),
    ("ocellus_fields.h", include_str!("../../../../sdk/c/ocellus_fields.h")),
    ("ocellus.c", include_str!("../../../../sdk/c/ocellus.c")),
];

const ADVICE: &str = "install clang and lld";

/// Compile all C files in `project` to a core module.
pub(super) fn core_module(project: &Path) -> Result<Vec<u8>, BuildError> {
    let clang = find_clang()?;
    let scratch = Scratch::new()?;
    for (name, text) in SDK {
        scratch.write(name, text)?;
    }
    let mut command = Command::new(clang);
    command.current_dir(project).args([
        "--target=wasm32-unknown-unknown",
        "-std=c17",
        "-Os",
        "-Wall",
        "-Wextra",
        "-ffreestanding",
        "-nostdlib",
        "-mno-reference-types",
        "-Wl,--no-entry",
        "-Wl,--gc-sections",
        "-Wl,--strip-all",
        "-Wl,-z,stack-size=65536",
        "-I",
    ]);
    command.arg(scratch.path()).arg("-o").arg(scratch.path().join("rule.wasm"));
    command.args(sources(project)?).arg(scratch.path().join("ocellus.c"));
    tools::run(&mut command)?;
    scratch.read("rule.wasm")
}

/// The newest clang that can make WebAssembly and has a linker for it.
fn find_clang() -> Result<PathBuf, BuildError> {
    let missing = |missing: &str| BuildError::NoToolchain {
        language: "C",
        missing: missing.to_owned(),
        advice: ADVICE,
    };
    let clangs = tools::find_llvm("clang");
    if clangs.is_empty() {
        return Err(missing("there is no clang in PATH"));
    }
    clangs
        .into_iter()
        .find(|clang| {
            let mut command = Command::new(clang);
            command.args(["--target=wasm32-unknown-unknown", "-print-prog-name=wasm-ld"]);
            // A program that it does not find it prints without a folder.
            let linker = tools::output(&mut command).map(|path| PathBuf::from(path.trim_end()));
            linker.is_ok_and(|path| {
                path.is_file() || path.to_str().is_some_and(|name| tools::find(name).is_some())
            })
        })
        .ok_or_else(|| missing("clang finds no wasm-ld"))
}

fn sources(project: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let failed = |source| BuildError::Io { action: "read", path: project.to_owned(), source };
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(project).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}
