//! SIGHUP, and a configuration that changes while the sensor runs.

use std::sync::Arc;

use super::{Rim, RunError};
use crate::config::{self, Config};
use crate::error_chain::ErrorChain;
use crate::input::{HostInfo, Input};
use crate::logging;
use crate::rules::OperatorSettings;

/// Keys that come into force at once. The others are read once, at the start.
const LIVE: [&str; 10] = [
    "host.name",
    "log.level",
    "redact.defaults",
    "redact.patterns",
    "self_test.interval_s",
    "self_test.timeout_s",
    "throttle.global_burst",
    "throttle.global_rate",
    "throttle.tree_burst",
    "throttle.tree_rate",
];

/// What is read at the start, of the rules: whom to trust among it, so that what a key vouched for
/// does not stay in force when the key is no longer trusted.
const RULES_AT_START: [&str; 5] = [
    "rules.allowed_digests",
    "rules.cache_dir",
    "rules.dir",
    "rules.require_signature",
    "rules.trusted_keys",
];

/// Whether a key comes into force at once.
fn is_live(key: &str) -> bool {
    LIVE.contains(&key) || is_of_rules(key)
}

/// Whether a key is about how rules are treated.
fn is_of_rules(key: &str) -> bool {
    let at_start = RULES_AT_START.contains(&key) || key.starts_with("rules.nats.");
    key.starts_with("rules.") && !at_start
}

impl Rim {
    /// SIGHUP: everything that is read from files is read again.
    pub(super) fn reload(&mut self) -> Result<(), RunError> {
        self.notifier.reloading();
        let what = "reading the configuration and the rules again, and opening the outputs anew";
        tracing::info!("{what} (SIGHUP)");
        self.reload_config()?;
        if let Some(rules) = &self.rules {
            rules.rescan();
        }
        if let Some(outputs) = &self.outputs {
            outputs.reopen();
        }
        self.notifier.ready();
        Ok(())
    }

    /// Puts into force what can change while the sensor runs, and says what cannot.
    pub(super) fn reload_config(&mut self) -> Result<(), RunError> {
        let new = match (self.config_source.load)() {
            Ok(new) => new,
            Err(error) => {
                let error = ErrorChain(&error);
                tracing::error!("the new configuration is refused, the old one stays: {error}");
                return Ok(());
            }
        };
        let keys = config::changed_keys(&self.config, &new);
        let (live, waiting): (Vec<String>, Vec<String>) =
            keys.into_iter().partition(|key| is_live(key));
        if !live.is_empty() {
            let rules = self.config.rules.operator();
            self.config = config::take_over(&self.config, &new, &live);
            for key in live.iter().filter(|key| !is_of_rules(key)) {
                self.apply(key)?;
            }
            if live.iter().any(|key| is_of_rules(key)) {
                self.configure_rules(&rules);
            }
            tracing::info!("in force now: {}", live.join(", "));
        }
        if !waiting.is_empty() {
            tracing::warn!("changed, but in force only after a restart: {}", waiting.join(", "));
        }
        if live.is_empty() && waiting.is_empty() {
            tracing::info!("the configuration is as it was");
        }
        Ok(())
    }

    /// Modes hold at once; a component with another budget or other permissions is replaced by
    /// itself, with its state.
    fn configure_rules(&mut self, was: &OperatorSettings) {
        let is = self.config.rules.operator();
        self.sensor.rules.change_modes(was, Arc::new(is.clone()));
        if let Some(rules) = &self.rules {
            rules.configure(is);
        }
    }

    /// Does what the new value of a live key asks for.
    fn apply(&mut self, key: &str) -> Result<(), RunError> {
        let Config { log, host, self_test, .. } = &self.config;
        match key {
            "log.level" => {
                if let Err(why) = logging::set_level(log.level) {
                    tracing::warn!("the log level stays as it is: {why}");
                }
            }
            "host.name" => {
                let host = HostInfo { name: host.name.clone(), ..HostInfo::read() };
                self.input(&Input::Host(host))?;
            }
            "redact.defaults" | "redact.patterns" => {
                self.sensor.set_redactor(self.config.redact.redactor().unwrap_or_default());
            }
            key if key.starts_with("throttle.") => {
                self.sensor.set_limits(self.config.throttle.limits());
            }
            _ => match &mut self.self_test {
                Some(test) => test.set(self_test),
                None => tracing::warn!("the self-test was switched off at the start, and stays so"),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_key_exists() {
        let mut other = Config::default();
        other.host.name = Some("x".to_owned());
        other.log.level = config::Level::Debug;
        other.self_test = config::SelfTest { interval_s: 1, timeout_s: 1 };
        other.redact = config::Redact { defaults: false, patterns: vec!["x".to_owned()] };
        other.throttle =
            config::Throttle { tree_rate: 1, tree_burst: 1, global_rate: 1, global_burst: 1 };
        let changed = config::changed_keys(&Config::default(), &other);
        assert_eq!(changed.len(), LIVE.len(), "{changed:?}");
        assert!(changed.iter().all(|key| is_live(key)), "{changed:?}");
        assert!(!is_live("process.max"));
    }

    #[test]
    fn what_is_read_of_the_rules_at_the_start_exists_and_the_rest_is_live() {
        let mut other = Config::default();
        other.rules.dir = Some("x".into());
        other.rules.cache_dir = "x".into();
        other.rules.trusted_keys = vec!["x".to_owned()];
        other.rules.allowed_digests = vec!["x".to_owned()];
        other.rules.require_signature = true;
        let nats = config::RuleBucket { url: "x".to_owned(), ..config::RuleBucket::default() };
        let with_nats = config::Rules { nats: Some(nats), ..config::Rules::default() };
        let with_nats = Config { rules: with_nats, ..Config::default() };
        let changed = config::changed_keys(&Config::default(), &with_nats);
        assert!(changed.contains(&"rules.nats.url".to_owned()), "{changed:?}");
        assert!(!changed.iter().any(|key| is_live(key)), "{changed:?}");
        let changed = config::changed_keys(&Config::default(), &other);
        assert_eq!(changed, RULES_AT_START);
        assert!(!changed.iter().any(|key| is_live(key)));
        other.rules = config::Rules { time_ms: 1, ..config::Rules::default() };
        other.rules.component.insert("a.b".to_owned(), Default::default());
        other.rules.rule.insert("c".to_owned(), Default::default());
        let changed = config::changed_keys(&Config::default(), &other);
        assert!(changed.len() >= 2 && changed.iter().all(|key| is_live(key)), "{changed:?}");
    }
}
