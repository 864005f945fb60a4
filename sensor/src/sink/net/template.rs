//! The index template for Elasticsearch and OpenSearch: the field table in their words.

use serde_json::{Map, Value, json};

use crate::event::{FIELDS, FieldInfo, FieldType};

/// Texts longer than this are kept, but cannot be searched for as a whole, as ECS has it.
const KEYWORD_CHARS_MAX: u64 = 1_024;

/// The template of `docs/index-template.json`.
pub fn index_template() -> Value {
    let mut properties = Map::new();
    for info in &FIELDS {
        insert(&mut properties, info.path, mapping(info));
    }
    json!({
        "index_patterns": ["logs-ocellus-*", "logs-ocellus.*-*"],
        // Above the templates for `logs-*-*` that Elasticsearch comes with.
        "priority": 200,
        "data_stream": {},
        "template": {
            "settings": { "index": { "codec": "best_compression" } },
            "mappings": {
                // What a newer sensor may say is kept, and searchable once the template knows it.
                "dynamic": false,
                "date_detection": false,
                "properties": properties,
            },
        },
        "_meta": {
            "description": "Events of Ocellus",
            "version": env!("CARGO_PKG_VERSION"),
        },
    })
}

fn insert(properties: &mut Map<String, Value>, path: &[&str], mapping: Value) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        properties.insert((*name).to_owned(), mapping);
        return;
    }
    let object = properties.entry(*name).or_insert_with(|| json!({ "properties": {} }));
    if let Some(inner) = object["properties"].as_object_mut() {
        insert(inner, rest, mapping);
    }
}

fn mapping(info: &FieldInfo) -> Value {
    let mut mapping = match info.field_type {
        FieldType::Number => json!({ "type": "long" }),
        FieldType::Flag => json!({ "type": "boolean" }),
        FieldType::Time => json!({ "type": "date" }),
        FieldType::Text | FieldType::Texts => match *info.path {
            ["message"] | ["error", "message"] => json!({ "type": "match_only_text" }),
            [.., "command_line"] => json!({ "type": "wildcard" }),
            _ => json!({ "type": "keyword", "ignore_above": KEYWORD_CHARS_MAX }),
        },
    };
    if is_searched_by_word(info.path) {
        mapping["fields"] = json!({ "text": { "type": "match_only_text" } });
    }
    mapping
}

/// ECS has such a field a second time, as text.
fn is_searched_by_word(path: &[&str]) -> bool {
    match *path {
        [.., "executable" | "command_line" | "working_directory"] => path[0] == "process",
        [.., "os", "full" | "name"] => true,
        [.., owner, "name"] => {
            ["process", "parent", "user", "effective"].contains(&owner)
                || owner.ends_with("_leader")
                || owner.ends_with("_user")
        }
        _ => false,
    }
}
