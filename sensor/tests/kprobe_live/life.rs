//! Processes come and go: who they are, how they end, what does not count, what is lost.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use ocellus::backend::kprobe::Kprobe;
use ocellus::backend::{CaptureSettings, RING_BYTES_MIN};
use ocellus_ebpf::abi::{F_THREAD_EXEC, Kind, LostCause, SpanId, Task};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Case;
use crate::bench::{Bench, Seen, role};

pub const CASES: &[Case] = &[
    ("who_a_process_is", who_a_process_is),
    ("fork_without_exec", fork_without_exec),
    ("credentials_of_another_user", credentials_of_another_user),
    ("exit_codes_and_signals", exit_codes_and_signals),
    ("threads_make_no_records", threads_make_no_records),
    ("exec_by_another_thread", exec_by_another_thread),
    ("leader_ends_before_its_threads", leader_ends_before_its_threads),
    ("nothing_is_lost_under_load", nothing_is_lost_under_load),
    ("descriptor_becomes_readable", descriptor_becomes_readable),
    ("full_rings_are_counted", full_rings_are_counted),
];

/// A line of our own /proc/self/status, as words.
fn own_status(name: &str) -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').split_whitespace().map(str::to_owned).collect()
}

fn who_a_process_is(bench: &mut Bench) {
    let run = bench.run_watched(role("wait", &[]).process_group(0));
    assert_eq!(run.kinds(), [Kind::Fork, Kind::Exec, Kind::Exit]);
    let (fork, exec, exit) = (run.only(Kind::Fork), run.only(Kind::Exec), run.only(Kind::Exit));
    for seen in [fork, exec, exit] {
        let task = seen.record.task;
        assert_eq!((task.pid, task.tid, task.vpid), (run.pid, run.pid, run.pid));
        assert_eq!(task.ppid, std::process::id());
        assert_eq!(task.start_ns, fork.record.task.start_ns);
        assert_eq!(task.parent_start_ns, fork.record.task.parent_start_ns);
        assert!(task.start_ns > task.parent_start_ns);
        assert!(task.start_ns <= seen.record.head.time_ns);
        assert_eq!([task.uid, task.euid, task.suid, task.fsuid], [0; 4]);
        assert_eq!([task.gid, task.egid, task.sgid, task.fsgid], [0; 4]);
        assert_eq!((task.tty_major, task.tty_minor), (0, 0));
        let caps = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
            .map(|name| u64::from_str_radix(&own_status(name)[0], 16).expect("a number"));
        let seen_caps = [
            task.cap_inheritable,
            task.cap_permitted,
            task.cap_effective,
            task.cap_bounding,
            task.cap_ambient,
        ];
        assert_eq!(seen_caps, caps);
        namespaces_are_ours(&task);
    }
    assert!(fork.record.head.time_ns <= exec.record.head.time_ns);
    assert!(exec.record.head.time_ns <= exit.record.head.time_ns);
    assert_eq!(exec.record.task.pgid, run.pid);
    assert_eq!(exec.record.task.sid, nix::unistd::getsid(None).expect("a session").as_raw() as u32);
    assert!(exec.record.task.comm.starts_with(b"kprobe_live"));
    assert_eq!(exit.lengths(SpanId::Cwd), (0, 0));
}

fn namespaces_are_ours(task: &Task) {
    let seen = [
        ("cgroup", task.ns_cgroup),
        ("ipc", task.ns_ipc),
        ("mnt", task.ns_mnt),
        ("net", task.ns_net),
        ("pid", task.ns_pid),
        ("time", task.ns_time),
        ("user", task.ns_user),
        ("uts", task.ns_uts),
    ];
    for (name, inode) in seen {
        // A namespace that this kernel was built without has no file.
        let ours = std::fs::metadata(format!("/proc/self/ns/{name}")).map_or(0, |file| file.ino());
        if ours != 0 {
            assert_eq!(u64::from(inode), ours, "namespace {name}");
        }
    }
}

