//! Which rules want an event: the interests of all rules, evaluated together.
//!
//! What several rules ask is looked at once for an event, and only when one of them depends on it,
//! see [`Tests`]. An interest that asks for equality is not even looked at unless the event has one
//! of its texts, so that a rule costs nothing for events of other programs, however many rules
//! there are.

use rustc_hash::FxHashMap;

use super::interest::{Interests, Term, Test};
use super::known::Tests;
use super::text_set::Match;
use crate::event::{Event, FieldType, Kinds};

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
    tests: Tests,
    /// For a test for equality, the interests that are found by it: positions in `interests`.
    finds: FxHashMap<u32, Vec<u32>>,
    /// By set of kinds.
    by_kinds: FxHashMap<u16, Possible>,
    /// Interests to look at for the current event: positions in `interests`.
    open: Vec<u32>,
    found: Vec<Candidate>,
}

#[derive(Debug)]
struct Interest {
    rule: Candidate,
    kinds: Kinds,
    /// Tests that must pass, the cheapest first, without that by which it is found.
    all: Box<[u32]>,
    /// The group of tests for equality by one of which it is found.
    group: Option<u32>,
}

/// What an event of some kinds may pass.
#[derive(Debug, Default)]
struct Possible {
    /// Interests that must be looked at.
    always: Box<[u32]>,
    /// Groups of tests for equality, by which others are found.
    groups: Box<[u32]>,
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
        let mut known = FxHashMap::default();
        for (rule, interests) in rules {
            for interest in interests.iter() {
                let mut terms: Vec<&Term> = interest.all.iter().collect();
                terms.sort_by_key(|term| cost(term));
                let mut tests = Vec::with_capacity(terms.len());
                for term in terms {
                    tests.push(*known.entry(term).or_insert_with(|| plan.tests.add(term)));
                }
                plan.add(rule, interest.kinds, tests);
            }
        }
        plan.tests.prepare();
        plan
    }

    fn add(&mut self, rule: Candidate, kinds: Kinds, mut tests: Vec<u32>) {
        let position = self.interests.len() as u32;
        let of_a_group = tests.iter().position(|test| self.tests.group(*test).is_some());
        let found_by = of_a_group.map(|index| tests.remove(index));
        if let Some(test) = found_by {
            self.finds.entry(test).or_default().push(position);
        }
        let group = found_by.and_then(|test| self.tests.group(test));
        self.interests.push(Interest { rule, kinds, all: tests.into(), group });
    }

    /// The rules that want an event, in order.
    pub fn candidates(&mut self, event: &Event) -> &[Candidate] {
        let Plan { interests, tests, finds, by_kinds, open, found } = self;
        found.clear();
        open.clear();
        tests.begin();
        if by_kinds.len() >= KIND_SETS_MAX && !by_kinds.contains_key(&event.kinds.bits()) {
            by_kinds.clear();
        }
        let possible = by_kinds
            .entry(event.kinds.bits())
            .or_insert_with(|| Possible::of(interests, event.kinds));
        open.extend_from_slice(&possible.always);
        for group in &possible.groups {
            tests.make_group(*group, event, |test| {
                let found = finds.get(&test).into_iter().flatten();
                open.extend(found.filter(|interest| {
                    interests[**interest as usize].kinds.intersects(event.kinds)
                }));
            });
        }
        if !possible.groups.is_empty() {
            open.sort_unstable();
        }
        for position in open {
            let interest = &interests[*position as usize];
            if found.last() == Some(&interest.rule) {
                continue;
            }
            if interest.all.iter().all(|test| tests.passes(*test, event)) {
                found.push(interest.rule);
            }
        }
        found
    }
}

impl Possible {
    fn of(interests: &[Interest], kinds: Kinds) -> Possible {
        let (mut always, mut groups) = (Vec::new(), Vec::new());
        for (position, interest) in interests.iter().enumerate() {
            if !interest.kinds.intersects(kinds) {
                continue;
            }
            match interest.group {
                Some(group) => groups.push(group),
                None => always.push(position as u32),
            }
        }
        groups.sort_unstable();
        groups.dedup();
        Possible { always: always.into(), groups: groups.into() }
    }
}

/// What a test costs, next to others: the cheapest decides first.
fn cost(term: &Term) -> u8 {
    let several = term.field.info().field_type == FieldType::Texts;
    match &term.test {
        Test::Range(..) | Test::Present => 0,
        Test::Text(Match::OneOf, _) => 1 + u8::from(several),
        Test::Text(Match::Prefix | Match::Suffix, _) => 3 + u8::from(several),
        Test::Text(Match::Contains, _) => 5 + u8::from(several),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec as many;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::wit;
    use super::*;
    use crate::event::{Field, Value};

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
        assert_eq!(plan.tests.count(), (4, 2));
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

    /// Few texts, so that rules ask the same and that some of it is true.
    fn a_text() -> impl Strategy<Value = String> {
        select(vec!["", "a", "b", "ab", "ba", "aba", "é"]).prop_map(String::from)
    }

    fn a_term() -> impl Strategy<Value = wit::Term> {
        let field = select(vec!["process.name", "process.args", "user.name"]);
        let texts = many(a_text(), 1..4);
        (field, texts, 0..6).prop_map(|(field, texts, which)| match which {
            0 | 1 => wit::Term { field: field.into(), test: wit::Test::OneOf(texts) },
            2 => wit::Term { field: field.into(), test: wit::Test::Prefix(texts) },
            3 => wit::Term { field: field.into(), test: wit::Test::Contains(texts) },
            4 => wit::Term { field: field.into(), test: wit::Test::Present },
            _ => wit::Term { field: "process.pid".into(), test: wit::Test::Range((1, 2)) },
        })
    }

    fn some_interests() -> impl Strategy<Value = Interests> {
        let kinds = select(vec!["", "process.exec", "process.exit"]);
        let interest = (kinds, many(a_term(), 0..4)).prop_map(|(kinds, terms)| wit::Interest {
            kinds: Some(kinds.to_owned()).filter(|kind| !kind.is_empty()).into_iter().collect(),
            terms,
        });
        many(interest, 1..4).prop_map(|interests| Interests::compile(interests).unwrap())
    }

    fn an_event() -> impl Strategy<Value = Event> {
        let texts = (option::of(a_text()), many(a_text(), 0..4));
        let kinds = select(vec![Kinds::NONE, Kinds::PROCESS_EXEC, Kinds::PROCESS_EXIT]);
        (kinds.clone(), kinds, texts, 0..4u64).prop_map(|(one, other, (name, args), pid)| {
            let mut event = Event::default();
            event.kinds = one.with(other);
            event.set_number(Field::PROCESS_PID, pid);
            event.set(Field::PROCESS_ARGS, Value::Texts(args.iter().map(|arg| &**arg).collect()));
            if let Some(name) = name {
                event.set_text(Field::PROCESS_NAME, &*name);
            }
            event
        })
    }

    proptest! {
        /// All rules together get what each would get alone.
        #[test]
        fn a_plan_finds_what_each_rule_wants(
            rules in many(some_interests(), 1..8),
            events in many(an_event(), 1..8),
        ) {
            let mut plan = Plan::new([rules.iter()]);
            for event in &events {
                let wanting = (0..).zip(&rules).filter(|(_, rule)| rule.want(event));
                let wanting: Vec<_> = wanting.map(|(position, _)| (0, position)).collect();
                prop_assert_eq!(found(&mut plan, event), wanting);
            }
        }
    }
}
