//! Guests that mean harm, or are broken in the ways in which guests break. After each of them the
//! event passes, the fault is counted, the other rules still judge, and a good version of the same
//! component works.
//!
//! Time is counted in fuel, so that a guest always fails at the same instruction; one test shows
//! that the clock ends it as well.

use std::sync::Arc;

use ocellus::event::{Event, Field, Kinds, Value};
use ocellus::rules::budget::Budget;
use ocellus::rules::{
    ComponentCounters, FaultCause, Loader, Metering, RuleEngine, RuleSet, budget,
};
use ocellus_tests::guest::{Action, Guest, resolved, words};

fn loader() -> Loader {
    Loader::new(RuleEngine::new(Metering::Fuel).unwrap())
}

fn event() -> Arc<Event> {
    let mut event = Event::default();
    event.kinds = Kinds::PROCESS_EXEC;
    event.set_text(Field::PROCESS_NAME, "bash");
    event.set(Field::PROCESS_ARGS, Value::Texts(["bash", "-i"].into_iter().collect()));
    Arc::new(event)
}

fn tagging(id: &str) -> Guest {
    Guest::new(id).hits(&[(0, Action::tag(id))])
}

/// The same in both worlds.
fn contained(loader: &Loader, hostile: &Guest, cause: FaultCause, detail: &str) {
    contained_in_its_world(loader, hostile, cause, detail);
    contained_in_its_world(loader, &hostile.clone().in_batches(), cause, detail);
}

/// Judge events with a hostile guest between two good ones, and check all that must hold.
fn contained_in_its_world(loader: &Loader, hostile: &Guest, cause: FaultCause, detail: &str) {
    let mut set = RuleSet::new();
    let install = |set: &mut RuleSet, name: &str, guest: &Guest| {
        set.install(loader.load(name, &guest.build(), "").unwrap()).unwrap();
    };
    install(&mut set, "a", &tagging("first"));
    install(&mut set, "hostile", hostile);
    install(&mut set, "z", &tagging("last"));
    for number in 1..=7 {
        let verdict = set.judge(&event(), 0);
        let tags: Vec<_> = verdict.taggings.iter().flat_map(|tagging| &tagging.tags).collect();
        assert_eq!(tags, ["first", "last"], "event {number}");
        assert!(!verdict.is_drop());
        // After five faults it is in quarantine.
        let faults = usize::from(number <= 5);
        assert_eq!(verdict.faults.len(), faults, "event {number}: {:?}", verdict.faults);
        for fault in &verdict.faults {
            assert_eq!(fault.cause, cause, "{fault}");
            assert!(fault.detail.contains(detail), "{fault}");
            assert!(fault.to_string().len() < 700, "{fault}");
        }
    }
    let counters = counters(&set, "hostile");
    assert_eq!((counters.faults(), counters.skipped, counters.quarantines), (5, 2, 1));
    install(&mut set, "hostile", &tagging("good"));
    assert_eq!(set.judge(&event(), 0).taggings.len(), 3);
}

fn counters(set: &RuleSet, name: &str) -> ComponentCounters {
    set.stats().iter().find(|stats| &*stats.name == name).unwrap().counters
}

/// WebAssembly that answers the same as a guest with this list of hits, after some other code.
fn after(code: &str) -> Guest {
    let mut guest = Guest::new("hostile");
    let none = guest.list_of_hits(&[]);
    guest.on_event(&format!("{code} (i32.const {none})"))
}

// What a guest does in `on-event`.

#[test]
fn it_traps() {
    let guest = Guest::new("hostile").on_event("unreachable");
    contained(&loader(), &guest, FaultCause::Trap, "unreachable");
}

#[test]
fn a_fault_names_the_functions_in_which_it_happened() {
    let guest = Guest::new("hostile")
        .items("(func $inner unreachable) (func $outer (call $inner))")
        .on_event("(call $outer) (i32.const 0)");
    contained(&loader(), &guest, FaultCause::Trap, "in `inner` called by `outer`");
}

#[test]
fn it_spins() {
    let guest = Guest::new("hostile").on_event("(loop $again (br $again)) (i32.const 0)");
    contained(&loader(), &guest, FaultCause::Time, "fuel");
}

#[test]
fn it_spins_against_the_clock() {
    let loader = Loader::new(RuleEngine::new(Metering::Epoch).unwrap());
    let guest = Guest::new("hostile").on_event("(loop $again (br $again)) (i32.const 0)");
    contained(&loader, &guest, FaultCause::Time, "interrupt");
}

