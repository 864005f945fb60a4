//! Logs or the shell history removed, emptied or switched off.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Programs that remove, empty, overwrite or replace files.
const DESTROYERS: [&str; 10] =
    ["rm", "shred", "unlink", "truncate", "wipe", "srm", "dd", "ln", "cp", "mv"];

/// Logs that tell who was there and what was done, as files or whole folders.
const LOGS: [&str; 15] = [
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/faillog",
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/kern.log",
    "/var/log/cron",
    "/var/log/maillog",
    "/var/log/audit/",
    "/var/log/journal/",
    "/var/run/utmp",
    "/run/utmp",
];

/// Folders that hold all logs.
const FOLDERS: [&str; 5] =
    ["/var/log", "/var/log/*", "/var/log/audit", "/var/log/journal", "/run/log/journal"];

/// What an argument of a shell holds when it switches its history off.
const NO_HISTORY: [&str; 8] = [
    "history -c",
    "unset HISTFILE",
    "HISTFILE=/dev/null",
    "HISTFILE=''",
    "HISTSIZE=0",
    "HISTFILESIZE=0",
    "set +o history",
    "HISTFILE=\"\"",
];

static PACKAGE_MANAGERS: Set = Set::of(known::PACKAGE_MANAGERS);
static ROTATORS: Set = Set::of(&["logrotate", "newsyslog", "savelog"]);

#[derive(Debug, Default)]
pub struct LogTampering;

impl Rule for LogTampering {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("log-tampering", "Logs or shell history destroyed")
            .description(
                "A log that tells who was there was removed, emptied or replaced, the journal was \
                 emptied, or the history of a shell was removed or switched off.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1070.002", "T1070.003", "T1562.003"])
            .false_positives([
                "Administrators who free a full disk",
                "Preparation of an image that is to become a template",
            ])
    }

    fn interests(&self) -> Vec<Interest> {
        let destroyer = || Interest::exec().one_of(fields::PROCESS_NAME, DESTROYERS);
        vec![
            destroyer().contains(fields::PROCESS_ARGS, ["/var/log", "/run/log/", "/run/utmp"]),
            destroyer().suffix(fields::PROCESS_ARGS, ["_history"]),
            Interest::exec().contains(fields::PROCESS_ARGS, NO_HISTORY),
            Interest::exec()
                .one_of(fields::PROCESS_NAME, ["journalctl"])
                .contains(fields::PROCESS_ARGS, ["--vacuum-"]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        if event.has_ancestor(&PACKAGE_MANAGERS) || event.has_ancestor(&ROTATORS) {
            return None;
        }
        let name = event.process_name()?;
        let args = event.process_args();
        let args = args.get(1..).unwrap_or_default();
        let what = if name == "journalctl" {
            empties_journal(args).then_some("emptied the journal")
        } else if DESTROYERS.contains(&name.as_str()) {
            destroyed(&name, args)
        } else {
            args.iter()
                .any(|arg| NO_HISTORY.iter().any(|part| arg.contains(part)))
                .then_some("switched the shell history off")
        }?;
        Some(alert(HIGH, format!("{} {what}: {}", event.who(), event.command())))
    }
}

fn destroyed(name: &str, args: &[Text<'_>]) -> Option<&'static str> {
    let nothing = args.iter().any(|arg| arg.ends_with("/dev/null") || arg.ends_with("/dev/zero"));
    let last = args.len().saturating_sub(1);
    for (position, arg) in args.iter().enumerate() {
        // A log is destroyed where it is removed or written: the last name, or `of=`.
        let target = match name {
            "cp" | "ln" if !nothing || position != last => continue,
            "mv" if position == last => continue,
            "dd" => match arg.strip_prefix("of=") {
                Some(target) => target,
                None => continue,
            },
            _ => arg,
        };
        let folder = FOLDERS.contains(&target.trim_end_matches('/'));
        if folder || LOGS.iter().any(|log| target.starts_with(log) && !is_rotated(target)) {
            return Some("destroyed logs");
        }
        if target.ends_with("_history") && !target.contains("/site-packages/") {
            return Some("destroyed a shell history");
        }
    }
    None
}

/// Old parts of a log, for example `syslog.2.gz` or `messages-20260101`: removed every day.
fn is_rotated(path: &str) -> bool {
    path.ends_with(".gz")
        || path.ends_with(".xz")
        || path.ends_with(".old")
        || path
            .rsplit(['.', '-'])
            .next()
            .is_some_and(|end| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether less than a day or next to no bytes are kept.
fn empties_journal(args: &[Text<'_>]) -> bool {
    args.iter().enumerate().any(|(position, arg)| {
        let (option, value) = match arg.split_once('=') {
            Some((option, value)) => (option, value),
            None => (arg.as_str(), args.get(position + 1).map_or("", Text::as_str)),
        };
        let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        match option {
            "--vacuum-time" => matches!(unit, "" | "s" | "sec" | "us" | "ms" | "m" | "min" | "h"),
            "--vacuum-size" => matches!(unit, "" | "B" | "K") || value == "1M",
            "--vacuum-files" => matches!(value, "0" | "1"),
            _ => false,
        }
    })
}

ocellus_sdk::rule!(LogTampering);
