//! `ocellus replay`: a recording, the rules and the output around the machine.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{RunError, rules, settings, summary};
use crate::config::Config;
use crate::recording::RecordingError;
use crate::rules::{Notice, RuleSet};
use crate::sink::{Outputs, Pace, Readers};

/// What came of a replay.
#[derive(Debug)]
pub struct ReplayReport {
    totals: String,
    inputs: u64,
    time: Duration,
    /// Largest resident size of this process.
    peak_kib: Option<u64>,
    /// The recording is damaged at its end; what stood before it was replayed.
    pub damage: Option<RecordingError>,
}

/// Replays a recording into the configured output. Nothing is lost: the output is waited for.
pub fn replay(path: &Path, config: &Config) -> Result<ReplayReport, RunError> {
    let set = match &config.rules.dir {
        Some(dir) => rules::load_once(dir, &config.rules, Notice::log)?,
        None => RuleSet::new(),
    };
    let mut outputs = Outputs::open(&config.outputs()?, Pace::Patient)?;
    let began = Instant::now();
    let deliver = |event| outputs.deliver(&mut vec![event]) == Readers::Some;
    let replayed = crate::replay::replay(path, &settings::machine(config), set, deliver)?;
    let stats = outputs.finish();
    let time = began.elapsed();
    let totals = summary::totals(&replayed.sensor, &stats);
    let peak_kib = peak_kib();
    Ok(ReplayReport { totals, inputs: replayed.inputs, time, peak_kib, damage: replayed.damage })
}

/// VmHWM of proc_pid_status(5).
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.totals)?;
        let seconds = self.time.as_secs_f64();
        let rate = self.inputs as f64 / seconds.max(f64::MIN_POSITIVE);
        write!(f, "{} inputs in {seconds:.3} s, {rate:.0} a second", self.inputs)?;
        match self.peak_kib {
            Some(peak_kib) => writeln!(f, ", peak memory {peak_kib} KiB"),
            None => writeln!(f),
        }
    }
}
