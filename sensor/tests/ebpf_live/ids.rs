//! Changes of ids and names, in each of the ways in which the kernel may be asked for them.

use ocellus::backend::ebpf::Ebpf;
use ocellus::backend::{CaptureSettings, IdProbes, ProbeStatus};
use ocellus_ebpf::abi::Kind;

use crate::Case;
use crate::bench::{Bench, Run, Seen, role};

pub const CASES: &[Case] = &[
    ("ids_by_the_cheapest_way", by_the_cheapest_way),
    ("ids_without_fentry", without_fentry),
    ("ids_without_probes_of_functions", without_functions),
    ("ids_by_system_calls", by_system_calls),
    ("ids_switched_off", switched_off),
];

fn settings(ids: IdProbes) -> CaptureSettings {
    CaptureSettings { ids, ..CaptureSettings::default() }
}

fn named<'a>(bench: &'a Bench, name: &str) -> &'a ProbeStatus {
    let found = bench.backend.probes().iter().find(|probe| probe.name == name);
    found.unwrap_or_else(|| panic!("no probe {name}"))
}

/// The role changes name, session, groups and users, in this order.
fn check(run: &Run) {
    assert_eq!(run.status.code(), Some(0));
    let kinds: Vec<Kind> = run.changes.iter().map(|seen| seen.kind).collect();
    assert_eq!(kinds, [Kind::Name, Kind::Ids, Kind::Ids, Kind::Ids], "{:#?}", run.changes);
    let tasks: Vec<_> = run.changes.iter().map(|seen| seen.record.task).collect();
    for task in &tasks {
        assert_eq!((task.pid, task.tid), (run.pid, run.pid));
        assert_eq!(task.start_ns, run.only(Kind::Fork).record.task.start_ns);
        assert_eq!(&task.comm[..8], b"renamed\0");
    }
    let [_, session, groups, users] = tasks[..] else { unreachable!("there are four") };
    assert_eq!((session.sid, session.pgid), (run.pid, run.pid));
    assert_eq!((session.tty_major, session.tty_minor), (0, 0));
    assert_eq!((session.uid, session.gid), (0, 0));
    assert_eq!([groups.gid, groups.egid, groups.sgid, groups.fsgid], [2001, 2002, 2003, 2002]);
    assert_eq!([groups.uid, groups.euid], [0, 0]);
    assert_ne!(groups.cap_effective, 0);
    assert_eq!([users.uid, users.euid, users.suid, users.fsuid], [1001, 1002, 1003, 1002]);
    assert_eq!((users.cap_effective, users.cap_permitted), (0, 0));
    assert_eq!((users.gid, users.sid), (2001, run.pid));
    let times: Vec<u64> = run.changes.iter().map(|seen: &Seen| seen.record.head.time_ns).collect();
    assert!(times.is_sorted());
}

fn by_the_cheapest_way(bench: &mut Bench) {
    let run = bench.run(&mut role("ids", &[]));
    check(&run);
}

fn without_fentry(bench: &mut Bench) {
    bench.backend =
        Ebpf::open_without_functions(&settings(IdProbes::On), true, false).expect("it opens");
    assert!(!named(bench, "credentials").attach.starts_with("fentry"));
    let run = bench.run(&mut role("ids", &[]));
    check(&run);
}

fn without_functions(bench: &mut Bench) {
    bench.backend =
        Ebpf::open_without_functions(&settings(IdProbes::On), true, true).expect("it opens");
    for name in ["credentials", "sessions"] {
        assert!(named(bench, name).attach.contains("cn_proc"), "{}", named(bench, name));
    }
    assert!(!named(bench, "process_groups").attached());
    let run = bench.run(&mut role("ids", &[]));
    check(&run);
}

fn by_system_calls(bench: &mut Bench) {
    bench.backend =
        Ebpf::open_without_functions(&settings(IdProbes::Syscalls), true, true).expect("it opens");
    for name in ["credentials", "sessions", "process_groups"] {
        assert_eq!(named(bench, name).attach, "raw_tp/sys_exit");
        assert!(named(bench, name).attached());
    }
    let run = bench.run(&mut role("ids", &[]));
    check(&run);
}

fn switched_off(bench: &mut Bench) {
    bench.reopen(&settings(IdProbes::Off));
    let run = bench.run(&mut role("ids", &[]));
    assert!(run.changes.is_empty(), "{:#?}", run.changes);
    assert_eq!(run.only(Kind::Exit).record.task.euid, 1002);
}
