//! The field table as source of the SDKs that have no generator of their own: what each language's
//! file of fields must be, from the one table of `wit/fields.toml`.

use std::fmt::Write as _;

use ocellus::event::{Field, FieldType};

/// Words that Go writes in capitals.
const GO_CAPITALS: [&str; 12] =
    ["id", "pid", "vpid", "ppid", "pgid", "sid", "uid", "gid", "ip", "os", "tty", "ns"];

/// Longest line of the repository's sources.
const COLUMNS_MAX: usize = 100;

const SAY: &str = "Made from wit/fields.toml by `make schema`; docs/schema.md says what they mean.";

/// Path of each file in the repository, and what it must be.
pub fn files() -> [(&'static str, String); 5] {
    [
        ("sdk/c/ocellus_fields.h", c()),
        ("sdk/js/fields.js", javascript()),
        ("sdk/python/ocellus/fields.py", python()),
        ("sdk/go/field/fields.go", go()),
        ("sdk/zig/fields.zig", zig()),
    ]
}

/// What the type of a field is called where languages spell it as a type.
fn type_name(field: Field) -> &'static str {
    match field.info().field_type {
        FieldType::Text => "Text",
        FieldType::Texts => "Texts",
        FieldType::Number => "Number",
        FieldType::Flag => "Flag",
        FieldType::Time => "Time",
    }
}

/// `process.entity_id` as `process`, `entity`, `id`.
fn words(field: Field) -> impl Iterator<Item = &'static str> {
    field.name().trim_start_matches('@').split(['.', '_'])
}

fn snake(field: Field) -> String {
    words(field).collect::<Vec<_>>().join("_")
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_uppercase() + rest
}

/// A line for each field.
fn lines(line: impl Fn(Field) -> String) -> String {
    Field::all().fold(String::new(), |mut text, field| {
        writeln!(text, "{}", line(field)).expect("a String takes it");
        text
    })
}

fn c() -> String {
    let lines = lines(|field| {
        let constant = snake(field).to_uppercase();
        let line = format!("#define OCELLUS_FIELD_{constant} \"{}\"", field.name());
        if line.len() <= COLUMNS_MAX { line } else { line.replacen(" \"", " \\\n    \"", 1) }
    });
    format!(
        "/* The fields of events, for OCELLUS_TEXT(OCELLUS_FIELD_...).\n * {SAY}\n *\n \
         * SPDX-License-Identifier: Apache-2.0 */\n#ifndef OCELLUS_FIELDS_H\n\
         #define OCELLUS_FIELDS_H\n\n{lines}\n#endif\n"
    )
}

fn javascript() -> String {
    let lines = lines(|field| {
        let mut words = words(field);
        let first = words.next().unwrap_or_default();
        let name: String = [first.to_owned()].into_iter().chain(words.map(capitalised)).collect();
        let kind = type_name(field).to_lowercase();
        let line = format!("  {name}: new Field(\"{}\", \"{kind}\"),", field.name());
        if line.len() <= COLUMNS_MAX { line } else { line.replacen(": new", ":\n    new", 1) }
    });
    format!(
        "// The fields of events.\n// {SAY}\nimport {{ Field }} from \"./field.js\";\n\n\
         export const fields = Object.freeze({{\n{lines}}});\n"
    )
}

fn python() -> String {
    let lines = lines(|field| {
        let constant = snake(field).to_uppercase();
        format!("{constant} = {}(\"{}\")", type_name(field), field.name())
    });
    format!(
        "\"\"\"The fields of events.\n\n{}\n\"\"\"\n\n\
         from .field import Flag, Number, Text, Texts, Time\n\n{lines}",
        SAY.replace("; docs", ";\ndocs")
    )
}

fn go() -> String {
    let constants = lines(|field| {
        let word = |word: &str| match GO_CAPITALS.contains(&word) {
            true => word.to_uppercase(),
            false => capitalised(word),
        };
        let name: String = words(field).map(word).collect();
        let (meaning, kind) = (field.info().meaning, type_name(field));
        let index = field.index();
        format!("// {name} is {}: {meaning}.\nconst {name} {kind} = {index}\n", field.name())
    });
    let names = lines(|field| format!("\t\"{}\",", field.name()));
    format!("// {SAY}\n\npackage field\n\n{constants}\nvar names = [...]string{{\n{names}}}\n")
}

fn zig() -> String {
    let constants = lines(|field| {
        let (meaning, kind, index) = (field.info().meaning, type_name(field), field.index());
        let name = snake(field);
        format!(
            "/// {}: {meaning}.\npub const {name} = {kind}{{ .index = {index} }};",
            field.name()
        )
    });
    let names = lines(|field| format!("    \"{}\",", field.name()));
    format!(
        "//! The fields of events.\n//! {SAY}\n\n{constants}\n\
         /// Names, by the index of the field.\npub const names = [_][]const u8{{\n{names}}};\n\n\
         pub const Text = struct {{ index: u16 }};\npub const Texts = struct {{ index: u16 }};\n\
         pub const Number = struct {{ index: u16 }};\npub const Flag = struct {{ index: u16 }};\n\
         pub const Time = struct {{ index: u16 }};\n"
    )
}
