//! Interests in words: what a component wants to see, and why it does not want an event.

use std::fmt;

use super::{Interest, Interests, Term, Test};
use crate::event::{Event, Kinds, Value};
use crate::rules::text_set::{Match, TextSet};

/// Texts of a term that are named; the others are counted.
const TEXTS_SHOWN_MAX: usize = 6;
/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 48;

impl Interests {
    /// Each interest in words; none when every event is wanted.
    pub fn in_words(&self) -> Vec<String> {
        let given = if self.none_given { &[] } else { &self.any[..] };
        given.iter().map(ToString::to_string).collect()
    }

    /// For each interest, which of its terms did not hold, with the event's own value. Empty when
    /// the event is wanted.
    pub fn misses(&self, event: &Event) -> Vec<String> {
        if self.want(event) {
            return Vec::new();
        }
        self.any.iter().map(|interest| interest.miss(event)).collect()
    }

    /// The same kinds, without terms.
    #[must_use]
    pub(in crate::rules) fn without_terms(&self) -> Interests {
        let one = Interest { kinds: self.kinds(), all: Box::new([]) };
        Interests { any: [one].into(), none_given: false }
    }
}

impl Interest {
    fn miss(&self, event: &Event) -> String {
        if !self.kinds.intersects(event.kinds) {
            return format!("the event is {}, not {}", listed(event.kinds), listed(self.kinds));
        }
        let failed = self.all.iter().filter(|term| !term.passes(event));
        let failed: Vec<String> = failed
            .map(|term| {
                let value = event.get(term.field);
                let name = term.field.name();
                match (value, &term.test) {
                    (Value::Absent, _) => format!("the event has no {name}"),
                    (value, Test::Text(how, set)) => {
                        format!("{name} is {}, {}", Shown(value), Negated(*how, set))
                    }
                    (value, Test::Range(from, to)) => {
                        format!("{name} is {}, not {from} to {to}", Shown(value))
                    }
                    (value, Test::Present) => format!("{name} is {}", Shown(value)),
                }
            })
            .collect();
        failed.join("; and ")
    }
}

impl fmt::Display for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listed(self.kinds))?;
        for (position, term) in self.all.iter().enumerate() {
            write!(f, " {} {term}", if position == 0 { "where" } else { "and" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        match &self.test {
            Test::Text(how, set) => write!(f, "{name} {} {}", positive(*how, set), Texts(set)),
            Test::Range(from, to) if from == to => write!(f, "{name} is {from}"),
            Test::Range(from, to) => write!(f, "{name} is {from} to {to}"),
            Test::Present => write!(f, "there is {name}"),
        }
    }
}

fn positive(how: Match, set: &TextSet) -> &'static str {
    match (how, set.texts()) {
        (Match::OneOf, [_]) => "is",
        (Match::Prefix, [_]) => "starts with",
        (Match::Suffix, [_]) => "ends with",
        (Match::Contains, [_]) => "contains",
        (Match::OneOf, _) => "is one of",
        (Match::Prefix, _) => "starts with one of",
        (Match::Suffix, _) => "ends with one of",
        (Match::Contains, _) => "contains one of",
    }
}

/// `not one of …`, `which does not start with any of …`.
struct Negated<'a>(Match, &'a TextSet);

impl fmt::Display for Negated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.0, self.1.texts()) {
            (Match::OneOf, [_]) => "not",
            (Match::Prefix, [_]) => "which does not start with",
            (Match::Suffix, [_]) => "which does not end with",
            (Match::Contains, [_]) => "which does not contain",
            (Match::OneOf, _) => "not one of",
            (Match::Prefix, _) => "which does not start with any of",
            (Match::Suffix, _) => "which does not end with any of",
            (Match::Contains, _) => "which does not contain any of",
        };
        write!(f, "{how} {}", Texts(self.1))
    }
}

/// The texts of a set, quoted, as many as fit.
struct Texts<'a>(&'a TextSet);

impl fmt::Display for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.texts();
        for (position, text) in texts.iter().take(TEXTS_SHOWN_MAX).enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{text:?}")?;
        }
        match texts.len().saturating_sub(TEXTS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A value, short and without control characters.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            Value::Absent => "absent".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Static(text) => format!("{text:?}"),
            Value::Texts(texts) => format!("{texts:?}"),
            Value::Number(number) | Value::Time(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        };
        match text.char_indices().nth(VALUE_CHARS_MAX) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

/// Kinds by name, `any event` for all of them.
fn listed(kinds: Kinds) -> String {
    if kinds == super::all_kinds() {
        return "any event".to_owned();
    }
    kinds.names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Field;
    use crate::rules::wit;

    fn compile(kinds: &[&str], terms: &[(&str, wit::Test)]) -> Interests {
        let terms = terms
            .iter()
            .map(|(field, test)| wit::Term { field: field.to_string(), test: test.clone() })
            .collect();
        let kinds = kinds.iter().map(ToString::to_string).collect();
        Interests::compile(vec![wit::Interest { kinds, terms }]).unwrap()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn event() -> Event {
        let mut event = Event::default();
        event.kinds = Kinds::PROCESS_EXEC;
        event.set_text(Field::PROCESS_NAME, "vi\nm");
        event.set_number(Field::PROCESS_PID, 7u64);
        event
    }

    #[test]
    fn an_interest_reads_like_a_sentence() {
        let one_of = wit::Test::OneOf(texts(&["nc", "ncat"]));
        let range = wit::Test::Range((1, 1));
        let interests =
            compile(&["process.exec"], &[("process.name", one_of), ("process.interactive", range)]);
        assert_eq!(
            interests.in_words(),
            ["process.exec where process.name is one of \"nc\", \"ncat\" and \
              process.interactive is 1"]
        );
        assert_eq!(interests.kinds(), Kinds::PROCESS_EXEC);
        assert_eq!(interests.without_terms().in_words(), ["process.exec"]);
        assert_eq!(compile(&[], &[]).in_words(), ["any event"]);
    }

    #[test]
    fn a_miss_names_the_term_and_the_value() {
        let miss = |kinds: &[&str], terms: &[(&str, wit::Test)]| {
            compile(kinds, terms).misses(&event()).pop().unwrap_or_default()
        };
        let one_of = wit::Test::OneOf(texts(&["nc"]));
        assert_eq!(
            miss(&[], &[("process.name", one_of.clone())]),
            "process.name is \"vi\\nm\", not \"nc\""
        );
        assert_eq!(miss(&["process.exit"], &[]), "the event is process.exec, not process.exit");
        assert_eq!(
            miss(&[], &[("user.name", one_of.clone()), ("process.pid", wit::Test::Range((8, 9)))]),
            "the event has no user.name; and process.pid is 7, not 8 to 9"
        );
        assert_eq!(miss(&[], &[("process.pid", wit::Test::Present)]), "");
        let many = (0..20).map(|number| number.to_string()).collect();
        assert!(miss(&[], &[("process.name", wit::Test::Suffix(many))]).ends_with(" and 14 more"));
    }
}
