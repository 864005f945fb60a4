//! Tests that rules ask for in their interests, each made at most once for an event, however many
//! rules ask for it.
//!
//! All texts that some rule compares a field with for equality are found by one look into a hash
//! table, and all that some rule looks for inside a field by one pass over it.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use rustc_hash::FxHashMap;

use super::interest::{Term, Test};
use super::text_set::Match;
use crate::event::{Event, Field};

/// Most bytes of texts that are looked for in one pass. The table for that has some ten bytes for
/// each and is made between two events; what rules ask for beyond is looked for text by text.
const SEARCH_BYTES_MAX: usize = 64 << 10;
/// Up to here the table may be the fastest kind, which has up to a kilobyte for each byte.
const SEARCH_FAST_BYTES_MAX: usize = 4 << 10;

/// Tests, and which of them the current event passes.
///
/// What is known about an event is kept as the number of the last event for which it held, so that
/// nothing needs to be cleared between events.
#[derive(Debug, Default)]
pub(super) struct Tests {
    tests: Vec<Shared>,
    equalities: Vec<Equality>,
    searches: Vec<Search>,
    /// Number of the current event.
    event: u64,
    /// For each test, the last event that passed it.
    passed: Vec<u64>,
}

/// A test that one or more interests ask for.
#[derive(Debug)]
enum Shared {
    Alone {
        term: Term,
        /// The last event that it was made for.
        made: u64,
    },
    /// It is made with all others of this position in `equalities`.
    Equality(u32),
    /// It is made with all others of this position in `searches`.
    Search(u32),
}

/// All tests for equality of one field.
#[derive(Debug)]
struct Equality {
    field: Field,
    /// The tests that a text passes.
    passed_by: FxHashMap<Box<str>, Vec<u32>>,
    /// The last event that they were made for.
    made: u64,
}

/// All tests for what a field contains.
#[derive(Debug)]
struct Search {
    field: Field,
    texts: Vec<Box<str>>,
    /// The test that a text belongs to.
    passed_by: Vec<u32>,
    bytes: usize,
    /// Made of the texts when all of them are known.
    table: Option<AhoCorasick>,
    /// The last event that they were made for.
    made: u64,
}

impl Tests {
    /// Add a test; gives its position.
    pub fn add(&mut self, term: &Term) -> u32 {
        let position = self.tests.len() as u32;
        let shared = match &term.test {
            Test::Text(Match::OneOf, set) => {
                let index = self.equality(term.field);
                let Equality { passed_by, .. } = &mut self.equalities[index];
                for text in set.texts() {
                    passed_by.entry(text.clone()).or_default().push(position);
                }
                Shared::Equality(index as u32)
            }
            Test::Text(Match::Contains, set) => {
                let index = self.search(term.field);
                if self.searches[index].add(set.texts(), position) {
                    Shared::Search(index as u32)
                } else {
                    Shared::Alone { term: term.clone(), made: 0 }
                }
            }
            _ => Shared::Alone { term: term.clone(), made: 0 },
        };
        self.tests.push(shared);
        self.passed.push(0);
        position
    }

    /// To be called when all tests were added.
    pub fn prepare(&mut self) {
        self.searches.iter_mut().for_each(Search::prepare);
    }

    /// The group of tests that is made together with this one, when it is a test for equality.
    pub fn group(&self, test: u32) -> Option<u32> {
        match self.tests[test as usize] {
            Shared::Equality(index) => Some(index),
            _ => None,
        }
    }

    /// Forget the event before.
    pub fn begin(&mut self) {
        self.event += 1;
    }

    /// Make all tests of a group for the current event; gives each that it passes, once.
    pub fn make_group(&mut self, group: u32, event: &Event, mut passes: impl FnMut(u32)) {
        let Equality { field, passed_by, made } = &mut self.equalities[group as usize];
        *made = self.event;
        for text in event.get(*field).all_texts() {
            for test in passed_by.get(text).into_iter().flatten() {
                // An argument may be there twice.
                let passed = &mut self.passed[*test as usize];
                if std::mem::replace(passed, self.event) != self.event {
                    passes(*test);
                }
            }
        }
    }

    /// Whether the current event passes a test, which is made when this is asked first.
    pub fn passes(&mut self, test: u32, event: &Event) -> bool {
        let now = self.event;
        match &mut self.tests[test as usize] {
            Shared::Alone { term, made } => {
                if std::mem::replace(made, now) != now && term.passes(event) {
                    self.passed[test as usize] = now;
                }
            }
            Shared::Equality(index) => {
                let index = *index;
                if self.equalities[index as usize].made != now {
                    self.make_group(index, event, |_| {});
                }
            }
            Shared::Search(index) => {
                let search = &mut self.searches[*index as usize];
                if std::mem::replace(&mut search.made, now) != now {
                    search.make(event, |test| self.passed[test as usize] = now);
                }
            }
        }
        self.passed[test as usize] == now
    }

    /// How many tests there are, and how many groups.
    #[cfg(test)]
    pub fn count(&self) -> (usize, usize) {
        (self.tests.len(), self.equalities.len())
    }

    /// Position of the tests for equality of a field.
    fn equality(&mut self, field: Field) -> usize {
        let position = self.equalities.iter().position(|one| one.field == field);
        position.unwrap_or_else(|| {
            self.equalities.push(Equality { field, passed_by: FxHashMap::default(), made: 0 });
            self.equalities.len() - 1
        })
    }

    /// Position of the tests for what a field contains.
    fn search(&mut self, field: Field) -> usize {
        let position = self.searches.iter().position(|one| one.field == field);
        position.unwrap_or_else(|| {
            let (texts, passed_by) = (Vec::new(), Vec::new());
            self.searches.push(Search { field, texts, passed_by, bytes: 0, table: None, made: 0 });
            self.searches.len() - 1
        })
    }
}

