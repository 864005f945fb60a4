//! Many processes at once: none is lost unseen, and what is lost is counted.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ocellus::backend::ebpf::Ebpf;
use ocellus::backend::{CaptureSettings, ProbeStatus, RING_BYTES_MIN};
use ocellus_ebpf::abi::{Kind, LostCause};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Case;
use crate::bench::{Bench, LIFE, PATIENCE, Seen, role};

pub const CASES: &[Case] = &[
    ("nothing_is_lost_under_load", nothing_is_lost_under_load),
    ("spare_probes_repeat_nothing", spare_probes_repeat_nothing),
    ("what_is_missing_is_counted", what_is_missing_is_counted),
    ("full_ring_is_counted", full_ring_is_counted),
    ("missing_scratch_is_counted", missing_scratch_is_counted),
    ("descriptor_becomes_readable", descriptor_becomes_readable),
];

/// Processes that run at once, and how many one after the other.
const WORKERS: usize = 4;
const RUNS: usize = 250;

/// Runs a thousand processes and returns how many records of each kind each of them made.
fn run_many(bench: &mut Bench) -> Vec<(u32, [usize; 3])> {
    let work = || {
        let run = |_| {
            let mut child = role("end", &[]).spawn().expect("it starts");
            child.wait().expect("it can be waited for");
            child.id()
        };
        (0..RUNS).map(run).collect::<Vec<u32>>()
    };
    let mut seen = Vec::new();
    let pids: Vec<u32> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            seen.extend(bench.drain());
            std::thread::sleep(Duration::from_millis(5));
        }
        let done = workers.into_iter().map(|worker| worker.join().expect("it ran to its end"));
        done.flatten().collect()
    });
    assert_eq!(pids.len(), WORKERS * RUNS);
    // A record that some CPU is still writing holds up those behind it.
    let deadline = Instant::now() + PATIENCE;
    let all = |seen: &[Seen]| {
        let ends = seen.iter().filter(|seen| seen.kind == Kind::Exit);
        let ended: HashSet<u32> = ends.map(|seen| seen.record.task.pid).collect();
        pids.iter().all(|pid| ended.contains(pid))
    };
    while !all(&seen) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
        seen.extend(bench.drain());
    }
    let mut counts: HashMap<u32, [usize; 3]> = HashMap::new();
    for seen in &seen {
        let counts = counts.entry(seen.record.task.pid).or_default();
        counts.iter_mut().skip(seen.kind as usize - 1).take(1).for_each(|count| *count += 1);
    }
    pids.into_iter().map(|pid| (pid, counts.remove(&pid).unwrap_or_default())).collect()
}

fn nothing_is_lost_under_load(bench: &mut Bench) {
    let counts = run_many(bench);
    let lost: Vec<_> = bench.backend.lost().expect("counters").iter().collect();
    for (pid, count) in counts {
        assert_eq!(count, [1, 1, 1], "fork, exec, exit of {pid}: {lost:?}");
    }
    // What has no spare probes may be missed, and is counted, where the kernel does not run a probe
    // of a CPU twice at once.
    let may_be_lost = |cause: LostCause, kind: Kind| {
        cause == LostCause::Preempted && !matches!(kind, Kind::Fork | Kind::Exec | Kind::Exit)
    };
    let unexpected =
        |(cause, kind, count): &(LostCause, Kind, u64)| *count != 0 && !may_be_lost(*cause, *kind);
    assert!(!lost.iter().any(unexpected), "{lost:?}");
}

/// With three programs on each tracepoint every event is still seen once.
fn spare_probes_repeat_nothing(bench: &mut Bench) {
    bench.backend = Ebpf::open_spare(&CaptureSettings::default()).expect("the backend opens");
    let spares = |probe: &&ProbeStatus| probe.name.contains(" spare") && probe.attached();
    assert_eq!(bench.backend.probes().iter().filter(spares).count(), 6);
    nothing_is_lost_under_load(bench);
}

