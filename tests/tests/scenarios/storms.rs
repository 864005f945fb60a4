//! Many processes at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::family::{Family, kind};
use crate::runner::{Group, Held, Scenario};
use crate::stage::{STILL, Stage};

pub const GROUP: Group = Group {
    title: "Storms",
    alone: true,
    scenarios: &[
        Scenario {
            name: "5,000 vforks that exit at once",
            expected: "fork and exit of each, of the right parent",
            run: vforks,
        },
        Scenario {
            name: "500 vforks that execute",
            expected: "fork, exec and exit of each, with arguments and hash",
            run: vforks_that_execute,
        },
    ],
};

/// Every child has gone through these kinds, in this order.
fn assert_all(family: &Family, children: usize, expected: &str) {
    let root = family.root();
    let mut lives: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in family.events() {
        let entity = event["process"]["entity_id"].as_str().expect("it has one");
        if entity != root.entity_id() {
            assert_eq!(event["process"]["parent"]["pid"], json!(root.pid), "{event:#}");
            lives.entry(entity).or_default().push(event);
        }
    }
    assert_eq!(lives.len(), children);
    for (entity, events) in lives {
        let kinds: Vec<&str> = events.iter().map(|event| kind(event)).collect();
        assert_eq!(kinds.join(" "), expected, "{entity}: {events:#?}");
    }
}

fn vforks(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["storm-vfork", "5000"]));
    assert_all(&family, 5_000, "fork exit");
    Held::Yes
}

fn vforks_that_execute(stage: &Stage) -> Held {
    let family = stage.play(&mut stage.workload(["storm-vfork", "500", STILL, "x"]));
    assert_all(&family, 500, "fork exec exit");
    let root = family.root();
    for event in family.events().iter().filter(|event| kind(event) == "exec") {
        if event["process"]["entity_id"] == json!(root.entity_id()) {
            continue;
        }
        assert_eq!(event["process"]["args"], json!([STILL, "x"]));
        assert_eq!(event["ocellus"]["hash"]["status"], json!("ok"), "{event:#}");
    }
    Held::Yes
}
