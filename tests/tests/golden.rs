//! One rule set, written in every language that has an SDK, says the same to every event of a
//! recording; and the components that were built with an earlier version still do.

use std::collections::BTreeMap;

use ocellus_tests::golden::{EVENTS_MIN, LANGUAGES, kept, recording, said, xz};

#[test]
fn every_language_says_the_same_to_every_event() {
    let events = recording();
    assert!(events.len() >= EVENTS_MIN, "{}", events.len());
    let mut all = BTreeMap::new();
    for language in LANGUAGES {
        let path = kept(language);
        let compressed = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; see `make golden`", path.display()));
        all.insert(language, said(language, &xz(&compressed, true), &events));
    }
    let expected = &all["rust"];
    is_worth_comparing(expected);
    for (language, lines) in &all {
        for (index, (line, expected)) in lines.iter().zip(expected).enumerate() {
            assert_eq!(line, expected, "{language} and rust differ on event {index}");
        }
        assert_eq!(lines.len(), events.len(), "{language}");
    }
}

/// Each kind of verdict, each rule and each branch is reached often.
fn is_worth_comparing(lines: &[String]) {
    for part in [
        "golden-text tags",
        "\"shell\"",
        "\"option\"",
        "\"accent\"",
        "\"script ",
        "golden-state alerts",
        "名前",
        "/usr/bin/sh ",
        "golden-number tags",
        "golden-number drops",
        "; ",
    ] {
        let count = lines.iter().filter(|line| line.contains(part)).count();
        assert!(count >= 100, "{part:?} is in {count} lines only");
    }
    let silent = lines.iter().filter(|line| line.is_empty()).count();
    assert!(silent >= 1_000, "{silent} events pass");
}
