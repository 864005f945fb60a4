//! Between the contract's types and the author's: called by what [`crate::rule!`] makes.

use std::cell::RefCell;

use crate::bindings::ocellus::rule::types;
pub use crate::bindings::ocellus::rule::types::{Hit, Metadata};
use crate::interest::Test;
use crate::{Config, Event, Interest, Match, Rule, RuleInfo, Verdict};

thread_local! {
    /// The component's rules, once configured.
    static RULES: RefCell<Vec<Loaded>> = const { RefCell::new(Vec::new()) };
}

struct Loaded {
    rule: Box<dyn Rule>,
    interests: Vec<Interest>,
}

/// What the exported `configure` does.
pub fn configure(rules: Vec<Box<dyn Rule>>, config: &str) -> Result<Metadata, String> {
    // Without this a panic is a trap that says nothing about where and why. Native tests have a
    // hook of their own.
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::error!("{panic}")));
    let config = Config::parse(config).map_err(|error| error.to_string())?;
    let mut loaded = Vec::with_capacity(rules.len());
    for mut rule in rules {
        rule.configure(&config).map_err(|error| error.to_string())?;
        let interests = rule.interests();
        loaded.push(Loaded { rule, interests });
    }
    config.check_all_used().map_err(|error| error.to_string())?;
    let metadata = Metadata {
        rules: loaded.iter().map(|loaded| lower_info(loaded.rule.info())).collect(),
        interests: merge_interests(&loaded),
    };
    RULES.set(loaded);
    Ok(metadata)
}

/// What the exported `on-event` does.
pub fn on_event() -> Vec<Hit> {
    let event = &Event::CURRENT;
    RULES.with_borrow_mut(|rules| {
        // With one rule the sensor has tested its interests already; with several it does not say
        // whose passed.
        let several = rules.len() > 1;
        let mut hits = Vec::new();
        for (position, loaded) in rules.iter_mut().enumerate() {
            let wanted = !several
                || loaded.interests.is_empty()
                || loaded.interests.iter().any(|interest| interest.wants(event));
            if let Some(verdict) = wanted.then(|| loaded.rule.on_event(event)).flatten() {
                hits.push(Hit { rule: position as u32, verdict: lower_verdict(verdict) });
            }
        }
        hits
    })
}

/// The interests of all rules; none, which means every event, when one of them wants every event.
fn merge_interests(loaded: &[Loaded]) -> Vec<types::Interest> {
    if loaded.iter().any(|loaded| loaded.interests.is_empty()) {
        return Vec::new();
    }
    loaded.iter().flat_map(|loaded| &loaded.interests).map(lower_interest).collect()
}

fn lower_interest(interest: &Interest) -> types::Interest {
    let terms = interest.terms.iter().map(|(field, test)| types::Term {
        field: field.name().to_owned(),
        test: match test {
            Test::Text(Match::OneOf, texts) => types::Test::OneOf(texts.clone()),
            Test::Text(Match::Prefix, texts) => types::Test::Prefix(texts.clone()),
            Test::Text(Match::Suffix, texts) => types::Test::Suffix(texts.clone()),
            Test::Text(Match::Contains, texts) => types::Test::Contains(texts.clone()),
            Test::Range(range) => types::Test::Range((*range.start(), *range.end())),
            Test::Present => types::Test::Present,
        },
    });
    types::Interest { kinds: interest.kinds.clone(), terms: terms.collect() }
}

fn lower_info(info: RuleInfo) -> types::RuleInfo {
    let permissions = types::Permissions::TAG | types::Permissions::ALERT;
    types::RuleInfo {
        id: info.id,
        name: info.name,
        description: info.description,
        version: info.version,
        attack: info.attack,
        false_positives: info.false_positives,
        permissions: if info.drops { permissions | types::Permissions::DROP } else { permissions },
    }
}

