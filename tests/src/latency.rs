//! How long an event takes from the kernel to whoever reads the output, and how many short
//! processes it holds whole, by hold time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ocellus::author::read_event::time_ns;
use serde_json::Value;

use crate::load;
use crate::program::{field, has_argument, ocellus};

/// An argument that marks the processes of the measurement.
const MARK: &str = "measured";

/// What was measured with one hold time under one load.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Processes that were run.
    pub generated: u64,
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

/// How the sensor is set up.
#[derive(Clone, Copy, Debug)]
pub enum Setup {
    /// As it comes.
    Default,
    /// With this hold time, and without hashes: whatever else starts on the host while it is
    /// measured has some that are waited for.
    Hold { ms: u64 },
}

/// Runs a sensor and the load for so long.
pub fn measure(setup: Setup, load: Load, duration: Duration) -> Latency {
    let dir = tempfile::tempdir().expect("there is room");
    let config = dir.path().join("ocellus.toml");
    let text = match setup {
        Setup::Default => String::new(),
        Setup::Hold { ms } => format!("[aggregate]\nhold_ms = {ms}\n[hash]\nalgorithms = []\n"),
    };
    std::fs::write(&config, text).expect("there is room");
    let mut command = Command::new(ocellus());
    command.args(["run", "--no-snapshot", "--config"]).arg(&config);
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
    let generated = load::run(load.workers(), duration, load.pause(), |_, _| MARK.to_owned());
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

fn report(generated: u64, arrivals: &[(Duration, String)]) -> Latency {
    let (mut whole, mut lost, mut all) = (0, 0, Vec::new());
    for (arrived, line) in arrivals {
        let event: Value = serde_json::from_str(line).expect("it is JSON");
        lost += field(&event, "ocellus.lost.count").as_u64().unwrap_or(0);
        let kinds = field(&event, "ocellus.kinds").as_array().map_or(0, Vec::len);
        if !has_argument(&event, MARK) || !has_argument(&event, "/bin/true") {
            continue;
        }
        whole += usize::from(kinds == 3);
        let began = field(&event, "@timestamp").as_str().and_then(time_ns);
        let began = began.expect("each event has a time");
        all.push(arrived.saturating_sub(Duration::from_nanos(began)).as_secs_f64() * 1e3);
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
