//! tracefs: where probes are defined, described and removed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::backend::BackendError;
use crate::doctor::{kernel_release, release_below};

/// Where tracefs is mounted by itself, and where debugfs shows it.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// Probes of all kinds are defined here, one a line. In every kernel since 4.20.
const DEFINITIONS: &str = "dynamic_events";
/// The group of all our probes. Their names end with our pid and a number for each backend of one
/// process: `ocellus/fork_4242_0`.
const GROUP: &str = "ocellus";
/// The kernel takes no longer definition: a page, less the end of the line.
pub(super) const DEFINITION_BYTES_MAX: usize = 4093;

/// Kernels before this add faults of the probes' handlers to the hits that they missed. Seen on
/// 5.10: two for each word of the arguments' window beyond the end of the stack.
const MISSES_ALONE_SINCE: (u32, u32) = (5, 14);

/// Tells the backends of this process apart.
static INSTANCES: AtomicU32 = AtomicU32::new(0);

/// The probes of one backend, removed when this is dropped. By then nobody may use them any more.
#[derive(Debug)]
pub(super) struct Definitions {
    root: PathBuf,
    /// What the names of our events end with.
    suffix: String,
    events: Vec<&'static str>,
}

/// How a probe's sample is laid out: name, offset and size in bytes of each field.
pub(super) type Format = Vec<(String, usize, usize)>;

impl Definitions {
    /// Finds tracefs and removes what dead sensors left there.
    pub(super) fn new() -> Result<Definitions, BackendError> {
        let root = find()?;
        let instance = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let suffix = format!("_{}_{instance}", std::process::id());
        let this = Definitions { root, suffix, events: Vec::new() };
        let all = fs::read_to_string(this.root.join(DEFINITIONS)).unwrap_or_default();
        for event in stale(&all, |pid| Path::new(&format!("/proc/{pid}")).exists()) {
            // One that is in use is not stale, whatever its pid is called here: it stays.
            if this.write(&format!("-:{GROUP}/{event}")).is_ok() {
                tracing::debug!(%event, "removed a probe that a dead sensor left");
            }
        }
        Ok(this)
    }

    /// Defines a probe. `kind` is `p` (kprobe) or `t` (tracepoint), `target` a function or a
    /// tracepoint. The error is what the kernel objects to.
    pub(super) fn define(
        &mut self,
        kind: char,
        event: &'static str,
        target: &str,
        fetches: &str,
    ) -> Result<(), String> {
        let name = self.name(event);
        let definition = format!("{kind}:{GROUP}/{name} {target} {fetches}");
        if definition.len() > DEFINITION_BYTES_MAX {
            return Err(format!("its definition of {} bytes is too long", definition.len()));
        }
        self.write(&definition).map_err(|error| self.objection(&name, error))?;
        self.events.push(event);
        Ok(())
    }

    /// Removes a probe that nobody uses.
    pub(super) fn remove(&mut self, event: &str) {
        self.events.retain(|other| *other != event);
        self.forget(event);
    }

    /// The number by which perf knows a probe.
    pub(super) fn number(&self, event: &str) -> Result<u64, String> {
        let text = self.read(event, "id")?;
        text.trim().parse().map_err(|_| format!("its number is {text:?}"))
    }

    pub(super) fn format(&self, event: &str) -> Result<Format, String> {
        Ok(parse_format(&self.read(event, "format")?))
    }

    /// How often the kernel did not run each kprobe because it was busy with another one. Older
    /// kernels count there, too, what a probe could not read: then nobody knows.
    pub(super) fn missed(&self) -> Vec<(&'static str, u64)> {
        if release_below(&kernel_release(), MISSES_ALONE_SINCE) {
            return Vec::new();
        }
        let text = fs::read_to_string(self.root.join("kprobe_profile")).unwrap_or_default();
        self.events.iter().map(|event| (*event, missed(&text, &self.name(event)))).collect()
    }

    fn name(&self, event: &str) -> String {
        format!("{event}{}", self.suffix)
    }

    fn read(&self, event: &str, file: &str) -> Result<String, String> {
        let path = self.root.join(format!("events/{GROUP}/{}/{file}", self.name(event)));
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn write(&self, command: &str) -> io::Result<()> {
        // Opened without O_APPEND the file would forget everybody's probes.
        let mut file = OpenOptions::new().append(true).open(self.root.join(DEFINITIONS))?;
        file.write_all(format!("{command}\n").as_bytes())
    }

    fn objection(&self, name: &str, error: io::Error) -> String {
        let log = fs::read_to_string(self.root.join("error_log")).unwrap_or_default();
        match last_error(&log, name) {
            Some(words) => format!("{words} ({error})"),
            None => error.to_string(),
        }
    }

    fn forget(&self, event: &str) {
        let name = self.name(event);
        if let Err(error) = self.write(&format!("-:{GROUP}/{name}")) {
            tracing::warn!(%error, "cannot remove probe {GROUP}/{name}");
        }
    }
}

impl Drop for Definitions {
    fn drop(&mut self) {
        for event in &self.events {
            self.forget(event);
        }
    }
}

/// Whether the kernel has kprobes and lets us define some.
pub(super) fn find() -> Result<PathBuf, BackendError> {
    let mut seen = None;
    for mount in MOUNTS {
        let root = Path::new(mount);
        match fs::metadata(root.join("events")) {
            Ok(_) => seen = Some(root),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(BackendError::Tracefs { path: root.to_owned(), source: error });
            }
            Err(_) => continue,
        }
        if root.join("kprobe_events").exists() {
            let path = root.join(DEFINITIONS);
            return match OpenOptions::new().append(true).open(&path) {
                Ok(_) => Ok(root.to_owned()),
                Err(source) => Err(BackendError::Tracefs { path, source }),
            };
        }
    }
    Err(if seen.is_some() { BackendError::NoKprobes } else { BackendError::NoTracefs })
}