#[test]
fn it_spins_after_the_clock_has_slept() {
    // Longer than the ticker stays awake without a call.
    let loader = Loader::new(RuleEngine::new(Metering::Epoch).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(2 * budget::TIME_MS_MAX + 1_000));
    let guest = Guest::new("hostile").on_event("(loop $again (br $again)) (i32.const 0)");
    contained(&loader, &guest, FaultCause::Time, "interrupt");
}

#[test]
fn it_allocates_without_end_and_panics() {
    let guest = Guest::new("hostile").on_event(
        "(loop $again
           (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
           (br $again))
         (i32.const 0)",
    );
    contained(&loader(), &guest, FaultCause::Memory, "unreachable");
}

#[test]
fn it_allocates_without_end_and_goes_on() {
    let guest = Guest::new("hostile")
        .on_event("(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (i32.const 0)");
    contained(&loader(), &guest, FaultCause::Time, "fuel");
}

#[test]
fn a_refused_allocation_that_it_copes_with_is_no_fault() {
    let code = "(drop (memory.grow (i32.const 1000)))";
    let mut set = RuleSet::new();
    set.install(loader().load("a", &after(code).build(), "").unwrap()).unwrap();
    for _ in 0..10 {
        assert!(set.judge(&event(), 0).faults.is_empty());
    }
    let stats = &set.stats()[0];
    assert!(stats.memory_bytes > 0 && stats.memory_bytes < budget::MEMORY_BYTES);
}

#[test]
fn it_fills_its_tables() {
    let code = "(if (i32.eq (table.grow $big (ref.null func) (i32.const 1000000)) (i32.const -1))
                  (then unreachable))";
    let guest = after(code).items("(table $big 0 funcref)");
    contained(&loader(), &guest, FaultCause::Memory, "unreachable");
}

#[test]
fn it_calls_itself_without_end() {
    let guest = Guest::new("hostile")
        .items(
            "(func $deeper (param i32) (result i32)
               (call $deeper (local.get 0)) (drop) (i32.const 1))",
        )
        .on_event("(call $deeper (i32.const 0))");
    contained(&loader(), &guest, FaultCause::Trap, "stack");
}

#[test]
fn it_reads_outside_its_memory() {
    let guest = Guest::new("hostile").on_event("(i32.load (i32.const -4))");
    contained(&loader(), &guest, FaultCause::Trap, "out of bounds");
}

// What a guest answers.

/// A guest that answers one hit: a list of so many tags of so many bytes, all the same memory.
fn many_tags(tags: u32, bytes: u32) -> Guest {
    const TEXT: u32 = 256 << 10;
    const TAGS: u32 = 1 << 20;
    let pages = (tags * 8).div_ceil(65536) + 1;
    let mut guest = Guest::new("hostile");
    let hit = guest.constant(&words(&[0, 0, TAGS, tags, 0, 0, 0]));
    let hits = guest.constant(&words(&[hit, 1]));
    guest.on_event(&format!(
        "         (if (i32.lt_u (memory.size) (i32.const {size}))
           (then (drop (memory.grow (i32.const {size})))))
         (local.set $i (i32.const {TAGS}))
         (loop $next
           (i32.store (local.get $i) (i32.const {TEXT}))
           (i32.store offset=4 (local.get $i) (i32.const {bytes}))
           (local.set $i (i32.add (local.get $i) (i32.const 8)))
           (br_if $next (i32.lt_u (local.get $i) (i32.const {end}))))
         (i32.const {hits})",
        size = TAGS / 65536 + pages,
        end = TAGS + tags * 8,
    ))
}

#[test]
fn it_answers_a_million_tags() {
    // Fresh memory is full of them: each is an empty text at address 0.
    let mut guest = Guest::new("hostile");
    let hit = guest.constant(&words(&[0, 0, 1 << 20, 1_000_000, 0, 0, 0]));
    let hits = guest.constant(&words(&[hit, 1]));
    let guest = guest.on_event(&format!("(drop (memory.grow (i32.const 200))) (i32.const {hits})"));
    contained(&loader(), &guest, FaultCause::Output, "too much data");
}

#[test]
fn it_answers_a_hundred_tags() {
    contained(&loader(), &many_tags(100, 1), FaultCause::Output, "100 tags in one hit");
}

