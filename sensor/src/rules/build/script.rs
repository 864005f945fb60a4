//! JavaScript and Python: their tools put the interpreter and the rule into one component.

use std::path::Path;
use std::process::Command;

use super::tools::{self, Scratch};
use super::{BuildError, Cache, WIT, io, reuse, sdk, source};

/// The world of a rule that hands its memory to its next version, as those of the SDKs do.
const WITH_STATE: &str = "rule-with-state";
/// The world of a rule that does not.
const WITHOUT: &str = "rule";

/// The module that stands between the contract and a rule in JavaScript, and its name, which no
/// rule's own file has.
const ENTRY: &str = "ocellus-component.js";
const JAVASCRIPT_ENTRY: &str = r#"import * as event from "ocellus:rule/event@1.0.0";
import * as host from "ocellus:rule/host@1.0.0";
import * as processes from "ocellus:rule/processes@1.0.0";
import * as state from "ocellus:rule/state@1.0.0";
import { component } from "./node_modules/ocellus/component.js";
import rules from "./rule.js";
const interfaces = { event, host, processes, state };
export const { configure, onEvent, carry } = component(interfaces, rules);
"#;

/// A component of `rule.js`, with QuickJS inside.
pub(super) fn javascript(project: &Path, cache: Option<&Cache>) -> Result<Vec<u8>, BuildError> {
    let own = "node_modules/.bin/componentize-qjs";
    let tool = tools::of_project(project, own, "componentize-qjs");
    let tool = tool.ok_or_else(|| BuildError::NoToolchain {
        language: "JavaScript",
        missing: "there is no componentize-qjs in node_modules/.bin or PATH".to_owned(),
        advice: "run `npm install componentize-qjs@0.4.5` in the rule's folder",
    })?;
    let scratch = scratch_with_contract()?;
    // The tool sees one folder only; there, the SDK is a package like any other.
    let source = scratch.path().join("source");
    source::copy(project, &source, is_javascript)?;
    // A rule may also do without the SDK, and implement the world itself.
    let is_bare = read_text(&project.join("rule.js"))?.contains("\"ocellus:rule/");
    let (world, module) = if is_bare { (WITHOUT, "rule.js") } else { (WITH_STATE, ENTRY) };
    if !is_bare {
        let package = sdk::folder("js", project, &scratch)?;
        source::copy(&package, &source.join("node_modules/ocellus"), is_javascript)?;
        scratch.write(&format!("source/{ENTRY}"), JAVASCRIPT_ENTRY)?;
    }
    let mut command = Command::new(&tool);
    command.current_dir(&source).arg("--wit").arg(scratch.path().join("wit"));
    // Synchronous calls only, and no WASI: a rule has no clock, no files and no network.
    command.args(["--js", module, "-n", world, "--sync", "--stub-wasi", "--opt-size", "-o"]);
    command.arg(scratch.path().join(reuse::MADE));
    // It does not tell its version.
    reuse::made(&mut command, &scratch, cache, || reuse::package_of(&tool))
}

/// A component of `rule.py`, with CPython inside.
pub(super) fn python(project: &Path, cache: Option<&Cache>) -> Result<Vec<u8>, BuildError> {
    let own = ".venv/bin/componentize-py";
    let tool = tools::of_project(project, own, "componentize-py");
    let tool = tool.ok_or_else(|| BuildError::NoToolchain {
        language: "Python",
        missing: "there is no componentize-py in .venv/bin or PATH".to_owned(),
        advice: "run `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` in \
                 the rule's folder",
    })?;
    let scratch = scratch_with_contract()?;
    let source = scratch.path().join("source");
    source::copy(project, &source, is_of_python)?;
    // A rule may also do without the SDK, and implement the world itself.
    let rule = read_text(&project.join("rule.py"))?;
    let is_bare = rule.contains("class WitWorld");
    let (world, module) =
        if is_bare { (WITHOUT, "rule") } else { (WITH_STATE, "ocellus.component") };
    let package = sdk::folder("python", &source, &scratch)?;
    let mut command = Command::new(&tool);
    // The tool would let a rule import what happens to be installed on this machine.
    scratch.write("packages/lib/site-packages/none", "")?;
    command.env("VIRTUAL_ENV", scratch.path().join("packages"));
    command.current_dir(&source).arg("-d").arg(scratch.path().join("wit")).args(["-w", world]);
    command.args(["componentize", "--stub-wasi", "-p", ".", "-p"]);
    command.arg(package.parent().unwrap_or(&package)).arg(module).arg("-o");
    command.arg(scratch.path().join(reuse::MADE));
    let version = || tools::output(Command::new(&tool).arg("--version")).ok();
    reuse::made(&mut command, &scratch, cache, version)
}

/// Whether a file may be part of a rule in JavaScript, by its name.
fn is_javascript(name: &str) -> bool {
    [".js", ".mjs", ".json"].iter().any(|end| name.ends_with(end))
}

/// Whether a file may be part of a rule in Python: all but what was built and recorded, since a
/// module may read any file when it is imported.
fn is_of_python(name: &str) -> bool {
    ![".wasm", ".minisig", ".ocellus", ".pyc"].iter().any(|end| name.ends_with(end))
}

fn read_text(path: &Path) -> Result<String, BuildError> {
    std::fs::read_to_string(path).map_err(io("read", path))
}

fn scratch_with_contract() -> Result<Scratch, BuildError> {
    let scratch = Scratch::new()?;
    for (name, text) in WIT {
        scratch.write(&format!("wit/{name}"), text)?;
    }
    Ok(scratch)
}
