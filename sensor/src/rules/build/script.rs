//! JavaScript and Python: their tools put the interpreter and the rule into one component.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{self, Scratch};
use super::{BuildError, WIT, WORLD};

/// A component of `rule.js`, with QuickJS inside.
pub(super) fn javascript(project: &Path) -> Result<Vec<u8>, BuildError> {
    let tool = project_tool(project, "node_modules/.bin/componentize-qjs", "componentize-qjs");
    let tool = tool.ok_or_else(|| BuildError::NoToolchain {
        language: "JavaScript",
        missing: "there is no componentize-qjs in node_modules/.bin or PATH".to_owned(),
        advice: "run `npm install componentize-qjs@0.4.5` in the rule's folder",
    })?;
    let scratch = scratch_with_contract()?;
    let mut command = Command::new(tool);
    command.current_dir(project).arg("--wit").arg(scratch.path().join("wit"));
    // Synchronous calls only, and no WASI: a rule has no clock, no files and no network.
    command.args(["--js", "rule.js", "-n", WORLD, "--sync", "--stub-wasi", "--opt-size", "-o"]);
    tools::run(command.arg(scratch.path().join("rule.wasm")))?;
    scratch.read("rule.wasm")
}

/// A component of `rule.py`, with CPython inside.
pub(super) fn python(project: &Path) -> Result<Vec<u8>, BuildError> {
    let tool = project_tool(project, ".venv/bin/componentize-py", "componentize-py");
    let tool = tool.ok_or_else(|| BuildError::NoToolchain {
        language: "Python",
        missing: "there is no componentize-py in .venv/bin or PATH".to_owned(),
        advice: "run `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` in \
                 the rule's folder",
    })?;
    let scratch = scratch_with_contract()?;
    let mut command = Command::new(tool);
    command.current_dir(project).arg("-d").arg(scratch.path().join("wit"));
    command.args(["-w", WORLD, "componentize", "--stub-wasi", "rule", "-o"]);
    tools::run(command.arg(scratch.path().join("rule.wasm")))?;
    scratch.read("rule.wasm")
}

/// The tool that the project has installed for itself, else the one in PATH.
fn project_tool(project: &Path, own: &str, name: &str) -> Option<PathBuf> {
    Some(project.join(own)).filter(|path| path.is_file()).or_else(|| tools::find(name))
}

fn scratch_with_contract() -> Result<Scratch, BuildError> {
    let scratch = Scratch::new()?;
    let folder = scratch.path().join("wit");
    std::fs::create_dir(&folder).map_err(|source| BuildError::Io {
        action: "make",
        path: folder,
        source,
    })?;
    for (name, text) in WIT {
        scratch.write(&format!("wit/{name}"), text)?;
    }
    Ok(scratch)
}