#[test]
fn it_answers_a_megabyte_of_tags() {
    contained(&loader(), &many_tags(2, 600_000), FaultCause::Output, "too much data");
}

#[test]
fn it_answers_the_same_memory_a_thousand_times() {
    contained(&loader(), &many_tags(1_000, 100_000), FaultCause::Output, "too much data");
}

#[test]
fn it_answers_a_long_tag() {
    contained(&loader(), &many_tags(1, 129), FaultCause::Output, "a tag of 129 bytes");
}

#[test]
fn it_answers_too_many_hits() {
    let hits = vec![(0, Action::Drop); 257];
    let guest = Guest::new("hostile").hits(&hits);
    contained(&loader(), &guest, FaultCause::Output, "hits on one event");
}

#[test]
fn it_answers_for_a_rule_that_it_does_not_have() {
    for rule in [1, u32::MAX] {
        let guest = Guest::new("hostile").hits(&[(0, Action::Drop), (rule, Action::Drop)]);
        contained(&loader(), &guest, FaultCause::Output, "but it has 1");
    }
}

#[test]
fn it_answers_rubbish_severity() {
    let guest = Guest::new("hostile").hits(&[(0, Action::alert(101, "m"))]);
    contained(&loader(), &guest, FaultCause::Output, "severity 101");
}

/// A guest that answers these words as one hit.
fn raw_hit(hit: &[u32]) -> Guest {
    let mut guest = Guest::new("hostile");
    let hit = guest.constant(&words(hit));
    let hits = guest.constant(&words(&[hit, 1]));
    guest.on_event(&format!("(i32.const {hits})"))
}

#[test]
fn it_answers_a_verdict_that_does_not_exist() {
    let guest = raw_hit(&[0, 3, 0, 0, 0, 0, 0]);
    contained(&loader(), &guest, FaultCause::Output, "discriminant");
}

#[test]
fn it_answers_text_that_is_not_utf8() {
    let mut guest = Guest::new("hostile");
    let text = guest.constant(b"\xff\xfe");
    let tag = guest.constant(&words(&[text, 2]));
    let hit = guest.constant(&words(&[0, 0, tag, 1, 0, 0, 0]));
    let hits = guest.constant(&words(&[hit, 1]));
    let guest = guest.on_event(&format!("(i32.const {hits})"));
    contained(&loader(), &guest, FaultCause::Output, "utf-8");
}

#[test]
fn it_answers_what_lies_outside_its_memory() {
    let outside = 0xffff_0000;
    for hit in [
        [0, 0, outside, 1, 0, 0, 0],
        [0, 0, 1024, 0xffff_ffff, 0, 0, 0],
        [0, 1, 0, outside, 1, 0, 0],
    ] {
        contained(&loader(), &raw_hit(&hit), FaultCause::Output, "out of bounds");
    }
    let guest = Guest::new("hostile").on_event("(i32.const -4)");
    contained(&loader(), &guest, FaultCause::Output, "out of bounds");
}

#[test]
fn it_answers_at_an_odd_address() {
    let guest = Guest::new("hostile").on_event("(i32.const 1025)");
    contained(&loader(), &guest, FaultCause::Output, "aligned");
}

// What a guest does with the host's functions.

#[test]
fn it_logs_without_end() {
    let mut guest = after("");
    let (lines, none) = (1000, guest.list_of_hits(&[]));
    let guest = guest.items("(global $line (mut i32) (i32.const 0))").on_event(&format!(
        "(global.set $line (i32.const 0))
         (loop $next
           (call $log (i32.const 1) (i32.const 1024) (i32.const 8))
           (global.set $line (i32.add (global.get $line) (i32.const 1)))
           (br_if $next (i32.lt_u (global.get $line) (i32.const {lines}))))
         (i32.const {none})"
    ));
    let mut set = RuleSet::new();
    set.install(loader().load("a", &guest.build(), "").unwrap()).unwrap();
    assert!(set.judge(&event(), 0).faults.is_empty());
    let suppressed = counters(&set, "a").log_lines_suppressed;
    assert_eq!(suppressed, lines - u64::from(budget::LOG_LINES_BURST));
    // The sum goes on in the next version.
    set.install(loader().load("a", &guest.build(), "").unwrap()).unwrap();
    assert_eq!(counters(&set, "a").log_lines_suppressed, suppressed);
}

#[test]
fn it_logs_a_megabyte() {
    let code = "(drop (memory.grow (i32.const 64)))
                (call $log (i32.const 1) (i32.const 0) (i32.const 2000000))";
    contained(&loader(), &after(code), FaultCause::Output, "too much data");
}

