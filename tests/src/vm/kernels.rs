//! Which kernels there are to boot.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Architecture;
use crate::prebuilt::root;

/// Names the folder where kernels are kept; without it they are kept in the user's cache.
const FOLDER_VARIABLE: &str = "KERNELS_DIR";

/// The first two numbers of a kernel's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series(pub u32, pub u32);

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Series, String> {
        let numbers = text.split_once('.');
        let parsed = numbers.map(|(major, minor)| (major.parse(), minor.parse()));
        match parsed {
            Some((Ok(major), Ok(minor))) => Ok(Series(major, minor)),
            _ => Err(format!("{text:?} is no series of kernels, such as 6.1")),
        }
    }
}

/// A kernel that was fetched.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub architecture: Architecture,
    pub series: Series,
    /// As uname(1) prints it.
    pub release: String,
    folder: PathBuf,
}

impl Kernel {
    /// Its image.
    pub fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// The module of the overlay file system, which no such kernel has built in. Empty where it is
    /// not to be had.
    pub fn overlay_module(&self) -> PathBuf {
        self.folder.join("overlay.ko")
    }

    pub fn has_overlay(&self) -> bool {
        std::fs::metadata(self.overlay_module()).is_ok_and(|module| module.len() > 0)
    }

    /// Where its BTF is kept, once it was booted.
    pub fn btf(&self) -> PathBuf {
        self.folder.join("btf")
    }
}

/// Fetches the kernels of these series, or `oldest`, `newest`, `all`; none: all. In the order of
/// their age. An error quotes what is missing.
pub fn fetch(architecture: Architecture, wanted: &[String]) -> io::Result<Vec<Kernel>> {
    let output = Command::new(root().join("tests/kernels/fetch"))
        .arg(folder()?)
        .args(wanted)
        .env("ARCH", architecture.name())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("the kernels cannot be fetched"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let read = text.lines().map(|line| kernel(architecture, line));
    let mut kernels = read.collect::<io::Result<Vec<Kernel>>>()?;
    kernels.sort_by_key(|kernel| kernel.series);
    kernels.dedup_by_key(|kernel| kernel.series);
    Ok(kernels)
}

/// A line `SERIES FOLDER`.
fn kernel(architecture: Architecture, line: &str) -> io::Result<Kernel> {
    let (series, folder) = line.split_once(' ').unwrap_or((line, ""));
    let series = series.parse().map_err(io::Error::other)?;
    let folder = PathBuf::from(folder);
    let release = std::fs::read_to_string(folder.join("release"))?.trim().to_owned();
    Ok(Kernel { architecture, series, release, folder })
}

/// A shell and the usual commands in one program without libraries: what is installed here, or what
/// was fetched with the kernels of another architecture.
pub(super) fn busybox(architecture: Architecture) -> io::Result<PathBuf> {
    match architecture {
        Architecture::Amd64 => Ok("/bin/busybox".into()),
        other => Ok(folder()?.join(other.name()).join("busybox")),
    }
}

fn folder() -> io::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = variable(FOLDER_VARIABLE) {
        return Ok(folder.into());
    }
    let home = || Some(Path::new(&variable("HOME")?).join(".cache"));
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let words = "there is no HOME: say in KERNELS_DIR where kernels are to be kept";
    cache.map(|cache| cache.join("ocellus/kernels")).ok_or_else(|| io::Error::other(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_compare_by_number() {
        assert_eq!("6.12".parse(), Ok(Series(6, 12)));
        assert!(Series(6, 9) < Series(6, 12) && Series(6, 19) < Series(7, 0));
        assert!("6".parse::<Series>().is_err() && "6.x".parse::<Series>().is_err());
        assert_eq!(Series(5, 10).to_string(), "5.10");
    }
}
