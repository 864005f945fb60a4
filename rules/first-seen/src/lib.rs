//! A program that this host never ran before, by what is in the file.

#![forbid(unsafe_code)]

use std::time::Duration;

use ocellus_sdk::prelude::*;

/// How long everything that runs is taken for known, unless the operator says otherwise: a day.
const LEARN_MINUTES: u64 = 24 * 60;
/// When the rule saw its first event, seconds since the epoch.
const SINCE: &str = "first-seen since";

#[derive(Debug)]
pub struct FirstSeen {
    learn: Duration,
}

impl Default for FirstSeen {
    fn default() -> FirstSeen {
        FirstSeen { learn: Duration::from_secs(60 * LEARN_MINUTES) }
    }
}

impl Rule for FirstSeen {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("first-seen", "A program ran for the first time on this host")
            .description(
                "A file was executed whose SHA-256 this sensor had not seen before, after a day of \
                 learning. Outside of the system's folders it alerts, inside it tags.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1204.002", "T1105"])
            .false_positives([
                "Programs that people compile or install for themselves",
                "Work that is done once a month, when the sensor was started after the last time",
            ])
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        let minutes = config.number("learn_minutes")?.unwrap_or(LEARN_MINUTES);
        self.learn = Duration::from_secs(minutes.saturating_mul(60));
        Ok(())
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().present(fields::PROCESS_HASH_SHA256)]
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let now_s = event.timestamp()? / 1_000_000_000;
        if state::count(SINCE) == 0 {
            state::set(SINCE, now_s.to_le_bytes(), state::FOREVER);
        }
        let hash = event.process_hash_sha256()?;
        // Bounded: when there are too many, the one that ran longest ago makes room.
        let is_new = state::add(&format!("first-seen {hash}"), 1, state::FOREVER) == 1;
        let learns = now_s < state::count(SINCE).saturating_add(self.learn.as_secs());
        if !is_new || learns {
            return None;
        }
        let path = event.process_executable()?;
        if known::SYSTEM_PROGRAMS.iter().any(|folder| path.starts_with(folder)) {
            return Some(tag("first-seen"));
        }
        let who = event.who();
        Some(alert(MEDIUM, format!("{who} ran {path}, which this host never ran before")))
    }
}

ocellus_sdk::rule!(FirstSeen);