fn lower_verdict(verdict: Verdict) -> types::Verdict {
    match verdict {
        Verdict::Tag(tags) => types::Verdict::Tag(tags),
        Verdict::Alert(alert) => types::Verdict::Alert(types::Alert {
            severity: alert.severity,
            message: alert.message,
            tags: alert.tags,
        }),
        Verdict::Drop => types::Verdict::Drop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigError;
    use crate::fields::{PROCESS_NAME, PROCESS_PID};
    use crate::host::stand_in::with_event;
    use crate::testing::FakeEvent;

    /// Wants executions of one name, and says how many it has seen.
    struct Counter {
        name: &'static str,
        seen: u32,
    }

    impl Rule for Counter {
        fn info(&self) -> RuleInfo {
            RuleInfo::new(self.name, "Counter").asks_to_drop()
        }
        fn interests(&self) -> Vec<Interest> {
            vec![Interest::exec().one_of(PROCESS_NAME, [self.name]).range(PROCESS_PID, 1..=9999)]
        }
        fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
            self.seen = config.number("start")?.unwrap_or(0) as u32;
            Ok(())
        }
        fn on_event(&mut self, _: &Event) -> Option<Verdict> {
            self.seen += 1;
            Some(crate::tag(format!("{} {}", self.name, self.seen)))
        }
    }

    fn counters() -> Vec<Box<dyn Rule>> {
        ["ls", "cat"].map(|name| Box::new(Counter { name, seen: 0 }) as Box<dyn Rule>).into()
    }

    #[test]
    fn rules_that_share_a_component_are_called_for_their_own_interests() {
        let metadata = configure(counters(), "start = 7").expect("it is well-formed");
        assert_eq!(metadata.rules.len(), 2);
        assert_eq!(metadata.interests.len(), 2);
        let event = FakeEvent::exec("/usr/bin/cat", ["cat"]);
        let hits = with_event(&event, || [on_event(), on_event()].concat());
        let said: Vec<_> = hits.iter().map(|hit| (hit.rule, tags(&hit.verdict))).collect();
        assert_eq!(said, [(1, "cat 8".to_owned()), (1, "cat 9".to_owned())]);
        let other = FakeEvent::exec("/usr/bin/id", ["id"]);
        assert!(with_event(&other, on_event).is_empty());
    }

    #[test]
    fn one_rule_that_wants_every_event_makes_the_component_want_every_event() {
        struct All;
        impl Rule for All {
            fn info(&self) -> RuleInfo {
                RuleInfo::new("all", "All")
            }
            fn on_event(&mut self, _: &Event) -> Option<Verdict> {
                None
            }
        }
        let mut rules = counters();
        rules.push(Box::new(All));
        assert!(configure(rules, "").expect("it is well-formed").interests.is_empty());
    }

    #[test]
    fn a_key_that_no_rule_takes_is_refused() {
        let Err(error) = configure(counters(), "begin = 7") else { panic!("a misspelt key") };
        assert_eq!(error, "unknown key `begin`: the rule takes start");
    }

    #[test]
    fn metadata_is_what_the_rule_says() {
        let metadata = configure(counters(), "").expect("it is well-formed");
        let [first, _] = metadata.interests.as_slice() else { panic!("two rules") };
        assert_eq!(first.kinds, ["process.exec"]);
        assert_eq!(first.terms[0].field, "process.name");
        assert!(matches!(&first.terms[0].test, types::Test::OneOf(texts) if texts == &["ls"]));
        assert!(matches!(first.terms[1].test, types::Test::Range((1, 9999))));
        let all = types::Permissions::TAG | types::Permissions::ALERT | types::Permissions::DROP;
        assert_eq!(metadata.rules[0].permissions.bits(), all.bits());
    }

    fn tags(verdict: &types::Verdict) -> String {
        match verdict {
            types::Verdict::Tag(tags) => tags.join(","),
            other => panic!("expected a tag, got {other:?}"),
        }
    }
}
