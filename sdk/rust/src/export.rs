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
    // Without this a panic is a trap that says nothing about where and why.
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