/// Names of our kind of probes whose sensor is dead.
fn stale(definitions: &str, is_alive: impl Fn(u32) -> bool) -> Vec<&str> {
    let events = definitions.lines().filter_map(|line| {
        // `p:group/event target …`; a return probe has a number after its letter.
        let (_, event) = line.split_whitespace().next()?.split_once(':')?;
        let event = event.strip_prefix(GROUP)?.strip_prefix('/')?;
        let pid = event.rsplit('_').nth(1)?.parse().ok()?;
        (pid != std::process::id() && !is_alive(pid)).then_some(event)
    });
    events.collect()
}

/// The lines `field:u64 args[32]; offset:24; size:256; signed:0;` of a format.
fn parse_format(text: &str) -> Format {
    let fields = text.lines().filter_map(|line| {
        let mut parts = line.trim().strip_prefix("field:")?.split(';');
        let declaration = parts.next()?;
        let name = declaration.rsplit(' ').next()?.split('[').next()?;
        let mut number = |key: &str| parts.next()?.trim().strip_prefix(key)?.parse().ok();
        Some((name.to_owned(), number("offset:")?, number("size:")?))
    });
    fields.collect()
}

/// The last column of the line `event hits misses`.
fn missed(profile: &str, event: &str) -> u64 {
    let mut lines = profile.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.first() == Some(&event));
    line.and_then(|words| words.get(2)?.parse().ok()).unwrap_or(0)
}

/// The kernel's last words about the definition of an event.
fn last_error<'a>(log: &'a str, event: &str) -> Option<&'a str> {
    let lines: Vec<&str> = log.lines().collect();
    let (_, words) = lines
        .windows(2)
        .rev()
        .find(|pair| pair[1].contains("Command:") && pair[1].contains(event))?[0]
        .split_once("error: ")?;
    Some(words.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_dead_are_stale() {
        let definitions = "p:ocellus/fork_10_0 wake_up_new_task a=$arg1\n\
            t:ocellus/exec_11_3 sched_process_exec\nr8:ocellus/exec_name_12_0 do_exit\n\
            p:kprobes/fork_13_0 do_exit\np:ocellus/fork f\np:ocellus_14_0/f f\nnonsense\n\n";
        assert_eq!(stale(definitions, |pid| pid == 11), ["fork_10_0", "exec_name_12_0"]);
        let own = format!("p:ocellus/fork_{}_0 f\n", std::process::id());
        assert!(stale(&own, |_| false).is_empty());
    }

    #[test]
    fn format_of_a_probe() {
        let text = "name: exec\nID: 1593\nformat:\n\tfield:unsigned short common_type;\toffset:0;\t\
            size:2;\tsigned:0;\n\n\
            \tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:u32 pid;\toffset:16;\tsize:4;\tsigned:0;\n\
            \tfield:u64 args[32];\toffset:20;\tsize:256;\tsigned:0;\n\nprint fmt: \"(%lx)\"\n";
        let expected =
            [("common_type", 0, 2), ("__probe_ip", 8, 8), ("pid", 16, 4), ("args", 20, 256)];
        let expected: Format =
            expected.map(|(name, offset, size)| (name.to_owned(), offset, size)).into();
        assert_eq!(parse_format(text), expected);
        assert!(parse_format("field:\nfield:x\nfield:u8 x; offset:1").is_empty());
    }

    #[test]
    fn misses_are_the_last_column() {
        let profile = "  fork_7_0                                       12               3\n  \
            fork_7_1                                        1               0\n";
        assert_eq!(missed(profile, "fork_7_0"), 3);
        assert_eq!(missed(profile, "fork_7_1"), 0);
        assert_eq!(missed(profile, "fork_7_2"), 0);
    }

    #[test]
    fn the_kernels_words_are_of_the_command() {
        let log = "[    1.0] trace_kprobe: error: Too long\n  Command: p:other/a f\n\
            [    2.0] trace_kprobe: error: Invalid argument name\n  \
            Command: p:ocellus/a_1_0 f\n   ^\n\
            [    3.0] trace_kprobe: error: Other\n  Command: p:other/b f\n     ^\n";
        assert_eq!(last_error(log, "a_1_0"), Some("Invalid argument name"));
        assert_eq!(last_error(log, "a_2_0"), None);
        assert_eq!(last_error("", "x"), None);
    }
}
