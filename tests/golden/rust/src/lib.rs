//! The golden component in Rust; see ../README.md.

use std::time::Duration;

use ocellus_sdk::prelude::*;

static SHELLS: Set = Set::of(&["sh", "bash", "dash"]);
static DASH: Set = Set::of(&["-"]);
static ACCENT: Set = Set::of(&["é", "日"]);
static SCRIPT: Set = Set::of(&[".sh", ".py"]);

/// FNV-1a of texts, each with a zero byte after it.
fn fnv1a<'a>(texts: impl IntoIterator<Item = &'a str>) -> u32 {
    let bytes = texts.into_iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |value, byte| (value ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[derive(Debug, Default)]
pub struct Texts;

impl Rule for Texts {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("golden-text", "Golden texts")
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec()
                .one_of(fields::PROCESS_NAME, ["sh", "bash", "make", "名前"])
                .prefix(fields::PROCESS_EXECUTABLE, ["/usr/", "/opt/"]),
            Interest::any()
                .suffix(fields::PROCESS_EXECUTABLE, [".sh", ".py"])
                .contains(fields::PROCESS_ARGS, ["-", "é"]),
        ]
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let asked = [fields::PROCESS_NAME, fields::PROCESS_EXECUTABLE, fields::RULE_ID];
        let [name, executable, missing] = event.many(asked);
        let mut tags = Vec::new();
        if event.test(fields::PROCESS_NAME, Match::OneOf, &SHELLS) {
            tags.push("shell".to_owned());
        }
        if event.test(fields::PROCESS_ARGS, Match::Prefix, &DASH) {
            tags.push("option".to_owned());
        }
        if event.test(fields::PROCESS_ARGS, Match::Contains, &ACCENT) {
            tags.push("accent".to_owned());
        }
        if event.test(fields::PROCESS_EXECUTABLE, Match::Suffix, &SCRIPT) {
            let all = [name.unwrap_or_default(), executable.unwrap_or_default()];
            let missing = missing.unwrap_or_else(|| "none".into());
            let sum = fnv1a(all.iter().chain([&missing]).map(Text::as_str));
            tags.push(format!("script {sum:08x}"));
        }
        (!tags.is_empty()).then_some(Verdict::Tag(tags))
    }
}

#[derive(Debug, Default)]
pub struct State;

impl Rule for State {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("golden-state", "Golden state")
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let entity = event.process_entity_id()?;
        let name = event.process_name().unwrap_or_default();
        let parent = event.process_parent_entity_id().unwrap_or_default();
        let (kinds, args) = (event.ocellus_kinds(), event.process_args());
        let last_key = format!("last/{name}");
        if kinds.iter().any(|kind| *kind == "process.exit") {
            state::remove(&last_key);
        }
        let count = state::add(&format!("count/{parent}"), 1, Duration::from_millis(5000));
        let total = fnv1a(args.iter().chain([&name]).map(Text::as_str));
        let before = state::get(&last_key).and_then(|last| last.try_into().ok());
        let before = before.map_or("-".into(), |last| format!("{:08x}", u32::from_le_bytes(last)));
        state::set(&last_key, total.to_le_bytes(), Duration::from_millis(2000));
        if count % 4 != 0 && total % 7 != 0 {
            return None;
        }
        let above = processes::ancestors(&entity).len();
        let executable = processes::text(&parent, fields::PROCESS_EXECUTABLE);
        let executable = executable.unwrap_or("-".into());
        let pid = processes::number(&parent, fields::PROCESS_PID).unwrap_or(0);
        let parent_args = processes::texts(&parent, fields::PROCESS_ARGS).len();
        let message = format!(
            "{name} {count} {total:08x} {before} {above} {executable} {pid} {parent_args}"
        );
        let severity = (total % 101) as u8;
        Some(kinds.iter().fold(alert(severity, message), |it, kind| it.with_tag(kind.as_str())))
    }
}

#[derive(Debug, Default)]
pub struct Numbers;

impl Rule for Numbers {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("golden-number", "Golden numbers").asks_to_drop()
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::kinds(["process.exec", "process.exit"])
                .range(fields::PROCESS_PID, 10..=40)
                .present(fields::PROCESS_PARENT_ENTITY_ID),
        ]
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let pid = event.process_pid().unwrap_or(0);
        if pid % 5 == 0 {
            let interactive = if event.process_interactive() { "yes" } else { "no" };
            return Some(tag("five").with_tag(format!("pid {pid} {interactive}")));
        }
        let code = event.process_exit_code()?;
        ((pid + code) % 3 == 0).then(drop_event)
    }
}

ocellus_sdk::rule!(Texts, State, Numbers);
