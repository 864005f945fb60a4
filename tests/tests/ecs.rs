//! The field table and the encoders follow ECS.

use ocellus::event::{Event, FIELDS, Field, FieldInfo, FieldType, Value};
use ocellus::sink::encode;
use ocellus_tests::ecs::{assert_ecs_clean, findings};
use serde_json::Value as Json;

/// The name of the only fields that are ours.
const CUSTOM: &str = "ocellus";

fn ecs_fields() -> Json {
    let table: Json =
        serde_json::from_str(include_str!("../ecs/ecs_all.json")).expect("the table is JSON");
    table["fields"].clone()
}

/// What is wrong with a line of the field table.
fn mismatch(ecs: &Json, info: &FieldInfo) -> Option<String> {
    if info.path[0] == CUSTOM {
        return None;
    }
    let Some(field) = ecs.get(info.name) else { return Some("is not in ECS".to_owned()) };
    let ecs_type = field["t"].as_str().expect("each field has a type");
    let fits = match info.field_type {
        FieldType::Text | FieldType::Texts => {
            ["keyword", "constant_keyword", "wildcard", "match_only_text", "text"]
                .contains(&ecs_type)
        }
        FieldType::Number => ["long", "integer", "unsigned_long"].contains(&ecs_type),
        FieldType::Flag => ecs_type == "boolean",
        FieldType::Time => ecs_type == "date",
    };
    let is_array = field.get("arr").is_some();
    if !fits {
        Some(format!("is {:?}, and {ecs_type} in ECS", info.field_type))
    } else if is_array != (info.field_type == FieldType::Texts) {
        Some(format!("is {:?}, and in ECS an array: {is_array}", info.field_type))
    } else {
        None
    }
}

#[test]
fn every_field_has_its_ecs_name_and_type() {
    let ecs = ecs_fields();
    let wrong: Vec<String> = FIELDS
        .iter()
        .filter_map(|info| mismatch(&ecs, info).map(|what| format!("{} {what}", info.name)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Allowed values are few; the table of ECS names them.
fn a_value(ecs: &Json, info: &FieldInfo) -> Value {
    let allowed = ecs.get(info.name).and_then(|field| field["av"][0].as_str());
    let text = match info.name {
        "event.type" => "start",
        "event.category" => "process",
        name if name.contains("capabilities") => "CAP_SYS_ADMIN",
        name if name.ends_with(".args") => "",
        _ => allowed.unwrap_or("a"),
    };
    match info.field_type {
        FieldType::Text => Value::Text(text.into()),
        FieldType::Texts => Value::Texts([text].iter().collect()),
        FieldType::Number => Value::Number(1),
        FieldType::Flag => Value::Flag(true),
        FieldType::Time => Value::Time(1_772_366_400_000_000_001),
    }
}

fn full_event() -> Event {
    let ecs = ecs_fields();
    let mut event = Event::default();
    for field in Field::all() {
        event.set(field, a_value(&ecs, field.info()));
    }
    event
}

#[test]
fn a_document_with_every_field_is_ecs() {
    let mut out = Vec::new();
    encode::json(&full_event(), &mut out);
    assert_ecs_clean(&out);
}

/// The properties of `docs/index-template.json`, by the fields' names.
fn mapped(properties: &Json, prefix: &str, all: &mut std::collections::BTreeMap<String, Json>) {
    for (name, mapping) in properties.as_object().expect("properties are an object") {
        let name = format!("{prefix}{name}");
        match mapping.get("properties") {
            Some(inner) => mapped(inner, &format!("{name}."), all),
            None => drop(all.insert(name, mapping.clone())),
        }
    }
}

/// The index template has each field, in the type that ECS has for it.
#[test]
fn the_index_template_follows_ecs() {
    let template = ocellus::cli::index_template();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/index-template.json");
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written == template, "docs/index-template.json is out of date; run `make schema`");
    let template: Json = serde_json::from_str(&template).unwrap();
    let mut all = std::collections::BTreeMap::new();
    mapped(&template["template"]["mappings"]["properties"], "", &mut all);
    assert_eq!(all.len(), FIELDS.len());
    let ecs = ecs_fields();
    let mut wrong = Vec::new();
    for (name, mapping) in &all {
        let Some(field) = ecs.get(name) else {
            assert!(name.starts_with(CUSTOM), "{name}");
            continue;
        };
        let searched_by_word = mapping.get("fields").is_some();
        if mapping["type"] != field["t"]
            || mapping.get("ignore_above") != field.get("ia")
            || searched_by_word != field.get("mf").is_some()
        {
            wrong.push(format!("{name} is {mapping}, and in ECS {field}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let found = |change: &dyn Fn(&mut Json)| {
        let mut document = serde_json::to_value(encode::Document(&full_event())).unwrap();
        change(&mut document);
        findings(document.to_string().as_bytes())
    };
    assert!(found(&|_| {}).is_empty());
    let found_one = |change: &dyn Fn(&mut Json), expected: &str| {
        let findings = found(change);
        assert!(findings.len() == 1 && findings[0].contains(expected), "{findings:?}");
    };
    found_one(&|it| it["process"]["euid"] = 0.into(), "process.euid\tUNKNOWN");
    found_one(&|it| it["process"]["pid"] = "7".into(), "process.pid\tTYPE");
    found_one(&|it| it["event"]["type"] = "start".into(), "event.type\tARRAY");
    found_one(&|it| it["process"]["name"] = "".into(), "process.name\tEMPTY");
    found_one(&|it| *it = 7.into(), "JSON");
}
