//! A load of short processes, and what a running sensor makes of it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::program::{Running, has_argument};

/// What a load was and what came of it.
#[derive(Debug)]
pub struct Report {
    pub generated: u64,
    /// Events of these processes that were written.
    pub seen: u64,
    pub seconds: f64,
    /// CPU time of the sensor during the load, all threads, user and system.
    pub cpu_seconds: f64,
    /// Largest resident size of the sensor, file pages and the ring's mapping included.
    pub peak_kib: u64,
    /// The totals that the sensor printed.
    pub totals: String,
}

/// Runs `ocellus run` with all shipped rules while `workers` threads execute processes one after
/// the other.
pub fn measure(dir: &Path, rules: &Path, workers: usize, duration: Duration) -> Report {
    let rules = rules.to_str().expect("the path is UTF-8");
    let running = Running::start(dir, &["--no-snapshot", "--rules", rules]);
    std::thread::sleep(Duration::from_secs(2));
    let cpu_before = cpu_seconds(running.pid());
    let began = Instant::now();
    let argument = |worker, count| format!("load-{worker}-{count}");
    let generated = run(workers, duration, Duration::ZERO, argument);
    let seconds = began.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(1));
    let cpu_seconds = cpu_seconds(running.pid()) - cpu_before;
    let peak_kib = peak_kib(running.pid());
    let ended = running.stop();
    let is_load = |argument: &serde_json::Value| {
        argument.as_str().is_some_and(|argument| argument.starts_with("load-"))
    };
    let seen = ended.events.iter().filter(|event| {
        has_argument(event, "/bin/true")
            && event["process"]["args"].as_array().is_some_and(|args| args.iter().any(is_load))
    });
    let seen = seen.count() as u64;
    let totals = ended.log.split_once("received ").map_or("", |(_, totals)| totals);
    let totals = format!("received {totals}");
    Report { generated, seen, seconds, cpu_seconds, peak_kib, totals }
}

/// Lets `workers` threads run `/bin/true` one after the other, with a pause in between, for so
/// long; how often they did. `argument` gives its argument, from the number of the worker and of
/// the run.
pub fn run(
    workers: usize,
    duration: Duration,
    pause: Duration,
    argument: impl Fn(usize, u64) -> String + Sync,
) -> u64 {
    let stop = AtomicBool::new(false);
    let work = |worker: usize| {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let status = Command::new("/bin/true").arg(argument(worker, count)).status();
            assert!(status.expect("there is true").success());
            count += 1;
            std::thread::sleep(pause);
        }
        count
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|one| one.join().expect("no worker panics")).sum()
    })
}

/// CPU time of a process so far: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms (proc(5)).
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// The largest resident size that a process has had.
pub fn peak_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

/// The resident size of a process.
pub fn resident_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

/// A size in proc_pid_status(5).
fn status_kib(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