#[test]
fn it_logs_at_a_level_that_does_not_exist() {
    let code = "(call $log (i32.const 4) (i32.const 1024) (i32.const 1))";
    contained(&loader(), &after(code), FaultCause::Output, "discriminant");
}

#[test]
fn it_makes_sets_without_end() {
    // The answer is a result, which is an error from the 65th set on.
    let code = "(loop $next
                  (local.set $i (i32.add (local.get $i) (i32.const 1)))
                  (call $make_set (i32.const 1024) (i32.const 0) (i32.const 64))
                  (br_if $next (i32.eqz (i32.load8_u (i32.const 64)))))
                (if (i32.ne (local.get $i) (i32.const 65)) (then unreachable))";
    let mut set = RuleSet::new();
    set.install(loader().load("a", &after(code).build(), "").unwrap()).unwrap();
    assert_eq!(set.judge(&event(), 0).faults, []);
}

#[test]
fn it_makes_a_set_of_the_same_memory_again_and_again() {
    // 100,000 texts of 100,000 bytes each: 10 GB, if the host believed it.
    let code = "                (drop (memory.grow (i32.const 30)))
                (local.set $i (i32.const 1048576))
                (loop $next
                  (i32.store offset=4 (local.get $i) (i32.const 100000))
                  (local.set $i (i32.add (local.get $i) (i32.const 8)))
                  (br_if $next (i32.lt_u (local.get $i) (i32.const 1848576))))
                (call $make_set (i32.const 1048576) (i32.const 100000) (i32.const 64))";
    contained(&loader(), &after(code), FaultCause::Output, "too much data");
}

#[test]
fn it_asks_for_too_many_fields() {
    let code = "(call $many (i32.const 1024) (i32.const 1025) (i32.const 64))";
    contained(&loader(), &after(code), FaultCause::Output, "1025 fields; at most 1024");
}

#[test]
fn it_asks_for_many_fields_again_and_again() {
    let code = "(loop $again
                  (call $many (i32.const 1024) (i32.const 1024) (i32.const 64)) (br $again))";
    let guest = after(code);
    let error = {
        let mut set = RuleSet::new();
        set.install(loader().load("a", &guest.build(), "").unwrap()).unwrap();
        set.judge(&event(), 0).faults.remove(0)
    };
    // Which bound it meets first, its memory or its time, depends on its allocator.
    assert!(matches!(error.cause, FaultCause::Memory | FaultCause::Time), "{error}");
}

#[test]
fn it_uses_numbers_that_nobody_gave_it() {
    let code = "(call $text (i32.const -1) (i32.const 64))
                (if (i32.load8_u (i32.const 64)) (then unreachable))
                (call $number (i32.const 65535) (i32.const 64))
                (if (i32.load8_u (i32.const 64)) (then unreachable))
                (call $test (i32.const 0) (i32.const 0) (i32.const 9))
                (if (then unreachable))";
    let mut set = RuleSet::new();
    set.install(loader().load("a", &after(code).build(), "").unwrap()).unwrap();
    assert_eq!(set.judge(&event(), 0).faults, []);
}

/// A guest that reads a text after some other code, so that the host calls its allocator.
fn reading_after(code: &str) -> Guest {
    let mut guest = Guest::new("hostile");
    let name = resolved(&mut guest, "process.name");
    let none = guest.list_of_hits(&[]);
    guest.on_event(&format!("{code} (call $text {name} (i32.const 64)) (i32.const {none})"))
}

#[test]
fn its_allocator_gives_memory_that_does_not_exist() {
    let guest = reading_after("(global.set $heap (i32.const 0x7ffffff0))");
    contained(&loader(), &guest, FaultCause::Output, "beyond end of memory");
}

#[test]
fn its_allocator_traps_while_the_host_writes() {
    let guest = reading_after(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         (global.set $heap (i32.const 0x7ffffff0))",
    );
    contained(&loader(), &guest, FaultCause::Memory, "unreachable");
}

// What a guest does beside judging.

/// A guest whose `save-state` leaves so many bytes, and whose `load-state` does this.
fn carrying(bytes: u32, load: &str) -> Guest {
    let mut guest = tagging("rule");
    let saved = guest.constant(&words(&[1, 7, 1024, bytes]));
    guest.carry(&format!("(drop (memory.grow (i32.const 40))) (i32.const {saved})"), load)
}

