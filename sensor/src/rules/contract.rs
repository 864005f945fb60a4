//! Whether a file is a component of the contract; if not, why, in one sentence.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentExtern, ComponentItem};

use super::load::LoadError;
use super::wit;

/// First bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";
/// Version and layer that follow, of a core module and of a component.
const CORE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// What the world `rule` exports.
const EXPORTS: [&str; 2] = ["configure", "on-event"];
/// The interfaces that it may import.
const IMPORTS: [&str; 3] = ["types", "host", "event"];

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

/// Check imports and exports by name. Their types are checked when they are linked.
pub(super) fn check_world(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let world = component.component_type();
    for (import, _) in world.imports(engine) {
        check_import(import)?;
    }
    let is_function =
        |export: ComponentExtern<'_>| matches!(export.ty, ComponentItem::ComponentFunc(_));
    for export in EXPORTS {
        if !world.get_export(engine, export).is_some_and(is_function) {
            let found = world.exports(engine).map(|(name, _)| short(name)).collect();
            return Err(LoadError::OtherWorld { missing: export, found });
        }
    }
    Ok(())
}

fn check_import(import: &str) -> Result<(), LoadError> {
    let foreign = || LoadError::ForeignImport { name: short(import) };
    let (interface, version) = import
        .strip_prefix(wit::PACKAGE)
        .map(|rest| rest.split_once('@').unwrap_or((rest, "")))
        .ok_or_else(foreign)?;
    if version != wit::VERSION {
        return Err(LoadError::OtherVersion { name: short(import) });
    }
    if IMPORTS.contains(&interface) { Ok(()) } else { Err(foreign()) }
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
        assert!(check_import("ocellus:rule/event@0.1.0").is_ok());
        for other in ["ocellus:rule/event@0.2.0", "ocellus:rule/event"] {
            assert!(matches!(check_import(other), Err(LoadError::OtherVersion { .. })), "{other}");
        }
        for foreign in ["wasi:cli/exit@0.2.0", "env", "ocellus:rule/files@0.1.0", ""] {
            assert!(matches!(check_import(foreign), Err(LoadError::ForeignImport { .. })));
        }
    }
}
