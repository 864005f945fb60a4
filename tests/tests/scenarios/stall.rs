//! A sensor that stands still while processes come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ocellus_tests::ecs::findings;
use ocellus_tests::program::{Ended, Running, field};
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
    sensor.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let family =
        stage.play(&mut stage.workload(["storm-vfork", &PROCESSES.to_string(), STILL, "x"]));
    let mut survivor = stage.begin(Command::new(STILL).arg("survivor"));
    survivor.wait_for("exec", |family| family.root().kinds().contains(&"exec").then_some(()));
    std::thread::sleep(STALL.saturating_sub(began.elapsed()));
    sensor.signal(Signal::SIGCONT);

    // A ring of kprobes tells what it lost with the next record on that CPU.
    stage.play(&mut stage.workload(["children", "40", STILL, "x"]));

    let is_action = |action: &'static str| {
        move |event: &serde_json::Value| field(event, "event.action") == &json!(action)
    };
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
    let ended = sensor.stop();
    ended.assert_balanced();
    assert!(ended.log.contains("reading the running processes again"), "{}", ended.log);
    let findings = findings(&ended.output);
    assert!(findings.is_empty(), "{findings:#?}");
    assert_accounted(&family, &ended);
    Held::Yes
}

/// Of each kind, what the load did was told or counted as lost.
fn assert_accounted(family: &Family, ended: &Ended) {
    let entities: BTreeSet<&str> =
        family.events().iter().map(|event| text(event, "process.entity_id")).collect();
    let (mut told, mut lost) = (BTreeMap::<&str, usize>::new(), BTreeMap::<&str, usize>::new());
    for event in &ended.events {
        if let Some(count) = field(event, "ocellus.lost.count").as_u64() {
            *lost.entry(text(event, "ocellus.lost.kind")).or_default() += count as usize;
        } else if let Some(entity) = field(event, "process.entity_id").as_str()
            && entities.contains(entity)
        {
            *told.entry(kind(event)).or_default() += 1;
        }
    }
    for kind in ["fork", "exec", "exit"] {
        let count = |counts: &BTreeMap<&str, usize>| counts.get(kind).copied().unwrap_or(0);
        let (told, lost) = (count(&told), count(&lost));
        assert!(lost > 0, "no {kind} was lost: {told} told");
        assert!(told + lost >= PROCESSES, "{kind}: {told} told, {lost} lost of {PROCESSES}");
    }
}
