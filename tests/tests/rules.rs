//! The rule host from outside: components are loaded, judge, are replaced and removed.

use std::sync::Arc;

use ocellus::event::{Event, Field, Kinds, Texts, Value};
use ocellus::rules::{
    Cache, FaultCause, InstallError, Loader, Metering, Mode, Permissions, RuleEngine, RuleSet,
    Settings,
};
use ocellus_tests::guest::{ALERT, Action, DROP, Guest, TAG, Term, resolved};

const SECOND_NS: u64 = 1_000_000_000;

fn loader() -> Loader {
    Loader::new(RuleEngine::new(Metering::Fuel).unwrap())
}

fn install(set: &mut RuleSet, loader: &Loader, name: &str, guest: &Guest) {
    set.install(loader.load(name, &guest.build(), "").unwrap()).unwrap();
}

fn set_of(guests: &[(&str, Guest)]) -> RuleSet {
    let (loader, mut set) = (loader(), RuleSet::new());
    for (name, guest) in guests {
        install(&mut set, &loader, name, guest);
    }
    set
}

fn event_of(kinds: Kinds) -> Event {
    let mut event = Event::default();
    event.kinds = kinds;
    event
}

fn exec(name: &str) -> Arc<Event> {
    exec_of(name, Kinds::PROCESS_EXEC)
}

fn exec_of(name: &str, kinds: Kinds) -> Arc<Event> {
    let mut event = event_of(kinds);
    event.set_text(Field::PROCESS_NAME, name);
    event.set(Field::PROCESS_ARGS, Value::Texts([name, "-i"].into_iter().collect()));
    Arc::new(event)
}

fn name_is(text: &str) -> Term {
    Term { field: "process.name".into(), how: 0, texts: vec![text.into()] }
}

/// All texts of a field, joined by a comma.
fn texts(event: &Event, field: Field) -> String {
    event.texts(field).map(|texts| texts.iter().collect::<Vec<_>>().join(",")).unwrap_or_default()
}

/// The event with the verdict of a set on it.
fn judged(set: &mut RuleSet, event: &Arc<Event>) -> Event {
    let verdict = set.judge(event, 0);
    let mut event = (**event).clone();
    verdict.apply(&mut event);
    event
}

#[test]
fn an_event_without_rules_stays_as_it_is() {
    let event = exec("bash");
    assert_eq!(judged(&mut RuleSet::new(), &event), *event);
}

#[test]
fn verdicts_come_in_the_order_of_the_components() {
    let tag = |id: &str| Guest::new(id).hits(&[(0, Action::Tag(vec![id.into(), "all".into()]))]);
    let mut set = set_of(&[("b", tag("second")), ("c", tag("third")), ("a", tag("first"))]);
    let event = judged(&mut set, &exec("bash"));
    assert_eq!(texts(&event, Field::TAGS), "first,all,second,third");
    assert_eq!(texts(&event, Field::OCELLUS_RULES_TAGGED), "first,second,third");
    assert_eq!(event.number(Field::OCELLUS_RULES_GENERATION), Some(3));
}

#[test]
fn an_alert_is_written_into_the_event() {
    let low = Guest::new("low").attack(&["T1059", "T1204"]).hits(&[(0, Action::alert(21, "hm"))]);
    let alert = Action::Alert { severity: 73, message: "oh".into(), tags: vec!["seen".into()] };
    let high =
        Guest::new("high").attack(&["T1059", "T1059.004"]).hits(&[(0, alert.clone()), (0, alert)]);
    let mut set = set_of(&[("a", low), ("b", high)]);
    let event = judged(&mut set, &exec("bash"));
    assert_eq!(event.text(Field::EVENT_KIND), Some("alert"));
    assert_eq!(event.number(Field::EVENT_SEVERITY), Some(73));
    assert_eq!(event.text(Field::RULE_ID), Some("high"));
    assert_eq!(event.text(Field::RULE_NAME), Some("Name of high"));
    assert_eq!(event.text(Field::RULE_DESCRIPTION), Some("A rule of a test."));
    assert_eq!(event.text(Field::RULE_VERSION), Some("1.0.0"));
    assert_eq!(event.text(Field::THREAT_FRAMEWORK), Some("MITRE ATT&CK"));
    assert_eq!(texts(&event, Field::THREAT_TECHNIQUE_ID), "T1059,T1204");
    assert_eq!(texts(&event, Field::THREAT_TECHNIQUE_SUBTECHNIQUE_ID), "T1059.004");
    assert_eq!(texts(&event, Field::OCELLUS_RULES_ALERTS), "low,high");
    assert_eq!(texts(&event, Field::OCELLUS_RULES_MESSAGES), "hm,oh");
    assert_eq!(texts(&event, Field::TAGS), "seen");
}

