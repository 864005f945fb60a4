//! Which values make sense.

use std::fmt;
use std::ops::RangeInclusive;

use super::{Config, output};
use crate::backend::{ARGS_BYTES_MAX, RING_BYTES_MAX, RING_BYTES_MIN};
use crate::bytesize::ByteSize;
use crate::redact::PATTERNS_MAX;
use crate::rules::budget::{STATE_BYTES_MAX, STATE_ENTRIES_MAX, TIME_MS_MAX};
use crate::sink::SinkSettings;

const RING_BYTES: RangeInclusive<ByteSize> =
    ByteSize(RING_BYTES_MIN as u64)..=ByteSize(RING_BYTES_MAX as u64);
/// With fewer, most command lines are cut.
const ARGS_BYTES: RangeInclusive<ByteSize> = ByteSize(256)..=ByteSize(ARGS_BYTES_MAX as u64);
const ENV_BYTES: RangeInclusive<ByteSize> = ByteSize(1)..=ByteSize(ARGS_BYTES_MAX as u64);
/// Longer, and an alert is too old to act on.
const HOLD_MS: RangeInclusive<u64> = 0..=10_000;
/// At about 2 KiB a process, the largest table takes 8 GiB.
const PROCESSES: RangeInclusive<u64> = 1024..=4_194_304;
/// An hour: a process that exited longer ago is history.
const GRACE_MS: RangeInclusive<u64> = 0..=3_600_000;
const ANCESTORS: RangeInclusive<u64> = 0..=64;
/// A day; a host that is tested less often is not tested.
const SELF_TEST_INTERVAL_S: RangeInclusive<u64> = 0..=86_400;
const SELF_TEST_TIMEOUT_S: RangeInclusive<u64> = 1..=600;
const HASH_FILE_BYTES: RangeInclusive<ByteSize> = ByteSize(1)..=ByteSize(1 << 40);
const HASH_THREADS: RangeInclusive<usize> = 1..=64;
const HASH_WAIT_MS: RangeInclusive<u64> = 0..=60_000;
const HASH_CACHE_ENTRIES: RangeInclusive<usize> = 1..=1_048_576;
/// A rule that thinks for longer than a second holds up every event behind it.
const RULE_TIME_MS: RangeInclusive<u64> = 1..=TIME_MS_MAX;
/// Beyond these a rule keeps a data base, for which a sensor is the wrong place.
const RULE_STATE_ENTRIES: RangeInclusive<usize> = 0..=STATE_ENTRIES_MAX;
const RULE_STATE: RangeInclusive<ByteSize> = ByteSize(0)..=ByteSize(STATE_BYTES_MAX as u64);
/// From one small component to as many large ones as a sensor takes.
const RULE_BUCKET: RangeInclusive<ByteSize> = ByteSize(64 << 10)..=ByteSize(16 << 30);
/// An interpreter in a component needs tens of mebibytes; beyond a gibibyte something is wrong.
const RULE_MEMORY: RangeInclusive<ByteSize> = ByteSize(64 << 10)..=ByteSize(1 << 30);

/// At 5 KiB an event, the largest queue takes 5 GiB.
const QUEUE_EVENTS: RangeInclusive<u32> = 1..=1_048_576;
const QUEUE_BYTES: RangeInclusive<ByteSize> = ByteSize(64 << 10)..=ByteSize(8 << 30);
/// Longer, and what waits does not fit into memory.
const BLOCK_MS: RangeInclusive<u64> = 0..=600_000;

/// A value that makes no sense.
#[derive(Debug)]
pub(super) struct Problem {
    /// `section.key`.
    pub key: String,
    /// Which of several sections of this name.
    pub index: usize,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

impl Problem {
    fn new(key: &str, what: String) -> Problem {
        Problem { key: key.to_owned(), index: 0, what }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let Config { capture, aggregate, process, hash, rules, .. } = self;
        within("capture.ring_bytes", capture.ring_bytes, RING_BYTES)?;
        if !capture.ring_bytes.0.is_power_of_two() {
            let what = format!("{} is not a power of two", capture.ring_bytes);
            return Err(Problem::new("capture.ring_bytes", what));
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
        within("hash.threads", hash.threads.get(), HASH_THREADS)?;
        within("hash.wait_ms", hash.wait_ms, HASH_WAIT_MS)?;
        within("hash.cache_entries", hash.cache_entries.get(), HASH_CACHE_ENTRIES)?;
        within("rules.time_ms", rules.time_ms, RULE_TIME_MS)?;
        within("rules.memory", rules.memory, RULE_MEMORY)?;
        within("rules.state_entries", rules.state_entries, RULE_STATE_ENTRIES)?;
        within("rules.state", rules.state, RULE_STATE)?;
        rules.policy().map_err(|(key, what)| Problem::new(key, what))?;
        if let Some(nats) = &rules.nats {
            nats.check().map_err(|(key, what)| Problem::new(key, what))?;
            within("rules.nats.max_size", nats.max_size, RULE_BUCKET)?;
        }
        for own in rules.component.values() {
            within("rules.component.time_ms", own.time_ms.unwrap_or(1), RULE_TIME_MS)?;
            let memory = own.memory.unwrap_or(*RULE_MEMORY.start());
            within("rules.component.memory", memory, RULE_MEMORY)?;
            let entries = own.state_entries.unwrap_or(0);
            within("rules.component.state_entries", entries, RULE_STATE_ENTRIES)?;
            let state = own.state.unwrap_or(ByteSize(0));
            within("rules.component.state", state, RULE_STATE)?;
        }
        self.check_operation()?;
        self.check_outputs()
    }

    fn check_operation(&self) -> Result<(), Problem> {
        within("self_test.interval_s", self.self_test.interval_s, SELF_TEST_INTERVAL_S)?;
        within("self_test.timeout_s", self.self_test.timeout_s, SELF_TEST_TIMEOUT_S)?;
        if self.redact.patterns.len() > PATTERNS_MAX {
            let what = format!("there are more than {PATTERNS_MAX}");
            return Err(Problem::new("redact.patterns", what));
        }
        // Compiling the usual ones takes a twentieth of a start, and tests do that.
        let has_own = !self.redact.patterns.is_empty();
        if has_own && let Err(error) = self.redact.redactor() {
            return Err(Problem::new("redact.patterns", error.to_string()));
        }
        match self.metrics.listen {
            Some(address) if !address.ip().is_loopback() => {
                let what = format!(
                    "{address} is not a loopback address; put a proxy with authentication before it"
                );
                Err(Problem::new("metrics.listen", what))
            }
            _ => Ok(()),
        }
    }

    fn check_outputs(&self) -> Result<(), Problem> {
        for (index, output) in self.output.0.iter().enumerate() {
            let of_it = |problem: Problem| Problem { index, ..problem };
            within("output.queue_events", output.queue_events, QUEUE_EVENTS).map_err(of_it)?;
            within("output.queue_size", output.queue_size, QUEUE_BYTES).map_err(of_it)?;
            within("output.block_ms", output.block_ms, BLOCK_MS).map_err(of_it)?;
        }
        self.sinks().map(drop)
    }

    /// What each output is to do.
    pub(super) fn sinks(&self) -> Result<Vec<SinkSettings>, Problem> {
        output::settings(&self.output.0).map_err(|(index, (key, what))| Problem {
            key: format!("output.{key}"),
            index,
            what,
        })
    }
}

fn within<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Problem> {
    if range.contains(&value) {
        return Ok(());
    }
    let what = format!("{value} is not between {} and {}", range.start(), range.end());
    Err(Problem::new(key, what))
}