fn fork_without_exec(bench: &mut Bench) {
    let run = bench.run(Command::new("/bin/sh").args(["-c", "(exit 5); exit 0"]));
    let child = run.others.iter().find(|seen| seen.record.task.ppid == run.pid);
    let fork = child.expect("the shell forked");
    assert_eq!(fork.kind, Kind::Fork);
    assert_eq!(fork.record.task.pgid, run.only(Kind::Exec).record.task.pgid);
    let pid = fork.record.task.pid;
    let exit =
        run.others.iter().find(|seen| seen.record.task.pid == pid && seen.kind == Kind::Exit);
    assert_eq!(exit.expect("it ended").record.exit_status, 5 << 8);
    assert_eq!(exit.expect("it ended").record.task.start_ns, fork.record.task.start_ns);
}

fn credentials_of_another_user(bench: &mut Bench) {
    let mut command = Command::new("/bin/sh");
    let run = bench.run(command.args(["-c", "exit 0"]).uid(65533).gid(65532).current_dir("/"));
    let task = run.only(Kind::Exec).record.task;
    assert_eq!([task.uid, task.euid, task.suid, task.fsuid], [65533; 4]);
    assert_eq!([task.gid, task.egid, task.sgid, task.fsgid], [65532; 4]);
    assert_eq!([task.cap_effective, task.cap_permitted, task.cap_ambient], [0; 3]);
    assert_ne!(task.cap_bounding, 0);
}

fn exit_codes_and_signals(bench: &mut Bench) {
    let scripts = [
        "exit 0",
        "exit 3",
        "exit 255",
        "kill -KILL $$",
        "kill -TERM $$",
        "ulimit -c 0; kill -SEGV $$",
        "ulimit -c unlimited; kill -ABRT $$",
    ];
    let dir = bench.dir();
    for script in scripts {
        let run = bench.run(Command::new("/bin/sh").args(["-c", script]).current_dir(&dir));
        let exit = run.only(Kind::Exit);
        assert_eq!(exit.record.exit_status, run.status.into_raw() as u32, "{script}");
    }
    // The same of a process that waits when it is told to end.
    let mut waiting = role("wait", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = waiting.as_mut().expect("it starts");
    child.kill().expect("it can be killed");
    let status = child.wait().expect("it can be waited for");
    let run = bench.collect(child.id(), status, Vec::new());
    assert_eq!(run.only(Kind::Exit).record.exit_status, 9);
}

fn threads_make_no_records(bench: &mut Bench) {
    let run = bench.run(&mut role("threads", &[]));
    assert!(run.status.success());
    assert_eq!(run.kinds(), [Kind::Fork, Kind::Exec, Kind::Exit]);
    // Nor are they taken for processes of their own.
    assert!(run.others.iter().all(|seen| seen.record.task.ppid != run.pid));
}

fn exec_by_another_thread(bench: &mut Bench) {
    let run = bench.run(&mut role("thread-exec", &[]));
    assert_eq!(run.status.code(), Some(7));
    assert_eq!(run.kinds(), [Kind::Fork, Kind::Exec, Kind::Exec, Kind::Exit]);
    let exec = run.last_exec();
    assert!(exec.flag(F_THREAD_EXEC));
    assert_ne!(exec.record.task.tid, run.pid);
    assert_eq!(exec.record.task.start_ns, run.only(Kind::Fork).record.task.start_ns);
    assert!(!run.records[1].flag(F_THREAD_EXEC));
}

fn leader_ends_before_its_threads(bench: &mut Bench) {
    let run = bench.run(&mut role("leader-ends", &[]));
    // The thread ended the group with 5, after the leader had ended itself with 4.
    assert_eq!(run.status.code(), Some(5));
    let exit = run.only(Kind::Exit);
    assert_eq!(exit.record.exit_status, 5 << 8);
    assert_ne!(exit.record.task.tid, run.pid);
    assert_eq!(exit.record.task.start_ns, run.only(Kind::Fork).record.task.start_ns);
}

fn nothing_is_lost_under_load(bench: &mut Bench) {
    const WORKERS: usize = 4;
    const RUNS: usize = 250;
    let work = || {
        let run = |_| {
            let mut child = role("end", &[]).spawn().expect("it starts");
            child.wait().expect("it can be waited for");
            child.id()
        };
        (0..RUNS).map(run).collect::<Vec<u32>>()
    };
    let (pids, seen) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let mut seen = Vec::new();
        while workers.iter().any(|worker| !worker.is_finished()) {
            seen.extend(bench.drain());
            std::thread::sleep(Duration::from_millis(5));
        }
        let done = workers.into_iter().map(|worker| worker.join().expect("it ran to its end"));
        (done.flatten().collect::<Vec<u32>>(), seen)
    });
    let seen: Vec<Seen> = seen.into_iter().chain(bench.drain()).collect();
    assert_eq!(pids.len(), WORKERS * RUNS);
    let mut counts: HashMap<u32, [usize; 3]> = HashMap::new();
    for seen in &seen {
        counts.entry(seen.record.task.pid).or_default()[seen.kind as usize - 1] += 1;
    }
    for pid in pids {
        assert_eq!(counts.get(&pid), Some(&[1, 1, 1]), "fork, exec and exit of {pid}");
    }
    assert_eq!(bench.backend.lost().expect("counters").total(), 0);
    // Every exec has the name that came with it, whichever probe told it.
    let execs = seen.iter().filter(|seen| seen.kind == Kind::Exec);
    assert!(execs.into_iter().all(|exec| !exec.bytes(SpanId::Filename).is_empty()));
}

