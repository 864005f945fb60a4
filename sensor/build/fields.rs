//! The field table in Rust: one constant for each field and the static table behind it, sorted so
//! that fields of one ECS object stand together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    r#type: String,
    kinds: String,
    meaning: String,
    absent: String,
}

/// Rust source of the field table of the repository at `root`.
pub fn generate(root: &Path) -> String {
    let table = root.join("wit/fields.toml");
    println!("cargo::rerun-if-changed={}", table.display());
    let text = std::fs::read_to_string(&table)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", table.display()));
    let rows: BTreeMap<String, Row> =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
    source(rows)
}

fn source(rows: BTreeMap<String, Row>) -> String {
    let mut rows: Vec<(String, Row)> = rows.into_iter().collect();
    // By segment, not by byte: `a.b` and `a.b.c` must be neighbours, with no `a.b-d` between.
    rows.sort_by(|a, b| a.0.split('.').cmp(b.0.split('.')));
    let mut constants = String::new();
    let mut table = String::new();
    for (index, (name, row)) in rows.iter().enumerate() {
        let constant = name.trim_start_matches('@').replace('.', "_").to_uppercase();
        let kind = match row.r#type.as_str() {
            "text" => "Text",
            "texts" => "Texts",
            "number" => "Number",
            "flag" => "Flag",
            "time" => "Time",
            other => panic!("field {name}: no type {other}"),
        };
        let path: Vec<&str> = name.split('.').collect();
        writeln!(
            constants,
            "    /// `{name}`: {}.\n    pub const {constant}: Field = Field({index});",
            row.meaning
        )
        .expect("a String takes it");
        writeln!(
            table,
            "    FieldInfo {{ name: {name:?}, path: &{path:?}, field_type: FieldType::{kind}, \
             kinds: {:?}, meaning: {:?}, absent: {:?} }},",
            row.kinds, row.meaning, row.absent
        )
        .expect("a String takes it");
    }
    format!(
        "impl Field {{\n{constants}}}\n\n/// How many fields there are.\n\
         pub const FIELD_COUNT: usize = {};\n\n/// The field table, in output order.\n\
         pub static FIELDS: [FieldInfo; FIELD_COUNT] = [\n{table}];\n",
        rows.len()
    )
}
