//! Whose instructions a guest runs, and what that takes on this host.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::output_of;

/// An architecture, by Debian's name of it. Programs for another one than this host's are built
/// with Debian's cross compiler, and their libraries are those that come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    /// As Debian calls it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// A tool of GNU's that understands its programs, such as `strip`.
    pub fn tool(self, name: &str) -> String {
        match self {
            Architecture::Amd64 => name.to_owned(),
            Architecture::Arm64 => format!("aarch64-linux-gnu-{name}"),
        }
    }

    /// qemu, with a machine, and the parameter that tells the kernel where the console is.
    pub(super) fn machine(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Architecture::Amd64 => ("qemu-system-x86_64", &["-M", "q35"], "console=ttyS0"),
            Architecture::Arm64 => ("qemu-system-aarch64", &["-M", "virt"], "console=ttyAMA0"),
        }
    }

    /// The libraries that a program is linked with, and its loader: each with its path in a guest
    /// and on this host. None for one that is static.
    pub(super) fn libraries(self, program: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
        match self {
            Architecture::Amd64 => own_libraries(program),
            Architecture::Arm64 => foreign_libraries(program),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn own_libraries(program: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("not found") {
        return Err(io::Error::other(format!("{}: {}", program.display(), text.trim())));
    }
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or only the path, of the loader.
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(|path| (path.into(), path.into())).collect())
}

/// Where Debian's cross compiler for arm64 has the libraries of its programs.
const SYSROOT: &str = "/usr/aarch64-linux-gnu/lib";

/// Those that a program names, and those that they name.
fn foreign_libraries(program: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut open = vec![program.to_owned()];
    while let Some(path) = open.pop() {
        let text = output_of(Command::new("readelf").arg("-ld").arg(&path))?;
        for name in needed(&String::from_utf8_lossy(&text)) {
            let (guest, host) = (Path::new("/lib").join(&name), Path::new(SYSROOT).join(&name));
            if !found.iter().any(|(known, _)| *known == guest) {
                open.push(host.clone());
                found.push((guest, host));
            }
        }
    }
    Ok(found)
}

/// `Shared library: [libc.so.6]` and `[Requesting program interpreter: /lib/ld-….so.1]`.
fn needed(readelf: &str) -> Vec<String> {
    let marks = ["Shared library: [", "program interpreter: /lib/"];
    let rest = |line: &str| marks.iter().find_map(|mark| Some(line.split_once(mark)?.1.to_owned()));
    let names = readelf.lines().filter_map(rest);
    names.map(|rest| rest.trim_end_matches(']').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_readelf_says() {
        let text = "  INTERP  0x00 \n      [Requesting program interpreter: /lib/ld-linux.so.1]\n \
                    0x01 (NEEDED)   Shared library: [libc.so.6]\n 0x0e (SONAME)  [x]\n";
        assert_eq!(needed(text), ["ld-linux.so.1", "libc.so.6"]);
        assert!(needed("There is no dynamic section in this file.").is_empty());
    }
}