#[test]
fn the_first_of_equally_severe_alerts_names_the_rule() {
    let alert = |id: &str| Guest::new(id).hits(&[(0, Action::alert(50, id))]);
    let mut set = set_of(&[("a", alert("one")), ("b", alert("two"))]);
    assert_eq!(judged(&mut set, &exec("bash")).text(Field::RULE_ID), Some("one"));
}

#[test]
fn a_drop_is_attributed_and_counted() {
    let drop = |id: &str| Guest::new(id).hits(&[(0, Action::Drop)]);
    let mut set = set_of(&[("a", drop("first")), ("b", drop("second"))]);
    let verdict = set.judge(&exec("bash"), 0);
    assert_eq!(&*verdict.dropped_by.unwrap().id, "first");
    let stats = set.stats();
    assert_eq!((stats[0].rules[0].counters.drops, stats[1].rules[0].counters.drops), (1, 0));
    assert_eq!(stats[1].rules[0].counters.drops_repeated, 1);
}

#[test]
fn an_alert_beats_a_drop() {
    let drop = Guest::new("drop").hits(&[(0, Action::Drop)]);
    let alert = Guest::new("alert").hits(&[(0, Action::alert(1, "m"))]);
    let mut set = set_of(&[("a", drop), ("b", alert)]);
    let verdict = set.judge(&exec("bash"), 0);
    assert!(!verdict.is_drop());
    assert_eq!(verdict.alerts.len(), 1);
    assert_eq!(set.stats()[0].rules[0].counters.drops_overruled, 1);
}

#[test]
fn events_of_the_sensor_are_never_dropped() {
    let mut set = set_of(&[("a", Guest::new("drop").hits(&[(0, Action::Drop)]))]);
    for (kind, name) in Kinds::NAMES {
        let event = Arc::new(event_of(kind));
        assert_eq!(set.judge(&event, 0).is_drop(), !name.starts_with("sensor."), "{name}");
    }
}

#[test]
fn what_a_rule_may_not_do_is_refused() {
    let all = [(0, Action::tag("t")), (0, Action::alert(1, "m")), (0, Action::Drop)];
    let settings = |permissions| Settings { permissions, ..Settings::default() };
    for (asked, granted, done) in [
        (TAG | ALERT | DROP, Permissions::ALL, (1, 1)),
        (TAG, Permissions::ALL, (1, 0)),
        (TAG | ALERT, Permissions { alert: true, ..Permissions::NONE }, (0, 1)),
        (ALERT, Permissions::NONE, (0, 0)),
    ] {
        let loader = loader().with_settings(settings(granted));
        let mut set = RuleSet::new();
        install(&mut set, &loader, "a", &Guest::new("rule").permissions(asked).hits(&all));
        let verdict = set.judge(&exec("bash"), 0);
        assert_eq!((verdict.taggings.len(), verdict.alerts.len()), done);
        assert!(!verdict.is_drop());
        let counters = set.stats()[0].rules[0].counters;
        let (tags, alerts) = done;
        let drops_wanted = u64::from(asked & DROP != 0 && granted.drop);
        assert_eq!(counters.refused, 3 - (tags + alerts) as u64 - drops_wanted);
    }
}

