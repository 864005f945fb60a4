//! All that is tried on each kernel.

use std::io;
use std::path::Path;
use std::time::Duration;

use ocellus_tests::ecs;
use ocellus_tests::vm::{Architecture, Boot, Image, Kernel, Ran, fetch};

use crate::built::Built;
use crate::negative;
use crate::outcome::{BACKENDS, Outcome, Report, Tried};
use crate::{boot, image, limits, page, scenarios};

/// How long a guest may take for all of it: ten times what it takes on a machine with nothing else
/// to do.
const TIME_LIMIT: Duration = Duration::from_secs(1_800);

/// Set: the pages are written also by a run of some kernels, with the last report of each other.
const UPDATE_VARIABLE: &str = "UPDATE";

/// What the steps use.
const PREPARE: &str = "\
mkdir -p /out/events
export ECS_LATER=/out/events SCENARIOS_GUEST=1
without_btf() {
    unshare -m sh -c \"mount -o bind /dev/null /sys/kernel/btf/vmlinux; $*\"
}
";

/// Tests that run in a guest beside the scenarios: of the probes themselves, and of rules that mean
/// harm.
const TESTS: [(&str, &str); 3] = [
    ("ebpf_live", "$ebpf_live $WITHOUT"),
    ("kprobe_live", "$kprobe_live $WITHOUT"),
    ("hostile", "$hostile --test-threads 2"),
];

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Without [`TESTS`], which take as long as all the rest.
    Short,
}

/// Findings of the validator that are shown.
const FINDINGS_SHOWN_MAX: usize = 10;

/// Tries the kernels of these series, all without any, and prints how each went. True when nothing
/// failed.
pub fn run(architecture: Architecture, series: &[String], extent: Extent) -> io::Result<bool> {
    let built = Built::build(architecture)?;
    let kernels = fetch(architecture, series)?;
    let image = image(&built)?;
    let mut reports = Vec::new();
    for kernel in &kernels {
        println!("\n== {}", kernel.release);
        let other = [kernels.last(), kernels.first()].into_iter().flatten();
        let other = other.into_iter().find(|other| other.series != kernel.series);
        let report = try_kernel(kernel, other, &image, &built, extent)?;
        page::print(&report);
        if extent == Extent::Whole {
            report.save()?;
        }
        reports.push(report);
    }
    let mut holds = reports.iter().all(|report| report.failures().is_empty());
    let asked = series.is_empty() || std::env::var_os(UPDATE_VARIABLE).is_some();
    let writes = asked && extent == Extent::Whole;
    if writes {
        page::write()?;
    } else {
        holds &= page::check(&reports)?;
    }
    for report in &reports {
        for (name, words) in report.failures() {
            println!("\n---- {}: {name} ----\n{words}", report.label());
        }
    }
    let failed: Vec<String> =
        reports.iter().filter(|report| !report.failures().is_empty()).map(Report::label).collect();
    if failed.is_empty() {
        println!("\n{} kernels, nothing failed", reports.len());
    } else {
        let series = failed.join(" ");
        println!(
            "\n{} kernels, failures on {series}: make test-kernels KERNEL='{series}'",
            reports.len()
        );
    }
    Ok(holds)
}

