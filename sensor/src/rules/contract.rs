//! Whether a file is a component of the contract; if not, why, in one sentence.

use wasmtime::Engine;
use wasmtime::component::types::{ComponentExtern, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex};

use super::load::LoadError;
use super::{wasi, wit};

/// First bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";
/// Version and layer that follow, of a core module and of a component.
const CORE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// The interfaces that a component may import.
const IMPORTS: [&str; 6] = ["types", "host", "event", "packed", "processes", "state"];

/// Which world of the contract a component implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Judges one event at a time, through getters.
    Rule,
    /// Judges packed events, many at a time.
    BatchRule,
}

impl World {
    /// The function that judges.
    fn judge(self) -> &'static str {
        match self {
            World::Rule => "on-event",
            World::BatchRule => "on-batch",
        }
    }
}

/// The functions of a component that the host calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exports {
    pub world: World,
    pub configure: ComponentExportIndex,
    /// `on-event` or `on-batch`.
    pub judge: ComponentExportIndex,
    /// `save-state` and `load-state`, of a component that has them.
    pub carry: Option<(ComponentExportIndex, ComponentExportIndex)>,
    /// It imports the interface `processes`.
    pub processes: bool,
}

/// Tell by the first bytes what a file is.
pub(super) fn check_format(wasm: &[u8]) -> Result<(), LoadError> {
    if wasm.is_empty() {
        return Err(LoadError::Empty);
    }
    match wasm.strip_prefix(MAGIC) {
        // A file that is still being written may end here.
        None if MAGIC.starts_with(wasm) => Err(LoadError::Truncated),
        None if looks_like_text_format(wasm) => Err(LoadError::TextFormat),
        None => Err(LoadError::NotWasm),
        Some(rest) if rest.starts_with(COMPONENT) => Ok(()),
        Some(rest) if rest.starts_with(CORE) => Err(LoadError::CoreModule),
        Some(rest) if rest.len() < 4 => Err(LoadError::Truncated),
        Some(rest) => {
            Err(LoadError::UnknownFormat { version: [rest[0], rest[1], rest[2], rest[3]] })
        }
    }
}

fn looks_like_text_format(wasm: &[u8]) -> bool {
    let start = wasm.trim_ascii_start();
    start.starts_with(b"(component") || start.starts_with(b"(module")
}

/// Check imports and exports by name. Their types are checked when they are linked and started.
pub(super) fn check_world(engine: &Engine, component: &Component) -> Result<Exports, LoadError> {
    let ty = component.component_type();
    let mut processes = false;
    for (import, _) in ty.imports(engine) {
        check_import(import)?;
        processes |= import.starts_with(PROCESSES);
    }
    let names: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    let found = || names.iter().map(|name| short(name)).collect();
    let function = |name: &str| {
        let is_function =
            |export: ComponentExtern<'_>| matches!(export.ty, ComponentItem::ComponentFunc(_));
        ty.get_export(engine, name).is_some_and(is_function)
    };
    let worlds = [World::Rule, World::BatchRule].into_iter().filter(|one| function(one.judge()));
    let world = match worlds.collect::<Vec<_>>()[..] {
        [world] => world,
        [] => {
            return Err(LoadError::OtherWorld {
                missing: "on-event` or `on-batch",
                found: found(),
            });
        }
        _ => return Err(LoadError::BothWorlds),
    };
    let index = |name: &str| component.get_export_index(None, name);
    let (Some(configure), Some(judge), true) =
        (index("configure"), index(world.judge()), function("configure"))
    else {
        return Err(LoadError::OtherWorld { missing: "configure", found: found() });
    };
    let carry = names.iter().find(|name| name.starts_with(CARRY));
    let carry = match carry {
        None => None,
        Some(name) if !is_ours(&name[CARRY.len()..]) => {
            return Err(LoadError::OtherVersion { name: short(name) });
        }
        Some(name) => Some(check_carry(component, name).ok_or(LoadError::OtherWorld {
            missing: "save-state` and `load-state",
            found: found(),
        })?),
    };
    Ok(Exports { world, configure, judge, carry, processes })
}

/// Begins the name of the exported interface `carry`; the version follows.
const CARRY: &str = "ocellus:rule/carry@";

/// Begins the name of the imported interface `processes`.
const PROCESSES: &str = "ocellus:rule/processes@";

fn check_carry(
    component: &Component,
    name: &str,
) -> Option<(ComponentExportIndex, ComponentExportIndex)> {
    let carry = component.get_export_index(None, name)?;
    let function = |name| component.get_export_index(Some(&carry), name);
    Some((function("save-state")?, function("load-state")?))
}

fn check_import(import: &str) -> Result<(), LoadError> {
    let foreign = || LoadError::ForeignImport { name: short(import) };
    if wasi::is_offered(import) {
        return Ok(());
    }
    let (interface, version) = import
        .strip_prefix(wit::PACKAGE)
        .map(|rest| rest.split_once('@').unwrap_or((rest, "")))
        .ok_or_else(foreign)?;
    if !is_ours(version) {
        return Err(LoadError::OtherVersion { name: short(import) });
    }
    if IMPORTS.contains(&interface) { Ok(()) } else { Err(foreign()) }
}

/// Whether a component of this version of the contract runs here: the same major version, and no
/// minor version that is newer than ours.
fn is_ours(version: &str) -> bool {
    let numbers = |version: &str| {
        let mut parts = version.splitn(3, '.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    match (numbers(version), numbers(wit::VERSION)) {
        (Some((major, minor)), Some((our_major, our_minor))) => {
            major == our_major && minor <= our_minor
        }
        _ => false,
    }
}

/// A name from a component, fit for a message.
fn short(name: &str) -> String {
    const CHARS_MAX: usize = 120;
    name.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        let refused = |bytes: &[u8]| check_format(bytes).unwrap_err();
        assert!(matches!(refused(b""), LoadError::Empty));
        assert!(matches!(refused(b"\0as"), LoadError::Truncated));
        assert!(matches!(refused(b"\0asm\x0d\0"), LoadError::Truncated));
        assert!(matches!(refused(b"#!/bin/sh\n"), LoadError::NotWasm));
        assert!(matches!(refused(b"  (module)"), LoadError::TextFormat));
        assert!(matches!(refused(b"\0asm\x01\0\0\0"), LoadError::CoreModule));
        assert!(matches!(refused(b"\0asm\x0a\0\x01\0"), LoadError::UnknownFormat { .. }));
        assert!(check_format(b"\0asm\x0d\0\x01\0").is_ok());
    }

    #[test]
    fn imports_are_ours_and_of_our_version() {
        assert!(check_import("ocellus:rule/event@1.0.0").is_ok());
        assert!(check_import("ocellus:rule/event@1.0.7").is_ok());
        assert!(check_import("wasi:cli/exit@0.2.0").is_ok());
        for other in ["0.1.0", "1.1.0", "2.0.0", "1", "x.y.z", ""] {
            let other = &format!("ocellus:rule/event@{other}");
            assert!(matches!(check_import(other), Err(LoadError::OtherVersion { .. })), "{other}");
        }
        for foreign in ["wasi:http/types@0.2.0", "env", "ocellus:rule/files@1.0.0", ""] {
            assert!(matches!(check_import(foreign), Err(LoadError::ForeignImport { .. })));
        }
    }
}
