//! `ocellus rules test --check-interests`: what interests hide, by rule.

use ocellus_tests::guest::{Action, DROP, Guest, resolved};

use super::{assert_has, fails, name_term, succeeds, write};

/// Fires on nothing but names that begin with `n`, and says that it wants those that end with `c`.
fn hiding(texts: &[&str]) -> Guest {
    let mut guest = Guest::new("hiding").interest(&["process.exec"], &[name_term(2, texts)]);
    let hit = guest.list_of_hits(&[(0, Action::tag("n"))]);
    let none = guest.list_of_hits(&[]);
    let field = resolved(&mut guest, "process.name");
    let length = 16;
    guest.on_event(&format!(
        "(call $text {field} (i32.const {length}))
         (if (result i32)
           (i32.and
             (i32.ne (i32.load (i32.const {length})) (i32.const 0))
             (i32.eq (i32.load8_u (i32.load (i32.const 20))) (i32.const 110)))
           (then (i32.const {hit}))
           (else (i32.const {none})))"
    ))
}

#[test]
fn an_interest_that_hides_a_hit_is_found() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "e.json",
        r#"[{"process.name":"nc"},{"process.name":"ncat"},{"process.name":"vim"},
            {"process.name":"ncat","ocellus.kinds":["process.exit"]}]"#,
    );
    let arguments = ["test", "a.wasm", "--events", "e.json", "--check-interests"];
    write(dir.path(), "a.wasm", hiding(&["c"]).build());
    let (out, _) = fails(dir.path(), &arguments);
    assert_has(
        &out,
        &[
            "3 events of its kinds, 2 left out, 1 HIDDEN",
            "process.exec: ncat",
            "called, it says: hiding: tag [\"n\"]",
            "process.name is \"ncat\", which does not end with \"c\"",
        ],
    );
    write(dir.path(), "a.wasm", hiding(&["c", "t"]).build());
    let out = succeeds(dir.path(), &arguments);
    assert_has(&out, &["1 left out, none of which would have been a hit"]);
}

/// Interests are a rule's: that another rule of the component wants an event proves nothing, and
/// an alert of another one, which beats a drop, hides no wish to drop.
#[test]
fn interests_are_checked_by_rule() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::new("all").rule("netcat", DROP);
    guest = guest.interest(&["process.exec"], &[name_term(0, &["nc"])]);
    let hits = [(0, Action::alert(50, "all")), (1, Action::Drop)];
    write(dir.path(), "a.wasm", guest.hits(&hits).build());
    write(dir.path(), "e.json", r#"[{"process.name":"nc"},{"process.name":"vim"}]"#);
    let arguments = ["test", "a.wasm", "--events", "e.json", "--check-interests"];
    let out = succeeds(dir.path(), &arguments);
    assert_has(
        &out,
        &[
            "interests of all: 2 events of its kinds, 0 left out, none of which",
            "interests of netcat: 2 events of its kinds, 1 left out, all of which would have been",
        ],
    );
}
