//! Inert WASI, for components whose toolchain imports it whether they use it or not (Go,
//! wasi-libc).
//!
//! There are no files, no network, no environment, no arguments; the clock stands still, and random
//! numbers are the same each time. What is written to standard output or error becomes lines of the
//! log. Functions are defined by the types that the component imports, with the poorest answer that
//! their type allows: nothing of WASI has any power here.

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, Resource, ResourceType, Val};

use super::host::{HostState, Misuse};

/// Packages that a component may import.
const PACKAGES: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
/// The series of versions in which these interfaces stay the same.
const VERSION: &str = "0.2.";

/// Bytes that an output stream takes at once.
const WRITE_BYTES: u64 = 64 << 10;
/// Most random bytes in one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// What the monotonic clock shows. Go takes zero for a clock that is broken.
const NOW_NS: u64 = 1;

/// Stands for every stream, file and socket. There is nothing behind it.
enum Nothing {}

/// Whether an import is one for which there is an inert stand-in.
pub(super) fn is_offered(import: &str) -> bool {
    let version = import.rsplit_once('@').map_or("", |(_, version)| version);
    PACKAGES.iter().any(|package| import.starts_with(package)) && version.starts_with(VERSION)
}

/// Define what a component imports of WASI. Gives false when it imports nothing of it.
pub(super) fn define(
    linker: &mut Linker<HostState>,
    component: &Component,
) -> wasmtime::Result<bool> {
    let engine = component.engine();
    let mut any = false;
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if !is_offered(name) {
            continue;
        }
        any = true;
        let mut instance = linker.instance(name)?;
        let short = name.split('@').next().unwrap_or(name).to_owned();
        for (item, export) in interface.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    instance.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let function = Function::of(&short, item);
                    instance.func_new(item, move |store, ty, args, results| {
                        call(function, store, &ty, args, results)
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(any)
}

/// Functions that need more than the poorest answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Exit,
    CheckWrite,
    Write,
    Poll,
    Ready,
    RandomBytes,
    RandomNumber,
    Now,
    /// Of streams: success. There is nothing to flush or to wait for.
    Succeeds,
    Other,
}

impl Function {
    fn of(interface: &str, name: &str) -> Function {
        let name = name.rsplit('.').next().unwrap_or(name);
        match (interface, name) {
            ("wasi:cli/exit", _) => Function::Exit,
            ("wasi:io/streams", "check-write") => Function::CheckWrite,
            ("wasi:io/streams", "write" | "blocking-write-and-flush") => Function::Write,
            ("wasi:io/streams", "flush" | "blocking-flush") => Function::Succeeds,
            ("wasi:io/poll", "poll") => Function::Poll,
            ("wasi:io/poll", "ready") => Function::Ready,
            ("wasi:random/random" | "wasi:random/insecure", name) if name.ends_with("bytes") => {
                Function::RandomBytes
            }
            ("wasi:random/random" | "wasi:random/insecure", _) => Function::RandomNumber,
            ("wasi:clocks/monotonic-clock", "now" | "resolution") => Function::Now,
            _ => Function::Other,
        }
    }
}

fn call(
    function: Function,
    mut store: StoreContextMut<'_, HostState>,
    ty: &ComponentFunc,
    args: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    for arg in args {
        give_back(&mut store, arg)?;
    }
    if function == Function::Write
        && let Some(Val::List(bytes)) = args.get(1)
    {
        let bytes =
            bytes.iter().filter_map(|byte| if let Val::U8(b) = byte { Some(*b) } else { None });
        let text = bytes.collect::<Vec<u8>>();
        store.data_mut().write_output(&String::from_utf8_lossy(&text));
    }
    if function == Function::Exit {
        return Err(Misuse::new("it exited").into());
    }
    let (Some(result), Some(ty)) = (results.first_mut(), ty.results().next()) else {
        return Ok(());
    };
    *result = match (function, args.first()) {
        (Function::CheckWrite, _) => Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES))))),
        (Function::Write | Function::Succeeds, _) => Val::Result(Ok(None)),
        (Function::Ready, _) => Val::Bool(true),
        (Function::Now, _) => Val::U64(NOW_NS),
        // All of them are ready.
        (Function::Poll, Some(Val::List(all))) => {
            Val::List((0..all.len() as u32).map(Val::U32).collect())
        }
        (Function::RandomBytes, Some(Val::U64(len))) if *len <= RANDOM_BYTES_MAX => {
            let random = (0..*len).map(|_| Val::U8(store.data_mut().random() as u8));
            Val::List(random.collect())
        }
        (Function::RandomBytes, _) => {
            return Err(Misuse::new("it asked for too many random bytes").into());
        }
        (Function::RandomNumber, _) if matches!(ty, Type::U64) => {
            Val::U64(store.data_mut().random())
        }
        _ => poorest(&mut store, &ty)?,
    };
    Ok(())
}