#[test]
fn what_it_saves_is_too_large() {
    let loader = loader();
    for (bytes, load, carried) in [
        (1 << 20, "(i32.store8 (i32.const 64) (i32.const 0)) (i32.const 64)", (1, 0)),
        ((1 << 20) + 1, "unreachable", (0, 1)),
        (2 << 20, "unreachable", (0, 1)),
        (1, "unreachable", (0, 1)),
        (1, "(loop $again (br $again)) (i32.const 64)", (0, 1)),
    ] {
        let guest = carrying(bytes, load);
        let mut set = RuleSet::new();
        for _ in 0..2 {
            set.install(loader.load("a", &guest.build(), "").unwrap()).unwrap();
            assert_eq!(set.judge(&event(), 0).taggings.len(), 1, "{bytes}: the swap goes on");
        }
        let counters = set.stats()[0].counters;
        assert_eq!((counters.carries, counters.carries_failed), carried, "{bytes}");
        assert_eq!(counters.faults(), 0);
    }
}

#[test]
fn it_keeps_state_without_end() {
    let mut guest = Guest::new("hostile").state();
    let key = guest.constant(b"key-0000");
    let none = guest.list_of_hits(&[]);
    // Each call adds a thousand keys, of a number that never comes again, with 4 KiB each.
    let guest = guest.items("(global $n (mut i32) (i32.const 0))").on_event(&format!(
        "(loop $again
           (global.set $n (i32.add (global.get $n) (i32.const 1)))
           (i32.store (i32.const {}) (i32.and (global.get $n) (i32.const 0x7f7f7f7f)))
           (call $state_set (i32.const {key}) (i32.const 8) (i32.const 0) (i32.const 4096)
             (i64.const 0) (i32.const 64))
           (br_if $again (i32.rem_u (global.get $n) (i32.const 1000))))
         (i32.const {none})",
        key + 4
    ));
    let mut set = RuleSet::new();
    set.install(loader().load("a", &guest.build(), "").unwrap()).unwrap();
    for _ in 0..5 {
        assert_eq!(set.judge(&event(), 0).faults, []);
    }
    let stats = &set.stats()[0];
    assert!(stats.state_bytes <= Budget::default().state.bytes, "{stats:?}");
    assert!(stats.state.evicted > 1_000 && stats.state_entries > 500, "{stats:?}");
}

#[test]
fn it_needs_wasi_and_gets_nothing_by_it() {
    let mut guest = Guest::new("rule").wasi();
    let line = guest.constant(b"panic: at the disco\n");
    let quiet = guest.list_of_hits(&[(0, Action::tag("nothing"))]);
    let guest = guest.on_event(&format!(
        "(call $environment (i32.const 64))
         (if (i32.load (i32.const 68)) (then unreachable))
         (if (i64.ne (call $now) (call $now)) (then unreachable))
         (if (i64.eq (call $random) (call $random)) (then unreachable))
         (call $write (call $stderr) (i32.const {line}) (i32.const 20) (i32.const 64))
         (if (i32.load8_u (i32.const 64)) (then unreachable))
         (i32.const {quiet})"
    ));
    let mut set = RuleSet::new();
    set.install(loader().load("a", &guest.build(), "").unwrap()).unwrap();
    for _ in 0..3 {
        let verdict = set.judge(&event(), 0);
        assert_eq!((verdict.faults.len(), verdict.taggings.len()), (0, 1), "{:?}", verdict.faults);
    }
    let exits = Guest::new("hostile").wasi().on_event("(call $exit (i32.const 0)) (i32.const 0)");
    contained_in_its_world(&loader(), &exits, FaultCause::Output, "it exited");
}

#[test]
fn it_has_fifty_megabytes() {
    let mut wasm = tagging("rule").build();
    // A custom section: its number, its size in LEB128, the length of its name, the name.
    const BYTES: u32 = 50 << 20;
    wasm.push(0);
    let mut size = BYTES;
    while size >= 0x80 {
        wasm.push(size as u8 | 0x80);
        size >>= 7;
    }
    wasm.push(size as u8);
    wasm.extend([3, b'p', b'a', b'd']);
    wasm.resize(wasm.len() + BYTES as usize - 4, 0);
    let mut set = RuleSet::new();
    set.install(loader().load("a", &wasm, "").unwrap()).unwrap();
    assert_eq!(set.judge(&event(), 0).taggings.len(), 1);
}
