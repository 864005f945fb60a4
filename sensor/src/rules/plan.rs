//! Which rules want an event: the interests of all rules, evaluated together.
//!
//! A test that several rules ask is made once for an event, and only when one of them depends on
//! it. All tests for equality with some text of one field are made by one look into a hash table.

use rustc_hash::FxHashMap;

use super::interest::{Interests, Term, Test};
use super::text_set::Match;
use crate::event::{Event, Field, Kinds};

/// Sets of kinds whose rules are remembered; merged events make some ten.
const KIND_SETS_MAX: usize = 64;

/// A rule that wants an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub component: u32,
    /// Position in the component.
    pub rule: u32,
}

/// The interests of all rules.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In order of components, then of rules.
    interests: Vec<Interest>,
    tests: Vec<Shared>,
    groups: Vec<Group>,
    /// For a set of kinds, which interests it may pass: positions in `interests`.
    by_kinds: FxHashMap<u16, Box<[u32]>>,
    /// What is known of each test for the current event.
    known: Vec<Known>,
    found: Vec<Candidate>,
}

#[derive(Debug)]
struct Interest {
    rule: Candidate,
    kinds: Kinds,
    /// Positions in `tests`.
    all: Box<[u32]>,
}

/// A test that one or more interests ask for.
#[derive(Debug)]
enum Shared {
    Alone(Term),
    /// Equality of a field with some texts: a member of this group.
    Member(u32),
}

/// All tests for equality of one field.
#[derive(Debug)]
struct Group {
    field: Field,
    /// The tests that a text passes.
    passed_by: FxHashMap<Box<str>, Vec<u32>>,
    members: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Not,
    Passed,
    Failed,
}

impl Plan {
    /// From the interests of each rule of each component, in order. Those that are never to be
    /// called are left out by giving them none, see [`Plan::with`].
    #[cfg(test)]
    pub fn new<'a>(
        components: impl IntoIterator<Item = impl IntoIterator<Item = &'a Interests>>,
    ) -> Plan {
        let components = components.into_iter().enumerate();
        Plan::with(components.flat_map(|(component, rules)| {
            let rules = rules.into_iter().enumerate().map(move |(rule, interests)| {
                (Candidate { component: component as u32, rule: rule as u32 }, interests)
            });
            rules.collect::<Vec<_>>()
        }))
    }

    /// From the interests of rules, in order of components and then of rules.
    pub fn with<'a>(rules: impl IntoIterator<Item = (Candidate, &'a Interests)>) -> Plan {
        let mut plan = Plan::default();
        let mut positions = FxHashMap::default();
        for (rule, interests) in rules {
            for interest in interests.iter() {
                let all = interest.all.iter().map(|term| {
                    *positions.entry(term).or_insert_with(|| plan_test(&mut plan, term))
                });
                let all = all.collect();
                plan.interests.push(Interest { rule, kinds: interest.kinds, all });
            }
        }
        plan.known = vec![Known::Not; plan.tests.len()];
        plan
    }

    /// The rules that want an event, in order.
    pub fn candidates(&mut self, event: &Event) -> &[Candidate] {
        let Plan { interests, tests, groups, by_kinds, known, found } = self;
        found.clear();
        if by_kinds.len() >= KIND_SETS_MAX && !by_kinds.contains_key(&event.kinds.bits()) {
            by_kinds.clear();
        }
        let possible = by_kinds.entry(event.kinds.bits()).or_insert_with(|| {
            let possible = interests.iter().enumerate();
            let possible = possible.filter(|(_, one)| one.kinds.intersects(event.kinds));
            possible.map(|(position, _)| position as u32).collect()
        });
        if possible.is_empty() {
            return found;
        }
        known.fill(Known::Not);
        for position in possible {
            let interest = &interests[*position as usize];
            if found.last() == Some(&interest.rule) {
                continue;
            }
            let passed = interest.all.iter().all(|test| {
                let test = *test as usize;
                if known[test] == Known::Not {
                    match &tests[test] {
                        Shared::Alone(term) => known[test] = Known::of(term.passes(event)),
                        Shared::Member(group) => groups[*group as usize].test(event, known),
                    }
                }
                known[test] == Known::Passed
            });
            if passed {
                found.push(interest.rule);
            }
        }
        found
    }
}

/// Add a test; gives its position.
fn plan_test(plan: &mut Plan, term: &Term) -> u32 {
    let position = plan.tests.len() as u32;
    let Test::Text(Match::OneOf, set) = &term.test else {
        plan.tests.push(Shared::Alone(term.clone()));
        return position;
    };
    let group = plan.groups.iter().position(|group| group.field == term.field);
    let group = group.unwrap_or_else(|| {
        let field = term.field;
        plan.groups.push(Group { field, passed_by: FxHashMap::default(), members: Vec::new() });
        plan.groups.len() - 1
    });
    let Group { passed_by, members, .. } = &mut plan.groups[group];
    members.push(position);
    for text in set.texts() {
        passed_by.entry(text.clone()).or_default().push(position);
    }
    plan.tests.push(Shared::Member(group as u32));
    position
}

