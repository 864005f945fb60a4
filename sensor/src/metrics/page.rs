//! The metrics in the text format of Prometheus, and the page that documents them.

use std::fmt::Write as _;

use super::table::{Samples, metrics};
use super::{Metric, Report};

/// The report in Prometheus' text format, version 0.0.4.
pub fn prometheus(report: &Report) -> String {
    let mut text = String::with_capacity(16 << 10);
    for metric in metrics() {
        let mut samples = Samples::default();
        (metric.read)(report, &mut samples);
        if samples.0.is_empty() {
            continue;
        }
        let Metric { name, kind, meaning, .. } = metric;
        let kind = kind.as_str();
        // Writing into a String does not fail.
        let _ = writeln!(text, "# HELP {name} {meaning}\n# TYPE {name} {kind}");
        for (labels, value) in &samples.0 {
            let _ = writeln!(text, "{name}{} {value}", labelled(metric, labels));
        }
    }
    text
}

fn labelled(metric: &Metric, values: &[String]) -> String {
    debug_assert_eq!(metric.labels.len(), values.len(), "{metric:?}");
    if values.is_empty() {
        return String::new();
    }
    let pairs = metric.labels.iter().zip(values);
    let pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// A label's value, escaped as the format wants it.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// docs/metrics.md.
pub fn metrics_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for metric in metrics() {
        let labels: Vec<String> = metric.labels.iter().map(|name| format!("`{name}`")).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!(", by {}", labels.join(" and ")),
        };
        let Metric { name, meaning, advice, .. } = metric;
        let kind = metric.kind.as_str();
        let _ = write!(page, "\n### `{name}`\n\n{meaning} ({kind}{labels}).\n\n{advice}\n");
    }
    page
}

const INTRODUCTION: &str = "\
# Metrics

`ocellus run` answers `/metrics`, in the text format of Prometheus, and `/healthz` on a loopback \
address when one is configured:

```toml
[metrics]
listen = \"127.0.0.1:9464\"
```

`/healthz` gives status 200 while events arrive, and 503 while the sensor starts, or when its \
delivery self-test fails; the body names the problems. The same numbers are in `ocellus status \
--json`.

Every counter begins at 0 when the sensor starts. One identity holds at any moment: received = \
delivered + merged + dropped + lost + held.

This page is made from the sensor's own table by `make metrics`.

## All metrics
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::metrics::Output;
    use crate::rules::{ComponentStats, Mode, RuleStats, World};
    use crate::sink::SinkStats;

    /// Gives each number in the value another one, and returns them.
    fn number_all(value: &mut Value, next: &mut u64, given: &mut Vec<(String, u64)>, path: &str) {
        match value {
            Value::Number(_) => {
                *next += 1;
                given.push((path.to_owned(), *next));
                *value = (*next).into();
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|item| number_all(item, next, given, path));
            }
            Value::Object(items) => {
                for (key, item) in items {
                    number_all(item, next, given, &format!("{path}.{key}"));
                }
            }
            _ => {}
        }
    }

    fn full_report() -> Report {
        let mut report = Report::default();
        report.events.receive_named("exec", 1);
        report.events.lose("ring_full", "exec", 1);
        report.events.drop_by("a-rule");
        report.hashing = Some(Default::default());
        report.rules.fleet = Some(Default::default());
        let mode = Mode::Active;
        let rule = RuleStats { id: "r".into(), mode, counters: Default::default() };
        report.rules.components.push(ComponentStats {
            name: "c".into(),
            world: World::Rule,
            mode,
            digest: "d".into(),
            vouched_for: None,
            quarantined_until_ns: None,
            memory_bytes: 0,
            state_entries: 0,
            state_bytes: 0,
            state: Default::default(),
            cost: Default::default(),
            counters: Default::default(),
            rules: vec![rule],
        });
        let dropped = [("full".to_owned(), 1)].into();
        let stats = SinkStats { dropped, ..SinkStats::default() };
        report.outputs.push(Output { name: "o".to_owned(), stats });
        report
    }

    #[test]
    fn every_counter_of_the_report_is_a_metric() {
        let mut value = serde_json::to_value(full_report()).expect("it is plain data");
        let mut given = Vec::new();
        number_all(&mut value, &mut 1000, &mut given, "");
        let report: Report = serde_json::from_value(value).expect("only numbers have changed");
        let text = prometheus(&report);
        let values: BTreeSet<&str> =
            text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(_, value)| value).collect();
        // Nanoseconds are told as seconds.
        let is_told = |number: u64| {
            let forms = [number as f64, number as f64 / 1e9].map(|value| value.to_string());
            forms.iter().any(|form| values.contains(&**form))
        };
        let missing: Vec<&String> = given
            .iter()
            .filter(|(path, number)| path != ".pid" && !is_told(*number))
            .map(|(path, _)| path)
            .collect();
        assert!(given.len() > 50, "{given:?}");
        assert!(missing.is_empty(), "no metric tells {missing:?}:\n{text}");
    }

    #[test]
    fn names_are_unique_and_follow_the_custom() {
        let names: BTreeSet<&str> = metrics().map(|metric| metric.name).collect();
        assert_eq!(names.len(), metrics().count());
        for metric in metrics() {
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == super::super::MetricKind::Counter, "{metric:?}");
            assert!(metric.advice.ends_with('.') && !metric.meaning.ends_with('.'), "{metric:?}");
        }
    }

    #[test]
    fn odd_labels_do_not_break_the_format() {
        let mut report = Report::default();
        report.events.drop_by("a\"b\\c\nd");
        let text = prometheus(&report);
        assert!(text.contains(r#"{rule="a\"b\\c\nd"} 1"#), "{text}");
    }
}
