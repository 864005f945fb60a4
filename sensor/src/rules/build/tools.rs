//! Find and run the tools that compile rules.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::BuildError;

/// Newest and oldest major version of LLVM that is looked for under a versioned name.
const LLVM_VERSIONS: std::ops::RangeInclusive<u32> = 14..=40;

/// A program of this name in PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The tool that a project has installed for itself, else the one in PATH.
pub(super) fn of_project(project: &Path, own: &str, name: &str) -> Option<PathBuf> {
    Some(project.join(own)).filter(|path| path.is_file()).or_else(|| find(name))
}

/// A program of LLVM in PATH: under its plain name, or the newest versioned one, as Debian names
/// them.
pub(super) fn find_llvm(name: &str) -> Vec<PathBuf> {
    let versioned = LLVM_VERSIONS.rev().map(|version| format!("{name}-{version}"));
    std::iter::once(name.to_owned()).chain(versioned).filter_map(|name| find(&name)).collect()
}

/// Run to the end, with the tool's messages on stderr.
pub(super) fn run(command: &mut Command) -> Result<(), BuildError> {
    // stdout belongs to the caller.
    output(command.stderr(Stdio::inherit())).map(|_| ())
}

/// Run to the end and give what it printed to stdout.
pub(super) fn output(command: &mut Command) -> Result<String, BuildError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BuildError::Start { tool: tool.clone(), source })?;
    if !output.status.success() {
        return Err(BuildError::Failed { tool, status: output.status });
    }
    String::from_utf8(output.stdout)
        .map_err(|error| BuildError::Answer { tool, reason: error.to_string() })
}

/// A folder of its own for what a build leaves behind; removed when it goes out of scope.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let mut attempt = 0;
        loop {
            let name = format!("ocellus-build-{}-{attempt}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => attempt += 1,
                Err(source) => return Err(BuildError::Io { action: "make", path, source }),
            }
        }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Write a file into the folder, or into one below it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, BuildError> {
        let path = self.0.join(name);
        let folder = path.parent().unwrap_or(&self.0);
        match std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)) {
            Ok(()) => Ok(path),
            Err(source) => Err(BuildError::Io { action: "write", path, source }),
        }
    }

    /// Read a file that a tool has left in the folder.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, BuildError> {
        let path = self.0.join(name);
        std::fs::read(&path).map_err(|source| BuildError::Io { action: "read", path, source })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that cannot be removed is left in the temporary folder; the build is done.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
