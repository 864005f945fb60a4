//! Facts about the machine and about our own privileges, read from /proc and /sys.

use std::fmt;
use std::fs;
use std::path::Path;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::utsname::uname;
use serde::Serialize;

/// Where kernels since 5.4 offer the types of their structures.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Kernels before this count the memory of BPF maps against RLIMIT_MEMLOCK.
const MEMLOCK_FREE_SINCE: (u32, u32) = (5, 11);

const CAP_SYS_ADMIN: (u32, &str) = (21, "CAP_SYS_ADMIN");
/// Loading programs and maps, reading kernel memory. CAP_SYS_ADMIN stands for both.
const CAPS_EBPF: [(u32, &str); 2] = [(38, "CAP_PERFMON"), (39, "CAP_BPF")];
/// Looking into processes and files of other users: snapshot, hashes.
const CAPS_FILES: [(u32, &str); 2] = [(2, "CAP_DAC_READ_SEARCH"), (19, "CAP_SYS_PTRACE")];

/// What this process may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Privileges {
    pub euid: u32,
    /// Effective capabilities, bit n being capability n.
    pub effective: u64,
    /// False inside a user namespace, whose capabilities are worth nothing for eBPF.
    pub initial_user_namespace: bool,
}

impl Privileges {
    /// Those of this process. What cannot be read counts as not there.
    pub fn read() -> Privileges {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or("")
        };
        let effective = u64::from_str_radix(field("CapEff:"), 16).unwrap_or(0);
        let uids: Vec<&str> = field("Uid:").split_whitespace().collect();
        let euid = uids.get(1).and_then(|uid| uid.parse().ok()).unwrap_or(u32::MAX);
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let whole: Vec<&str> = map.split_whitespace().collect();
        Privileges::from_sets(euid, effective, whole == ["0", "0", "4294967295"])
    }

    pub(super) fn from_sets(euid: u32, effective: u64, initial_user_namespace: bool) -> Self {
        Privileges { euid, effective, initial_user_namespace }
    }

    fn holds(&self, bit: u32) -> bool {
        self.effective & 1 << bit != 0
    }

    fn missing(&self, needed: &[(u32, &'static str)]) -> Vec<&'static str> {
        let lacks = |bit: u32| !self.initial_user_namespace || !self.holds(bit);
        needed.iter().filter(|(bit, _)| lacks(*bit)).map(|(_, name)| *name).collect()
    }

    /// Capabilities without which no probe loads.
    pub fn missing_for_ebpf(&self) -> Vec<&'static str> {
        if self.initial_user_namespace && self.holds(CAP_SYS_ADMIN.0) {
            return Vec::new();
        }
        self.missing(&CAPS_EBPF)
    }

    /// Capabilities without which processes and files of other users stay closed.
    pub fn missing_for_files(&self) -> Vec<&'static str> {
        self.missing(&CAPS_FILES)
    }

    /// The names in a sentence, with the place where they would count.
    pub fn listed(&self, names: &[&str]) -> String {
        let place = if self.initial_user_namespace { "" } else { " in the initial user namespace" };
        format!("{}{place}", names.join(" and "))
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.euid)?;
        let mut missing = self.missing_for_ebpf();
        missing.extend(self.missing_for_files());
        if missing.is_empty() {
            return write!(f, ", all capabilities that are needed");
        }
        write!(f, ", without {}", self.listed(&missing))
    }
}

/// The kernel's lockdown mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockdown {
    None,
    Integrity,
    Confidentiality,
    /// The kernel has no lockdown, or securityfs is not mounted, or the mode is one we do not know.
    Unknown,
}

impl Lockdown {
    pub fn read() -> Lockdown {
        let text = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        Lockdown::parse(&text)
    }

    /// The file lists the modes and puts the current one in brackets.
    fn parse(text: &str) -> Lockdown {
        let current = text
            .split_whitespace()
            .find_map(|mode| mode.strip_prefix('[').and_then(|mode| mode.strip_suffix(']')));
        match current {
            Some("none") => Lockdown::None,
            Some("integrity") => Lockdown::Integrity,
            Some("confidentiality") => Lockdown::Confidentiality,
            _ => Lockdown::Unknown,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Lockdown::None => "none",
            Lockdown::Integrity => "integrity",
            Lockdown::Confidentiality => "confidentiality",
            Lockdown::Unknown => "unknown (no lockdown, or securityfs is not mounted)",
        }
    }
}

