//! A program in a folder that everybody may write: where what was just downloaded is run.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Folders that build tools and self-unpacking programs make and run programs in.
const TOOL_FOLDERS: [&str; 14] = [
    "/tmp/go-build",
    "/tmp/rustdoctest",
    "/tmp/cargo-install",
    "/tmp/rustc",
    "/tmp/.mount_",
    "/tmp/_MEI",
    "/tmp/pip-",
    "/tmp/npm-",
    "/tmp/npx-",
    "/tmp/bazel",
    "/tmp/cmake",
    "/tmp/meson",
    "/tmp/uv-",
    "/tmp/nix-build-",
];

/// Who runs programs in temporary folders for a living, by command name of an ancestor.
static BUILDERS: Set = Set::of(&[
    "make",
    "gmake",
    "ninja",
    "cmake",
    "ctest",
    "meson",
    "cargo",
    "rustc",
    "rustdoc",
    "go",
    "configure",
    "gradle",
    "mvn",
    "bazel",
    "npm",
    "pnpm",
    "yarn",
    "pip",
    "pip3",
    "rpmbuild",
    "dpkg-buildpacka",
    "debuild",
    "sbuild",
    "nix-daemon",
    "makepkg",
    "dkms",
]);
static PACKAGE_MANAGERS: Set = Set::of(known::PACKAGE_MANAGERS);

#[derive(Debug, Default)]
pub struct ExecFromWorldWritable {
    /// Beginnings of paths that the operator knows.
    allow: Vec<String>,
}

impl Rule for ExecFromWorldWritable {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("exec-from-world-writable", "Program in a folder that everybody may write")
            .description(
                "A program was executed that lies in /tmp, /var/tmp, /dev/shm or the like. Scripts \
                 there are only tagged.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1036.005", "T1059"])
            .false_positives([
                "Build and test tools that run what they have just built (known ones pass)",
                "Installers that unpack themselves into /tmp",
            ])
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.allow = config.texts("allow")?;
        Ok(())
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec().prefix(fields::PROCESS_EXECUTABLE, known::WORLD_WRITABLE),
            Interest::exec().prefix(fields::OCELLUS_FILENAME, known::WORLD_WRITABLE),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let path = event.process_executable()?;
        let in_folder = |folder: &&str| path.starts_with(*folder);
        if !known::WORLD_WRITABLE.iter().any(in_folder) {
            return Some(tag("script-in-world-writable-folder"));
        }
        let memory = path.starts_with("/dev/shm/") || path.starts_with("/run/shm/");
        let hidden = path.split('/').any(|segment| segment.starts_with('.'));
        let by_tool = TOOL_FOLDERS.iter().any(in_folder)
            || event.has_ancestor(&BUILDERS)
            || event.has_ancestor(&PACKAGE_MANAGERS);
        let allowed = self.allow.iter().any(|allowed| path.starts_with(allowed.as_str()));
        if allowed || (by_tool && !memory) {
            return None;
        }
        let severity = if memory || hidden { HIGH } else { MEDIUM };
        Some(alert(severity, format!("{} executed {path}: {}", event.who(), event.command())))
    }
}

ocellus_sdk::rule!(ExecFromWorldWritable);
