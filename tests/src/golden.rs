//! The golden components: one rule set in every language with an SDK, built and kept, which every
//! later sensor must still run; and the events on which they must agree.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ocellus::event::Event;
use ocellus::machine::{Sensor, Settings};
use ocellus::rules::budget::BATCH_EVENTS_MAX;
use ocellus::rules::trial::Trial;
use ocellus::rules::{Loader, Metering, Permissions, RuleEngine, RuleSet};

use crate::history::Rng;
use crate::prebuilt::root;
use crate::workload::{Proc, preamble};

/// The languages, by their folders in `tests/golden`; Rust in both worlds of the contract.
pub const LANGUAGES: [&str; 7] = ["c", "go", "js", "python", "rust", "rust-batch", "zig"];
/// Version of the contract that the kept components were built for.
pub const CONTRACT: &str = "1.0.0";
/// Least number of events in the recording.
pub const EVENTS_MIN: usize = 20_000;

/// The source of a golden component.
pub fn source(language: &str) -> PathBuf {
    root().join("tests/golden").join(language)
}

/// The kept component, compressed: a whole Python has 18 MB.
pub fn kept(language: &str) -> PathBuf {
    root().join("tests/golden").join(CONTRACT).join(format!("{language}.wasm.xz"))
}

/// Compress or, with `-d`, decompress. By Python, which the tests need anyway.
pub fn xz(bytes: &[u8], decompress: bool) -> Vec<u8> {
    let script = "import lzma, sys; b = sys.stdin.buffer.read(); sys.stdout.buffer.write(\
                  lzma.decompress(b) if len(sys.argv) > 1 else lzma.compress(b, preset=9))";
    let mut command = Command::new("python3");
    command.args(["-c", script]).args(decompress.then_some("-d"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start python3: {error}; .ci/setup test has it"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = bytes.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it does not panic").expect("python3 reads all");
    assert!(output.status.success(), "python3 cannot handle xz");
    output.stdout
}

/// Executables and their arguments, of which the golden rules tell some from others.
const PROGRAMS: [(&str, &[&str]); 12] = [
    ("/usr/bin/sh", &["sh", "-c", "make -C /srv/build all"]),
    ("/usr/bin/bash", &["-bash"]),
    ("/bin/dash", &["dash", "/etc/cron.daily/dpkg"]),
    ("/usr/bin/make", &["make", "-j2", "all"]),
    ("/opt/deploy/run.sh", &["/opt/deploy/run.sh", "--étape", "日本"]),
    ("/srv/tools/report.py", &["report.py", "--format", "json", ""]),
    ("/usr/bin/名前", &["名前", "é", "\u{1f980}"]),
    ("/home/user/café.sh", &["./café.sh"]),
    ("/usr/bin/true", &[]),
    ("/usr/bin/cc", &["cc", "-O2", "-c", "main.c", "-o", "main.o", "-I", "/usr/include/x"]),
    ("/tmp/a.out", &["./a.out", "\\", "\"", "\u{7f}"]),
    ("/usr/lib/systemd/systemd-executor", &["(sd-executor)", "é-", "x=日"]),
];

/// Pids to choose from: few, so that they are reused.
const PIDS: u64 = 80;

/// The events of a made-up recording, the same on every machine.
pub fn recording() -> Vec<Arc<Event>> {
    let settings = Settings { hashing: None, ..Settings::default() };
    let mut sensor = Sensor::new(&settings, RuleSet::new());
    let (mut rng, mut events) = (Rng::new(20_000), Vec::new());
    for input in preamble() {
        sensor.feed(&input, 0, &mut events);
    }
    let mut living = vec![(Proc::INIT, "/sbin/init".to_owned())];
    let mut now_ns = 1_000_000_000;
    while events.len() < EVENTS_MIN {
        now_ns += 1 + rng.below(40_000_000);
        let position = rng.below(living.len() as u64) as usize;
        let (process, exe) = living[position].clone();
        let comm = |exe: &str| exe.rsplit('/').next().unwrap_or(exe).to_owned();
        let bytes = match rng.below(10) {
            0..4 => {
                let pid = 2 + rng.below(PIDS) as u32;
                if living.iter().any(|(other, _)| other.pid == pid) {
                    continue;
                }
                let child = process.child(pid, now_ns);
                living.push((child, exe.clone()));
                child.fork(now_ns, &comm(&exe))
            }
            4..7 if position > 0 => {
                let (exe, args) = PROGRAMS[rng.below(PROGRAMS.len() as u64) as usize];
                living[position].1 = exe.to_owned();
                process.exec(now_ns, exe, args)
            }
            7.. if position > 0 => {
                living.remove(position);
                for (child, _) in living.iter_mut().filter(|(child, _)| child.ppid == process.pid) {
                    *child = Proc::INIT.child(child.pid, child.start_ns);
                }
                process.exit(now_ns, &comm(&exe), (rng.below(3) << 8) as u32)
            }
            _ => continue,
        };
        sensor.step(now_ns, &mut events);
        sensor.feed_raw(&bytes, now_ns, &mut events);
    }
    sensor.drain(u64::MAX, &mut events);
    events
}

/// What a component says to the events of a recording: a line for each event. Panics on a fault.
pub fn said(name: &str, wasm: &[u8], events: &[Arc<Event>]) -> Vec<String> {
    let engine = RuleEngine::new(Metering::Fuel).expect("this machine can run WebAssembly");
    let mut settings = ocellus::rules::Settings::default();
    settings.permissions = Permissions { drop: true, ..settings.permissions };
    let loader = Loader::new(engine).with_settings(settings);
    let prepared = loader.load(name, wasm, "");
    let prepared = prepared.unwrap_or_else(|error| panic!("{name} does not load: {error}"));
    let mut trial = Trial::new(prepared).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut lines = Vec::with_capacity(events.len());
    for batch in events.chunks(BATCH_EVENTS_MAX) {
        for verdict in trial.judge_all(&Arc::new(batch.to_vec()), 0) {
            assert!(verdict.faults.is_empty(), "{name}: {:?}", verdict.faults);
            let alerts = verdict.alerts.iter().map(|alert| {
                let (id, severity, message) = (&alert.rule.id, alert.severity, &alert.message);
                format!("{id} alerts {severity} {message:?} {:?}", alert.tags)
            });
            let tags = verdict.taggings.iter();
            let tags = tags.map(|tagging| format!("{} tags {:?}", tagging.rule.id, tagging.tags));
            let drop = verdict.dropped_by.iter().map(|rule| format!("{} drops", rule.id));
            lines.push(alerts.chain(tags).chain(drop).collect::<Vec<_>>().join("; "));
        }
    }
    lines
}
