//! Results as JUnit XML, which every CI reads.

use std::fmt::Write as _;

use super::{Outcome, Report};

/// The report as one document. It has no times: the same component gives the same file.
pub fn junit(report: &Report) -> String {
    let mut cases = Vec::new();
    for outcome in &report.outcomes {
        cases.push(case(outcome));
    }
    if let Some(check) = &report.interests {
        cases.push(case(&Outcome {
            group: "interests".into(),
            name: "no event is hidden".into(),
            failures: check.hidden().cloned().collect(),
            notes: vec![],
            fuel: vec![],
        }));
    }
    if let Some(max) = report.fuel_max {
        let exceeded = report.fuel_exceeded().map(|most| format!("{most} fuel, of {max} allowed"));
        cases.push(case(&Outcome {
            group: "cost".into(),
            name: "fuel for an event".into(),
            failures: exceeded.into_iter().collect(),
            notes: vec![],
            fuel: vec![],
        }));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">\n{}</testsuite>\n</testsuites>\n",
        escaped(&report.component),
        cases.len(),
        report.failed(),
        cases.concat()
    )
}

fn case(outcome: &Outcome) -> String {
    let mut text = format!(
        "<testcase classname=\"{}\" name=\"{}\"",
        escaped(&outcome.group),
        escaped(&outcome.name)
    );
    let mut body = String::new();
    if let Some(first) = outcome.failures.first() {
        let all = outcome.failures.join("\n");
        writeln!(body, "<failure message=\"{}\">{}</failure>", escaped(first), escaped(&all))
            .expect("a String takes it");
    }
    let notes = outcome.notes.join("\n");
    if !notes.is_empty() {
        writeln!(body, "<system-out>{}</system-out>", escaped(&notes)).expect("a String takes it");
    }
    text += &if body.is_empty() { "/>\n".into() } else { format!(">\n{body}</testcase>\n") };
    text
}

/// Fit for XML 1.0, which has no control characters at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_xml_whatever_is_in_it() {
        let outcome = |name: &str, failures: &[&str]| Outcome {
            group: "g".into(),
            name: name.into(),
            failures: failures.iter().map(ToString::to_string).collect(),
            notes: vec![],
            fuel: vec![7],
        };
        let report = Report {
            component: "a&b".into(),
            rules: vec![],
            outcomes: vec![outcome("<\"\u{1b}\u{ffff}", &["x > y", "z"]), outcome("ok", &[])],
            interests: None,
            fuel_max: Some(6),
        };
        assert_eq!(
            junit(&report),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
             <testsuite name=\"a&amp;b\" tests=\"3\" failures=\"2\">\n\
             <testcase classname=\"g\" name=\"&lt;&quot;\u{fffd}\u{fffd}\">\n\
             <failure message=\"x &gt; y\">x &gt; y\nz</failure>\n</testcase>\n\
             <testcase classname=\"g\" name=\"ok\"/>\n\
             <testcase classname=\"cost\" name=\"fuel for an event\">\n\
             <failure message=\"7 fuel, of 6 allowed\">7 fuel, of 6 allowed</failure>\n\
             </testcase>\n</testsuite>\n</testsuites>\n"
        );
    }
}
