//! Probes are defined, attached in other ways, shared with other sensors, and removed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;

use ocellus::backend::CaptureSettings;
use ocellus::backend::kprobe::Kprobe;
use ocellus_ebpf::abi::{F_THREAD_EXEC, Kind, SpanId};

use crate::Case;
use crate::bench::{Bench, Run, attached, drain, role};

pub const CASES: &[Case] = &[
    ("functions_tell_the_same_as_tracepoints", functions_tell_the_same_as_tracepoints),
    ("exits_without_taskstats", exits_without_taskstats),
    ("two_sensors_side_by_side", two_sensors_side_by_side),
    ("nothing_is_left_behind", nothing_is_left_behind),
    ("what_dead_sensors_left_is_removed", what_dead_sensors_left_is_removed),
];

const DEFINITIONS: &str = "/sys/kernel/tracing/dynamic_events";

/// Definitions of this process's probes.
fn definitions() -> Vec<String> {
    let text = fs::read_to_string(DEFINITIONS).expect("tracefs is mounted");
    let ours = format!("_{}_", std::process::id());
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| name.contains(&ours)).map(str::to_owned).collect()
}

fn exec_of_thread(bench: &mut Bench) -> Run {
    bench.run(&mut role("thread-exec", &[]))
}

fn functions_tell_the_same_as_tracepoints(bench: &mut Bench) {
    let usual = exec_of_thread(bench);
    bench.backend = attached(Kprobe::open_functions(&CaptureSettings::default()));
    let exec = bench.backend.probes().iter().find(|probe| probe.name == "exec");
    assert_eq!(exec.expect("it is listed").attach, "kprobe/proc_exec_connector");
    let functions = exec_of_thread(bench);
    assert_eq!(usual.kinds(), functions.kinds());
    for (one, other) in usual.records.iter().zip(&functions.records) {
        for id in [SpanId::Exe, SpanId::Filename, SpanId::Cwd, SpanId::Cgroup, SpanId::Args] {
            assert_eq!(one.bytes(id), other.bytes(id));
        }
        assert_eq!(one.record.file, other.record.file);
        assert_eq!((one.record.argc, one.record.envc), (other.record.argc, other.record.envc));
        assert_eq!(one.record.exit_status, other.record.exit_status);
        assert_eq!(one.record.head.flags, other.record.head.flags);
        assert_eq!(one.record.task.comm, other.record.task.comm);
    }
    assert!(functions.last_exec().flag(F_THREAD_EXEC));
    assert_ne!(functions.last_exec().record.task.tid, functions.pid);
}

fn exits_without_taskstats(bench: &mut Bench) {
    bench.backend = attached(Kprobe::open_without_taskstats(&CaptureSettings::default()));
    let exit = bench.backend.probes().iter().find(|probe| probe.name == "exit");
    assert_eq!(exit.expect("it is listed").attach, "kprobe/exit_files");
    let run = bench.run(&mut role("threads", &[]));
    assert_eq!(run.kinds(), [Kind::Fork, Kind::Exec, Kind::Exit]);
    assert_eq!(run.only(Kind::Exit).record.exit_status, 0);
    assert_ne!(run.only(Kind::Exit).record.task.ns_mnt, 0);
    let run = bench.run(&mut role("leader-ends", &[]));
    assert_eq!(run.only(Kind::Exit).record.exit_status, 5 << 8);
}

fn two_sensors_side_by_side(bench: &mut Bench) {
    let mut other = attached(Kprobe::open(&CaptureSettings::default()));
    let run = bench.run(&mut role("end", &[]));
    assert_eq!(run.kinds(), [Kind::Fork, Kind::Exec, Kind::Exit]);
    let of_run = |seen: &crate::bench::Seen| seen.record.task.pid == run.pid;
    assert_eq!(drain(&mut other).into_iter().filter(of_run).count(), 3);
    drop(other);
    let run = bench.run(&mut role("end", &[]));
    assert_eq!(run.kinds(), [Kind::Fork, Kind::Exec, Kind::Exit]);
}

fn nothing_is_left_behind(bench: &mut Bench) {
    let before = definitions();
    assert_eq!(before.len(), bench.backend.probes().len());
    let other = attached(Kprobe::open(&CaptureSettings::default()));
    // Perhaps by other ways: a kernel may have no second probe on a tracepoint.
    assert_eq!(definitions().len(), before.len() + other.probes().len());
    drop(other);
    assert_eq!(definitions(), before);
}

fn what_dead_sensors_left_is_removed(_bench: &mut Bench) {
    let mut dead = Command::new("/bin/sh").args(["-c", "exit 0"]).spawn().expect("it starts");
    dead.wait().expect("it can be waited for");
    let name = format!("ocellus/fork_{}_0", dead.id());
    let mut file = OpenOptions::new().append(true).open(DEFINITIONS).expect("we are root");
    file.write_all(format!("p:{name} wake_up_new_task\n").as_bytes()).expect("it is defined");
    let listed = || fs::read_to_string(DEFINITIONS).expect("tracefs is mounted").contains(&name);
    assert!(listed());
    drop(attached(Kprobe::open(&CaptureSettings::default())));
    assert!(!listed());
}
