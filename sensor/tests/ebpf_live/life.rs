//! Processes come and go: who they are, how they end, what does not count.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use ocellus::backend::ebpf::Ebpf;
use ocellus::backend::{CaptureSettings, TaskStart};
use ocellus_ebpf::abi::{F_KTHREAD, F_THREAD_EXEC, Kind, SpanId};

use crate::Case;
use crate::bench::{Bench, LIFE, role};

pub const CASES: &[Case] = &[
    ("who_a_process_is", who_a_process_is),
    ("fork_without_exec", fork_without_exec),
    ("credentials_of_another_user", credentials_of_another_user),
    ("exit_codes_and_signals", exit_codes_and_signals),
    ("threads_make_no_records", threads_make_no_records),
    ("exec_by_another_thread", exec_by_another_thread),
    ("leader_ends_before_its_threads", leader_ends_before_its_threads),
    ("task_iterator_agrees", task_iterator_agrees),
    ("raw_tracepoints_tell_the_same", raw_tracepoints_tell_the_same),
];

/// A line of our own /proc/self/status, as words.
fn own_status(name: &str) -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').split_whitespace().map(str::to_owned).collect()
}

fn own_start(tasks: &[TaskStart]) -> u64 {
    let own = tasks.iter().find(|task| task.pid == std::process::id());
    own.expect("the iterator lists this process").start_ns
}

fn own_cgroup() -> String {
    let text = std::fs::read_to_string("/proc/self/cgroup").expect("procfs is mounted");
    let of = |start: &str| text.lines().find_map(|line| line.split_once(start)).map(|pair| pair.1);
    let pids = of(":pids:").filter(|path| *path != "/");
    pids.or(of("0::")).unwrap_or_default().to_owned()
}

fn who_a_process_is(bench: &mut Bench) {
    let started = own_start(&bench.backend.task_starts().expect("processes are listed"));
    let dir = bench.dir();
    let run = bench.run(role("end", &[]).current_dir(&dir).process_group(0));
    let order: Vec<Kind> = run.records.iter().map(|seen| seen.kind).collect();
    assert_eq!(order, [Kind::Fork, Kind::Exec, Kind::Exit]);
    let (fork, exec, exit) = (run.only(Kind::Fork), run.only(Kind::Exec), run.only(Kind::Exit));
    for seen in [fork, exec, exit] {
        let task = seen.record.task;
        assert_eq!((task.pid, task.tid, task.vpid), (run.pid, run.pid, run.pid));
        assert_eq!(task.ppid, std::process::id());
        assert_eq!(task.start_ns, fork.record.task.start_ns);
        assert_eq!(task.parent_start_ns, started);
        assert!(task.start_ns > started && task.start_ns <= seen.record.head.time_ns);
        assert_eq!([task.uid, task.euid, task.suid, task.fsuid], [0; 4]);
        assert_eq!([task.gid, task.egid, task.sgid, task.fsgid], [0; 4]);
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
    assert!(exec.record.task.comm.starts_with(b"ebpf_live"));
    for seen in [fork, exec] {
        assert_eq!(seen.text(SpanId::Cgroup), own_cgroup());
    }
    assert_eq!(exec.text(SpanId::Cwd), dir.to_string_lossy());
    assert_eq!(exit.lengths(SpanId::Cwd), (0, 0));
}

fn namespaces_are_ours(task: &ocellus_ebpf::abi::Task) {
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
    let here = std::env::current_dir().expect("there is a current directory");
    assert_eq!(fork.text(SpanId::Cwd), here.to_string_lossy());
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
    // The same of a process that has threads when it is told to end.
    let mut waiting = role("wait", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = waiting.as_mut().expect("it starts");
    child.kill().expect("it can be killed");
    let status = child.wait().expect("it can be waited for");
    let run = bench.collect(child.id(), status);
    assert_eq!(run.only(Kind::Exit).record.exit_status, 9);
}

fn threads_make_no_records(bench: &mut Bench) {
    let run = bench.run(&mut role("threads", &[]));
    assert!(run.status.success());
    let order: Vec<Kind> = run.records.iter().map(|seen| seen.kind).collect();
    assert_eq!(order, [Kind::Fork, Kind::Exec, Kind::Exit]);
    // Nor are they taken for processes of their own.
    assert!(run.others.iter().all(|seen| seen.record.task.ppid != run.pid));
}

fn exec_by_another_thread(bench: &mut Bench) {
    let run = bench.run(&mut role("thread-exec", &[]));
    assert_eq!(run.status.code(), Some(7));
    let order: Vec<Kind> = run.records.iter().map(|seen| seen.kind).collect();
    assert_eq!(order, [Kind::Fork, Kind::Exec, Kind::Exec, Kind::Exit]);
    let exec = run.last_exec();
    assert!(exec.flag(F_THREAD_EXEC));
    assert_ne!(exec.record.task.tid, run.pid);
    assert_eq!(exec.record.task.start_ns, run.only(Kind::Fork).record.task.start_ns);
    assert!(!run.of_kind(Kind::Exec)[0].flag(F_THREAD_EXEC));
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

fn task_iterator_agrees(bench: &mut Bench) {
    let mut child =
        role("wait", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let ready = child.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 6]);
    ready.expect("it says that it is ready");
    let tasks = bench.backend.task_starts().expect("processes are listed");
    let listed = tasks.iter().find(|task| task.pid == child.id()).expect("the child is listed");
    drop(child.stdin.take());
    let status = child.wait().expect("it can be waited for");
    let run = bench.collect(child.id(), status);
    let task = run.only(Kind::Fork).record.task;
    assert_eq!(listed.start_ns, task.start_ns);
    assert_eq!((listed.ppid, listed.parent_start_ns), (task.ppid, task.parent_start_ns));
    assert_eq!(listed.flags & F_KTHREAD, 0);
    assert_eq!(own_start(&tasks), task.parent_start_ns);
    let kthreadd = tasks.iter().find(|task| task.pid == 2).expect("kthreadd is listed");
    assert_eq!(kthreadd.flags & F_KTHREAD, F_KTHREAD);
    let mut pids: Vec<u32> = tasks.iter().map(|task| task.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), tasks.len(), "each process is listed once");
}

fn raw_tracepoints_tell_the_same(bench: &mut Bench) {
    let by_btf = bench.run(&mut role("end", &[]));
    bench.backend = Ebpf::open_raw(&CaptureSettings::default()).expect("the backend opens");
    let on_tracepoints = ["exit", "exec", "fork", "names"];
    for probe in bench.backend.probes().iter().filter(|it| on_tracepoints.contains(&it.name)) {
        assert!(probe.attached() && probe.attach.starts_with("raw_tp/"), "{probe}");
    }
    let by_raw = bench.run(&mut role("end", &[]));
    for kind in LIFE {
        let (one, other) = (by_btf.only(kind), by_raw.only(kind));
        for id in [SpanId::Exe, SpanId::Filename, SpanId::Cwd, SpanId::Cgroup, SpanId::Args] {
            assert_eq!(one.bytes(id), other.bytes(id));
        }
        assert_eq!(one.record.file, other.record.file);
        assert_eq!(one.record.exit_status, other.record.exit_status);
        assert_eq!(one.record.task.comm, other.record.task.comm);
    }
}
