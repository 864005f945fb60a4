//! How long an event takes from the kernel to whoever reads the output, and how many short
//! processes it holds whole, by hold time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::program::{field, has_argument, ocellus};

/// An argument that marks the processes of the measurement.
const MARK: &str = "measured";

/// What was measured with one hold time under one load.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Processes that were run.
    pub generated: usize,
    /// Of these, those whose fork, exec and exit are one event, in percent.
    pub whole_percent: f64,
    /// From the kernel's time of an event's first raw event to the arrival of its line, in ms.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Raw events that the sensor lost.
    pub lost: u64,
}

/// What runs beside the sensor.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// A process now and then.
    Idle,
    /// So many threads that run one process after the other.
    Storm { workers: usize },
}

impl Load {
    pub fn name(self) -> &'static str {
        match self {
            Load::Idle => "idle",
            Load::Storm { .. } => "storm",
        }
    }

    fn workers(self) -> usize {
        match self {
            Load::Idle => 1,
            Load::Storm { workers } => workers,
        }
    }

    /// Between the end of a process and the next one.
    fn pause(self) -> Duration {
        match self {
            Load::Idle => Duration::from_millis(20),
            Load::Storm { .. } => Duration::ZERO,
        }
    }
}

/// Runs a sensor with this hold time, or the default one, and the load for so long.
pub fn measure(hold_ms: Option<u64>, load: Load, duration: Duration) -> Latency {
    let mut command = Command::new(ocellus());
    command.args(["run", "--no-snapshot"]);
    if let Some(hold_ms) = hold_ms {
        command.arg("--hold-ms").arg(hold_ms.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(" started: ") {
        line.clear();
        let read = stderr.read_line(&mut line).expect("the log is text");
        assert!(read > 0, "the sensor does not start");
    }
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let reader = std::thread::spawn(move || arrivals(stdout));
    // What the probes see first is slower than what follows.
    std::thread::sleep(Duration::from_secs(1));
    let generated = run_load(load, duration);
    std::thread::sleep(Duration::from_secs(1));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it runs");
    let mut log = String::new();
    stderr.read_to_string(&mut log).expect("the log is text");
    assert!(child.wait().expect("it is our child").success(), "{log}");
    let arrivals = reader.join().expect("the reader does not panic");
    report(generated, &arrivals)
}

/// Lines as they come, and when.
fn arrivals(from: impl std::io::BufRead) -> Vec<(Duration, String)> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    from.lines().map_while(Result::ok).map(|line| (now(), line)).collect()
}

fn run_load(load: Load, duration: Duration) -> usize {
    let stop = AtomicBool::new(false);
    let worker = || {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let status = Command::new("/bin/true").arg(MARK).status();
            assert!(status.expect("there is true").success());
            count += 1;
            std::thread::sleep(load.pause());
        }
        count
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..load.workers()).map(|_| scope.spawn(worker)).collect();
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|one| one.join().expect("no worker panics")).sum()
    })
}

fn report(generated: usize, arrivals: &[(Duration, String)]) -> Latency {
    let (mut whole, mut lost, mut all) = (0, 0, Vec::new());
    for (arrived, line) in arrivals {
        let event: Value = serde_json::from_str(line).expect("it is JSON");
        lost += field(&event, "ocellus.lost.count").as_u64().unwrap_or(0);
        let kinds = field(&event, "ocellus.kinds").as_array().map_or(0, Vec::len);
        if !has_argument(&event, MARK) || !has_argument(&event, "/bin/true") {
            continue;
        }
        whole += usize::from(kinds == 3);
        let began = field(&event, "@timestamp").as_str().and_then(since_epoch);
        let began = began.expect("each event has a time");
        all.push(arrived.saturating_sub(began).as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    let percentile = |percent: usize| all.get(all.len().saturating_sub(1) * percent / 100);
    let percentile = |percent| percentile(percent).copied().unwrap_or(f64::NAN);
    Latency {
        generated,
        whole_percent: 100.0 * whole as f64 / generated.max(1) as f64,
        p50_ms: percentile(50),
        p99_ms: percentile(99),
        lost,
    }
}

/// `2026-03-01T12:00:00.000000001Z`, since 1970.
fn since_epoch(date: &str) -> Option<Duration> {
    let number = |range: std::ops::Range<usize>| date.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let nanos = number(20..29)?;
    // Days from the civil calendar, counted from March, so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let year_of_era = y.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_to_the_nanosecond() {
        let date = since_epoch("2026-03-01T12:00:00.000000001Z");
        assert_eq!(date, Some(Duration::new(1_772_366_400, 1)));
        assert_eq!(since_epoch("1970-01-01T00:00:00.000000000Z"), Some(Duration::ZERO));
        let leap = since_epoch("2024-02-29T23:59:59.999999999Z");
        assert_eq!(leap, Some(Duration::new(1_709_251_199, 999_999_999)));
        assert_eq!(since_epoch("yesterday"), None);
    }
}
