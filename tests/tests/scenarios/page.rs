//! `docs/scenarios.md`: what the scenarios are, what they expect, and how they ended.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::runner::{Group, Held, Outcome, Outcomes, attempt};

const INTRODUCTION: &str = "\
# Scenarios

The hard cases of a process's life, each as a test of the whole program on live events, as root \
(`tests/tests/scenarios/`). The tables are written by the test run: `UPDATE=1 cargo test \
--workspace --test scenarios`, after `cargo build --workspace`. *Holds*: all fields were as \
expected. *Unsupported here*: the kernel or the host of that run cannot do what the scenario is \
about.
";

/// Writes the page with `UPDATE=1`, else fails where it does not list what there is.
pub fn check(groups: &[Group], results: &[Outcomes]) -> Vec<Outcomes> {
    let name = "docs/scenarios.md lists these scenarios";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let outcome = attempt(name, || {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, page(groups, results)).expect("docs/ is writable");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            without_states(&written),
            without_states(&page(groups, results)),
            "run it with UPDATE=1 to write the page anew"
        );
        Held::Yes
    });
    vec![Outcomes { name, outcome }]
}

fn page(groups: &[Group], results: &[Outcomes]) -> String {
    let state = |name: &str| match results.iter().find(|result| result.name == name) {
        Some(Outcomes { outcome: Outcome::Holds, .. }) => "holds".to_owned(),
        Some(Outcomes { outcome: Outcome::Limited(reason), .. }) => {
            format!("holds within a limit: {reason}")
        }
        Some(Outcomes { outcome: Outcome::Unsupported(reason), .. }) => {
            format!("unsupported here: {reason}")
        }
        Some(Outcomes { outcome: Outcome::Fails(_), .. }) | None => "**fails**".to_owned(),
    };
    let mut page = INTRODUCTION.to_owned();
    for group in groups {
        let head =
            format!("\n## {}\n\n| Scenario | Expected | State |\n|---|---|---|\n", group.title);
        page.push_str(&head);
        for scenario in group.scenarios {
            let (name, expected) = (scenario.name, scenario.expected);
            writeln!(page, "| {name} | {expected} | {} |", state(name)).expect("a String takes it");
        }
    }
    page
}

/// The page without its last column, which depends on where it ran.
fn without_states(page: &str) -> Vec<&str> {
    let cut = |line| str::rsplit_once(line, " | ").map_or(line, |(rest, _)| rest);
    page.lines().map(cut).collect()
}