#[test]
fn only_candidates_are_called() {
    let guest = Guest::new("rule")
        .interest(&["process.exec"], &[name_is("bash")])
        .hits(&[(0, Action::tag("t"))]);
    let mut set = set_of(&[("a", guest)]);
    assert_eq!(set.judge(&exec("bash"), 0).taggings.len(), 1);
    assert_eq!(set.judge(&exec("sh"), 0).taggings.len(), 0);
    let exit = exec_of("bash", Kinds::PROCESS_EXIT);
    assert_eq!(set.judge(&exit, 0).taggings.len(), 0);
    let merged = exec_of("bash", Kinds::PROCESS_EXEC.with(Kinds::PROCESS_EXIT));
    assert_eq!(set.judge(&merged, 0).taggings.len(), 1);
    let counters = set.stats()[0].counters;
    assert_eq!((counters.candidates, counters.calls), (2, 2));
}

#[test]
fn a_hundred_components_keep_their_order() {
    let loader = loader();
    let mut set = RuleSet::new();
    for number in 0..100 {
        let id = format!("rule-{number:02}");
        install(&mut set, &loader, &id, &Guest::new(&id).hits(&[(0, Action::tag(&id))]));
    }
    let event = judged(&mut set, &exec("bash"));
    let expected: Texts = (0..100).map(|number| format!("rule-{number:02}")).collect();
    assert_eq!(event.texts(Field::TAGS), Some(&expected));
}

/// A guest that reads the event through each function of the contract.
fn reader() -> Guest {
    let mut guest = Guest::new("reader");
    let (name, args) = (resolved(&mut guest, "process.name"), resolved(&mut guest, "process.args"));
    let texts = guest.constant(b"-i");
    let set = guest.constant(&[texts.to_le_bytes(), 2u32.to_le_bytes()].concat());
    let found = guest.list_of_hits(&[(0, Action::tag("bash -i"))]);
    let none = guest.list_of_hits(&[]);
    let metadata = guest.metadata();
    guest
        .items("(global $name (mut i32) (i32.const 0)) (global $args (mut i32) (i32.const 0))")
        .configure(&format!(
            "(global.set $name {name}) (global.set $args {args})
             (call $make_set (i32.const {set}) (i32.const 1) (i32.const 64))
             (i32.const {metadata})"
        ))
        .on_event(&format!(
            "(call $text (global.get $name) (i32.const 64))
             (if (i32.eqz (i32.load8_u (i32.const 64))) (then (return (i32.const {none}))))
             (if (i32.ne (i32.load (i32.load (i32.const 68))) (i32.const 0x68736162)) ;; bash
               (then (return (i32.const {none}))))
             (call $texts (global.get $args) (i32.const 64))
             (if (i32.ne (i32.load (i32.const 68)) (i32.const 2))
               (then (return (i32.const {none}))))
             (call $test (global.get $args) (i32.const 0) (i32.const 0))
             (if (i32.eqz) (then (return (i32.const {none}))))
             (i32.const {found})"
        ))
}

#[test]
fn a_guest_reads_the_event() {
    let mut set = set_of(&[("a", reader())]);
    for _ in 0..3 {
        assert_eq!(set.judge(&exec("bash"), 0).taggings.len(), 1);
        assert_eq!(set.judge(&exec("zsh"), 0).taggings.len(), 0);
        assert_eq!(set.judge(&Arc::new(Event::default()), 0).taggings.len(), 0);
    }
    assert_eq!(set.stats()[0].counters.faults(), 0);
}

#[test]
fn there_is_no_event_while_a_guest_configures_itself() {
    let mut guest = Guest::new("rule");
    let field = resolved(&mut guest, "process.name");
    let metadata = guest.metadata();
    let guest = guest.configure(&format!(
        "(call $text {field} (i32.const 64))
         (if (i32.load8_u (i32.const 64)) (then unreachable))
         (call $texts {field} (i32.const 64))
         (if (i32.load (i32.const 68)) (then unreachable))
         (i32.const {metadata})"
    ));
    loader().load("a", &guest.build(), "").unwrap();
}

