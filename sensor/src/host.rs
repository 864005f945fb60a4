//! Who this host is and what time it is: the only place that reads clocks for the machine.

use std::fs;

use nix::sys::utsname::uname;
use nix::time::{ClockId, clock_gettime};

use crate::input::HostInfo;

/// Times that the clocks are compared; the closest counts.
const CLOCK_COMPARISONS: usize = 5;

/// Longest os-release that is read, in bytes. Real ones have some hundred.
const OS_RELEASE_MAX: usize = 64 << 10;

/// The kernel's name for this host; empty when it is not UTF-8.
pub fn hostname() -> String {
    uname().ok().and_then(|names| names.nodename().to_str().map(str::to_owned)).unwrap_or_default()
}

impl HostInfo {
    /// What this host says of itself. `name` is the configuration's to give.
    pub fn read() -> HostInfo {
        let names = uname().ok();
        let uname = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
            names.as_ref().and_then(|names| part(names).to_str()).and_then(not_empty)
        };
        let mut info = HostInfo {
            id: read_id("/etc/machine-id").or_else(|| read_id("/var/lib/dbus/machine-id")),
            boot_id: read_id("/proc/sys/kernel/random/boot_id"),
            hostname: uname(|names| names.nodename()),
            architecture: uname(|names| names.machine()),
            kernel: uname(|names| names.release()),
            sensor_pid: std::process::id(),
            ..HostInfo::default()
        };
        let release = fs::read_to_string("/etc/os-release")
            .or_else(|_| fs::read_to_string("/usr/lib/os-release"));
        if let Ok(release) = release {
            info.set_os(&release);
        }
        info
    }

    /// Takes in the text of an os-release file. A distribution that names none that it is like is
    /// a family of its own.
    fn set_os(&mut self, release: &str) {
        let mut family = None;
        let bounded = release.get(..OS_RELEASE_MAX).unwrap_or(release);
        for (name, value) in bounded.lines().filter_map(assignment) {
            match name {
                "NAME" => self.os_name = not_empty(&value),
                "VERSION_ID" => self.os_version = not_empty(&value),
                "PRETTY_NAME" => self.os_full = not_empty(&value),
                "ID" => self.os_platform = not_empty(&value),
                "ID_LIKE" => family = value.split_whitespace().next().map(str::to_owned),
                _ => {}
            }
        }
        self.os_family = family.or_else(|| self.os_platform.clone());
    }
}

/// Nanoseconds since boot, suspended time included.
pub fn boottime_ns() -> u64 {
    clock_ns(ClockId::CLOCK_BOOTTIME) as u64
}

/// What to add to boottime to get wall time, in ns. The wall clock is read between two readings of
/// boottime, several times; the closest pair counts, so that being interrupted does not.
pub fn wall_offset_ns() -> i64 {
    let compare = || {
        let before_ns = clock_ns(ClockId::CLOCK_BOOTTIME);
        let wall_ns = clock_ns(ClockId::CLOCK_REALTIME);
        let width_ns = clock_ns(ClockId::CLOCK_BOOTTIME) - before_ns;
        (width_ns, wall_ns - (before_ns + width_ns / 2))
    };
    let closest = (0..CLOCK_COMPARISONS).map(|_| compare()).min_by_key(|(width_ns, _)| *width_ns);
    closest.map_or(0, |(_, offset_ns)| offset_ns)
}

/// Both clocks exist since Linux 2.6.39, and nothing can go wrong in reading them.
fn clock_ns(clock: ClockId) -> i64 {
    match clock_gettime(clock) {
        Ok(time) => time.tv_sec() * 1_000_000_000 + time.tv_nsec(),
        Err(errno) => panic!("cannot read clock {clock}: {errno}"),
    }
}

fn read_id(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    // systemd writes the word into images that have yet to boot.
    not_empty(text.trim()).filter(|id| id != "uninitialized")
}

fn not_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `NAME=value` of os-release(5), the value without its quotes. None for comments and empty lines.
fn assignment(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.trim().split_once('=')?;
    (!name.starts_with('#')).then(|| (name, unquote(value)))
}

/// Undoes the quoting of a shell, of one word.
fn unquote(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, '\\') => plain.extend(chars.next()),
            (Some('"'), '\\') => match chars.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => plain.push(escaped),
                other => {
                    plain.push('\\');
                    plain.extend(other);
                }
            },
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(release: &str) -> HostInfo {
        let mut info = HostInfo::default();
        info.set_os(release);
        info
    }

    #[test]
    fn os_release_of_real_distributions() {
        let debian =
            os("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n\
             VERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\nHOME_URL=\"https://x/\"\n");
        assert_eq!(debian.os_full.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(debian.os_name.as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(debian.os_version.as_deref(), Some("12"));
        assert_eq!(debian.os_platform.as_deref(), Some("debian"));
        assert_eq!(debian.os_family.as_deref(), Some("debian"));
        let rocky = os("NAME='Rocky Linux'\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n");
        assert_eq!(rocky.os_name.as_deref(), Some("Rocky Linux"));
        assert_eq!(rocky.os_family.as_deref(), Some("rhel"));
        let rolling = os("# no version\n\nID=arch\nID_LIKE=\nNAME=\"\"\nnonsense\n");
        assert_eq!((rolling.os_version, rolling.os_name), (None, None));
        assert_eq!(rolling.os_family.as_deref(), Some("arch"));
    }

    #[test]
    fn quotes_as_a_shell_reads_them() {
        for (word, plain) in [
            ("plain", "plain"),
            (r#""two words""#, "two words"),
            (r"'a\b'", r"a\b"),
            (r#""a\"b\\c\$d\`e\f""#, r#"a"b\c$d`e\f"#),
            (r"a\ b", "a b"),
            (r#""unfinished"#, "unfinished"),
            (r#""ends\"#, r"ends\"),
            ("it\"'\"s", "it's"),
        ] {
            assert_eq!(unquote(word), plain, "{word}");
        }
    }

    #[test]
    fn this_host_knows_itself() {
        let info = HostInfo::read();
        assert_eq!(info.boot_id.as_ref().map(String::len), Some(36));
        assert!(info.kernel.is_some_and(|kernel| kernel.contains('.')));
        assert!(info.architecture.is_some() && info.hostname.is_some());
        assert_eq!(info.sensor_pid, std::process::id());
        assert_eq!(info.name, None);
    }

    #[test]
    fn boottime_and_offset_give_wall_time() {
        let wall_ns = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("the clock is after 1970").as_nanos() as i64
        };
        let before_ns = wall_ns();
        let offset_ns = wall_offset_ns();
        let ours_ns = boottime_ns() as i64 + offset_ns;
        let after_ns = wall_ns();
        // The comparison itself is uncertain by less than it took.
        let width_ns = after_ns - before_ns;
        assert!(ours_ns >= before_ns - width_ns && ours_ns <= after_ns + width_ns);
    }
}
