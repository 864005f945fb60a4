// Says what it can read of an event, in whichever world it is built for: the same source makes
// `reader-batch` and `reader-rule`, which must say the same.

use ocellus_sdk::prelude::*;

static WORDS: Set = Set::of(&["a", "bc", ""]);

/// Tags each event with the value of each of some fields of every type.
#[derive(Default)]
struct Reader;

impl Rule for Reader {
    fn info(&self) -> RuleInfo {
        RuleInfo::new(concat!(env!("CARGO_PKG_NAME")), "Reads").asks_for_environment()
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let texts = [
            event.process_name(),
            event.process_executable(),
            event.user_name(),
            event.text(fields::PROCESS_PID),
            event.text(fields::PROCESS_ARGS),
        ];
        let numbers = [
            event.process_pid(),
            event.timestamp(),
            event.number(fields::PROCESS_INTERACTIVE),
            event.number(fields::PROCESS_NAME),
        ];
        let lists = [
            event.process_args(),
            event.process_env_vars(),
            event.texts(fields::PROCESS_NAME),
            event.texts(fields::PROCESS_PID),
        ];
        let many = event.many([fields::PROCESS_NAME, fields::PROCESS_ARGS, fields::HOST_NAME]);
        let tests = [Match::OneOf, Match::Prefix, Match::Suffix, Match::Contains].map(|how| {
            [fields::PROCESS_NAME, fields::PROCESS_ARGS, fields::PROCESS_PID]
                .map(|field| event.test(field, how, &WORDS))
        });
        let message = format!("{texts:?} {numbers:?} {lists:?} {many:?} {tests:?}");
        Some(alert(LOW, message))
    }
}

/// Counts events by name: in its memory, which its next version takes over, and in the state that
/// the sensor keeps.
#[derive(Default)]
struct Counter {
    seen: u64,
}

impl Rule for Counter {
    fn info(&self) -> RuleInfo {
        RuleInfo::new(concat!(env!("CARGO_PKG_NAME"), "-counter"), "Counts")
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::exec()]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        self.seen += 1;
        let second = std::time::Duration::from_secs(1);
        let kept = state::add("seen", 1, state::FOREVER);
        let lately = state::add("lately", 1, second);
        let name = event.process_name()?;
        let parent = event.process_parent_entity_id().unwrap_or_default();
        let known = processes::text(&parent, fields::PROCESS_NAME).unwrap_or_default();
        let ancestors = processes::ancestors(&parent).len();
        let said = format!("{name} {} {kept} {lately} {known} {ancestors}", self.seen);
        Some(tag(said))
    }

    fn save_state(&self) -> Option<Saved> {
        Some(Saved { version: 1, bytes: self.seen.to_le_bytes().to_vec() })
    }

    fn load_state(&mut self, saved: &Saved) -> Result<(), String> {
        let bytes = saved.bytes.as_slice().try_into().map_err(|_| "it is no counter")?;
        self.seen = u64::from_le_bytes(bytes);
        Ok(())
    }
}

ocellus_sdk::rule!(Reader, Counter);
