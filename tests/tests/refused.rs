//! Components that are not loaded, and what is said of each: those whose `configure` does harm or
//! answers rubbish, and files that are no component of the contract.

use std::fmt::Write as _;
use std::sync::Arc;

use ocellus::event::Event;
use ocellus::rules::{LoadError, Loader, Metering, RuleEngine, RuleSet, budget};
use ocellus_tests::guest::{Action, Guest, Term, words};

fn loader() -> Loader {
    Loader::new(RuleEngine::new(Metering::Fuel).unwrap())
}

fn tagging(id: &str) -> Guest {
    Guest::new(id).hits(&[(0, Action::tag(id))])
}

/// Why a component is not loaded: one line, fit for a log.
fn refused(wasm: &[u8]) -> String {
    let error = loader().load("hostile", wasm, "").unwrap_err().to_string();
    assert!(error.len() < 700 && !error.contains('\n') && !error.ends_with('.'), "{error}");
    error
}

#[track_caller]
fn assert_refused(wasm: &[u8], why: &str) {
    let error = refused(wasm);
    assert!(error.contains(why), "{error}");
}

// What a guest does in `configure`.

#[test]
fn its_configure_fails() {
    let mut guest = Guest::new("hostile");
    let text = guest.constant(b"no \"shells\" given\n");
    let answer = guest.constant(&words(&[1, text, 18]));
    let guest = guest.configure(&format!("(i32.const {answer})"));
    assert_refused(&guest.build(), r#"its `configure` refused: "no \"shells\" given ""#);
}

#[test]
fn its_configure_does_what_on_event_must_not() {
    let configure = |body: &str| Guest::new("hostile").configure(body).build();
    assert_refused(&configure("unreachable"), "it trapped while it was started and configured");
    let spin = "(loop $again (br $again)) (i32.const 0)";
    assert_refused(&configure(spin), "it took too long while it was started and configured");
    let grow = "(loop $again
                  (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
                  (br $again))
                (i32.const 0)";
    assert_refused(&configure(grow), "it wanted too much memory");
}

#[test]
fn its_start_function_spins() {
    let guest = Guest::new("hostile").items("(func $spin (loop $again (br $again))) (start $spin)");
    assert_refused(&guest.build(), "it took too long while it was started and configured");
}

#[test]
fn its_memory_is_too_large_from_the_start() {
    let guest = Guest::new("hostile").items(
        "(func $big (drop (memory.grow (i32.const 300)))
           (if (i32.lt_u (memory.size) (i32.const 300)) (then unreachable))) (start $big)",
    );
    assert_refused(&guest.build(), "it wanted too much memory");
}

#[test]
fn its_metadata_is_rubbish() {
    let configure = |answer: &[u32]| {
        let mut guest = Guest::new("hostile");
        let answer = guest.constant(&words(answer));
        guest.configure(&format!("(i32.const {answer})")).build()
    };
    assert_refused(&configure(&[0, 1024, 0, 1024, 0]), "it has no rule");
    assert_refused(&configure(&[2, 0, 0, 0, 0]), "discriminant");
    assert_refused(&configure(&[0, 1024, 0x0fff_ffff, 1024, 0]), "out of bounds");
    assert_refused(&Guest::new("Not an id").build(), "other characters than a to z");
    assert_refused(&Guest::new("a").rule("a", 7).build(), "two of its rules have the id `a`");
    assert_refused(&Guest::new("a").attack(&["shell"]).build(), "is not an ATT&CK technique id");
}

#[test]
fn its_interests_are_rubbish() {
    let guest = |kind: &str, field: &str| {
        let term = Term { field: field.into(), how: 0, texts: vec!["a".into()] };
        Guest::new("hostile").interest(&[kind], &[term]).build()
    };
    assert_refused(
        &guest("process.exek", "process.name"),
        "interest 0: there is no event kind `process.exek`; did you mean `process.exec`?",
    );
    assert_refused(
        &guest("process.exec", "process.nam"),
        "interest 0: there is no field `process.nam`; did you mean `process.name`?",
    );
    assert_refused(&guest("process.exec", "process.pid"), "`process.pid` is not a text");
}

// What is not a component of the contract.

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn it_is_no_component() {
    assert_refused(b"", "the file is empty");
    assert_refused(b"#!/bin/sh\necho hello\n", "it is not WebAssembly");
    assert_refused(b"(component)", "WebAssembly in text form");
    assert_refused(&component("(module)"), "it is a core module, not a component");
    assert_refused(b"\0asm\x0e\0\x01\0", "of a version that this sensor does not know");
}

