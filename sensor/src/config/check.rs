//! Which values make sense.

use std::fmt;
use std::ops::RangeInclusive;

use super::{Config, Size};

/// The smallest ring that holds a record of the largest size beside others.
const RING_BYTES: RangeInclusive<Size> = Size::kib(256)..=Size::mib(512);
/// As much as the probes copy; with more, few records would fill the ring.
const ARGS_BYTES: RangeInclusive<Size> = Size(256)..=Size::kib(32);
const ENV_BYTES: RangeInclusive<Size> = Size(1)..=Size::kib(32);
/// Longer, and an alert is too old to act on.
const HOLD_MS: RangeInclusive<u64> = 0..=10_000;
/// At about 2 KiB a process, the largest table takes 8 GiB.
const PROCESSES: RangeInclusive<u64> = 1024..=4_194_304;
/// An hour: a process that exited longer ago is history.
const GRACE_MS: RangeInclusive<u64> = 0..=3_600_000;
const ANCESTORS: RangeInclusive<u64> = 0..=64;
const HASH_FILE_BYTES: RangeInclusive<Size> = Size(1)..=Size::mib(64 << 10);
const HASH_RATE_BYTES: RangeInclusive<Size> = Size(0)..=Size::mib(1 << 20);
const HASH_THREADS: RangeInclusive<u64> = 1..=64;
const HASH_WAIT_MS: RangeInclusive<u64> = 0..=60_000;
const HASH_CACHE_ENTRIES: RangeInclusive<u64> = 1..=1_048_576;
/// A rule that thinks for longer than a second holds up every event behind it.
const RULE_TIME_MS: RangeInclusive<u64> = 1..=1000;
/// An interpreter in a component needs tens of mebibytes; beyond a gibibyte something is wrong.
const RULE_MEMORY: RangeInclusive<Size> = Size::kib(64)..=Size::mib(1024);

/// A value that makes no sense.
#[derive(Debug)]
pub(super) struct Problem {
    /// `section.key`.
    pub key: &'static str,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let Config { capture, aggregate, process, hash, rules, .. } = self;
        within("capture.ring_bytes", capture.ring_bytes, RING_BYTES)?;
        if !capture.ring_bytes.bytes().is_power_of_two() {
            let what = format!("{} is not a power of two", capture.ring_bytes);
            return Err(Problem { key: "capture.ring_bytes", what });
        }
        within("capture.args_max", capture.args_max, ARGS_BYTES)?;
        if let Some(env) = capture.env {
            within("capture.env", env, ENV_BYTES)?;
        }
        within("aggregate.hold_ms", aggregate.hold_ms, HOLD_MS)?;
        within("process.max", u64::from(process.max), PROCESSES)?;
        within("process.grace_ms", process.grace_ms, GRACE_MS)?;
        within("process.ancestors", u64::from(process.ancestors), ANCESTORS)?;
        within("hash.max_file_size", hash.max_file_size, HASH_FILE_BYTES)?;
        within("hash.rate", hash.rate, HASH_RATE_BYTES)?;
        within("hash.threads", u64::from(hash.threads), HASH_THREADS)?;
        within("hash.wait_ms", hash.wait_ms, HASH_WAIT_MS)?;
        within("hash.cache_entries", u64::from(hash.cache_entries), HASH_CACHE_ENTRIES)?;
        within("rules.time_ms", rules.time_ms, RULE_TIME_MS)?;
        within("rules.memory", rules.memory, RULE_MEMORY)
    }
}

fn within<T: PartialOrd + fmt::Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Problem> {
    if range.contains(&value) {
        return Ok(());
    }
    let what = format!("{value} is not between {} and {}", range.start(), range.end());
    Err(Problem { key, what })
}