/// Without spares, a kernel that preempts tasks inside tracepoints does not run each probe each
/// time. On other kernels nothing is missing.
fn what_is_missing_is_counted(bench: &mut Bench) {
    bench.backend = Ebpf::open_raw(&CaptureSettings::default()).expect("the backend opens");
    let counts = run_many(bench);
    let lost = bench.backend.lost().expect("counters");
    for kind in LIFE {
        let seen: Vec<usize> = counts.iter().map(|(_, count)| count[kind as usize - 1]).collect();
        assert!(seen.iter().all(|count| *count <= 1), "a record is repeated");
        let missing = seen.iter().filter(|count| **count == 0).count() as u64;
        // Others lose records too, so more may be counted than is missing of ours.
        let counted = lost.get(LostCause::Preempted, kind);
        assert!(missing <= counted, "{}: {missing} missing, {counted} counted", kind.name());
        println!("       {}: {missing} missing, {counted} counted", kind.name());
        assert_eq!(lost.get(LostCause::RingFull, kind) + lost.get(LostCause::NoScratch, kind), 0);
    }
}

fn full_ring_is_counted(bench: &mut Bench) {
    bench.reopen(&CaptureSettings { ring_bytes: RING_BYTES_MIN, ..CaptureSettings::default() });
    assert_eq!(bench.backend.lost().expect("counters").total(), 0);
    let long = "x".repeat(20_000);
    for _ in 0..40 {
        let status = Command::new("/bin/sh").args(["-c", "exit 0", &long]).status();
        assert!(status.expect("it runs").success());
    }
    let lost = bench.backend.lost().expect("counters");
    let seen = bench.drain();
    for kind in LIFE {
        let ours = |seen: &&Seen| seen.record.task.ppid == std::process::id();
        let kept = seen.iter().filter(ours).filter(|seen| seen.kind == kind).count() as u64;
        assert!(kept + lost.get(LostCause::RingFull, kind) >= 40, "{}: {kept}", kind.name());
    }
    assert!(lost.get(LostCause::RingFull, Kind::Exec) > 0);
    assert_eq!(lost.get(LostCause::NoScratch, Kind::Exec), 0);
    // The ring works again once it has room.
    bench.run(&mut role("end", &[])).only(Kind::Exec);
}

fn missing_scratch_is_counted(bench: &mut Bench) {
    bench.backend = Ebpf::open_starved(&CaptureSettings::default()).expect("the backend opens");
    let run =
        bench.run(Command::new("/bin/sh").arg("-c").arg("exit 0").current_dir(Path::new("/")));
    let order: Vec<Kind> = run.records.iter().map(|seen| seen.kind).collect();
    assert_eq!(order, [Kind::Exit], "an exit record needs no scratch");
    let lost = bench.backend.lost().expect("counters");
    for kind in [Kind::Fork, Kind::Exec] {
        assert!(lost.get(LostCause::NoScratch, kind) > 0, "{}", kind.name());
    }
    assert_eq!(lost.get(LostCause::NoScratch, Kind::Exit), 0);
}

#[expect(deprecated, reason = "its successor is unsafe; the descriptor outlives this borrow of it")]
fn pollable(backend: &Ebpf) -> AsyncFd<BorrowedFd<'_>> {
    AsyncFd::with_interest(backend.as_fd(), Interest::READABLE).expect("it can be polled")
}

/// The rim sleeps on the ring's descriptor: each record must wake it, also after a partial drain.
fn descriptor_becomes_readable(bench: &mut Bench) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for _ in 0..3 {
            bench.drain();
            let ring = pollable(&bench.backend);
            let status = role("end", &[]).status().expect("it runs");
            assert_eq!(status.code(), Some(7));
            ring.readable().await.expect("it becomes readable").clear_ready();
            drop(ring);
            assert_eq!(bench.backend.drain(1, |_| {}), 1);
            let ring = pollable(&bench.backend);
            let _ = ring.readable().await.expect("it still is");
        }
    });
}
