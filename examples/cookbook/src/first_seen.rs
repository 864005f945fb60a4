use ocellus_sdk::prelude::*;

/// A program that this host has not run before, by what is in it.
#[derive(Default)]
pub struct NewProgram;

impl Rule for NewProgram {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-first-seen", "A program ran for the first time")
            .false_positives(["Every program, after the sensor was restarted"])
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec().present(fields::PROCESS_HASH_SHA256)]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let key = format!("seen {}", event.process_hash_sha256()?);
        // Bounded: when there are too many, the one that ran longest ago makes room.
        let is_new = state::add(&key, 1, state::FOREVER) == 1;
        is_new.then(|| tag("first-seen"))
    }
}
