//! Interests: which events a rule wants to see, decided without calling it. A [`Plan`](super::plan)
//! of all rules evaluates them.

use crate::event::{Event, Field, FieldType, Kinds, Value};

use super::text_set::{Match, TextSet};
use super::{names, wit};

mod explain;

/// Most interests of one component: a generated set has about one for each of its rules.
pub const INTERESTS_MAX: usize = 4096;
/// Most terms of one interest.
pub const TERMS_MAX: usize = 32;
/// Most texts in one term.
pub const TERM_TEXTS_MAX: usize = 4096;

/// All interests of one rule.
#[derive(Clone, Debug)]
pub struct Interests {
    /// One of them must let the event through; there is at least one.
    any: Box<[Interest]>,
    /// The rule gave none, and wants every event.
    none_given: bool,
}

/// Kinds of events, and tests that all must pass.
#[derive(Clone, Debug)]
pub(super) struct Interest {
    pub kinds: Kinds,
    pub all: Box<[Term]>,
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Term {
    pub field: Field,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Text(Match, TextSet),
    /// Both included.
    Range(u64, u64),
    Present,
}

impl Interests {
    /// Check and compile what a rule asks for. The error says which interest is wrong and how.
    pub(super) fn compile(interests: Vec<wit::Interest>) -> Result<Interests, String> {
        let mut any = Vec::with_capacity(interests.len().max(1));
        for (position, interest) in interests.into_iter().enumerate() {
            let interest = Interest::compile(interest);
            any.push(interest.map_err(|why| format!("interest {position}: {why}"))?);
        }
        let none_given = any.is_empty();
        if none_given {
            any.push(Interest { kinds: all_kinds(), all: Box::default() });
        }
        Ok(Interests { any: any.into(), none_given })
    }

    /// Kinds of events that the rule may want.
    pub fn kinds(&self) -> Kinds {
        self.any.iter().fold(Kinds::NONE, |kinds, interest| kinds.with(interest.kinds))
    }

    /// Whether the rule wants an event. A plan tells this of many rules at once.
    pub fn want(&self, event: &Event) -> bool {
        let wants = |interest: &Interest| {
            let passes = |term: &Term| term.passes(event);
            interest.kinds.intersects(event.kinds) && interest.all.iter().all(passes)
        };
        self.any.iter().any(wants)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Interest> {
        self.any.iter()
    }
}

impl Interest {
    fn compile(interest: wit::Interest) -> Result<Interest, String> {
        let kinds = if interest.kinds.is_empty() {
            all_kinds()
        } else {
            let mut kinds = Kinds::NONE;
            for name in &interest.kinds {
                kinds = kinds.with(names::kind(name)?);
            }
            kinds
        };
        if interest.terms.len() > TERMS_MAX {
            return Err(format!("it has {} terms; at most {TERMS_MAX}", interest.terms.len()));
        }
        let terms = interest.terms.into_iter().map(Term::compile);
        Ok(Interest { kinds, all: terms.collect::<Result<_, _>>()? })
    }
}

impl Term {
    fn compile(term: wit::Term) -> Result<Term, String> {
        let field = names::field(&term.field)?;
        let test = match term.test {
            wit::Test::OneOf(texts) => text_test(field, Match::OneOf, texts)?,
            wit::Test::Prefix(texts) => text_test(field, Match::Prefix, texts)?,
            wit::Test::Suffix(texts) => text_test(field, Match::Suffix, texts)?,
            wit::Test::Contains(texts) => text_test(field, Match::Contains, texts)?,
            wit::Test::Range((from, to)) => range_test(field, from, to)?,
            wit::Test::Present => Test::Present,
        };
        Ok(Term { field, test })
    }