#[expect(deprecated, reason = "its successor is unsafe; the descriptor outlives this borrow of it")]
fn pollable(backend: &Kprobe) -> AsyncFd<BorrowedFd<'_>> {
    AsyncFd::with_interest(backend.as_fd(), Interest::READABLE).expect("it can be polled")
}

/// The rim sleeps on the descriptor: each sample must wake it, also while it drains.
fn descriptor_becomes_readable(bench: &mut Bench) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for _ in 0..20 {
            bench.drain();
            let ring = pollable(&bench.backend);
            let mut child = role("wait", &[])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts");
            let ready = child.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 6]);
            ready.expect("it says that it is ready");
            ring.readable().await.expect("it becomes readable").clear_ready();
            drop(ring);
            assert!(bench.drain().iter().any(|seen| seen.record.task.pid == child.id()));
            // And once more for what comes after it was emptied.
            let ring = pollable(&bench.backend);
            drop(child.stdin.take());
            child.wait().expect("it can be waited for");
            ring.readable().await.expect("it becomes readable again").clear_ready();
        }
    });
}

fn full_rings_are_counted(bench: &mut Bench) {
    const RUNS: u64 = 600;
    bench.reopen(&CaptureSettings { ring_bytes: RING_BYTES_MIN, ..CaptureSettings::default() });
    assert_eq!(bench.backend.lost().expect("counters").total(), 0);
    for _ in 0..RUNS {
        assert_eq!(role("end", &[]).status().expect("it runs").code(), Some(7));
    }
    let mut seen = bench.drain();
    // The kernel says how many it could not write when it writes again, on each CPU.
    for _ in 0..RUNS {
        assert_eq!(role("end", &[]).status().expect("it runs").code(), Some(7));
        seen.extend(bench.drain());
    }
    let lost = bench.backend.lost().expect("counters");
    for kind in [Kind::Fork, Kind::Exec, Kind::Exit] {
        let ours = |seen: &&Seen| seen.record.task.ppid == std::process::id();
        let kept = seen.iter().filter(ours).filter(|seen| seen.kind == kind).count() as u64;
        let lost = lost.get(LostCause::RingFull, kind);
        assert!(kept + lost >= 2 * RUNS, "{}: {kept} kept, {lost} lost", kind.name());
        assert!(kept < 2 * RUNS, "{}: nothing was lost", kind.name());
    }
}
