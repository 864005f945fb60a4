//! What the loop needs after the start, found by trying it without any capability.

use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::capabilities::{Capability, without};
use crate::config::Config;
use crate::sink::Target;

/// What the loop keeps, and where it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// With the reason for each.
    pub capabilities: Vec<(Capability, String)>,
    /// Directories below which it may write.
    pub write_dirs: Vec<PathBuf>,
    /// Of these, those that are its own, and are made where they are missing.
    pub own_dirs: Vec<PathBuf>,
    /// It reads other processes itself, which Landlock would forbid.
    pub reads_processes: bool,
}

impl Needs {
    /// Of a sensor with this configuration. `can_read_probes` says whether the probes can be read
    /// as the thread is; `reads_processes` whether the backend looks at /proc from the loop.
    pub fn find(
        config: &Config,
        reads_processes: bool,
        can_read_probes: impl FnOnce() -> bool,
    ) -> Needs {
        let (own_dirs, write_dirs) = dirs(config);
        let dirs = write_dirs.clone();
        let mut needs = Needs { capabilities: Vec::new(), write_dirs, own_dirs, reads_processes };
        let mut add = |capability, reason: String| needs.capabilities.push((capability, reason));
        if reads_processes {
            let reason = "this backend reads paths and arguments from /proc";
            add(Capability::CAP_SYS_PTRACE, reason.to_owned());
            add(Capability::CAP_DAC_READ_SEARCH, reason.to_owned());
        }
        let tried = without(|| {
            if !can_read_probes() {
                let reason = "this kernel lets nobody else read the probes' counters";
                add(Capability::CAP_BPF, reason.to_owned());
                add(Capability::CAP_PERFMON, reason.to_owned());
            }
            let rules = config.rules.dirs();
            if let Some(dir) = rules.iter().find(|dir| !may(dir, AccessFlags::R_OK)) {
                let reason = format!("{} is closed to root without it", dir.display());
                add(Capability::CAP_DAC_READ_SEARCH, reason);
            }
            let closed = dirs.iter().find(|dir| !may(dir, AccessFlags::W_OK));
            if let Some(dir) = closed {
                let reason = format!("{} belongs to another user", dir.display());
                add(Capability::CAP_DAC_OVERRIDE, reason);
            }
        });
        if let Err(error) = tried {
            tracing::warn!(%error, "cannot find out which capabilities are needed");
        }
        needs
    }
}

/// Whether a directory can be entered and used so. One that is not there needs nothing.
fn may(dir: &Path, how: AccessFlags) -> bool {
    let how = how | AccessFlags::X_OK;
    match faccessat(AT_FDCWD, dir, how, AtFlags::AT_EACCESS) {
        Ok(()) | Err(nix::errno::Errno::ENOENT) => true,
        Err(_) => false,
    }
}

/// Where the configuration has the sensor write: what is its own, its spools and its cache; and all
/// of it, with the directories of its files and of its socket.
fn dirs(config: &Config) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let parent = |path: &PathBuf| {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        dir.unwrap_or(Path::new(".")).to_owned()
    };
    let (mut own, mut others) = (Vec::new(), Vec::new());
    // What is wrong with an output is said when it is opened.
    for output in config.outputs().unwrap_or_default() {
        match output.target {
            // The current file, and those that were rotated.
            Target::File { path, .. } => others.push(parent(&path)),
            Target::Net { spool, .. } => own.push(spool.dir),
            Target::Stdout | Target::Unix { .. } | Target::SyslogSocket { .. } => {}
        }
    }
    if !config.rules.dirs().is_empty() {
        own.push(config.rules.cache_dir.clone());
    }
    // The last good rules of the fleet.
    own.extend(config.rules.nats.iter().map(|nats| nats.dir.clone()));
    others.extend(config.control.socket.iter().map(parent));
    let mut all: Vec<PathBuf> = own.iter().cloned().chain(others).collect();
    all.sort();
    all.dedup();
    (own, all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;
    use crate::config::{Output, Outputs};

    #[test]
    fn a_directory_of_another_user_asks_for_the_right_to_write_there() {
        assert!(nix::unistd::geteuid().is_root(), "this test changes owners: run it as root");
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let file = Some(dir.path().join("events.ndjson"));
        config.output = Outputs(vec![Output::plain(file, None)]);
        config.control.socket = None;
        assert_eq!(Needs::find(&config, false, || true).capabilities, []);
        assert_eq!(Needs::find(&config, false, || true).write_dirs, [dir.path()]);
        chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let kept = |needs: Needs| -> Vec<Capability> {
            needs.capabilities.into_iter().map(|(capability, _)| capability).collect()
        };
        let needs = Needs::find(&config, false, || true);
        assert_eq!(kept(needs), [Capability::CAP_DAC_OVERRIDE]);
        let needs = Needs::find(&Config::default(), false, || false);
        assert_eq!(kept(needs), [Capability::CAP_BPF, Capability::CAP_PERFMON]);
    }
}