    pub(super) fn passes(&self, event: &Event) -> bool {
        match (&self.test, event.get(self.field)) {
            (_, Value::Absent) => false,
            (Test::Present, _) => true,
            (Test::Text(how, set), value) => value.all_texts().any(|text| set.matches(*how, text)),
            (Test::Range(from, to), _) => {
                event.number(self.field).is_some_and(|number| (*from..=*to).contains(&number))
            }
        }
    }
}

fn text_test(field: Field, how: Match, texts: Vec<String>) -> Result<Test, String> {
    let name = field.name();
    if !matches!(field.info().field_type, FieldType::Text | FieldType::Texts) {
        return Err(format!("`{name}` is not a text; test it with `range` or `present`"));
    }
    if texts.is_empty() {
        return Err(format!("the term for `{name}` has no texts, so nothing can pass"));
    }
    if texts.len() > TERM_TEXTS_MAX {
        let len = texts.len();
        return Err(format!("the term for `{name}` has {len} texts; at most {TERM_TEXTS_MAX}"));
    }
    Ok(Test::Text(how, TextSet::new(texts)))
}

fn range_test(field: Field, from: u64, to: u64) -> Result<Test, String> {
    let name = field.name();
    if matches!(field.info().field_type, FieldType::Text | FieldType::Texts) {
        return Err(format!("`{name}` is a text; `range` tests numbers, flags and times"));
    }
    if from > to {
        return Err(format!("the range {from} to {to} for `{name}` is empty"));
    }
    Ok(Test::Range(from, to))
}

fn all_kinds() -> Kinds {
    Kinds::NAMES.iter().fold(Kinds::NONE, |kinds, (kind, _)| kinds.with(*kind))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::*;

    fn term(field: &str, test: wit::Test) -> wit::Term {
        wit::Term { field: field.into(), test }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    fn interest(kinds: &[&str], terms: Vec<wit::Term>) -> wit::Interest {
        wit::Interest { kinds: texts(kinds), terms }
    }

    fn shell() -> Event {
        let mut event = Event::default();
        event.kinds = Kinds::PROCESS_EXEC;
        event.set_text(Field::PROCESS_NAME, "bash");
        event.set_number(Field::PROCESS_PID, 7u64);
        event.set_flag(Field::PROCESS_INTERACTIVE, true);
        event.set(Field::PROCESS_ARGS, Value::Texts(["bash", "-i"].into_iter().collect()));
        event
    }

    fn wants(interests: Vec<wit::Interest>) -> bool {
        let interests = Interests::compile(interests).unwrap();
        let wants = !Plan::new([[&interests]]).candidates(&shell()).is_empty();
        assert_eq!(interests.want(&shell()), wants, "the plan and the interests agree");
        wants
    }

    #[test]
    fn none_wants_everything() {
        assert!(wants(vec![]));
    }

    #[test]
    fn terms_are_anded_and_interests_ored() {
        let bash = || term("process.name", wit::Test::OneOf(texts(&["sh", "bash"])));
        let other = || term("process.pid", wit::Test::Range((8, 9)));
        assert!(wants(vec![interest(&["process.exec"], vec![bash()])]));
        assert!(!wants(vec![interest(&["process.exit"], vec![bash()])]));
        assert!(!wants(vec![interest(&[], vec![bash(), other()])]));
        assert!(wants(vec![interest(&[], vec![other()]), interest(&[], vec![bash()])]));
    }

    #[test]
    fn every_test_reads_its_field() {
        let passes = |field, test| wants(vec![interest(&[], vec![term(field, test)])]);
        assert!(passes("process.args", wit::Test::Prefix(texts(&["-"]))));
        assert!(!passes("process.args", wit::Test::Prefix(texts(&["--"]))));
        assert!(passes("process.name", wit::Test::Suffix(texts(&["sh"]))));
        assert!(passes("process.name", wit::Test::Contains(texts(&["as"]))));
        assert!(passes("process.pid", wit::Test::Range((7, 7))));
        assert!(!passes("process.pid", wit::Test::Range((0, 6))));
        assert!(passes("process.interactive", wit::Test::Range((1, 1))));
        assert!(passes("process.pid", wit::Test::Present));
        assert!(!passes("process.end", wit::Test::Present));
        assert!(!passes("process.executable", wit::Test::Contains(texts(&[""]))));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused =
            |kinds: &[&str], terms| Interests::compile(vec![interest(kinds, terms)]).unwrap_err();
        let one_of = |field| vec![term(field, wit::Test::OneOf(texts(&["a"])))];
        assert!(refused(&["process.exek"], vec![]).contains("did you mean `process.exec`?"));
        assert!(refused(&[], one_of("process.nam")).starts_with("interest 0: there is no field"));
        assert!(refused(&[], one_of("process.pid")).contains("is not a text"));
        let range = |from, to, field| vec![term(field, wit::Test::Range((from, to)))];
        assert!(refused(&[], range(0, 1, "process.name")).contains("is a text"));
        assert!(refused(&[], range(2, 1, "process.pid")).contains("is empty"));
        let empty = vec![term("process.name", wit::Test::Prefix(vec![]))];
        assert!(refused(&[], empty).contains("nothing can pass"));
        let many = (0..33).map(|_| term("process.name", wit::Test::Present)).collect();
        assert!(refused(&[], many).contains("33 terms"));
    }
}
