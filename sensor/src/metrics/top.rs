//! `ocellus top`: two reports, and what happened between them.

use std::fmt::Write as _;

use super::{Output, Report};
use crate::bytesize::ByteSize;
use crate::rules::ComponentStats;

/// A screen of `lines` lines of what happened in the `seconds` between two reports.
pub fn top(before: &Report, now: &Report, seconds: f64, lines: usize) -> String {
    let seconds = seconds.max(1e-3);
    let per_second = |earlier: u64, later: u64| later.saturating_sub(earlier) as f64 / seconds;
    let cpu = (now.usage.cpu_s - before.usage.cpu_s) / seconds * 100.0;
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "ocellus {}  {}  cpu {cpu:.1} %  memory {}  processes {}  generation {}",
        now.version,
        now.health.state.as_str(),
        ByteSize(now.usage.resident_bytes),
        now.processes.known,
        now.rules.generation
    );
    for problem in &now.health.problems {
        let _ = writeln!(text, "! {problem}");
    }
    let (old, new) = (&before.events, &now.events);
    let _ = writeln!(
        text,
        "\n{:<12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "EVENTS", "received", "delivered", "merged", "dropped", "lost", "held"
    );
    let _ = writeln!(
        text,
        "{:<12}{:>12.1}{:>12.1}{:>12.1}{:>12.1}{:>12.1}{:>12}",
        "per second",
        per_second(old.received_total(), new.received_total()),
        per_second(old.delivered, new.delivered),
        per_second(old.merged, new.merged),
        per_second(old.dropped_total(), new.dropped_total()),
        per_second(old.lost_total(), new.lost_total()),
        new.held
    );
    let _ = writeln!(
        text,
        "{:<12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "total",
        new.received_total(),
        new.delivered,
        new.merged,
        new.dropped_total(),
        new.lost_total()
    );
    let _ = writeln!(
        text,
        "\n{:<24}{:>12}{:>12}{:>12}{:>12}",
        "OUTPUT", "delivered/s", "waiting", "dropped", "failures"
    );
    for output in &now.outputs {
        let earlier = before.outputs.iter().find(|other| other.name == output.name);
        let delivered = earlier.map_or(0, |earlier| earlier.stats.delivered);
        let Output { name, stats } = output;
        let (waiting, failures, dropped) = (stats.waiting, stats.failures, stats.dropped_total());
        let rate = per_second(delivered, stats.delivered);
        let _ = writeln!(text, "{name:<24}{rate:>12.1}{waiting:>12}{dropped:>12}{failures:>12}");
    }
    components(&mut text, before, now, seconds);
    let mut short: String = text.lines().take(lines).map(|line| format!("{line}\n")).collect();
    if text.lines().count() > lines && lines > 0 {
        short.truncate(short.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1));
        short.push_str("…\n");
    }
    short
}

/// Components, the most expensive first.
fn components(text: &mut String, before: &Report, now: &Report, seconds: f64) {
    let _ = writeln!(
        text,
        "\n{:<28}{:<11}{:>10}{:>10}{:>10}{:>10}{:>8}{:>8}{:>10}",
        "COMPONENT", "mode", "events/s", "calls/s", "p50 µs", "p99 µs", "hits", "faults", "memory"
    );
    let earlier = |name: &str| before.rules.components.iter().find(|it| *it.name == *name);
    let rates = |component: &ComponentStats| {
        let earlier = earlier(&component.name).map(|it| it.counters).unwrap_or_default();
        let rate = |old: u64, new: u64| new.saturating_sub(old) as f64 / seconds;
        let counters = &component.counters;
        (rate(earlier.candidates, counters.candidates), rate(earlier.calls, counters.calls))
    };
    let mut all: Vec<&ComponentStats> = now.rules.components.iter().collect();
    // Time a second; calls where no call has been measured yet.
    let cost = |component: &ComponentStats| {
        let (candidates, calls) = rates(component);
        (candidates * component.cost.p50_ns as f64, calls)
    };
    all.sort_by(|a, b| {
        let (a_cost, b_cost) = (cost(a), cost(b));
        let by_time = b_cost.0.total_cmp(&a_cost.0).then(b_cost.1.total_cmp(&a_cost.1));
        by_time.then(a.name.cmp(&b.name))
    });
    for component in all {
        let (candidates, calls) = rates(component);
        let hits: u64 = component.rules.iter().map(|rule| rule.counters.hits).sum();
        let _ = writeln!(
            text,
            "{:<28}{:<11}{candidates:>10.1}{calls:>10.1}{:>10.1}{:>10.1}{hits:>8}{:>8}{:>10}",
            component.name,
            component.state(component.mode),
            component.cost.p50_ns as f64 / 1e3,
            component.cost.p99_ns as f64 / 1e3,
            component.counters.faults(),
            ByteSize(component.memory_bytes as u64).to_string()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::SinkStats;

    #[test]
    fn rates_are_differences_and_long_screens_are_cut() {
        let mut before = Report::default();
        before.events.delivered = 100;
        let mut now = before.clone();
        now.events.delivered = 150;
        let stats = SinkStats { delivered: 30, ..SinkStats::default() };
        now.outputs.push(Output { name: "stdout".to_owned(), stats });
        let text = top(&before, &now, 2.0, 100);
        let rates = text.lines().find(|line| line.starts_with("per second")).expect("it is there");
        assert_eq!(rates.split_whitespace().nth(3), Some("25.0"), "{text}");
        assert!(text.contains("15.0"), "{text}");
        let short = top(&before, &now, 2.0, 3);
        assert_eq!(short.lines().count(), 3, "{short}");
        assert!(short.ends_with("…\n"), "{short}");
    }
}
