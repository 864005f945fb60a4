//! The JSON schema of the configuration, made from its types.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::Config;

/// docs/config.schema.json.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Config);
    match serde_json::to_string_pretty(&schema) {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("a schema is plain data: {error}"),
    }
}

/// Every `section.key` that there is, without those whose names the operator chooses.
pub(super) fn known_keys() -> &'static BTreeSet<String> {
    static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let root = schemars::schema_for!(Config).to_value();
        let mut keys = BTreeSet::new();
        collect(&root, &root, "", &mut keys);
        keys
    });
    &KEYS
}

fn collect(root: &Value, schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let schema = resolve(root, schema);
    let Some(properties) = schema["properties"].as_object() else {
        // What has names of the operator's choice is no key that can be set by itself.
        if !path.is_empty() && schema["type"] != "object" {
            keys.insert(path.to_owned());
        }
        return;
    };
    for (name, property) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(root, property, &path, keys);
    }
}

/// Follows `$ref`.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::{leaves, table_of};

    #[test]
    fn the_schema_knows_every_key() {
        let known = known_keys();
        for (key, _) in leaves(&table_of(&Config::default())) {
            assert!(known.contains(&key), "{key} is not among {known:?}");
        }
        for key in ["host.name", "rules.dir", "metrics.listen", "control.group"] {
            assert!(known.contains(key), "{key} is not among {known:?}");
        }
    }
}
