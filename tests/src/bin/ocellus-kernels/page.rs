//! `docs/kernels.md` and the table in README.md: what holds on which kernel. Both are written by a
//! run over all kernels, and hold what other runs must find again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use ocellus_tests::prebuilt::root;

use crate::outcome::{BACKENDS, Outcome, Report, Tried};

/// Between these lines of README.md stands the table.
const BEGIN: &str = "<!-- kernels: written by `make test-kernels` -->";
const END: &str = "<!-- kernels: end -->";

const INTRODUCTION: &str = "\
# Kernels

On which kernels Ocellus was run, and what it gave there. Each is a kernel package of Debian, \
booted by qemu in software emulation with two CPUs; `make test-kernels` fetches them, runs \
everything below and writes this page, and `make test-kernels KERNEL=6.1` tries one of them.

What runs there: every [scenario](scenarios.md) with each backend, among them storms of \
thousands of processes, with all events held against ECS; the tests of the probes themselves; \
rules that mean harm; `ocellus doctor`; and what must be refused, in the right words: an \
ordinary user, a kernel without BTF, one that is locked down for confidentiality.
";

/// Prints how a kernel did.
pub fn print(report: &Report) {
    for (backend, tried) in BACKENDS.iter().zip(&report.scenarios) {
        println!("{backend}: {}", cell(tried));
    }
    for Tried { name, outcome } in &report.checks {
        println!("{name}: {}", if outcome.fails() { "FAILED" } else { "ok" });
    }
}

/// Writes both from the last report of each kernel, unless something failed there.
pub fn write() -> io::Result<()> {
    let reports = Report::saved()?;
    if reports.iter().any(|report| !report.failures().is_empty()) {
        println!("\nSomething failed: docs/kernels.md and README.md stay as they are.");
        return Ok(());
    }
    let readme_path = root().join("README.md");
    let readme = std::fs::read_to_string(&readme_path)?;
    std::fs::write(root().join("docs/kernels.md"), page(&reports))?;
    std::fs::write(readme_path, with_table(&readme, &table(&reports))?)
}

/// True where README.md says what was found. Else says where it does not.
pub fn check(reports: &[Report]) -> io::Result<bool> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let mut same = true;
    let known = rows(&readme);
    for report in reports {
        let row = row(report);
        let label = report.label();
        if let Some(known) = known.get(&label).filter(|known| **known != row) {
            println!("\nREADME.md says otherwise of {label}; `make test-kernels` writes it anew:");
            println!("- {known}\n+ {row}");
            same = false;
        }
    }
    Ok(same)
}

/// The table of README.md.
fn table(reports: &[Report]) -> String {
    let mut table = String::from("| kernel | eBPF | kprobes |\n| --- | --- | --- |\n");
    for report in reports {
        table.push_str(&row(report));
        table.push('\n');
    }
    table
}

fn row(report: &Report) -> String {
    let [ebpf, kprobe] = &report.scenarios;
    format!("| {} | {} | {} |", report.label(), cell(ebpf), cell(kprobe))
}

fn cell(tried: &[Tried]) -> String {
    let count =
        |wanted: fn(&Outcome) -> bool| tried.iter().filter(|it| wanted(&it.outcome)).count();
    let failed = count(Outcome::fails);
    let limited = count(|outcome| matches!(outcome, Outcome::Limited(_)));
    match (failed, limited) {
        (0, 0) => "every scenario".to_owned(),
        (0, limited) => format!("all but {limited}"),
        (failed, _) => format!("{failed} FAILED of {}", tried.len()),
    }
}

/// The rows of the table in README.md, by series.
fn rows(readme: &str) -> BTreeMap<String, &str> {
    let table = readme.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let lines = table.map_or("", |(table, _)| table).lines();
    let rows = lines.filter_map(|line| Some((line.split('|').nth(1)?.trim().to_owned(), line)));
    rows.collect()
}

fn with_table(readme: &str, table: &str) -> io::Result<String> {
    let parts = readme
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let words = format!("README.md has no lines {BEGIN} and {END}");
    let (before, after) = parts.ok_or_else(|| io::Error::other(words))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

fn page(reports: &[Report]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut line = |text: &str| {
        page.push_str(text);
        page.push('\n');
    };
    line("\n## Kernels and probes\n");
    line("How each probe is attached, by `ocellus doctor --json`.\n");
    line("| kernel | release | eBPF | kprobes |\n| --- | --- | --- | --- |");
    for report in reports {
        let [ebpf, kprobe] = report.probes.each_ref().map(|probes| probes.join("<br>"));
        line(&format!("| {} | {} | {ebpf} | {kprobe} |", report.label(), report.release));
    }
    line("\n## Checks\n");
    line(&format!("| check | {} |", heads(reports)));
    line(&format!("| --- |{}", " --- |".repeat(reports.len())));
    for check in reports.first().map_or(&[][..], |first| &first.checks) {
        let cells = reports.iter().map(|report| state_of(&report.checks, &check.name));
        line(&format!("| {} | {} |", check.name, cells.collect::<Vec<_>>().join(" | ")));
    }
    let mut limits: Vec<String> = Vec::new();
    for (index, title) in ["Scenarios with eBPF", "Scenarios with kprobes"].into_iter().enumerate()
    {
        line(&format!("\n## {title}\n"));
        line("A number is that of a limit, below.\n");
        line(&format!("| scenario | {} |", heads(reports)));
        line(&format!("| --- |{}", " --- |".repeat(reports.len())));
        for one in &reports[0].scenarios[index] {
            let cells = reports.iter().map(|report| {
                let tried = &report.scenarios[index];
                let Some(Outcome::Limited(reason)) = outcome_of(tried, &one.name) else {
                    return state_of(tried, &one.name);
                };
                let known = limits.iter().position(|limit| limit == reason);
                let number = known.unwrap_or_else(|| {
                    limits.push(reason.clone());
                    limits.len() - 1
                });
                format!("{}", number + 1)
            });
            let cells = cells.collect::<Vec<_>>().join(" | ");
            line(&format!("| {} | {cells} |", one.name));
        }
    }
    line("\n## Limits\n");
    let mut list = String::new();
    for (index, limit) in limits.iter().enumerate() {
        writeln!(list, "{}. {limit}", index + 1).expect("a String takes it");
    }
    line(if list.is_empty() { "None." } else { list.trim_end() });
    page
}

fn heads(reports: &[Report]) -> String {
    reports.iter().map(Report::label).collect::<Vec<_>>().join(" | ")
}

fn outcome_of<'a>(tried: &'a [Tried], name: &str) -> Option<&'a Outcome> {
    tried.iter().find(|it| it.name == name).map(|it| &it.outcome)
}

fn state_of(tried: &[Tried], name: &str) -> String {
    match outcome_of(tried, name) {
        Some(Outcome::Holds) => "yes".to_owned(),
        Some(Outcome::Limited(reason)) => reason.clone(),
        Some(Outcome::Fails(_)) => "**no**".to_owned(),
        None => "not tried".to_owned(),
    }
}