/// RLIMIT_MEMLOCK, and whether it matters on this kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryLimit {
    /// None: no limit.
    pub soft_bytes: Option<u64>,
    pub hard_bytes: Option<u64>,
    /// True on kernels that count BPF maps against it.
    pub charged: bool,
}

impl MemoryLimit {
    pub fn read() -> MemoryLimit {
        let limited = |bytes: u64| (bytes != RLIM_INFINITY).then_some(bytes);
        let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap_or((0, 0));
        MemoryLimit {
            soft_bytes: limited(soft),
            hard_bytes: limited(hard),
            charged: release_below(&kernel_release(), MEMLOCK_FREE_SINCE),
        }
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.soft_bytes {
            None => write!(f, "unlimited")?,
            Some(bytes) => write!(f, "{} KiB", bytes / 1024)?,
        }
        let matters = if self.charged { "this kernel counts maps" } else { "not counted for maps" };
        write!(f, " ({matters})")
    }
}

/// As uname(1) prints it; empty when it cannot be had.
pub(crate) fn kernel_release() -> String {
    uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// True when the release starts with a version below this one.
pub(crate) fn release_below(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < version,
        _ => false,
    }
}

/// CPUs online, whatever this process may use of them.
pub(super) fn cpus_online() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let numbered = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    stat.lines().filter(numbered).count().max(1)
}

pub(super) fn is_readable(path: &Path) -> bool {
    fs::File::open(path).is_ok()
}

/// Where tracefs is mounted, from our own mount table.
pub(super) fn tracefs_mount() -> Option<String> {
    find_tracefs(&fs::read_to_string("/proc/self/mounts").ok()?)
}

fn find_tracefs(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let place = fields.nth(1)?;
        (fields.next()? == "tracefs").then(|| place.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_told_apart() {
        let bit = |number: u32| 1u64 << number;
        let admin = Privileges::from_sets(0, bit(21), true);
        assert!(admin.missing_for_ebpf().is_empty());
        assert_eq!(admin.missing_for_files(), ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"]);
        let narrow = Privileges::from_sets(7, bit(38) | bit(39), true);
        assert!(narrow.missing_for_ebpf().is_empty());
        let half = Privileges::from_sets(7, bit(38), true);
        assert_eq!(half.missing_for_ebpf(), ["CAP_BPF"]);
        let boxed = Privileges::from_sets(0, u64::MAX, false);
        assert_eq!(boxed.missing_for_ebpf().len(), 2);
        assert!(boxed.to_string().contains("in the initial user namespace"));
    }

    #[test]
    fn lockdown_is_the_mode_in_brackets() {
        assert_eq!(Lockdown::parse("none [integrity] confidentiality\n"), Lockdown::Integrity);
        assert_eq!(Lockdown::parse("[none] integrity"), Lockdown::None);
        assert_eq!(Lockdown::parse("none [other]"), Lockdown::Unknown);
        assert_eq!(Lockdown::parse(""), Lockdown::Unknown);
    }

    #[test]
    fn releases_compare_by_number() {
        assert!(release_below("5.10.0-32-cloud-amd64", (5, 11)));
        assert!(!release_below("5.11.0", (5, 11)));
        assert!(!release_below("6.1", (5, 11)));
        assert!(!release_below("7.3+deb14", (5, 11)));
        assert!(!release_below("", (5, 11)));
    }

    #[test]
    fn tracefs_is_found_in_a_mount_table() {
        let mounts = "proc /proc proc rw 0 0\nnodev /sys/kernel/tracing tracefs rw 0 0\n";
        assert_eq!(find_tracefs(mounts).as_deref(), Some("/sys/kernel/tracing"));
        assert_eq!(find_tracefs("proc /proc proc rw 0 0\nodd"), None);
    }
}
