//! What must be refused, with the right words, and what doctor must say.

use std::io;
use std::time::Duration;

use ocellus_tests::vm::{Boot, Image, Kernel, Ran, Series};
use serde_json::Value;

use crate::boot;
use crate::built::Built;
use crate::matrix::{steps, succeeded};
use crate::outcome::BACKENDS;

/// How long a guest may take that only looks around.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// Steps of the main boot, for the checks below.
pub const STEPS: [(&str, &str); 9] = [
    // The program stands below a folder that a user of a guest may enter.
    ("user-doctor", "su -s /bin/sh nobody -c \"$ocellus doctor\""),
    ("user-run", "su -s /bin/sh nobody -c \"$ocellus run --output /dev/null\""),
    ("no-btf-ebpf", "without_btf $ocellus run --backend ebpf"),
    ("no-btf-kprobe", "without_btf $ocellus run --backend kprobe"),
    ("keep-btf", "cp /sys/kernel/btf/vmlinux /out/btf"),
    ("own-btf", "without_btf $ocellus doctor --json --btf /out/btf"),
    ("other-btf", "$ocellus doctor --json --btf /other.btf"),
    ("no-btf-at-all-ebpf", "$ocellus run --backend ebpf --btf /bin/busybox"),
    ("no-btf-at-all-kprobe", "$ocellus run --backend kprobe --btf /bin/busybox"),
];

/// Where a guest has the BTF of another kernel.
pub const OTHER_BTF: &str = "/other.btf";

/// From this kernel on tracepoints take probes of tracefs.
const TRACEPOINT_PROBES: Series = Series(6, 5);

/// Checks what doctor says of a kernel on which all must run, and gives how each probe is attached,
/// by backend.
pub fn doctor(json: &str, series: Series) -> ([Vec<String>; 2], Result<(), String>) {
    let report: Value = match serde_json::from_str(json) {
        Ok(report) => report,
        Err(error) => return (Default::default(), Err(format!("{error}: {json}"))),
    };
    let probes = BACKENDS.map(|backend| attachments(&report, backend));
    let exec = if series < TRACEPOINT_PROBES {
        "exec: kprobe/proc_exec_connector"
    } else {
        "exec: tracepoint/sched_process_exec"
    };
    let expected: [&[&str]; 2] = [
        &[
            "exit: tp_btf/sched_process_exit",
            "exec: tp_btf/sched_process_exec",
            "fork: tp_btf/sched_process_fork",
            "tasks: iter/task",
        ],
        &["fork: kprobe/wake_up_new_task", exec, "exit: kprobe/taskstats_exit"],
    ];
    let mut wrong = Vec::new();
    for ((backend, probes), expected) in BACKENDS.iter().zip(&probes).zip(expected) {
        for probe in expected.iter().filter(|probe| !probes.iter().any(|it| it == *probe)) {
            wrong.push(format!("{backend} has no {probe}, but {probes:?}"));
        }
    }
    let verdict = &report["verdict"];
    if verdict["state"] != "ready" || verdict["backend"] != "ebpf" {
        wrong.push(format!("the verdict is {verdict}"));
    }
    for backend in report["backends"].as_array().into_iter().flatten() {
        if !backend["failure"].is_null() {
            wrong.push(format!("{} fails: {}", backend["name"], backend["failure"]));
        }
    }
    let result = if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) };
    (probes, result)
}

/// `NAME: WAY` of each probe of a backend that is attached; of the others, why not.
fn attachments(report: &Value, backend: &str) -> Vec<String> {
    let backends = report["backends"].as_array().into_iter().flatten();
    let chosen = backends.filter(|it| it["name"] == backend);
    chosen
        .flat_map(|it| it["probes"].as_array().into_iter().flatten())
        .map(|probe| {
            let text = |key: &str| probe[key].as_str().unwrap_or_default().to_owned();
            match probe["outcome"] == "attached" {
                true => format!("{}: {}", text("name"), text("attach")),
                false => format!("{}: skipped, {}", text("name"), text("reason")),
            }
        })
        .collect()
}

/// An ordinary user is told what is missing, by status 1.
pub fn unprivileged(ran: &Ran) -> Result<(), String> {
    says(ran, "user-doctor", &["CAP_BPF", "CAP_PERFMON", "unable", "run as root"])?;
    says(ran, "user-run", &["CAP_BPF", "run as root"])
}