/// Tries all of it on a kernel. `other` is one whose types are not the same.
fn try_kernel(
    kernel: &Kernel,
    other: Option<&Kernel>,
    image: &Image,
    built: &Built,
    extent: Extent,
) -> io::Result<Report> {
    let tests = if extent == Extent::Whole { &TESTS[..] } else { &[] };
    let other_btf = other.map(|other| btf_of(other, image)).transpose()?;
    let files = other_btf.map(|btf| (negative::OTHER_BTF, btf));
    let boot = Boot { files: files.as_slice(), ..boot(kernel, image, TIME_LIMIT) };
    let ran = Boot { task: &main_task(built, tests, kernel.has_overlay()), ..boot }.run()?;
    let mut checks = Vec::new();
    let mut check = |name: &str, result: Result<(), String>| {
        checks.push(Tried { name: name.to_owned(), outcome: Outcome::of(result) });
    };
    let (probes, result) = negative::doctor(&ran.text("doctor.json"), kernel.series);
    check("doctor", result);
    for (test, _) in tests {
        check(test, succeeded(&ran, test));
    }
    check("every event is ECS", ecs_clean(&ran.path("events")));
    check("an ordinary user is refused", negative::unprivileged(&ran));
    check("a kernel without BTF", negative::without_btf(&ran));
    check("a file of its BTF", negative::own_btf(&ran));
    if other.is_some() {
        check("the BTF of another kernel", negative::other_btf(&ran));
    }
    check("locked down for confidentiality", negative::locked_down(kernel, image, built)?);
    check("without LSMs of BPF", negative::without_bpf_lsm(kernel, image, built)?);
    if !kernel.has_overlay() {
        say_what_is_left_out(&mut checks);
    }
    let read = |backend: &str| {
        let log = ran.text(&format!("scenarios-{backend}.log"));
        scenarios::read(&log, backend, kernel.series, &limits::lacks(kernel))
    };
    let Kernel { architecture, series, .. } = *kernel;
    let release = kernel.release.clone();
    Ok(Report { architecture, series, release, scenarios: BACKENDS.map(read), probes, checks })
}

/// A task that runs commands and keeps what each said, and how it ended.
pub fn steps(built: &Built, steps: &[(&str, &str)]) -> String {
    let mut task = built.variables();
    task.push_str(PREPARE);
    for (name, command) in steps {
        let step = format!(
            "echo 'guest: {name}'\n{command} > /out/{name}.log 2>&1\necho $? > /out/{name}.status\n"
        );
        task.push_str(&step);
    }
    task
}

fn main_task(built: &Built, tests: &[(&str, &str)], has_overlay: bool) -> String {
    let mut list = vec![("doctor", "$ocellus doctor --json 2>/dev/null | tee /out/doctor.json")];
    list.extend(negative::STEPS);
    list.extend([
        ("scenarios-ebpf", "SCENARIOS_BACKEND=ebpf $scenarios"),
        ("scenarios-kprobe", "SCENARIOS_BACKEND=kprobe $scenarios"),
    ]);
    list.extend(tests);
    let task = steps(built, &list);
    if has_overlay { task } else { format!("export WITHOUT=--without=overlay\n{task}") }
}

/// Tests of the probes pass without their cases of overlays where there can be none.
fn say_what_is_left_out(checks: &mut [Tried]) {
    let passed = |it: &&mut Tried| it.name.ends_with("_live") && it.outcome == Outcome::Holds;
    for check in checks.iter_mut().filter(passed) {
        check.outcome = Outcome::Limited("yes, without overlays".to_owned());
    }
}

/// The BTF of a kernel, which only that kernel itself hands out.
fn btf_of(kernel: &Kernel, image: &Image) -> io::Result<Vec<u8>> {
    if let Ok(btf) = std::fs::read(kernel.btf()) {
        return Ok(btf);
    }
    println!("the BTF of {}", kernel.release);
    let task = "cp /sys/kernel/btf/vmlinux /out/btf";
    let ran = Boot { task, ..boot(kernel, image, TIME_LIMIT) }.run()?;
    let btf = ran.bytes("btf");
    std::fs::write(kernel.btf(), &btf)?;
    Ok(btf)
}

/// Whether a step ended with 0; else the end of what it said.
pub fn succeeded(ran: &Ran, step: &str) -> Result<(), String> {
    if ran.text(&format!("{step}.status")).trim() == "0" {
        return Ok(());
    }
    let log = ran.text(&format!("{step}.log"));
    let lines: Vec<&str> = log.lines().collect();
    Err(lines[lines.len().saturating_sub(60)..].join("\n"))
}

/// Checks the documents that the tests of a guest left for us.
fn ecs_clean(folder: &Path) -> Result<(), String> {
    let mut documents = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("no events: {error}"))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        documents.extend(std::fs::read(path).map_err(|error| error.to_string())?);
    }
    if documents.is_empty() {
        return Err("there are no events".to_owned());
    }
    let mut findings = ecs::findings(&documents);
    findings.truncate(FINDINGS_SHOWN_MAX);
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n")) }
}
