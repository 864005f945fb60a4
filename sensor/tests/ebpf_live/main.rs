//! The probes on the running kernel: real processes, real records. Needs root.
//!
//! A harness of its own, because the test program plays the observed processes too: called with
//! `role NAME`, it does what that process is to do. Other arguments choose cases by part of their
//! name, `--without=PART` leaves some out. One case runs at a time.

#![deny(unsafe_code)]

mod bench;
mod exec;
mod file;
mod ids;
mod leader;
mod life;
mod load;
mod path;
mod role;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use bench::Bench;

const CASES: [&[Case]; 6] =
    [life::CASES, load::CASES, exec::CASES, file::CASES, path::CASES, ids::CASES];

/// A case: its name and what it does. It panics when it fails.
type Case = (&'static str, fn(&mut Bench));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "role") {
        return role::play(&arguments[1..]);
    }
    let chosen: Vec<&String> = arguments.iter().filter(|text| !text.starts_with('-')).collect();
    let without = arguments.iter().filter_map(|text| text.strip_prefix("--without="));
    let without: Vec<&str> = without.collect();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("ebpf_live: these tests load kernel probes: run them as root");
        return ExitCode::FAILURE;
    }
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, case) in CASES.concat() {
        if !chosen.is_empty() && !chosen.iter().any(|text| name.contains(text.as_str())) {
            continue;
        }
        if without.iter().any(|text| name.contains(text)) {
            println!("left out {name}");
            continue;
        }
        count += 1;
        // A fresh backend for each case: no record of one is left for the next.
        let passed = catch_unwind(AssertUnwindSafe(|| case(&mut Bench::new()))).is_ok();
        println!("{} {name}", if passed { "ok    " } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    println!("{count} cases, {} failed: {}", failed.len(), failed.join(", "));
    if failed.is_empty() && count > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
