//! Between the contract's types and the author's: called by what [`crate::rule!`] makes.

use std::cell::RefCell;

pub use crate::bindings::exports::ocellus::rule::carry::Saved as LoweredSaved;
#[cfg(feature = "batch")]
pub use crate::bindings::ocellus::rule::packed::Batch;
use crate::bindings::ocellus::rule::types;
#[cfg(feature = "batch")]
pub use crate::bindings::ocellus::rule::types::BatchHit;
#[cfg(not(feature = "batch"))]
pub use crate::bindings::ocellus::rule::types::Hit;
pub use crate::bindings::ocellus::rule::types::Metadata;
use crate::carry::{self, Saved};
use crate::interest::Test;
#[cfg(feature = "batch")]
use crate::packed::{Packed, parts};
use crate::{Config, Event, Interest, Match, Rule, RuleInfo, Verdict};

thread_local! {
    /// The component's rules, once configured.
    static RULES: RefCell<Vec<Box<dyn Rule>>> = const { RefCell::new(Vec::new()) };
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
        loaded.push(rule);
    }
    config.check_all_used().map_err(|error| error.to_string())?;
    let rules = loaded.iter().map(|rule| lower_info(rule.info(), &rule.interests())).collect();
    RULES.set(loaded);
    Ok(Metadata { rules })
}

/// What the exported `on-event` does.
#[cfg(not(feature = "batch"))]
pub fn on_event() -> Vec<types::Hit> {
    let event = &Event::CURRENT;
    RULES.with_borrow_mut(|rules| {
        let is_alone = rules.len() == 1;
        let mut hits = Vec::new();
        let mut judge = |position: u32| {
            let verdict = rules.get_mut(position as usize).and_then(|rule| rule.on_event(event));
            if let Some(verdict) = verdict {
                hits.push(types::Hit { rule: position, verdict: lower_verdict(verdict) });
            }
        };
        // A component of one rule is called for what that wants.
        if is_alone {
            judge(0);
        } else {
            crate::host::candidates().into_iter().for_each(judge);
        }
        hits
    })
}

/// What the exported `on-batch` does.
#[cfg(feature = "batch")]
pub fn on_batch(batch: Batch) -> Vec<types::BatchHit> {
    let Batch { columns, events, candidates, words, text } = &batch;
    RULES.with_borrow_mut(|rules| {
        let mut hits = Vec::new();
        let mut starts_batch = true;
        for candidate in candidates {
            let (position, rule) = parts(*candidate);
            let (Some(place), Some(judge)) = (events.get(position), rules.get_mut(rule)) else {
                continue;
            };
            let (words_start, text_start) = parts(*place);
            let words = words.get(words_start..).unwrap_or_default();
            let text = text.get(text_start..).unwrap_or_default();
            let event = Event::of_packed(Packed { columns: *columns, words, text });
            let (position, rule) = (position as u32, rule as u32);
            #[cfg(target_arch = "wasm32")]
            crate::host::look_at(position, starts_batch);
            starts_batch = false;
            if let Some(verdict) = judge.on_event(&event) {
                let verdict = lower_verdict(verdict);
                hits.push(types::BatchHit { event: position, rule, verdict });
            }
        }
        let _ = starts_batch;
        hits
    })
}

/// What the exported `save-state` does.
pub fn save_state() -> Option<LoweredSaved> {
    RULES.with_borrow(|rules| {
        let saved = rules.iter().filter_map(|rule| Some((rule.info().id, rule.save_state()?)));
        let saved: Vec<(String, Saved)> = saved.collect();
        let bytes = carry::join(&saved);
        (!saved.is_empty()).then_some(LoweredSaved { version: carry::VERSION, bytes })
    })
}

