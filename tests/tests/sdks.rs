//! The SDKs: their fields are those of the table, and their own tests pass where their tools are.

use ocellus_tests::{fields, prebuilt::root};

#[test]
fn the_fields_of_every_sdk_are_those_of_the_table() {
    let mut stale = Vec::new();
    for (path, expected) in fields::files() {
        let file = root().join(path);
        if std::fs::read_to_string(&file).is_ok_and(|text| text == expected) {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, expected)
                .unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "run `make schema` and commit what it writes: {stale:?}");
}