#[test]
fn the_configuration_reaches_the_guest() {
    let mut guest = Guest::new("rule");
    let metadata = guest.metadata();
    let guest = guest.configure(&format!(
        "(if (i32.ne (local.get $config_len) (i32.const 5)) (then unreachable))
         (i32.const {metadata})"
    ));
    let wasm = guest.build();
    loader().load("a", &wasm, "a = 1").unwrap();
    assert!(loader().load("a", &wasm, "").unwrap_err().to_string().contains("trapped"));
}

#[test]
fn a_new_version_replaces_the_old_one_and_keeps_the_counters() {
    let loader = loader();
    let mut set = RuleSet::new();
    let version = |tag: &str| Guest::new("rule").hits(&[(0, Action::tag(tag)), (0, Action::Drop)]);
    install(&mut set, &loader, "a", &version("one"));
    assert_eq!(set.judge(&exec("bash"), 0).taggings[0].tags, ["one"]);
    install(&mut set, &loader, "a", &version("two"));
    let verdict = set.judge(&exec("bash"), 0);
    assert_eq!((&verdict.taggings[0].tags[0][..], verdict.generation), ("two", 2));
    let stats = set.stats();
    assert_eq!((stats.len(), stats[0].counters.calls), (1, 2));
    assert_eq!(stats[0].rules[0].counters.drops, 2);
    // Drops of a rule that is gone stay in the sum.
    install(&mut set, &loader, "a", &Guest::new("other"));
    assert_eq!(set.events_dropped_before(), 2);
    assert!(set.remove("a") && !set.remove("a"));
    assert_eq!((set.generation(), set.is_empty()), (4, true));
    assert_eq!(set.judge(&exec("bash"), 0).generation, 4);
}

#[test]
fn the_same_rule_cannot_be_in_two_components() {
    let loader = loader();
    let mut set = RuleSet::new();
    let guest = Guest::new("same");
    install(&mut set, &loader, "a", &guest);
    let error = set.install(loader.load("b", &guest.build(), "").unwrap()).unwrap_err();
    let same = InstallError::SameRule { rule: "same".into(), component: "a".into() };
    assert_eq!(error, same);
    assert_eq!((set.generation(), set.stats().len()), (1, 1));
}

#[test]
fn shadow_counts_and_changes_nothing_and_off_is_not_called() {
    let guest = Guest::new("rule").hits(&[(0, Action::alert(1, "m")), (0, Action::Drop)]);
    let mut set = set_of(&[("a", guest)]);
    assert!(set.set_mode("a", Mode::Shadow) && !set.set_mode("b", Mode::Shadow));
    let verdict = set.judge(&exec("bash"), 0);
    assert!(verdict.alerts.is_empty() && !verdict.is_drop());
    assert_eq!(set.stats()[0].rules[0].counters.shadowed, 2);
    set.set_mode("a", Mode::Off);
    assert!(set.judge(&exec("bash"), 0).alerts.is_empty());
    assert_eq!(set.stats()[0].counters.calls, 1);
    set.set_mode("a", Mode::Active);
    assert_eq!(set.judge(&exec("bash"), 0).alerts.len(), 1);
    assert_eq!(set.generation(), 4);
}

#[test]
fn a_failing_component_is_quarantined_released_and_quarantined_for_longer() {
    let mut set = set_of(&[("a", Guest::new("rule").on_event("unreachable"))]);
    let mut faults = |now_ns| set.judge(&exec("bash"), now_ns).faults;
    for _ in 0..4 {
        let faults = faults(SECOND_NS);
        assert_eq!((faults[0].cause, faults[0].quarantined_until_ns), (FaultCause::Trap, None));
    }
    assert_eq!(faults(SECOND_NS)[0].quarantined_until_ns, Some(31 * SECOND_NS));
    assert_eq!(faults(30 * SECOND_NS).len(), 0);
    assert_eq!(faults(31 * SECOND_NS)[0].quarantined_until_ns, Some(91 * SECOND_NS));
    assert_eq!(faults(90 * SECOND_NS).len(), 0);
    let counters = set.stats()[0].counters;
    assert_eq!((counters.candidates, counters.calls, counters.skipped), (8, 6, 2));
    assert_eq!((counters.traps, counters.restarts, counters.quarantines), (6, 5, 2));
}