/// What the exported `load-state` does. Each rule gets what a rule of the same id saved.
pub fn load_state(saved: LoweredSaved) -> Result<(), String> {
    let saved = carry::split(saved.version, &saved.bytes)?;
    RULES.with_borrow_mut(|rules| {
        for rule in rules {
            let id = rule.info().id;
            if let Some((_, saved)) = saved.iter().find(|(known, _)| *known == id) {
                rule.load_state(saved).map_err(|why| format!("rule `{id}`: {why}"))?;
            }
        }
        Ok(())
    })
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

fn lower_info(info: RuleInfo, interests: &[Interest]) -> types::RuleInfo {
    let mut permissions = types::Permissions::TAG | types::Permissions::ALERT;
    if info.drops {
        permissions = permissions | types::Permissions::DROP;
    }
    if info.environment {
        permissions = permissions | types::Permissions::ENVIRONMENT;
    }
    types::RuleInfo {
        id: info.id,
        name: info.name,
        description: info.description,
        version: info.version,
        attack: info.attack,
        false_positives: info.false_positives,
        permissions,
        interests: interests.iter().map(lower_interest).collect(),
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
        fn on_event(&mut self, event: &Event) -> Option<Verdict> {
            self.seen += 1;
            let [first, ..] = &event.process_args()[..] else { return None };
            Some(crate::tag(format!("{} {} of {first}", self.name, self.seen)))
        }
        fn save_state(&self) -> Option<Saved> {
            Some(Saved { version: 3, bytes: self.seen.to_le_bytes().to_vec() })
        }
        fn load_state(&mut self, saved: &Saved) -> Result<(), String> {
            let bytes = saved.bytes[..].try_into().map_err(|_| "it is no counter")?;
            self.seen = u32::from_le_bytes(bytes);
            Ok(())
        }
    }

    fn counters() -> Vec<Box<dyn Rule>> {
        ["ls", "cat"].map(|name| Box::new(Counter { name, seen: 0 }) as Box<dyn Rule>).into()
    }

    /// What the rules of these positions say to an event of one name, as `rule tag`.
    #[cfg(not(feature = "batch"))]
    fn said(name: &str, rules: &[u32]) -> Vec<String> {
        crate::host::stand_in::set_candidates(rules);
        let event = FakeEvent::exec(&format!("/usr/bin/{name}"), [name]);
        let hits = crate::host::stand_in::with_event(&event, on_event);
        hits.iter().map(|hit| format!("{} {}", hit.rule, tags(&hit.verdict))).collect()
    }

    /// The same, of a packed event.
    #[cfg(feature = "batch")]
    fn said(name: &str, rules: &[u32]) -> Vec<String> {
        // The event 0 is at the start of words and text.
        let (events, candidates) = (vec![0], rules.iter().copied().map(u64::from).collect());
        let (words, text) = FakeEvent::exec(&format!("/usr/bin/{name}"), [name]).pack();
        let columns = crate::field::FIELD_COUNT as u32;
        let hits = on_batch(Batch { columns, events, candidates, words, text });
        hits.iter().map(|hit| format!("{} {}", hit.rule, tags(&hit.verdict))).collect()
    }

    #[test]
    fn rules_that_share_a_component_are_called_for_their_own_interests() {
        let metadata = configure(counters(), "start = 7").expect("it is well-formed");
        assert_eq!(metadata.rules.len(), 2);
        assert_eq!(said("cat", &[1]), ["1 cat 8 of cat"]);
        assert!(said("cat", &[]).is_empty());
        assert_eq!(said("ls", &[0, 1]), ["0 ls 8 of ls", "1 cat 9 of ls"]);
    }

    #[test]
    fn a_new_version_goes_on_where_the_old_one_was() {
        configure(counters(), "start = 7").expect("it is well-formed");
        let saved = save_state().expect("the counters save their state");
        configure(counters(), "").expect("it is well-formed");
        load_state(saved).expect("it is of this version");
        assert_eq!(said("ls", &[0]), ["0 ls 8 of ls"]);
        let damaged = LoweredSaved { version: carry::VERSION, bytes: vec![1] };
        assert!(load_state(damaged).is_err());
    }

    #[test]
    fn a_key_that_no_rule_takes_is_refused() {
        let Err(error) = configure(counters(), "begin = 7") else { panic!("a misspelt key") };
        assert_eq!(error, "unknown key `begin`: the rule takes start");
    }

    #[test]
    fn metadata_is_what_the_rule_says() {
        let metadata = configure(counters(), "").expect("it is well-formed");
        let [first, ..] = &metadata.rules[0].interests[..] else { panic!("no interest") };
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