impl Search {
    /// Look for these texts too. False when that would be too much.
    fn add(&mut self, texts: &[Box<str>], test: u32) -> bool {
        let bytes = self.bytes + texts.iter().map(|text| text.len()).sum::<usize>();
        if bytes > SEARCH_BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        self.texts.extend_from_slice(texts);
        self.passed_by.extend(texts.iter().map(|_| test));
        true
    }

    fn prepare(&mut self) {
        let fast = self.bytes <= SEARCH_FAST_BYTES_MAX;
        let kind = if fast { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let texts = std::mem::take(&mut self.texts);
        let mut builder = AhoCorasick::builder();
        let builder = builder.match_kind(MatchKind::Standard).kind(Some(kind));
        let table = builder.build(texts.iter().map(|text| text.as_bytes()));
        self.table = Some(table.expect("so few texts are within what a table can hold"));
    }

    /// Make all tests; gives those that the event passes, some of them more than once.
    fn make(&self, event: &Event, mut passes: impl FnMut(u32)) {
        let Some(table) = &self.table else { return };
        for text in event.get(self.field).all_texts() {
            for found in table.find_overlapping_iter(text) {
                passes(self.passed_by[found.pattern().as_usize()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_set::TextSet;
    use super::*;
    use crate::event::Value;

    fn term(field: Field, how: Match, texts: &[&str]) -> Term {
        let texts = texts.iter().map(|text| text.to_string()).collect();
        Term { field, test: Test::Text(how, TextSet::new(texts)) }
    }

    fn event(name: &str, args: &[&str]) -> Event {
        let mut event = Event::default();
        event.set_text(Field::PROCESS_NAME, name);
        event.set(Field::PROCESS_ARGS, Value::Texts(args.iter().copied().collect()));
        event
    }

    fn passed(tests: &mut Tests, event: &Event) -> Vec<u32> {
        tests.begin();
        (0..tests.count().0 as u32).filter(|test| tests.passes(*test, event)).collect()
    }

    #[test]
    fn what_is_known_of_one_event_is_forgotten_with_the_next() {
        let mut tests = Tests::default();
        tests.add(&term(Field::PROCESS_NAME, Match::OneOf, &["sh", "bash"]));
        tests.add(&term(Field::PROCESS_NAME, Match::Prefix, &["ba"]));
        tests.add(&term(Field::PROCESS_NAME, Match::Contains, &["as"]));
        tests.add(&Term { field: Field::PROCESS_ARGS, test: Test::Present });
        tests.prepare();
        assert_eq!(passed(&mut tests, &event("bash", &["-i"])), [0, 1, 2, 3]);
        assert!(passed(&mut tests, &Event::default()).is_empty());
        assert_eq!(passed(&mut tests, &event("sh", &["-i"])), [0, 3]);
    }

    #[test]
    fn a_group_tells_each_test_once() {
        let mut tests = Tests::default();
        let args = |texts| term(Field::PROCESS_ARGS, Match::OneOf, texts);
        let both = tests.add(&args(&["-i", "-l"]));
        let one = tests.add(&args(&["-l"]));
        let name = tests.add(&term(Field::PROCESS_NAME, Match::OneOf, &["-l"]));
        let group = tests.group(both).unwrap();
        assert_eq!(tests.group(one), Some(group));
        assert_ne!(tests.group(name), Some(group));
        let mut made = Vec::new();
        tests.begin();
        tests.make_group(group, &event("-l", &["-l", "-i", "-l"]), |test| made.push(test));
        assert_eq!(made, [both, one]);
    }

    #[test]
    fn one_pass_finds_texts_that_overlap() {
        let mut tests = Tests::default();
        let contains = |texts| term(Field::PROCESS_ARGS, Match::Contains, texts);
        for texts in [&["/dev/tcp/"][..], &["tcp", "udp"], &["dev/t"], &["x"], &[""]] {
            assert_eq!(tests.add(&contains(texts)) as usize + 1, tests.count().0);
        }
        tests.prepare();
        assert_eq!(passed(&mut tests, &event("sh", &["-c", "cat </dev/tcp/h/1"])), [0, 1, 2, 4]);
        assert_eq!(passed(&mut tests, &event("sh", &["xudp"])), [1, 3, 4]);
        assert!(passed(&mut tests, &event("sh", &[])).is_empty());
    }

    #[test]
    fn texts_beyond_what_one_table_may_hold_are_found_too() {
        let mut tests = Tests::default();
        let contains = |text: String| term(Field::PROCESS_NAME, Match::Contains, &[&text]);
        // More than the fastest table may hold, then more than any may.
        for (letter, bytes) in [("a", 100), ("b", SEARCH_FAST_BYTES_MAX), ("c", SEARCH_BYTES_MAX)] {
            let test = tests.add(&contains(letter.repeat(bytes)));
            assert_eq!(matches!(tests.tests[test as usize], Shared::Search(_)), letter != "c");
        }
        tests.prepare();
        assert_eq!(passed(&mut tests, &event(&"a".repeat(100), &[])), [0]);
        assert_eq!(passed(&mut tests, &event(&"b".repeat(SEARCH_BYTES_MAX), &[])), [1]);
        assert_eq!(passed(&mut tests, &event(&"c".repeat(SEARCH_BYTES_MAX + 1), &[])), [2]);
        assert!(passed(&mut tests, &event(&"c".repeat(SEARCH_BYTES_MAX - 1), &[])).is_empty());
    }
}