/// Without the kernel's BTF, each backend says so.
pub fn without_btf(ran: &Ran) -> Result<(), String> {
    says(ran, "no-btf-ebpf", &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF", "--btf"])?;
    says(ran, "no-btf-kprobe", &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF", "--btf"])
}

/// A kernel that hides its BTF runs both backends by a file of it, whatever needs the kernel's own
/// left out.
pub fn own_btf(ran: &Ran) -> Result<(), String> {
    let report: Value = parse(&ran.text("own-btf.log"))?;
    let [ebpf, kprobe] = BACKENDS.map(|backend| attachments(&report, backend));
    for (backend, failure) in failures(&report) {
        if let Some(failure) = failure {
            return Err(format!("{backend} fails: {failure}"));
        }
    }
    let raw = "exec: raw_tp/sched_process_exec";
    if !ebpf.iter().any(|probe| probe == raw) {
        return Err(format!("no {raw}, but {ebpf:?}"));
    }
    match kprobe.iter().find(|probe| probe.contains("skipped")) {
        Some(probe) => Err(probe.clone()),
        None => Ok(()),
    }
}

/// The BTF of another kernel is refused by both backends, and so is what is no BTF.
pub fn other_btf(ran: &Ran) -> Result<(), String> {
    let report: Value = parse(&ran.text("other-btf.log"))?;
    for (backend, failure) in failures(&report) {
        let failure = failure.ok_or_else(|| format!("{backend} runs with it"))?;
        let says = ["does not fit this kernel", "the kernel's BTF has"];
        if !says.iter().any(|words| failure.contains(words)) {
            return Err(format!("{backend} does not say that it does not fit: {failure}"));
        }
    }
    let words = ["/bin/busybox", "does not describe the types of a kernel"];
    says(ran, "no-btf-at-all-ebpf", &words)?;
    says(ran, "no-btf-at-all-kprobe", &words)
}

fn parse(json: &str) -> Result<Value, String> {
    // The log is on standard error, before and after.
    let (begin, end) = (json.find('{').unwrap_or(0), json.rfind('}').map_or(0, |at| at + 1));
    let report = json.get(begin..end).unwrap_or_default();
    serde_json::from_str(report).map_err(|error| format!("{error}: {json}"))
}

/// Each backend, and why it cannot run.
fn failures(report: &Value) -> Vec<(String, Option<String>)> {
    let backends = report["backends"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = backends.map(|it| (text(&it["name"]).unwrap_or_default(), text(&it["failure"])));
    all.collect()
}

/// Whether a step ended with status 1 and said all of this.
fn says(ran: &Ran, step: &str, words: &[&str]) -> Result<(), String> {
    let (log, status) = (ran.text(&format!("{step}.log")), ran.text(&format!("{step}.status")));
    if status.trim() != "1" {
        return Err(format!("{step} ended with {:?} instead of 1:\n{log}", status.trim()));
    }
    match words.iter().find(|word| !log.contains(**word)) {
        Some(word) => Err(format!("{step} does not say {word:?}:\n{log}")),
        None => Ok(()),
    }
}

/// Boots a kernel with parameters, and runs there steps that only look around.
fn look_around(
    kernel: &Kernel,
    image: &Image,
    built: &Built,
    parameters: &str,
    list: &[(&str, &str)],
) -> io::Result<Ran> {
    let task = steps(built, list);
    Boot { task: &task, parameters, ..boot(kernel, image, TIME_LIMIT) }.run()
}

/// A kernel that is locked down for confidentiality refuses both backends, and each says why.
pub fn locked_down(
    kernel: &Kernel,
    image: &Image,
    built: &Built,
) -> io::Result<Result<(), String>> {
    let list = [
        ("doctor", "$ocellus doctor"),
        ("ebpf", "$ocellus run --backend ebpf"),
        ("kprobe", "$ocellus run --backend kprobe"),
        ("auto", "$ocellus run"),
    ];
    let ran = look_around(kernel, image, built, "lockdown=confidentiality", &list)?;
    let check = || {
        says(&ran, "doctor", &["confidentiality", "unable", "lockdown=integrity"])?;
        for backend in ["ebpf", "kprobe", "auto"] {
            says(&ran, backend, &["locked down for confidentiality", "lockdown=integrity"])?;
        }
        Ok(())
    };
    Ok(check())
}

/// Nothing asks for BPF among the kernel's security modules.
pub fn without_bpf_lsm(
    kernel: &Kernel,
    image: &Image,
    built: &Built,
) -> io::Result<Result<(), String>> {
    let list = [
        ("lsm", "cat /sys/kernel/security/lsm"),
        ("doctor", "$ocellus doctor"),
        ("scenarios", "$scenarios vfork"),
    ];
    let ran = look_around(kernel, image, built, "lsm=lockdown,yama", &list)?;
    let check = || {
        let modules = ran.text("lsm.log");
        if modules.contains("bpf") {
            return Err(format!("BPF is among the modules: {modules}"));
        }
        succeeded(&ran, "doctor")?;
        succeeded(&ran, "scenarios")
    };
    Ok(check())
}