impl Group {
    /// Make all tests of the group.
    fn test(&self, event: &Event, known: &mut [Known]) {
        for member in &self.members {
            known[*member as usize] = Known::Failed;
        }
        for text in event.get(self.field).all_texts() {
            for member in self.passed_by.get(text).into_iter().flatten() {
                known[*member as usize] = Known::Passed;
            }
        }
    }
}

impl Known {
    fn of(passed: bool) -> Known {
        if passed { Known::Passed } else { Known::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wit;
    use super::*;
    use crate::event::Value;

    fn one_of(field: &str, texts: &[&str]) -> wit::Term {
        let texts = texts.iter().map(|text| text.to_string()).collect();
        wit::Term { field: field.into(), test: wit::Test::OneOf(texts) }
    }

    fn interests(kinds: &[&str], terms: Vec<wit::Term>) -> Interests {
        let kinds = kinds.iter().map(|kind| kind.to_string()).collect();
        Interests::compile(vec![wit::Interest { kinds, terms }]).unwrap()
    }

    fn event(kinds: Kinds, name: &str) -> Event {
        let mut event = Event::default();
        event.kinds = kinds;
        event.set_text(Field::PROCESS_NAME, name);
        event.set(Field::PROCESS_ARGS, Value::Texts([name, "-i"].into_iter().collect()));
        event
    }

    fn found(plan: &mut Plan, event: &Event) -> Vec<(u32, u32)> {
        plan.candidates(event).iter().map(|found| (found.component, found.rule)).collect()
    }

    #[test]
    fn candidates_come_in_order_and_once() {
        let exec = interests(&["process.exec"], vec![]);
        let both = interests(&["process.exec", "process.exit"], vec![]);
        let twice = Interests::compile(vec![
            wit::Interest { kinds: vec![], terms: vec![] },
            wit::Interest { kinds: vec!["process.exec".into()], terms: vec![] },
        ]);
        let mut plan = Plan::new([vec![&exec, &both], vec![&twice.unwrap()]]);
        for _ in 0..2 {
            let exec = event(Kinds::PROCESS_EXEC, "a");
            assert_eq!(found(&mut plan, &exec), [(0, 0), (0, 1), (1, 0)]);
            let exit = event(Kinds::PROCESS_EXIT, "a");
            assert_eq!(found(&mut plan, &exit), [(0, 1), (1, 0)]);
            let merged = event(Kinds::PROCESS_EXEC.with(Kinds::PROCESS_EXIT), "a");
            assert_eq!(found(&mut plan, &merged), [(0, 0), (0, 1), (1, 0)]);
            assert!(found(&mut plan, &event(Kinds::NONE, "a")).is_empty());
        }
        assert!(found(&mut Plan::default(), &event(Kinds::PROCESS_EXEC, "a")).is_empty());
    }

    #[test]
    fn the_same_test_is_shared_and_equality_is_grouped() {
        let shells = ["sh", "bash"];
        let rules = [
            interests(&[], vec![one_of("process.name", &shells), one_of("process.args", &["-i"])]),
            interests(&[], vec![one_of("process.name", &shells)]),
            interests(&[], vec![one_of("process.name", &["zsh", "bash"])]),
            interests(&[], vec![one_of("process.args", &["-l"])]),
        ];
        let mut plan = Plan::new([rules.iter()]);
        assert_eq!((plan.tests.len(), plan.groups.len()), (4, 2));
        let found = |plan: &mut Plan, name| {
            let found = plan.candidates(&event(Kinds::PROCESS_EXEC, name));
            found.iter().map(|found| found.rule).collect::<Vec<_>>()
        };
        assert_eq!(found(&mut plan, "bash"), [0, 1, 2]);
        assert_eq!(found(&mut plan, "zsh"), [2]);
        assert_eq!(found(&mut plan, "sh"), [0, 1]);
        assert!(found(&mut plan, "ls").is_empty());
        assert_eq!(found(&mut plan, "-l"), [3]);
    }

    #[test]
    fn sets_of_kinds_are_forgotten_when_there_are_many() {
        let all = interests(&[], vec![]);
        let mut plan = Plan::new([[&all]]);
        for bits in 1..512 {
            let names = Kinds::NAMES.iter().enumerate();
            let kinds = names.filter(|(bit, _)| bits >> bit & 1 == 1);
            let kinds = kinds.fold(Kinds::NONE, |kinds, (_, (kind, _))| kinds.with(*kind));
            assert_eq!(plan.candidates(&event(kinds, "a")).len(), 1);
            assert!(plan.by_kinds.len() <= KIND_SETS_MAX);
        }
    }
}
