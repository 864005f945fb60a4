//! A sensor that stands still while processes come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ocellus_tests::ecs::findings;
use ocellus_tests::program::{Ended, PATIENCE, Running, field};
use serde_json::json;

use crate::family::{Family, kind, text};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{STILL, Stage};

pub const GROUP: Group = Group {
    title: "Stalls",
    alone: true,
    scenarios: &[Scenario {
        name: "sensor stopped for ten seconds under load",
        expected: "what the ring holds is told, the rest is counted, kind by kind, in events; then \
                   the sensor reads the running processes again and tells of one that started \
                   meanwhile",
        run: stopped,
    }],
};

/// The smallest ring, which the load fills many times.
const CONFIG: &str = "[capture]\nring_bytes = \"256 KiB\"\n[aggregate]\npolicy = \"minimal\"\n";

const STALL: Duration = Duration::from_secs(10);
const PROCESSES: usize = 1_000;

fn stopped(stage: &Stage) -> Held {
    let dir = tempfile::Builder::new().prefix("ocellus-stall-").tempdir().expect("there is room");
    std::fs::write(dir.path().join("ocellus.toml"), CONFIG).expect("it is writable");
    let sensor = Running::start(dir.path(), &["--backend", stage.backend()]);
    let is_action = |action: &'static str| {
        move |event: &serde_json::Value| field(event, "event.action") == &json!(action)
    };
    // What runs now is told before the sensor stands still, so that what is told after it is from
    // another look.
    sensor.wait_for_event("first snapshot", is_action("existing_process"));
    sensor.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let family =
        stage.play(&mut stage.workload(["storm-vfork", &PROCESSES.to_string(), STILL, "x"]));
    let mut survivor = stage.begin(Command::new(STILL).arg("survivor"));
    survivor.wait_for("exec", |family| family.root().kinds().contains(&"exec").then_some(()));
    std::thread::sleep(STALL.saturating_sub(began.elapsed()));
    sensor.signal(Signal::SIGCONT);

    sensor.wait_for_event("loss", is_action("events_lost"));
    let pid = json!(survivor.pid);
    let running = sensor.wait_for_event("process that started meanwhile", |event| {
        is_action("existing_process")(event) && field(event, "process.pid") == &pid
    });
    assert_eq!(*field(&running, "process.args"), json!([STILL, "survivor"]), "{running:#}");
    let later = stage.play(&mut stage.workload(["exit", "7"]));
    let entity = json!(later.root().entity_id());
    sensor.wait_for_event("process after the stall", |event| {
        field(event, "process.entity_id") == &entity && kind(event) == "exit"
    });
    survivor.release();
    survivor.finish();
    // Kprobes find what nobody told them when they look the second time.
    wait_until_accounted(&family, &sensor);
    let ended = sensor.stop();
    ended.assert_balanced();
    assert!(ended.log.contains("reading the running processes again"), "{}", ended.log);
    let findings = findings(&ended.output);
    assert!(findings.is_empty(), "{findings:#?}");
    assert_accounted(&family, &ended);
    Held::Yes
}

/// What was told of the load, and what was lost, by kind.
fn account<'a>(family: &Family, events: &'a [serde_json::Value]) -> [BTreeMap<&'a str, usize>; 2] {
    let entities: BTreeSet<&str> =
        family.events().iter().map(|event| text(event, "process.entity_id")).collect();
    let (mut told, mut lost) = (BTreeMap::new(), BTreeMap::new());
    for event in events {
        if let Some(count) = field(event, "ocellus.lost.count").as_u64() {
            *lost.entry(text(event, "ocellus.lost.kind")).or_default() += count as usize;
        } else if let Some(entity) = field(event, "process.entity_id").as_str()
            && entities.contains(entity)
        {
            *told.entry(kind(event)).or_default() += 1;
        }
    }
    [told, lost]
}

const KINDS: [&str; 3] = ["fork", "exec", "exit"];

/// Waits until each event of the load was told or counted as lost.
fn wait_until_accounted(family: &Family, sensor: &Running) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let events = sensor.events();
        let [told, lost] = account(family, &events);
        let count = |kind| told.get(kind).unwrap_or(&0) + lost.get(kind).unwrap_or(&0);
        if KINDS.iter().all(|kind| count(kind) >= PROCESSES) {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Of each kind, what the load did was told or counted as lost.
fn assert_accounted(family: &Family, ended: &Ended) {
    let [told, lost] = account(family, &ended.events);
    for kind in KINDS {
        let count = |counts: &BTreeMap<&str, usize>| counts.get(kind).copied().unwrap_or(0);
        let (told, lost) = (count(&told), count(&lost));
        assert!(lost > 0, "no {kind} was lost: {told} told");
        assert!(told + lost >= PROCESSES, "{kind}: {told} told, {lost} lost of {PROCESSES}");
        // Whatever else the host did meanwhile, it was no second load.
        assert!(told + lost < 2 * PROCESSES, "{kind}: {told} told, {lost} lost of {PROCESSES}");
    }
}
