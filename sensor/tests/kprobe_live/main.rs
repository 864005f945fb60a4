//! The kprobe backend on the running kernel: real processes, real records. Needs root, a kernel
//! with kprobes, and tracefs.
//!
//! As in `ebpf_live`, the test program plays the observed processes too: called with `role NAME`,
//! it does what that process is to do. Other arguments choose cases by part of their name. It is
//! not among what `cargo test` runs by itself, since many a kernel has no kprobes: run it in a
//! virtual machine that has.

#![deny(unsafe_code)]

mod bench;
#[path = "../ebpf_live/leader.rs"]
mod leader;
mod life;
mod probes;
#[path = "../ebpf_live/role.rs"]
mod role;
mod told;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use bench::Bench;

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
    if let Err(error) = ocellus::backend::kprobe::available() {
        eprintln!("kprobe_live: {error}");
        return ExitCode::FAILURE;
    }
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, case) in [life::CASES, told::CASES, probes::CASES].concat() {
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
