//! What is built here to be run in a guest.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ocellus_tests::prebuilt::root;
use ocellus_tests::vm::Architecture;
use serde_json::Value;

/// Tests that say something of a kernel.
const TESTS: [&str; 4] = ["scenarios", "hostile", "ebpf_live", "kprobe_live"];

/// Programs and files, all with their paths on this host, which are those in the guest, too.
#[derive(Debug)]
pub struct Built {
    pub architecture: Architecture,
    pub sensor: PathBuf,
    tests: Vec<(&'static str, PathBuf)>,
    workload: Vec<PathBuf>,
    pub files: Vec<PathBuf>,
}

impl Built {
    /// Builds what is not built yet.
    pub fn build(architecture: Architecture) -> io::Result<Built> {
        let mut tests = vec!["test", "--no-run"];
        TESTS.iter().for_each(|test| tests.extend(["--test", *test]));
        Built::of(architecture, &[&["build", "--bins"], &tests], &TESTS)
    }

    /// What these commands of cargo build. All of these tests must be among it.
    pub fn of(
        architecture: Architecture,
        commands: &[&[&str]],
        expected: &[&str],
    ) -> io::Result<Built> {
        let mut messages = Vec::new();
        for command in commands {
            messages.extend(cargo(architecture, command)?);
        }
        let (mut sensor, mut workload) = (None, Vec::new());
        let mut tests = Vec::new();
        for message in &messages {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let is_test = message["profile"]["test"] == true;
            if let Some(path) = message["executable"].as_str() {
                if name == "ocellus" && !is_test {
                    sensor = Some(PathBuf::from(path));
                }
                let test = TESTS.into_iter().find(|test| is_test && *test == name);
                tests.extend(test.map(|test| (test, PathBuf::from(path))));
            }
            // The programs of tests/workload, as their build script names them.
            if message["reason"] == "build-script-executed" {
                let variables = message["env"].as_array().into_iter().flatten();
                let values = variables.filter(|pair| {
                    pair[0].as_str().is_some_and(|name| name.starts_with("OCELLUS_"))
                });
                let paths = values.filter_map(|pair| pair[1].as_str()).filter(|it| !it.is_empty());
                workload.extend(paths.map(PathBuf::from).filter(|path| path.is_file()));
            }
        }
        for test in expected {
            if !tests.iter().any(|(name, _)| name == test) {
                return Err(io::Error::other(format!("cargo built no test {test}")));
            }
        }
        let sensor = sensor.ok_or_else(|| io::Error::other("cargo built no ocellus"))?;
        let files = ["docs/scenarios.md", "rules/dist"].map(|path| root().join(path)).into();
        Ok(Built { architecture, sensor, tests, workload, files })
    }

    pub fn programs(&self) -> impl Iterator<Item = &Path> {
        let tests = self.tests.iter().map(|(_, path)| path);
        [&self.sensor].into_iter().chain(tests).chain(&self.workload).map(PathBuf::as_path)
    }

    /// Shell variables with the paths of the sensor, `$ocellus`, of each test, such as
    /// `$scenarios`, of each program of tests/workload, such as `$workload`, and of the
    /// `$shipped` rules.
    pub fn variables(&self) -> String {
        let shipped = root().join("rules/dist");
        let mut text =
            format!("ocellus={}\nshipped={}\n", self.sensor.display(), shipped.display());
        for path in &self.workload {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            writeln!(text, "{name}={}", path.display()).expect("a String takes it");
        }
        for (name, path) in &self.tests {
            writeln!(text, "{name}={}", path.display()).expect("a String takes it");
        }
        text
    }
}

/// Runs cargo on the whole workspace and gives its messages.
fn cargo(architecture: Architecture, arguments: &[&str]) -> io::Result<Vec<Value>> {
    let cargo = match architecture {
        Architecture::Amd64 => std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        Architecture::Arm64 => root().join(".ci/arm64").into(),
    };
    let output = Command::new(cargo)
        .args(&arguments[..1])
        .args(["--workspace", "--locked", "--message-format", "json-render-diagnostics"])
        .args(&arguments[1..])
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("cargo failed"));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
