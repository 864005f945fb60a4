//! What a component says in WIT: which contract it was built against, what it imports and exports,
//! and where it differs from the contract of `wit/`. For messages to authors; whether a component
//! is loaded is decided by `contract.rs` and by wasmtime.

use std::collections::BTreeMap;

use wit_component::{DecodedWasm, OutputToString, WitPrinter, decode};
use wit_parser::{Resolve, SourceMap, WorldId, WorldItem, WorldKey};

use super::build::WIT;

/// The outside of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct World {
    /// Interfaces and functions, by their full names.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// What a component imports and exports.
pub fn describe(wasm: &[u8]) -> Result<World, String> {
    let (resolve, world) = component(wasm)?;
    let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
        let named = items.filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
        named.map(|(key, _)| resolve.name_world_key(key)).collect()
    };
    let world = &resolve.worlds[world];
    Ok(World {
        imports: names(&mut world.imports.iter()),
        exports: names(&mut world.exports.iter()),
    })
}

/// Where a component differs from the contract: the item, the line of `wit/` that has it, and both
/// texts. Empty when nothing differs by name and type.
pub fn differences(wasm: &[u8]) -> Vec<String> {
    let (Ok((theirs, _)), Some(ours)) = (component(wasm), contract()) else { return Vec::new() };
    let (theirs, ours) = (items(&theirs), items(&ours));
    let mut differences = Vec::new();
    for ((place, name), item) in &theirs {
        match ours.get(&(place.clone(), name.clone())) {
            Some(ours) if ours == item => {}
            Some(ours) => {
                differences.push(format!("{}: {ours}; the component has: {item}", at(place, name)));
            }
            // Places that are not ours are refused by name, before this is asked; and a toolchain
            // may export more than the world asks for.
            None if place != "world" && ours.keys().any(|(known, _)| known == place) => {
                differences.push(format!("the contract has no `{name}` in `{place}`"));
            }
            None => {}
        }
    }
    differences
}

fn component(wasm: &[u8]) -> Result<(Resolve, WorldId), String> {
    match decode(wasm).map_err(|error| format!("{error:#}"))? {
        DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
        DecodedWasm::WitPackage(..) => Err("it is a WIT package, not a component".into()),
    }
}

fn contract() -> Option<Resolve> {
    let mut sources = SourceMap::new();
    for (name, text) in WIT {
        sources.push_str(name, text);
    }
    let mut resolve = Resolve::default();
    resolve.push_group(sources.parse().ok()?).ok()?;
    Some(resolve)
}

/// Every item of every interface and world, by the place that it is in and its name. All worlds are
/// one place, `world`: a component's own has another name.
fn items(resolve: &Resolve) -> BTreeMap<(String, String), String> {
    let mut items = BTreeMap::new();
    for (package, _) in resolve.packages.iter() {
        let mut printer = WitPrinter::new(OutputToString::default());
        printer.emit_docs(false);
        if printer.print(resolve, package, &[]).is_ok() {
            split(&printer.output.to_string(), &mut items);
        }
    }
    items
}

/// Takes printed WIT apart.
fn split(text: &str, items: &mut BTreeMap<(String, String), String>) {
    let mut place = None;
    let mut item = String::new();
    for line in text.lines().map(str::trim) {
        let Some(inside) = &place else {
            place = line.strip_suffix('{').and_then(|line| match line.trim().split_once(' ') {
                Some(("interface", name)) => Some(name.to_owned()),
                Some(("world", _)) => Some("world".to_owned()),
                _ => None,
            });
            continue;
        };
        if item.is_empty() && line == "}" {
            place = None;
            continue;
        }
        if !item.is_empty() {
            item.push(' ');
        }
        item.push_str(line);
        let is_whole =
            item.matches('{').count() == item.matches('}').count() && item.ends_with(['}', ';']);
        if is_whole {
            let whole = std::mem::take(&mut item);
            if let Some(name) = name(&whole) {
                items.insert((inside.clone(), name), whole.trim_end_matches(';').to_owned());
            }
        }
    }
}

/// The name of an item; none for what only refers to another place.
fn name(item: &str) -> Option<String> {
    const KEYWORDS: [&str; 7] = ["record", "variant", "enum", "flags", "type", "export", "import"];
    let mut words = item.split_whitespace();
    let first = words.next()?;
    let name = if KEYWORDS.contains(&first) { words.next()? } else { first };
    let is_reference =
        first == "use" || (matches!(first, "export" | "import") && !item.contains("func"));
    (!is_reference)
        .then(|| name.trim_end_matches([':', ';', '{']).trim_start_matches('%').to_owned())
}

/// `wit/event.wit:31: …`: where the contract has an item.
fn at(place: &str, name: &str) -> String {
    let opening =
        if place == "world" { "world ".to_owned() } else { format!("interface {place} ") };
    for (file, text) in WIT {
        let inside = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with(&opening));
        let declares = |line: &str| {
            let mut words =
                line.trim().split([' ', ':', '{', ';', '=']).filter(|it| !it.is_empty());
            words.next() == Some(name) || (words.next() == Some(name) && !line.contains("///"))
        };
        if let Some((index, _)) = inside.skip(1).find(|(_, line)| declares(line)) {
            return format!("wit/{file}:{}", index + 1);
        }
    }
    format!("wit/ ({place})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_of_the_contract_is_found_in_its_file() {
        let contract = contract().unwrap();
        let items = items(&contract);
        assert!(items.len() > 20, "{items:?}");
        for (place, name) in items.keys() {
            assert!(at(place, name).contains(".wit:"), "{place} {name}");
        }
        let text = &items[&("event".to_owned(), "text".to_owned())];
        assert_eq!(text, "text: func(field: field) -> option<string>");
    }

    #[test]
    fn items_are_told_apart() {
        let mut items = BTreeMap::new();
        split(
            "package a:b;\n\ninterface types {\n  record r {\n    a: u8,\n  }\n  use x.{y};\n\
             \n  f: func();\n}\nworld root {\n  import a:b/types;\n  export g: func(a: u8);\n}\n",
            &mut items,
        );
        let names: Vec<_> = items.keys().map(|(place, name)| format!("{place}.{name}")).collect();
        assert_eq!(names, ["types.f", "types.r", "world.g"]);
    }
}
