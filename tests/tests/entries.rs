//! How sessions come into a host, and which processes are the sensor's own, through the machine.

use std::sync::Arc;

use ocellus::event::{Event, Field};
use ocellus::input::{HostInfo, Input};
use ocellus::machine::{Sensor, Settings};
use ocellus::rules::RuleSet;
use ocellus_ebpf::abi::{Record, Task};
use ocellus_tests::workload::{Proc, preamble};

const T0: u64 = 1_000_000_000;
/// Later than every hold time.
const LATER: u64 = 100 * T0;

/// A pseudo terminal, a serial line and a virtual console (admin-guide/devices.txt of the kernel).
const PTS: (u32, u32) = (136, 3);
const SERIAL: (u32, u32) = (4, 64);
const CONSOLE: (u32, u32) = (4, 1);
const NONE: (u32, u32) = (0, 0);

fn altered(bytes: &[u8], change: impl FnOnce(&mut Task)) -> Vec<u8> {
    let parsed = Record::parse(bytes).expect("it is a record");
    let mut record = parsed.record;
    change(&mut record.task);
    record.encode(parsed.spans)
}

fn play(inputs: &[Input<'_>], records: &[Vec<u8>]) -> Vec<Arc<Event>> {
    let settings = Settings { hashing: None, ..Settings::default() };
    let mut sensor = Sensor::new(&settings, RuleSet::new());
    let mut events = Vec::new();
    for input in preamble().iter().chain(inputs) {
        sensor.feed(input, 0, &mut events);
    }
    for bytes in records {
        sensor.feed_raw(bytes, T0, &mut events);
    }
    sensor.step(LATER, &mut events);
    events
}

/// A service that init runs, and what it starts: the events of the second.
fn started_by(service: &str, program: &str, terminal: (u32, u32), leads: bool) -> Arc<Event> {
    let parent = Proc::INIT.child(10, T0);
    let child = parent.child(20, T0 + 10);
    let session = |task: &mut Task| {
        task.sid = if leads { task.pid } else { 10 };
        (task.tty_major, task.tty_minor) = terminal;
    };
    let records = [
        Proc::INIT.existing(T0, "/sbin/init"),
        altered(&parent.exec(T0 + 1, service, &["service"]), |task| task.sid = task.pid),
        altered(&child.exec(T0 + 11, program, &["program"]), session),
    ];
    play(&[], &records).pop().expect("it is told")
}

#[test]
fn each_way_in_has_its_type() {
    for (service, program, terminal, leads, expected, leader) in [
        ("/usr/sbin/sshd", "/bin/bash", PTS, true, "sshd", 20),
        ("/usr/lib/openssh/sshd-session", "/bin/bash", PTS, true, "sshd", 20),
        ("/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", NONE, true, "init", 1),
        ("/usr/sbin/sshd", "/bin/bash", NONE, false, "init", 1),
        ("/opt/aws/ssm-session-worker", "/bin/sh", PTS, true, "ssm", 20),
        ("/opt/aws/ssm-session-worker", "/bin/sh", NONE, true, "init", 1),
        ("/sbin/agetty", "/usr/bin/login", CONSOLE, true, "terminal", 20),
        ("/sbin/agetty", "/bin/bash", CONSOLE, true, "init", 1),
        ("/sbin/agetty", "/bin/bash", SERIAL, true, "terminal", 20),
        ("/usr/bin/containerd-shim-runc-v2", "/app/server", NONE, true, "container", 20),
        ("/usr/bin/conmon", "/app/server", NONE, true, "container", 20),
        ("/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc", NONE, true, "init", 1),
        ("/usr/sbin/cron", "/bin/sh", NONE, true, "init", 1),
    ] {
        let event = started_by(service, program, terminal, leads);
        let name = format!("{program}, started by {service}");
        let how = event.text(Field::PROCESS_ENTRY_LEADER_ENTRY_META_TYPE);
        assert_eq!(how, Some(expected), "{name}");
        let number = event.number(Field::PROCESS_ENTRY_LEADER_PID);
        assert_eq!(number, Some(leader), "{name}");
    }
}

#[test]
fn the_sensor_and_what_it_forks_are_marked_and_nobody_else() {
    let sensor = Proc::INIT.child(77, T0);
    let child = sensor.child(78, T0 + 10);
    let grandchild = child.child(79, T0 + 20);
    let other = Proc::INIT.child(80, T0 + 30);
    let host = HostInfo { sensor_pid: 77, ..HostInfo::default() };
    let events = play(
        &[Input::Host(host)],
        &[
            Proc::INIT.existing(T0, "/sbin/init"),
            sensor.existing(T0 + 1, "/usr/local/sbin/ocellus"),
            child.fork(T0 + 10, "ocellus"),
            grandchild.fork(T0 + 20, "ocellus"),
            other.fork(T0 + 30, "init"),
        ],
    );
    let marked: Vec<(u64, bool)> = events
        .iter()
        .map(|event| {
            let pid = event.number(Field::PROCESS_PID).expect("each is about a process");
            (pid, event.number(Field::OCELLUS_SELF) == Some(1))
        })
        .collect();
    assert_eq!(marked, [(1, false), (77, true), (78, true), (79, true), (80, false)]);
}
