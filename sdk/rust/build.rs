//! Turns the field table of `wit/fields.toml` into one constant and one typed accessor for each
//! field, so that a name that does not exist is a compile error and not a rule that never fires.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/fields.toml");
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rerun-if-changed=build.rs");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let table: toml::Table =
        text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let out = Path::new(&std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("fields.rs");
    std::fs::write(out, generate(&table)).expect("OUT_DIR is writable");
}

fn generate(table: &toml::Table) -> String {
    let (mut constants, mut accessors, mut rows) = (String::new(), String::new(), String::new());
    for (index, (name, row)) in table.iter().enumerate() {
        let cell = |key: &str| {
            row.get(key)
                .and_then(toml::Value::as_str)
                .unwrap_or_else(|| panic!("field {name}: no text `{key}`"))
        };
        let method = name.trim_start_matches('@').replace('.', "_");
        let constant = method.to_uppercase();
        let (kind, returns, getter, unit) = match cell("type") {
            "text" => ("Text", "Option<crate::Text<'a>>", "text", ""),
            "texts" => ("Texts", "Vec<crate::Text<'a>>", "texts", ""),
            "number" => ("Number", "Option<u64>", "number", ""),
            "time" => ("Time", "Option<u64>", "number", ", in nanoseconds since the epoch"),
            "flag" => ("Flag", "bool", "flag", ""),
            other => panic!("field {name}: no type {other}"),
        };
        let (meaning, absent) = (cell("meaning"), cell("absent"));
        writeln!(
            constants,
            "/// `{name}`: {meaning}{unit}.\n\
             pub const {constant}: Field =
    Field::in_table({name:?}, {index}, crate::field::FieldType::{kind});"
        )
        .expect("a String takes it");
        writeln!(
            accessors,
            "    /// `{name}`: {meaning}{unit}.\n    ///\n    /// Absent: {absent}.\n\
             \x20   pub fn {method}(&self) -> {returns} {{\n\
             \x20       self.{getter}(crate::fields::{constant})\n    }}\n"
        )
        .expect("a String takes it");
        writeln!(rows, "    ({name:?}, FieldType::{kind}),").expect("a String takes it");
    }
    let count = table.len();
    format!(
        "/// One constant for each field of the field table.\n\
         pub mod fields {{\n    use crate::Field;\n{constants}}}\n\n\
         /// Typed accessors, one for each field of the field table.\n\
         impl<'a> crate::Event<'a> {{\n{accessors}}}\n\n\
         pub(crate) const FIELD_COUNT: usize = {count};\n\n\
         /// Name and type of each field, for the stand-in event of native tests.\n\
         #[cfg(not(target_arch = \"wasm32\"))]\n\
         pub(crate) static TABLE: [(&str, FieldType); FIELD_COUNT] = [\n{rows}];\n"
    )
}