#[test]
fn it_is_cut_off_anywhere() {
    let whole = tagging("good").build();
    let loader = loader();
    let loads = |length: &usize| loader.load("cut", &whole[..*length], "").is_ok();
    let needed = (0..=whole.len()).find(loads).expect("the whole of it loads");
    // Behind what it needs there may be names for debuggers, in custom sections, and no more.
    assert!(needed > whole.len() / 2, "{needed} of {} bytes load", whole.len());
    assert!(whole.get(needed).is_none_or(|section| *section == 0), "at {needed}");
    for length in (0..needed).step_by(13) {
        refused(&whole[..length]);
    }
}

#[test]
fn a_byte_of_it_is_changed_anywhere() {
    // Most changes are refused, some are harmless, none does harm.
    let whole = tagging("good").build();
    let loader = loader();
    let mut set = RuleSet::new();
    let mut refusals = String::new();
    for position in (8..whole.len()).step_by(29) {
        let mut changed = whole.clone();
        changed[position] ^= 0x15;
        match loader.load("changed", &changed, "") {
            Ok(prepared) => {
                set.install(prepared).unwrap();
                set.judge(&Arc::new(Event::default()), 0);
            }
            Err(error) => writeln!(refusals, "{error}").unwrap(),
        }
    }
    assert!(refusals.lines().count() > 10, "{refusals}");
}

#[test]
fn it_is_too_large() {
    let large = vec![0; budget::COMPONENT_BYTES_MAX as usize + 1];
    assert_refused(&large, "more than 64 MiB");
    let config = "#".repeat(budget::CONFIG_BYTES_MAX as usize + 1);
    let error = loader().load("a", &tagging("good").build(), &config).unwrap_err();
    assert!(matches!(error, LoadError::ConfigTooLarge));
}

/// The compiler would take gigabytes for such a function, and minutes for so much code.
#[test]
fn it_has_too_much_code() {
    let function = |kib: usize| format!("(func {})", "nop ".repeat(kib << 10));
    // A module that nobody instantiates is compiled all the same.
    let with = |functions: String| component(&format!("(component (core module {functions}))"));
    let large = function((budget::FUNCTION_BYTES_MAX >> 10) + 8);
    assert_refused(
        &with(large),
        "function 0 of one of its modules has 520 KiB of code; at most 512",
    );
    let most = function((budget::FUNCTION_BYTES_MAX >> 10) - 1);
    let many = most.repeat(budget::CODE_BYTES_MAX / budget::FUNCTION_BYTES_MAX + 1);
    assert_refused(&with(many), "it has more than 16 MiB of code, the most allowed");
}

#[test]
fn it_is_of_another_world() {
    assert_refused(
        &component("(component)"),
        "a rule exports `on-event` or `on-batch`, this exports nothing",
    );
    let run = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func $run (canon lift (core func $i "run")))
        (export "run" (func $run)))"#;
    assert_refused(&component(run), "this exports `run`");
}

#[test]
fn it_has_other_types() {
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (export "configure" (func $f))
        (export "on-event" (func $f)))"#;
    assert_refused(&component(text), "do not have the types of the contract");
    let both = text.replace(
        r#"(export "on-event" (func $f))"#,
        r#"(export "on-event" (func $f)) (export "on-batch" (func $f))"#,
    );
    assert_refused(&component(&both), "exports both `on-event` and `on-batch`");
    let alone = text.replace(r#"(export "configure" (func $f))"#, "");
    assert_refused(&component(&alone), "a rule exports `configure`, this exports `on-event`");
}

#[test]
fn it_is_of_another_version_of_the_contract() {
    for version in ["0.1.0", "1.1.0", "2.0.0"] {
        let wasm = tagging("good").version(version).build();
        let error = refused(&wasm);
        assert!(
            error.starts_with("it was built for another version of the contract (`ocellus:rule/")
        );
        let advice = "`), this sensor offers 1.0.0; build it anew with `ocellus rules build`";
        assert!(error.contains(&format!("@{version}{advice}")), "{error}");
    }
}

#[test]
fn it_imports_what_the_sensor_does_not_offer() {
    for import in ["wasi:http/types@0.2.0", "wasi:cli/environment@0.3.0", "evil"] {
        let text = format!(r#"(component (import "{import}" (instance)))"#);
        assert_refused(&component(&text), &format!("it imports `{import}`, which the sensor"));
    }
    let unknown = r#"(component (import "ocellus:rule/files@1.0.0" (instance)))"#;
    assert_refused(&component(unknown), "it imports `ocellus:rule/files@1.0.0`");
    let function = r#"(component (import "ocellus:rule/host@1.0.0" (instance
        (export "exec" (func)))))"#;
    refused(&component(function));
}
