//! The cost sheet: what each rule did and cost, as a table.

use super::stats::{ComponentStats, RuleCounters};
use crate::sink::date::Date;
use crate::table::{aligned, grouped};

/// A line of the sheet. A component of one rule is one line; one of several is a line for what they
/// share, and one for each of them.
struct Line<'a> {
    name: String,
    component: Option<&'a ComponentStats>,
    rule: Option<&'a RuleCounters>,
}

type Column = (&'static str, fn(&Line<'_>) -> Option<u64>);

/// Columns that are always shown; of the others, those in which somebody has something.
const ALWAYS: usize = 3;

const COLUMNS: [Column; 18] = [
    ("candidates", |it| {
        let all = it.component.map(|component| component.counters.candidates);
        it.rule.map(|rule| rule.candidates).or(all)
    }),
    ("calls", |it| it.component.map(|component| component.counters.calls)),
    ("hits", |it| it.rule.map(|rule| rule.hits)),
    ("ms", |it| it.rule.map(|rule| rule.time_ns / 1_000_000)),
    ("ns p50", |it| it.component.map(|component| component.cost.p50_ns)),
    ("ns p99", |it| it.component.map(|component| component.cost.p99_ns)),
    ("fuel", |it| {
        let counters = &it.component?.counters;
        counters.fuel.checked_div(counters.candidates)
    }),
    ("alerts", |it| it.rule.map(|rule| rule.alerts)),
    ("tags", |it| it.rule.map(|rule| rule.tags)),
    ("drops", |it| it.rule.map(|rule| rule.drops)),
    ("refused", |it| it.rule.map(|rule| rule.refused)),
    ("shadowed", |it| it.rule.map(|rule| rule.shadowed)),
    ("traps", |it| it.component.map(|component| component.counters.traps)),
    ("overruns", |it| it.component.map(|component| component.counters.timeouts)),
    ("other faults", |it| {
        let counters = &it.component?.counters;
        Some(counters.memory_faults + counters.output_faults)
    }),
    ("skipped", |it| it.component.map(|component| component.counters.skipped)),
    ("KiB read", |it| it.component.map(|component| component.counters.bytes >> 10)),
    ("KiB held", |it| it.component.map(|component| component.memory_bytes as u64 >> 10)),
];

/// The table of some components; empty when there are none.
///
/// `ns p50`, `ns p99` and `fuel` are for one event. `ms` is what all events of a rule took,
/// reckoned from the calls that were measured; a call that is for several rules of a component is
/// divided among them evenly.
pub fn sheet(components: &[ComponentStats]) -> String {
    let lines: Vec<Line<'_>> = components.iter().flat_map(lines).collect();
    if lines.is_empty() {
        return String::new();
    }
    let shown: Vec<Column> = COLUMNS
        .into_iter()
        .enumerate()
        .filter(|(index, (_, value))| {
            *index < ALWAYS || lines.iter().any(|line| value(line).is_some_and(|it| it > 0))
        })
        .map(|(_, column)| column)
        .collect();
    let heading = shown.iter().map(|(name, _)| (*name).to_owned());
    let heading = std::iter::once("rule".to_owned()).chain(heading);
    let mut rows = vec![heading.chain(["last hit".to_owned()]).collect::<Vec<_>>()];
    for line in &lines {
        let cells = shown.iter().map(|(_, value)| value(line).map_or_else(String::new, grouped));
        let name = std::iter::once(line.name.clone());
        rows.push(name.chain(cells).chain([last_hit(line)]).collect());
    }
    aligned(&rows)
}

fn lines(component: &ComponentStats) -> Vec<Line<'_>> {
    let whole = Some(component);
    if let [rule] = &component.rules[..] {
        let name = rule.id.to_string();
        return vec![Line { name, component: whole, rule: Some(&rule.counters) }];
    }
    let rules = component.rules.iter().map(|rule| Line {
        name: format!("  {}", rule.id),
        component: None,
        rule: Some(&rule.counters),
    });
    let shared = Line { name: component.name.to_string(), component: whole, rule: None };
    std::iter::once(shared).chain(rules).collect()
}

/// To the second, in UTC.
fn last_hit(line: &Line<'_>) -> String {
    match line.rule.map_or(0, |rule| rule.last_hit_ns) {
        0 => String::new(),
        ns => Date::new(ns).as_str()[..19].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stats::{ComponentCounters, Cost, RuleStats};
    use super::super::{Mode, World};
    use super::*;

    fn component(name: &str, rules: &[(&str, u64)]) -> ComponentStats {
        let rules = rules.iter().map(|(id, hits)| {
            let last_hit_ns = if *hits > 0 { 86_400_000_000_000 } else { 0 };
            let counters =
                RuleCounters { candidates: 9, hits: *hits, last_hit_ns, ..Default::default() };
            RuleStats { id: (*id).into(), mode: Mode::Active, counters }
        });
        ComponentStats {
            name: name.into(),
            world: World::Rule,
            digest: "".into(),
            vouched_for: None,
            mode: Mode::Active,
            quarantined_until_ns: None,
            memory_bytes: 2048,
            state_entries: 0,
            state_bytes: 0,
            state: Default::default(),
            cost: Cost { samples: 1, p50_ns: 1_500, p99_ns: 2_000, max_ns: 2_000 },
            counters: ComponentCounters { candidates: 12, calls: 10, ..Default::default() },
            rules: rules.collect(),
        }
    }

    #[test]
    fn a_rule_alone_is_a_line_and_several_have_one_for_what_they_share() {
        let text = sheet(&[component("one", &[("a", 1)]), component("two", &[("b", 0), ("c", 0)])]);
        assert_eq!(
            text,
            "rule  candidates  calls  hits  ns p50  ns p99  KiB held             last hit\n\
             a              9     10     1   1,500   2,000         2  1970-01-02T00:00:00\n\
             two           12     10         1,500   2,000         2\n\
             \x20 b            9            0\n\
             \x20 c            9            0\n"
        );
        assert_eq!(sheet(&[]), "");
    }
}
