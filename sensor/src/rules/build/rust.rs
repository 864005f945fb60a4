//! Rust: with the compiler's own library for WebAssembly where it is installed, else from the
//! library's source, which Debian and Ubuntu ship.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{BuildError, tools};

const TARGET: &str = "wasm32-unknown-unknown";

/// Settings of the profile that rules are built with: small, since each rule is compiled and held
/// by the sensor. They are given on the command line, so that a rule's manifest needs none.
const PROFILE: [&str; 6] = [
    "profile.ocellus-rule.inherits=\"release\"",
    "profile.ocellus-rule.opt-level=3",
    "profile.ocellus-rule.lto=true",
    "profile.ocellus-rule.codegen-units=1",
    "profile.ocellus-rule.panic=\"abort\"",
    "profile.ocellus-rule.strip=true",
];

/// A rule's stack. The linker's default of 1 MiB is memory that each instance would have for
/// nothing; the sensor itself ends a rule that recurses deeper than this.
const STACK_BYTES: usize = 128 << 10;

const ADVICE: &str = "run `rustup target add wasm32-unknown-unknown`, or install \
    rust-std-static-wasm32-unknown-unknown (Fedora), or rustc-web, cargo-web, rust-web-src and \
    lld (Debian)";

/// A compiler that can make WebAssembly.
#[derive(Debug)]
struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// Build the standard library too.
    build_std: bool,
    /// None when the compiler brings its own.
    linker: Option<PathBuf>,
}

/// Compile the library in `project` to a core module.
pub(super) fn core_module(project: &Path) -> Result<Vec<u8>, BuildError> {
    let toolchain = Toolchain::find(project)?;
    let manifest = project.join("Cargo.toml");
    let mut command = toolchain.cargo(project);
    command.arg("rustc").args(["--lib", "--crate-type", "cdylib", "--target", TARGET]);
    command.args(["--profile", "ocellus-rule", "--message-format", "json-render-diagnostics"]);
    command.arg("--manifest-path").arg(&manifest);
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    if toolchain.build_std {
        command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(linker) = &toolchain.linker {
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", toolchain.flags(project, &manifest)?);
    let messages = tools::output(command.stderr(std::process::Stdio::inherit()))?;
    let path =
        artifact(&messages, &manifest).ok_or_else(|| BuildError::NoLibrary(project.to_owned()))?;
    std::fs::read(&path).map_err(|source| BuildError::Io { action: "read", path, source })
}

/// The module that cargo says it has made of this manifest's library.
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().map(Path::new) == Some(manifest))
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|path| path.extension().is_some_and(|extension| extension == "wasm"))
}

impl Toolchain {
    /// The first compiler that has the target's library, else the first that has its source: what
    /// PATH gives in the project's folder (a project may choose), then the distribution's.
    fn find(project: &Path) -> Result<Self, BuildError> {
        let mut with_source = None;
        let mut seen = false;
        for folder in [None, Some(Path::new("/usr/bin"))] {
            let tool = |name: &str| match folder {
                None => Some(PathBuf::from(name)).filter(|_| tools::find(name).is_some()),
                Some(folder) => Some(folder.join(name)).filter(|path| path.is_file()),
            };
            let (Some(cargo), Some(rustc)) = (tool("cargo"), tool("rustc")) else { continue };
            seen = true;
            let Ok(library) = print(&rustc, project, "target-libdir", Some(TARGET)) else {
                continue;
            };
            let sysroot = print(&rustc, project, "sysroot", None)?;
            let has_library = std::fs::read_dir(&library).is_ok_and(|mut dir| dir.next().is_some());
            let found = Self { cargo, rustc, build_std: !has_library, linker: None };
            if has_library {
                return found.with_linker(&sysroot);
            }
            if sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
                with_source.get_or_insert((found, sysroot));
            }
        }
        match with_source {
            Some((found, sysroot)) => found.with_linker(&sysroot),
            None if seen => Err(missing("the Rust compiler has no library for WebAssembly")),
            None => Err(missing("there is no cargo and rustc in PATH")),
        }
    }

    /// rustup's compilers bring a linker; distributions' use LLVM's.
    fn with_linker(mut self, sysroot: &Path) -> Result<Self, BuildError> {
        let bundled = std::fs::read_dir(sysroot.join("lib/rustlib")).is_ok_and(|hosts| {
            hosts.flatten().any(|host| host.path().join("bin/rust-lld").is_file())
        });
        if !bundled {
            let linker = tools::find_llvm("wasm-ld").into_iter().next();
            self.linker = Some(linker.ok_or_else(|| missing("there is no wasm-ld in PATH"))?);
        }
        Ok(self)
    }

    fn cargo(&self, project: &Path) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(project).env("RUSTC", &self.rustc);
        // An outer cargo's settings, when it runs us, are not for this build.
        for name in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(name);
        }
        command
    }

    /// The user's flags, and flags that keep the paths of this machine out of the component: panic
    /// messages name source files.
    fn flags(&self, project: &Path, manifest: &Path) -> Result<OsString, BuildError> {
        let mut command = self.cargo(project);
        command.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(manifest);
        command.args(["--filter-platform", TARGET]).stderr(std::process::Stdio::inherit());
        let metadata: Value = serde_json::from_str(&tools::output(&mut command)?).map_err(|e| {
            BuildError::Answer { tool: "cargo metadata".to_owned(), reason: e.to_string() }
        })?;
        let mut flags: Vec<String> = std::env::var("RUSTFLAGS")
            .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        flags.push(format!("-Clink-arg=-zstack-size={STACK_BYTES}"));
        // Later flags win, so what a package says below goes before this.
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
        if let Some(cargo_home) = cargo_home {
            flags.push(format!("--remap-path-prefix={}=/cargo", cargo_home.display()));
        }
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let text = |key: &str| package[key].as_str().unwrap_or_default();
            if let Some(folder) = Path::new(text("manifest_path")).parent() {
                let (name, version) = (text("name"), text("version"));
                flags.push(format!("--remap-path-prefix={}=/{name}-{version}", folder.display()));
            }
        }
        Ok(flags.join("\u{1f}").into())
    }
}

/// What the compiler prints about itself.
fn print(
    rustc: &Path,
    project: &Path,
    what: &str,
    target: Option<&str>,
) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(rustc);
    command.current_dir(project).args(["--print", what]);
    if let Some(target) = target {
        command.args(["--target", target]);
    }
    Ok(PathBuf::from(tools::output(&mut command)?.trim_end()))
}

fn missing(missing: &str) -> BuildError {
    BuildError::NoToolchain { language: "Rust", missing: missing.to_owned(), advice: ADVICE }
}
