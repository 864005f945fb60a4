//! A sensor that starts when all is running already.

use std::collections::BTreeMap;

use ocellus_tests::ecs::findings;
use ocellus_tests::program::{Running, field};
use serde_json::{Value, json};

use crate::family::{Family, expect, kind};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{Actor, STILL, Stage, WORKLOAD};

pub const GROUP: Group = Group {
    title: "Running processes",
    alone: true,
    scenarios: &[
        Scenario {
            name: "sensor started after 200 processes",
            expected: "each is told once, with its parent, under the entity id that a sensor which \
                       saw it start gave it; their ends follow",
            run: started_late,
        },
        Scenario {
            name: "the sensor itself",
            expected: "told, and flagged `ocellus.self`; others are not",
            run: itself,
        },
    ],
};

fn itself(stage: &Stage) -> Held {
    let told = |pid: u32| {
        stage.event("running process", |event| {
            kind(event) == "existing" && field(event, "process.pid") == &json!(pid)
        })
    };
    expect(&told(stage.sensor_pid()), &[("ocellus.self", json!(true))]);
    expect(&told(std::process::id()), &[("ocellus.self", json!(null))]);
    Held::Yes
}

/// So many commands, each with so many children: 200 processes.
const COMMANDS: usize = 20;
const CHILDREN: usize = 9;

fn started_late(stage: &Stage) -> Held {
    let count = CHILDREN.to_string();
    let mut actors: Vec<Actor<'_>> = (0..COMMANDS)
        .map(|_| stage.begin(&mut stage.workload(["children", &count, STILL, "x"])))
        .collect();
    for actor in &actors {
        actor.wait_for("children", |family: &Family| {
            let execs = family.events().iter().filter(|event| kind(event) == "exec");
            (execs.count() == CHILDREN + 1).then_some(())
        });
    }
    let dir = tempfile::Builder::new().prefix("ocellus-late-").tempdir().expect("there is room");
    let late = Running::start(dir.path(), &["--backend", stage.backend()]);
    // All that runs is read before any of it is told; who ends earlier may not be seen running.
    let any = json!(actors[0].pid);
    late.wait_for_event("running process", |event| field(event, "process.pid") == &any);
    for actor in &mut actors {
        actor.release();
    }
    let families: Vec<Family> = actors.into_iter().map(Actor::finish).collect();
    let last = json!(families[COMMANDS - 1].root().pid);
    late.wait_for_event("the last end", |event| {
        let is_end = field(event, "process.end").is_string();
        is_end && field(event, "process.pid") == &last
    });
    let ended = late.stop();
    ended.assert_balanced();
    let findings = findings(&ended.output);
    assert!(findings.is_empty(), "{findings:#?}");
    let mut told: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in &ended.events {
        let entity = field(event, "process.entity_id").as_str();
        told.entry(entity.unwrap_or_default()).or_default().push(event);
    }
    for family in &families {
        check(family, &told);
    }
    Held::Yes
}

/// Each process of the family is told as running, then as ended, as the same entity, which means
/// with the same start to the nanosecond. (`process.start` may differ by some nanoseconds, as each
/// sensor measures by itself how far the wall clock is from the time since boot.)
fn check(family: &Family, told: &BTreeMap<&str, Vec<&Value>>) {
    let root = family.root();
    assert_eq!(family.len(), CHILDREN + 1);
    for end in family.events().iter().filter(|event| kind(event) == "exit") {
        let entity = field(end, "process.entity_id").as_str().expect("it has one");
        let events = told.get(entity).unwrap_or_else(|| panic!("{entity} is not told: {end:#}"));
        let kinds: Vec<&str> = events.iter().map(|event| kind(event)).collect();
        assert_eq!(kinds, ["existing", "exit"], "{events:#?}");
        let pid = field(end, "process.pid").clone();
        if pid == json!(root.pid) {
            expect(events[0], &[("process.parent.pid", json!(std::process::id()))]);
            continue;
        }
        expect(
            events[0],
            &[
                ("event.action", json!("existing_process")),
                ("process.pid", pid),
                ("process.executable", json!(STILL)),
                ("process.args", json!([STILL, "x"])),
                ("process.parent.pid", json!(root.pid)),
                ("process.parent.entity_id", json!(root.entity_id())),
                ("process.parent.executable", json!(WORKLOAD)),
                ("ocellus.hash.status", json!("ok")),
            ],
        );
    }
}