/// Ends the loan of handles that a call was given.
fn give_back(store: &mut StoreContextMut<'_, HostState>, arg: &Val) -> wasmtime::Result<()> {
    match arg {
        Val::Resource(handle) => handle.resource_drop(store),
        Val::List(all) => all.iter().try_for_each(|one| give_back(store, one)),
        Val::Option(Some(one)) => give_back(store, one),
        _ => Ok(()),
    }
}

/// The least that a type allows: zero, nothing, the first case, and an error rather than a value.
fn poorest(store: &mut StoreContextMut<'_, HostState>, ty: &Type) -> wasmtime::Result<Val> {
    let mut inner = |ty: Option<Type>| -> wasmtime::Result<Option<Box<Val>>> {
        ty.map(|ty| poorest(store, &ty).map(Box::new)).transpose()
    };
    Ok(match ty {
        Type::Bool => Val::Bool(false),
        Type::S8 => Val::S8(0),
        Type::U8 => Val::U8(0),
        Type::S16 => Val::S16(0),
        Type::U16 => Val::U16(0),
        Type::S32 => Val::S32(0),
        Type::U32 => Val::U32(0),
        Type::S64 => Val::S64(0),
        Type::U64 => Val::U64(0),
        Type::Float32 => Val::Float32(0.0),
        Type::Float64 => Val::Float64(0.0),
        Type::Char => Val::Char(' '),
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Enum(one) => Val::Enum(one.names().next().unwrap_or_default().to_owned()),
        Type::Result(one) => Val::Result(Err(inner(one.err())?)),
        Type::Variant(one) => {
            // A case without a value, if there is one: an error of a stream is then its end.
            let case = one.cases().find(|case| case.ty.is_none()).or_else(|| one.cases().next());
            let Some(case) = case else { return Err(Misuse::new("a variant has no case").into()) };
            Val::Variant(case.name.to_owned(), inner(case.ty.clone())?)
        }
        Type::Record(one) => {
            let mut fields = Vec::new();
            for field in one.fields() {
                fields.push((field.name.to_owned(), poorest(store, &field.ty)?));
            }
            Val::Record(fields)
        }
        Type::Tuple(one) => {
            let values = one.types().map(|ty| poorest(store, &ty));
            Val::Tuple(values.collect::<wasmtime::Result<_>>()?)
        }
        Type::Own(_) => {
            let nothing = Resource::<Nothing>::new_own(0);
            Val::Resource(nothing.try_into_resource_any(&mut *store)?)
        }
        _ => return Err(Misuse::new("it asked WASI for what has no inert form").into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_toolchains_need_is_offered() {
        for import in ["wasi:cli/exit@0.2.0", "wasi:io/streams@0.2.6", "wasi:sockets/tcp@0.2.3"] {
            assert!(is_offered(import), "{import}");
        }
        for import in ["wasi:http/types@0.2.0", "wasi:cli/exit@0.3.0", "wasi:cli/exit", "wasi:nn/x"]
        {
            assert!(!is_offered(import), "{import}");
        }
    }
}