#[test]
fn a_component_does_not_judge_its_own_faults() {
    let trap = |id: &str| Guest::new(id).on_event("unreachable");
    let mut set = set_of(&[("a", trap("one")), ("b", trap("two"))]);
    let mut event = event_of(Kinds::SENSOR_FAULT);
    event.set_text(Field::OCELLUS_COMPONENT, "a");
    let faults = set.judge(&Arc::new(event), 0).faults;
    assert_eq!(faults.iter().map(|fault| &*fault.component).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn state_lives_from_event_to_event() {
    let mut guest = Guest::new("third");
    let found = guest.list_of_hits(&[(0, Action::tag("third"))]);
    let none = guest.list_of_hits(&[]);
    let guest = guest.items("(global $seen (mut i32) (i32.const 0))").on_event(&format!(
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (select (i32.const {found}) (i32.const {none}) (i32.eq (global.get $seen) (i32.const 3)))"
    ));
    let mut set = set_of(&[("a", guest)]);
    let tagged: Vec<_> = (0..5).map(|_| set.judge(&exec("a"), 0).taggings.len()).collect();
    assert_eq!(tagged, [0, 0, 1, 0, 0]);
}

#[test]
fn the_cache_saves_compiling() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache");
    let loader = || loader().with_cache(Cache::open(&path).unwrap());
    let wasm = Guest::new("rule").hits(&[(0, Action::tag("t"))]).build();
    assert!(!loader().load("a", &wasm, "").unwrap().from_cache());
    let prepared = loader().load("b", &wasm, "").unwrap();
    assert!(prepared.from_cache());
    let mut set = RuleSet::new();
    set.install(prepared).unwrap();
    assert_eq!(set.judge(&exec("bash"), 0).taggings.len(), 1);
    // Code for another configuration of the engine is another entry.
    let epochs = Loader::new(RuleEngine::new(Metering::Epoch).unwrap());
    let epochs = epochs.with_cache(Cache::open(&path).unwrap());
    assert!(!epochs.load("a", &wasm, "").unwrap().from_cache());
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2);
}

#[test]
fn a_damaged_cache_entry_is_rewritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache");
    let loader = loader().with_cache(Cache::open(&path).unwrap());
    let wasm = Guest::new("rule").build();
    loader.load("a", &wasm, "").unwrap();
    let entry = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&entry).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], &whole[..10], b""] {
        std::fs::write(&entry, damaged).unwrap();
        assert!(!loader.load("a", &wasm, "").unwrap().from_cache());
        assert_eq!(std::fs::read(&entry).unwrap(), whole);
        assert!(loader.load("a", &wasm, "").unwrap().from_cache());
    }
}

#[test]
fn a_cache_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache");
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let loader = loader().with_cache(Cache::open(&path).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let wasm = Guest::new("rule").build();
    loader.load("a", &wasm, "").unwrap();
    let entry = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);
    // A file, which is then written anew.
    chmod(&entry, 0o620);
    assert!(!loader.load("a", &wasm, "").unwrap().from_cache());
    assert_eq!(std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(loader.load("a", &wasm, "").unwrap().from_cache());
    // A link is not followed.
    std::fs::rename(&entry, directory.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &entry).unwrap();
    assert!(!loader.load("a", &wasm, "").unwrap().from_cache());
    // The directory.
    chmod(&path, 0o770);
    let error = Cache::open(&path).unwrap_err().to_string();
    assert!(error.contains("can be written by others (mode 0770)"), "{error}");
}
