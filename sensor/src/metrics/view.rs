//! `ocellus status`, `ocellus rules list` and `ocellus rules stats`: the report for a person.

use std::fmt::Write as _;
use std::time::Duration;

use super::Report;
use crate::bytesize::ByteSize;
use crate::fleet::FleetStatus;
use crate::rules::{overview, sheet};
use crate::table::grouped;

/// The report on one screen.
pub fn status(report: &Report) -> String {
    let mut text = String::new();
    let Report { version, pid, backend, health, .. } = report;
    let uptime = humantime::format_duration(Duration::from_secs(report.uptime_s as u64));
    // Writing into a String does not fail.
    let _ = writeln!(text, "Ocellus {version}: {}, pid {pid}, up {uptime}", health.state.as_str());
    for problem in &health.problems {
        let _ = writeln!(text, "  ! {problem}");
    }
    let attached = report.probes.iter().filter(|probe| probe.attached).count();
    let _ = writeln!(text, "backend    {backend}, {attached} of {} probes", report.probes.len());
    let _ = writeln!(text, "self-test  {}", self_test(report));
    let _ = writeln!(text, "processes  {}", report.processes.known);
    let _ = writeln!(
        text,
        "rules      {} of {} components, generation {}",
        rules_count(report),
        report.rules.components.len(),
        report.rules.generation
    );
    if let Some(fleet) = &report.rules.fleet {
        let state = if fleet.connected { "connected" } else { "NOT CONNECTED" };
        let FleetStatus { bucket, rules, refused, .. } = fleet;
        let counts = format!("{rules} rules, {refused} refused");
        let _ = writeln!(text, "fleet      bucket {bucket}: {state}, {counts}");
    }
    for output in &report.outputs {
        let _ = writeln!(
            text,
            "output     {}: {} delivered, {} waiting, {} dropped, {} failures",
            output.name,
            output.stats.delivered,
            output.stats.waiting,
            output.stats.dropped_total(),
            output.stats.failures
        );
    }
    let usage = &report.usage;
    let _ = writeln!(
        text,
        "uses       {} memory, {:.1} s processor time, {} threads, {} files",
        ByteSize(usage.resident_bytes),
        usage.cpu_s,
        usage.threads,
        usage.open_files
    );
    for privilege in &report.privileges {
        let _ = writeln!(text, "privilege  {privilege}");
    }
    let _ = writeln!(text, "log level  {}\n\n{}", report.log_level, report.events);
    text
}

fn self_test(report: &Report) -> String {
    let test = &report.self_test;
    match &test.problem {
        _ if !test.enabled => "switched off".to_owned(),
        Some(problem) => format!("FAILED: {problem}"),
        None if test.passed == 0 => "under way".to_owned(),
        None => format!(
            "passed {} times, last in {:.0} ms from execution to the outputs",
            test.passed,
            test.latency_s * 1e3
        ),
    }
}

fn rules_count(report: &Report) -> String {
    let rules: usize = report.rules.components.iter().map(|component| component.rules.len()).sum();
    format!("{rules} rules")
}

/// The components with their rules, and what came of them.
pub fn rules_list(report: &Report) -> String {
    if report.rules.components.is_empty() {
        return "no rules are in force\n".to_owned();
    }
    let mut text =
        format!("generation {}\n{}", report.rules.generation, overview(&report.rules.components));
    for component in &report.rules.components {
        let voucher = component.vouched_for.as_deref().map(|it| format!(", {it}"));
        // Writing into a String does not fail.
        let _ = writeln!(
            text,
            "{}: SHA-256 {}{}",
            component.name,
            component.digest,
            voucher.unwrap_or_default()
        );
    }
    text
}

/// What each rule of the running sensor costs.
pub fn rules_stats(report: &Report) -> String {
    let events = grouped(report.events.delivered);
    format!("{}{events} events delivered\n", sheet(&report.rules.components))
}
