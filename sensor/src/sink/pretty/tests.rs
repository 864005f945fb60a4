use super::*;
use crate::event::Value;

const NOON_NS: u64 = 1_772_366_400_123_000_000;
const FILE: Pretty = Pretty { colour: false, width: None };

fn texts(texts: &[&str]) -> Value {
    Value::Texts(texts.iter().collect())
}

fn event() -> Event {
    let mut event = Event::default();
    event.kinds = Kinds::PROCESS_FORK.with(Kinds::PROCESS_EXEC);
    event.set(Field::TIMESTAMP, Value::Time(NOON_NS));
    event.set_static(Field::EVENT_ACTION, "process_started");
    event.set_static(Field::PROCESS_USER_ID, "1000");
    event.set_static(Field::PROCESS_USER_NAME, "alice");
    event.set_static(Field::PROCESS_NAME, "curl");
    event.set_number(Field::PROCESS_PID, 4711u64);
    event.set(Field::PROCESS_ARGS, texts(&["curl", "-s", "http://x/a b"]));
    event.set_static(Field::PROCESS_PARENT_NAME, "bash");
    event.set_number(Field::PROCESS_PARENT_PID, 4700u64);
    event.set_static(Field::OCELLUS_HASH_STATUS, "ok");
    event.set_text(Field::PROCESS_HASH_SHA256, "0123456789abcdef".repeat(4));
    event
}

fn lines(pretty: Pretty, event: &Event) -> String {
    let mut out = Vec::new();
    pretty.lines(event, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_process_is_one_line() {
    assert_eq!(
        lines(FILE, &event()),
        "12:00:00.123 started       alice    curl(4711)  curl -s 'http://x/a b'  ← bash(4700)  \
         sha256:0123456789ab\n"
    );
}

#[test]
fn an_exit_says_how() {
    let mut event = event();
    event.kinds = Kinds::PROCESS_EXIT;
    event.set_static(Field::EVENT_ACTION, "process_stopped");
    event.set_number(Field::PROCESS_EXIT_CODE, 7u64);
    assert!(lines(FILE, &event).ends_with("← bash(4700)  exit 7\n"));
    event.set_number(Field::OCELLUS_SIGNAL, 11u64);
    event.set_flag(Field::OCELLUS_CORE_DUMPED, true);
    assert!(lines(FILE, &event).ends_with("← bash(4700)  SIGSEGV (core dumped)\n"));
    event.set_number(Field::OCELLUS_SIGNAL, 63u64);
    assert!(lines(FILE, &event).ends_with("← bash(4700)  signal 63 (core dumped)\n"));
}

#[test]
fn a_missing_hash_says_why() {
    let mut event = event();
    event.set(Field::PROCESS_HASH_SHA256, Value::Absent);
    event.set_static(Field::OCELLUS_HASH_STATUS, "too_large");
    assert!(lines(FILE, &event).ends_with("← bash(4700)  hash too_large\n"));
    event.set_static(Field::OCELLUS_HASH_STATUS, "off");
    assert!(lines(FILE, &event).ends_with("← bash(4700)\n"));
}

#[test]
fn each_alert_has_a_line() {
    let mut event = event();
    event.set_number(Field::EVENT_SEVERITY, 73u64);
    event.set_static(Field::RULE_ID, "download");
    event.set(Field::OCELLUS_RULES_ALERTS, texts(&["download", "odd-parent"]));
    event.set(Field::OCELLUS_RULES_MESSAGES, texts(&["curl fetched x\nand y", "bash ran curl"]));
    event.set(Field::TAGS, texts(&["net"]));
    event.set(Field::THREAT_TECHNIQUE_ID, texts(&["T1105", "T1059"]));
    event.set(Field::THREAT_TECHNIQUE_SUBTECHNIQUE_ID, texts(&["T1059.004", "T1059.006"]));
    let lines = lines(FILE, &event);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(
        lines[0].ends_with("sha256:0123456789ab  #net  T1105  T1059.004  T1059.006"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "             ▲ high 73     download: curl fetched x\\nand y");
    assert_eq!(lines[2], "             ▲ alert       odd-parent: bash ran curl");
    assert_eq!(lines.len(), 3);
}

#[test]
fn the_sensor_speaks_for_itself() {
    let mut event = Event::default();
    event.kinds = Kinds::SENSOR_FAULT;
    event.set(Field::TIMESTAMP, Value::Time(NOON_NS));
    event.set_static(Field::OCELLUS_COMPONENT, "spinner");
    event.set_static(Field::MESSAGE, "Rule put into quarantine");
    event.set_static(Field::ERROR_MESSAGE, "over its time budget");
    assert_eq!(
        lines(FILE, &event),
        "12:00:00.123 sensor        spinner Rule put into quarantine: over its time budget\n"
    );
}

#[test]
fn a_terminal_gets_colour_and_is_not_overrun() {
    let mut event = event();
    event.set(Field::PROCESS_ARGS, texts(&["curl", &"x".repeat(300)]));
    let narrow = lines(Pretty { colour: false, width: Some(120) }, &event);
    assert_eq!(narrow.trim_end().chars().count(), 120);
    assert!(narrow.contains("xxx…  ← bash(4700)"), "{narrow}");
    let tiny = lines(Pretty { colour: false, width: Some(10) }, &event);
    assert!(tiny.contains("  curl xxxxxxxxxxxxxxxxxx…  "), "{tiny}");
    let coloured = lines(Pretty { colour: true, width: Some(120) }, &event);
    assert_eq!(without_escapes(&coloured), narrow);
    assert!(coloured.contains("\u{1b}[32m"));
}

/// The text without escape sequences.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn nothing_in_an_event_reaches_the_terminal_unescaped() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\n";
    let mut event = event();
    for field in Field::all() {
        match event.get(field) {
            Value::Text(_) | Value::Static(_) => event.set_text(field, evil),
            Value::Texts(_) => event.set(field, texts(&[evil, evil])),
            _ => {}
        }
    }
    event.set(Field::OCELLUS_RULES_ALERTS, texts(&[evil]));
    event.set(Field::OCELLUS_RULES_MESSAGES, texts(&[evil]));
    event.set_text(Field::CONTAINER_ID, evil);
    event.set_text(Field::CONTAINER_RUNTIME, evil);
    for kinds in [Kinds::PROCESS_EXEC, Kinds::SENSOR_LOSS] {
        event.kinds = kinds;
        let lines = lines(FILE, &event);
        assert_eq!(lines.matches('\n').count(), 2, "{lines}");
        assert!(!lines.replace('\n', "").chars().any(crate::sink::quote::is_deceptive), "{lines}");
    }
}
