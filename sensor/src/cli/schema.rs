//! The schema page, `docs/schema.md`: the field table for people.

use std::fmt::Write as _;

use crate::event::{FIELDS, FieldInfo, FieldType, Kinds};

const INTRODUCTION: &str = "\
# Fields of an event

<!-- Generated from wit/fields.toml by `ocellus schema`. Do not edit: `make schema` writes it. -->

Names and types are those of [ECS](https://www.elastic.co/guide/en/ecs/current/) 9.4; what ECS \
lacks is under `ocellus`. Rules ask for fields by these names, and JSON and MessagePack nest them \
at the dots. A field that an event does not have is left out: there is no `null`, and nothing is \
invented.

| type | in JSON and MessagePack | for rules |
| --- | --- | --- |
| text | a string | `text` |
| texts | an array of strings | `texts` |
| number | a number, 0 to 2⁶⁴ − 1 | `number` |
| flag | a boolean | `number`: 0 or 1 |
| time | a string: RFC 3339, UTC, nine digits | `number`: nanoseconds since the epoch |

";

/// The index template, as JSON.
pub fn index_template() -> String {
    format!("{:#}\n", crate::sink::net::template::index_template())
}

/// The page, as Markdown.
pub fn schema_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(
        "## Kinds\n\nAn event that was merged has several; `ocellus.kinds` lists them.\n\n",
    );
    page.push_str("| kind | fields marked |\n| --- | --- |\n");
    for (kind, name) in Kinds::NAMES {
        writeln!(page, "| `{name}` | {} |", marks(kind)).expect("a String takes it");
    }
    let (outermost, nested): (Vec<_>, Vec<_>) = FIELDS.iter().partition(|it| it.path.len() == 1);
    section(&mut page, "Outermost", &outermost);
    for group in nested.chunk_by(|a, b| a.path[0] == b.path[0]) {
        section(&mut page, group[0].path[0], group);
    }
    page
}

fn section(page: &mut String, heading: &str, fields: &[&FieldInfo]) {
    write!(page, "\n## {heading}\n\n").expect("a String takes it");
    page.push_str("| field | type | in | meaning | absent when |\n");
    page.push_str("| --- | --- | --- | --- | --- |\n");
    for info in fields {
        let FieldInfo { name, kinds, meaning, absent, .. } = info;
        let kind = type_name(info.field_type);
        let absent = if *absent == "never" { "–" } else { absent };
        writeln!(page, "| `{name}` | {kind} | {kinds} | {meaning} | {absent} |")
            .expect("a String takes it");
    }
}

fn type_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Texts => "texts",
        FieldType::Number => "number",
        FieldType::Flag => "flag",
        FieldType::Time => "time",
    }
}

/// What the column `in` says of fields that events of this kind can have.
fn marks(kind: Kinds) -> &'static str {
    match kind {
        Kinds::PROCESS_EXEC => "any, process, exec",
        Kinds::PROCESS_EXIT => "any, process, exit",
        Kinds::SENSOR_LOSS => "any, sensor, loss",
        _ if kind.intersects(Kinds::SENSOR) => "any, sensor",
        _ => "any, process",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_on_the_page_once() {
        let page = schema_page();
        for info in &FIELDS {
            let start = format!("\n| `{}` | ", info.name);
            assert_eq!(page.matches(&start).count(), 1, "{}", info.name);
        }
    }
}
