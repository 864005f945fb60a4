//! Runs the scenarios on one sensor, several at a time, then stops it and checks all that it said.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};

use ocellus_tests::ecs::findings;
use ocellus_tests::program::{Ended, field};

use crate::stage::Stage;

/// Scenarios that run at a time. They wait most of the time, and they must not disturb each other.
const WORKERS: usize = 4;

/// Findings of the validator that are shown: the first ones explain the others.
const FINDINGS_SHOWN_MAX: usize = 20;

/// One hard case.
pub struct Scenario {
    pub name: &'static str,
    /// What the sensor must say, in a sentence.
    pub expected: &'static str,
    /// Panics where the sensor says something else.
    pub run: fn(&Stage) -> Held,
}

/// Scenarios that belong together.
pub struct Group {
    pub title: &'static str,
    /// Nothing else runs at the time of one of them. They fill the sensor's queue, and a full queue
    /// waits for no hash.
    pub alone: bool,
    pub scenarios: &'static [Scenario],
}

/// How a scenario ends that did not fail.
pub enum Held {
    Yes,
    /// As far as the backend can: what it cannot, for this reason, was not asked of it.
    Limited(&'static str),
    /// This kernel or host cannot do what the scenario is about, for this reason.
    Unsupported(String),
}

#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    Limited(&'static str),
    Unsupported(String),
    Fails(String),
}

pub struct Outcomes {
    pub name: &'static str,
    pub outcome: Outcome,
}

/// The scenarios that the filters choose, and whether each runs alone.
pub fn chosen<'a>(groups: &'a [Group], filters: &[&str]) -> Vec<(&'a Scenario, bool)> {
    let is_chosen = |(scenario, _): &(&Scenario, bool)| {
        filters.is_empty() || filters.iter().any(|filter| scenario.name.contains(filter))
    };
    let all = groups.iter().flat_map(|group| group.scenarios.iter().map(|it| (it, group.alone)));
    all.filter(is_chosen).collect()
}

/// Runs what the filters choose and gives the outcomes in the order of the groups; then what holds
/// for all of them together.
pub fn run(groups: &[Group], filters: &[&str]) -> Vec<Outcomes> {
    let scenarios = chosen(groups, filters);
    println!("\nrunning {} scenarios", scenarios.len());
    let stage = Stage::open();
    catch_messages();
    let next = AtomicUsize::new(0);
    let turns = RwLock::new(());
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; scenarios.len()]);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((scenario, alone)) = scenarios.get(index) else { break };
                    let alone = alone.then(|| turns.write().expect("panics are caught"));
                    let shared = alone.is_none().then(|| turns.read().expect("panics are caught"));
                    let outcome = attempt(scenario.name, || (scenario.run)(&stage));
                    drop((alone, shared));
                    outcomes.lock().expect("nobody panics with it")[index] = Some(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("nobody panics with it");
    let mut results: Vec<Outcomes> = scenarios
        .iter()
        .zip(outcomes)
        .map(|((scenario, _), outcome)| Outcomes {
            name: scenario.name,
            outcome: outcome.expect("each scenario was run"),
        })
        .collect();
    let ended = stage.close();
    type Check = fn(&Ended);
    let checks: [(&str, Check); 3] = [
        ("the totals at the end add up", assert_totals),
        ("nothing was lost", assert_no_loss),
        ("every event is ECS", assert_ecs),
    ];
    for (name, check) in checks {
        let outcome = attempt(name, || {
            check(&ended);
            Held::Yes
        });
        results.push(Outcomes { name, outcome });
    }
    results
}

fn assert_totals(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended.assert_balanced();
}

/// No raw event was lost.
fn assert_no_loss(ended: &Ended) {
    let is_loss = |event: &&serde_json::Value| !field(event, "ocellus.lost.count").is_null();
    let losses: Vec<_> = ended.events.iter().filter(is_loss).collect();
    assert!(losses.is_empty(), "{losses:#?}");
}

fn assert_ecs(ended: &Ended) {
    let mut findings = findings(&ended.output);
    findings.truncate(FINDINGS_SHOWN_MAX);
    assert!(findings.is_empty(), "not ECS (line, field, code):\n{}", findings.join("\n"));
}

thread_local! {
    /// What the last panic of this thread said.
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics of a scenario are kept and told with its name, instead of in between of others.
fn catch_messages() {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("a panic without a message");
        let place = info.location().map_or_else(String::new, ToString::to_string);
        MESSAGE.set(format!("{message}\n(at {place})"));
    }));
}

pub fn attempt(name: &str, run: impl FnOnce() -> Held) -> Outcome {
    let outcome = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Held::Yes) => Outcome::Holds,
        Ok(Held::Limited(reason)) => Outcome::Limited(reason),
        Ok(Held::Unsupported(reason)) => Outcome::Unsupported(reason),
        Err(_) => Outcome::Fails(MESSAGE.take()),
    };
    let word = match &outcome {
        Outcome::Holds => "ok".to_owned(),
        Outcome::Limited(reason) => format!("ok, within a limit: {reason}"),
        Outcome::Unsupported(reason) => format!("unsupported here: {reason}"),
        Outcome::Fails(_) => "FAILED".to_owned(),
    };
    println!("scenario {name} ... {word}");
    outcome
}

pub fn summary(results: &[Outcomes]) {
    let mut failed = 0;
    for result in results {
        if let Outcome::Fails(message) = &result.outcome {
            failed += 1;
            println!("\n---- {} ----\n{message}", result.name);
        }
    }
    let is_unsupported = |it: &&Outcomes| matches!(it.outcome, Outcome::Unsupported(_));
    let unsupported = results.iter().filter(is_unsupported).count();
    let passed = results.len() - failed - unsupported;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let counts = format!("{passed} passed; {failed} failed; {unsupported} unsupported here");
    println!("\nscenario result: {word}. {counts}\n");
}
