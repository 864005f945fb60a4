//! `make bench-kernel`: what a sensor costs, counted in instructions of the guest. Repeated runs
//! agree within one percent, whatever else this host does.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ocellus_tests::vm::{Architecture, Boot, Image, Kernel, Ran, fetch};

use crate::boot;
use crate::built::Built;

/// The kernel on which the targets are stated.
const SERIES: &str = "6.1";

/// Names another sensor's command, with its program's path on this host, to be measured beside.
const OTHER_VARIABLE: &str = "OTHER";

/// Names the cases to measure, by what their names begin or end with; all where it is not given.
const ONLY_VARIABLE: &str = "ONLY";

/// Processes of the two loads: fork, exec and exit, and fork and exit.
const EXECS: u32 = 1_500;
const FORKS: u32 = 3_000;

/// Ample on a busy host. Nothing in the guest depends on it.
const TIME_LIMIT: Duration = Duration::from_secs(7_200);

const TASK: &str = include_str!("bench.sh");

/// What Ocellus may cost: slowdown of the two loads, and the start in million instructions.
struct Target {
    backend: &'static str,
    exec: f64,
    fork: f64,
    startup: f64,
}

const TARGETS: [Target; 2] = [
    Target { backend: "ebpf", exec: 1.10, fork: 1.12, startup: 340.0 },
    Target { backend: "kprobe", exec: 1.25, fork: 1.20, startup: 340.0 },
];

/// What is measured with each backend: the words after its name, the rules, the arguments.
const VARIANTS: [(&str, u32, &str); 4] = [
    ("no-hash-0-rules", 0, "--config /tmp/no-hash.toml"),
    ("hash-0-rules", 0, ""),
    ("hash-1-rule", 1, ""),
    ("hash-10-rules", 10, ""),
];

/// Measures on these series, or on the one of the targets. True when each target is met.
pub fn run(series: &[String]) -> io::Result<bool> {
    let built = Built::release()?;
    let other = std::env::var(OTHER_VARIABLE).ok().filter(|command| !command.is_empty());
    let mut image = Image::new(built.architecture)?;
    for program in built.programs() {
        image.program(program)?;
    }
    for file in &built.files {
        image.files(file)?;
    }
    let others = other.as_deref().and_then(|command| command.split_whitespace().next());
    if let Some(program) = others {
        image.program(Path::new(program))?;
    }
    let wanted = if series.is_empty() { &[SERIES.to_owned()] } else { series };
    let mut met = true;
    for kernel in fetch(built.architecture, wanted)? {
        met &= measure(&kernel, &image, &built, other.as_deref())?;
    }
    Ok(met)
}

fn measure(kernel: &Kernel, image: &Image, built: &Built, other: Option<&str>) -> io::Result<bool> {
    println!("\n== {}, one CPU, a nanosecond is an instruction", kernel.release);
    let mut task = built.variables();
    task.push_str(&format!("execs={EXECS}\nforks={FORKS}\n{TASK}\n"));
    let only = std::env::var(ONLY_VARIABLE).unwrap_or_default();
    let mut names = Vec::new();
    for Target { backend, .. } in TARGETS {
        for (words, rules, arguments) in VARIANTS {
            let name = format!("{backend}-{words}");
            if !name.starts_with(&only) && !name.ends_with(&only) {
                continue;
            }
            task.push_str(&format!("ocellus_run {name} {rules} --backend {backend} {arguments}\n"));
            names.push(name);
        }
    }
    if let Some(command) = other {
        task.push_str(&format!("other_run other {command}\n"));
        names.push("other".to_owned());
    }
    task.push_str("loads without-again\n");
    let boot = Boot { task: &task, counted: true, ..boot(kernel, image, TIME_LIMIT) };
    report(&boot.run()?, &names)
}

/// What was measured of one sensor, in ns and instructions.
#[derive(Debug)]
struct Measured {
    exec: f64,
    fork: f64,
    startup: f64,
    exec_cpu: f64,
    fork_cpu: f64,
    peak_kib: f64,
}

