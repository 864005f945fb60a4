//! Many processes at once: none is lost unseen, and what is lost is counted.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ocellus::backend::ebpf::Ebpf;
use ocellus::backend::{CaptureSettings, ProbeStatus, RING_BYTES_MIN};
use ocellus_ebpf::abi::{Kind, LostCause};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Case;
use crate::bench::{Bench, LIFE, PATIENCE, Seen, role};
use crate::role::ROUNDS_PER_NAME;

pub const CASES: &[Case] = &[
    ("nothing_is_lost_under_load", nothing_is_lost_under_load),
    ("spare_probes_repeat_nothing", spare_probes_repeat_nothing),
    ("what_is_missing_is_counted", what_is_missing_is_counted),
    ("changes_are_not_lost_under_load", changes_are_not_lost),
    ("missing_changes_are_counted", missing_changes_are_counted),
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
    assert!(lost.iter().all(|(_, _, count)| *count == 0), "{lost:?}");
}

/// With three programs on each tracepoint every event is still seen once.
fn spare_probes_repeat_nothing(bench: &mut Bench) {
    open_with_spares(bench, true);
    let statuses = bench.backend.probes();
    let is_spare = |probe: &&ProbeStatus| probe.name.contains(" spare") && probe.attached();
    // Two each of fork, exec, exit and names, and one of credentials where fentry can have it.
    let by_fentry = |probe: &ProbeStatus| probe.attach == "fentry/commit_creds";
    let expected = if statuses.iter().any(by_fentry) { 9 } else { 8 };
    assert_eq!(statuses.iter().filter(is_spare).count(), expected);
    nothing_is_lost_under_load(bench);
    changes_are_not_lost(bench);
    // They do stand by: the first one sees an event, unless it was passed by.
    for (kind, count) in [(Kind::Exec, WORKERS * RUNS), (Kind::Ids, CHANGERS * ROUNDS * 2)] {
        let stood_in = bench.backend.stood_in(kind).expect("counters");
        println!("       {}: spares saw {stood_in} of {count} and others", kind.name());
        assert!(stood_in < count as u64 / 2, "{}: {stood_in}", kind.name());
    }
}

fn open_with_spares(bench: &mut Bench, spares: bool) {
    let settings = CaptureSettings::default();
    bench.backend = Ebpf::open_with_spares(&settings, spares).expect("the backend opens");
}

/// Processes of [`run_changes`] at once, and how often each changes all there is, and back.
const CHANGERS: usize = 8;
const ROUNDS: usize = 250;
const CHANGED: [Kind; 3] = [Kind::Ids, Kind::Name, Kind::Pgid];

/// Runs processes that change users, name and process group all the time, more of them than there
/// are CPUs. Returns how many records of each kind of [`CHANGED`] each of them made.
fn run_changes(bench: &mut Bench) -> Vec<[usize; 3]> {
    bench.drain();
    // Leads the group that they move to.
    let mut anchor = role("wait", &[]);
    anchor.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut anchor = anchor.spawn().expect("it starts");
    let (rounds, group) = (ROUNDS.to_string(), anchor.id().to_string());
    let start =
        |_| role("changes", &[Path::new(&rounds), Path::new(&group)]).spawn().expect("it starts");
    let mut children: Vec<_> = (0..CHANGERS).map(start).collect();
    let mut counts: HashMap<u32, [usize; 3]> = HashMap::new();
    let mut ended = HashSet::new();
    let deadline = Instant::now() + PATIENCE * 6;
    while !children.iter().all(|child| ended.contains(&child.id())) {
        assert!(Instant::now() < deadline, "{ended:?} of {CHANGERS} ended");
        std::thread::sleep(Duration::from_millis(5));
        for Seen { kind, record, .. } in bench.drain() {
            let counts = counts.entry(record.task.pid).or_default();
            for (count, _) in counts.iter_mut().zip(CHANGED).filter(|(_, it)| *it == kind) {
                *count += 1;
            }
            if kind == Kind::Exit {
                ended.insert(record.task.pid);
            }
        }
    }
    for child in &mut children {
        assert_eq!(child.wait().expect("it can be waited for").code(), Some(0));
    }
    drop(anchor.stdin.take());
    anchor.wait().expect("it can be waited for");
    children.iter().map(|child| counts.remove(&child.id()).unwrap_or_default()).collect()
}

/// How many records each of [`run_changes`] has to make. Process groups are told of where functions
/// can be probed.
fn changes_expected(bench: &Bench) -> [usize; 3] {
    let tells = |probe: &ProbeStatus| probe.name == "process_groups" && probe.attached();
    let groups = if bench.backend.probes().iter().any(tells) { 2 * ROUNDS } else { 0 };
    [2 * ROUNDS, 2 * ROUNDS.div_ceil(ROUNDS_PER_NAME), groups]
}

fn changes_are_not_lost(bench: &mut Bench) {
    let expected = changes_expected(bench);
    for counts in run_changes(bench) {
        let lost = bench.backend.lost().expect("counters");
        assert_eq!(counts, expected, "{:?}", lost.iter().collect::<Vec<_>>());
    }
    let lost: Vec<_> = bench.backend.lost().expect("counters").iter().collect();
    assert!(lost.iter().all(|(_, _, count)| *count == 0), "{lost:?}");
}

/// Without spares, a kernel that preempts tasks inside probes passes some of them by. On other
/// kernels nothing is missing.
fn missing_changes_are_counted(bench: &mut Bench) {
    open_with_spares(bench, false);
    let expected = changes_expected(bench);
    let seen = run_changes(bench);
    let lost = bench.backend.lost().expect("counters");
    for (index, kind) in CHANGED.into_iter().enumerate() {
        assert!(seen.iter().all(|counts| counts[index] <= expected[index]), "a record is repeated");
        let missing: usize = seen.iter().map(|counts| expected[index] - counts[index]).sum();
        // Others lose records too, so more may be counted than is missing of ours.
        let counted = lost.get(LostCause::Preempted, kind);
        assert!(missing as u64 <= counted, "{}: {missing} missing, {counted} counted", kind.name());
        println!("       {}: {missing} missing, {counted} counted", kind.name());
    }
}

/// Without spares, a kernel that preempts tasks inside tracepoints does not run each probe each
/// time. On other kernels nothing is missing.
fn what_is_missing_is_counted(bench: &mut Bench) {
    open_with_spares(bench, false);
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
