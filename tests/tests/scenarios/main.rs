//! Every hard case of the life of a process, on the running kernel, through the program that users
//! run: each scenario is one function with its expectations, and all share one sensor.
//!
//! After `cargo build --workspace`, `cargo test --workspace --test scenarios -- WORD` runs those
//! whose names contain the word. With `UPDATE=1`, a whole run writes `docs/scenarios.md`; without
//! it, that page must list what there is.
//!
//! It has a `main` of its own, since the sensor must be stopped, its totals checked and its events
//! validated after the last scenario, and libtest has no place for that.

#![forbid(unsafe_code)]

mod args;
mod births;
mod containers;
mod ends;
mod execs;
mod family;
mod files;
mod ids;
mod kernel;
mod namespaces;
mod page;
mod runner;
mod sessions;
mod snapshot;
mod stage;
mod stall;
mod storms;
mod threads;

use std::process::ExitCode;

use runner::{Group, Outcome};

/// In the order of the page.
const GROUPS: [Group; 14] = [
    births::GROUP,
    threads::GROUP,
    execs::GROUP,
    files::GROUP,
    args::GROUP,
    ids::GROUP,
    sessions::GROUP,
    ends::GROUP,
    namespaces::GROUP,
    containers::GROUP,
    kernel::GROUP,
    storms::GROUP,
    stall::GROUP,
    snapshot::GROUP,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&str> =
        arguments.iter().filter(|it| !it.starts_with('-')).map(String::as_str).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (scenario, _) in runner::chosen(&GROUPS, &filters) {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    in_a_session();
    let mut results = runner::run(&GROUPS, &filters);
    if filters.is_empty() {
        results.extend(page::check(&GROUPS, &results));
    }
    runner::summary(&results);
    let failed = results.iter().any(|result| matches!(result.outcome, Outcome::Fails(_)));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Makes a session where there is none, as under an init that never made one: there, each process
/// belongs to the idle task's session, which has no leader to expect.
fn in_a_session() {
    let session = nix::unistd::getsid(None).expect("the session of the test itself");
    if session.as_raw() == 0 {
        nix::unistd::setsid().expect("a session of the test's own");
    }
}