impl Measured {
    fn of(ran: &Ran, name: &str) -> Option<Measured> {
        let cpu = |key: &str| ran.text(&format!("{name}.{key}")).trim().parse::<f64>().ok();
        let (startup, after_exec, after_fork) =
            (cpu("startup")?, cpu("after-exec")?, cpu("after-fork")?);
        let peak = ran.text(&format!("{name}.peak"));
        Some(Measured {
            exec: load(ran, name, "exec")?,
            fork: load(ran, name, "fork")?,
            startup,
            exec_cpu: after_exec - startup,
            fork_cpu: after_fork - after_exec,
            peak_kib: peak.split_whitespace().nth(1)?.parse().ok()?,
        })
    }
}

/// How long a load took, in ns.
fn load(ran: &Ran, name: &str, kind: &str) -> Option<f64> {
    ran.text(&format!("{name}.{kind}")).trim().strip_prefix("ns=")?.parse().ok()
}

fn report(ran: &Ran, names: &[String]) -> io::Result<bool> {
    let missing = |name: &str| {
        let log = ran.text(&format!("{name}.log"));
        io::Error::other(format!("{name} was not measured:\n{log}{}", ran.console))
    };
    // Before and after the sensors: forks get some percent slower with a guest's age.
    let baseline = |kind: &str| {
        let (first, last) = (load(ran, "without", kind)?, load(ran, "without-again", kind)?);
        Some(((first + last) / 2.0, last / first))
    };
    let (exec, fork) = (baseline("exec"), baseline("fork"));
    let (Some(exec), Some(fork)) = (exec, fork) else { return Err(missing("without")) };
    let per_second = |count: u32, ns: f64| f64::from(count) * 1e9 / ns;
    println!(
        "without a sensor: {:.0} fork+exec+exit a second, {:.0} fork+exit; at the end {:.4} and \
         {:.4} times as long as at first\n",
        per_second(EXECS, exec.0),
        per_second(FORKS, fork.0),
        exec.1,
        fork.1,
    );
    println!(
        "{:<24} {:>10} {:>10} {:>12} {:>12} {:>12} {:>9}  totals",
        "sensor", "fork+exec", "fork", "start, M", "exec load, M", "fork load, M", "peak, MB"
    );
    let mut met = true;
    for name in names {
        let measured = Measured::of(ran, name).ok_or_else(|| missing(name))?;
        let (slower_exec, slower_fork) = (measured.exec / exec.0, measured.fork / fork.0);
        println!(
            "{name:<24} {slower_exec:>10.3} {slower_fork:>10.3} \
             {:>12.1} {:>12.1} {:>12.1} {:>9.1}  {}",
            measured.startup / 1e6,
            measured.exec_cpu / 1e6,
            measured.fork_cpu / 1e6,
            measured.peak_kib / 1024.0,
            totals(&ran.text(&format!("{name}.log"))),
        );
        let target = TARGETS.iter().find(|target| name.starts_with(target.backend));
        let is_plain = name.ends_with(VARIANTS[0].0);
        let Some(target) = target.filter(|_| is_plain) else { continue };
        for (what, found, most) in [
            ("fork+exec+exit", slower_exec, target.exec),
            ("fork+exit", slower_fork, target.fork),
            ("start, million instructions", measured.startup / 1e6, target.startup),
        ] {
            if found > most {
                println!("  over its target: {what} is {found:.3} and may be {most}");
                met = false;
            }
        }
    }
    Ok(met)
}

/// What the sensor counted, on one line.
fn totals(log: &str) -> String {
    let line = log.lines().find(|line| line.contains("received "));
    line.map_or_else(String::new, |line| {
        line.split_once("received ")
            .map_or_else(String::new, |(_, rest)| format!("received {rest}"))
    })
}

impl Built {
    /// The optimised sensor, and what makes the load.
    pub fn release() -> io::Result<Built> {
        const RELEASE: &[&str] =
            &["build", "--release", "--bin", "ocellus", "--bin", "ocellus-kernels"];
        let mut built = Built::of(Architecture::Amd64, &[RELEASE], &[])?;
        built.files = vec![rules_folder()];
        Ok(built)
    }
}

fn rules_folder() -> PathBuf {
    ocellus_tests::prebuilt::root().join("rules/dist")
}
