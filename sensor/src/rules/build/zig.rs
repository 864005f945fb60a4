//! Zig: its compiler alone, and the SDK of `sdk/zig`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{self, Scratch};
use super::{BuildError, sdk};

/// As in Rust: an instance has it whether it is used or not.
const STACK_BYTES: usize = 64 << 10;

/// Compile `rule.zig`, and what it imports, to a core module.
pub(super) fn core_module(project: &Path) -> Result<Vec<u8>, BuildError> {
    let zig = find_zig(project).ok_or_else(|| BuildError::NoToolchain {
        language: "Zig",
        missing: "there is no zig or python-zig in .venv/bin or PATH".to_owned(),
        advice: "install Zig 0.15 or newer, or run `python3 -m venv .venv && .venv/bin/pip install \
                 ziglang==0.17.0` in the rule's folder",
    })?;
    let scratch = Scratch::new()?;
    let sdk = sdk::folder("zig", project, &scratch)?.join("ocellus.zig");
    let mut command = Command::new(zig);
    command.current_dir(project).args([
        "build-exe",
        "-target",
        "wasm32-freestanding",
        "-O",
        "ReleaseSmall",
        "-fno-entry",
        "-fstrip",
        "-rdynamic",
        "--stack",
        &STACK_BYTES.to_string(),
        "--dep",
        "ocellus",
        "-Mroot=rule.zig",
    ]);
    let emit = scratch.path().join("rule.wasm");
    command.arg(format!("-Mocellus={}", sdk.display())).arg("--cache-dir");
    command.arg(scratch.path().join("cache")).arg(format!("-femit-bin={}", emit.display()));
    tools::run(&mut command)?;
    scratch.read("rule.wasm")
}

/// `python-zig` is what the package `ziglang` of PyPI installs.
fn find_zig(project: &Path) -> Option<PathBuf> {
    tools::of_project(project, ".venv/bin/python-zig", "zig").or_else(|| tools::find("python-zig"))
}
