//! Offers the host's functions to components.
//!
//! They are registered by hand and not through the generated traits, so that the text of
//! a field crosses straight from the event into the guest's memory, without a copy in between.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::super::text_set::Match;
use super::super::wit;
use super::{HostState, text_of, texts_of};

type Context<'a> = StoreContextMut<'a, HostState>;

/// Offer the interfaces of the contract.
pub(in super::super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    add_event(linker)?;
    add_packed(linker)?;
    add_processes(linker)?;
    add_state(linker)?;
    let mut host = linker.instance(&interface("host"))?;
    host.func_wrap("log", |mut store: Context<'_>, (level, message): (wit::Level, String)| {
        store.data_mut().write_log(level, &message);
        Ok(())
    })
}

fn add_event(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut event = linker.instance(&interface("event"))?;
    event.func_wrap("resolve", |store: Context<'_>, (name,): (String,)| {
        Ok((store.data().resolve(&name),))
    })?;
    event.func_wrap("text", |mut store: Context<'_>, (field,): (u32,)| {
        let text = store.data().text(field);
        store.data_mut().bytes += text.as_ref().map_or(0, |text| text.len() as u64);
        Ok((text,))
    })?;
    event.func_wrap("number", |store: Context<'_>, (field,): (u32,)| {
        Ok((store.data().number(field),))
    })?;
    event.func_wrap("texts", |mut store: Context<'_>, (field,): (u32,)| {
        let texts = store.data().texts(field);
        store.data_mut().bytes += texts.iter().map(|text| text.len() as u64).sum::<u64>();
        Ok((texts,))
    })?;
    event.func_wrap("many", |mut store: Context<'_>, (fields,): (Vec<u32>,)| {
        let texts = store.data().many(&fields)?;
        let bytes = texts.iter().flatten().map(|text| text.len() as u64).sum::<u64>();
        store.data_mut().bytes += bytes;
        Ok((texts,))
    })?;
    event.func_wrap("make-set", |mut store: Context<'_>, (texts,): (Vec<String>,)| {
        Ok((store.data_mut().make_set(texts),))
    })?;
    event.func_wrap(
        "test",
        |store: Context<'_>, (field, how, set): (u32, wit::event::Match, u32)| {
            Ok((store.data().test(field, how.into(), set),))
        },
    )?;
    event.func_wrap("candidates", |store: Context<'_>, (): ()| Ok((store.data().candidates(),)))
}

fn add_packed(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut packed = linker.instance(&interface("packed"))?;
    packed.func_wrap("column-of", |mut store: Context<'_>, (field,): (u32,)| {
        Ok((store.data_mut().column_of(field),))
    })?;
    packed.func_wrap("select", |mut store: Context<'_>, (event,): (u32,)| {
        store.data_mut().select(event);
        Ok(())
    })
}

fn add_processes(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut processes = linker.instance(&interface("processes"))?;
    processes.func_wrap("ancestors", |mut store: Context<'_>, (id,): (String,)| {
        Ok((store.data_mut().ancestors(&id),))
    })?;
    processes.func_wrap("text", |mut store: Context<'_>, (id, field): (String, u32)| {
        Ok((text_of(&store.data_mut().value_of(&id, field)),))
    })?;
    processes.func_wrap("number", |mut store: Context<'_>, (id, field): (String, u32)| {
        Ok((store.data_mut().value_of(&id, field).number(),))
    })?;
    processes.func_wrap("texts", |mut store: Context<'_>, (id, field): (String, u32)| {
        Ok((texts_of(&store.data_mut().value_of(&id, field)),))
    })
}

fn add_state(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut state = linker.instance(&interface("state"))?;
    state.func_wrap("get", |mut store: Context<'_>, (key,): (String,)| {
        Ok((store.data_mut().get(&key),))
    })?;
    state.func_wrap(
        "set",
        |mut store: Context<'_>, (key, value, ttl_ms): (String, Vec<u8>, u64)| {
            Ok((store.data_mut().set(&key, &value, ttl_ms),))
        },
    )?;
    state.func_wrap("remove", |mut store: Context<'_>, (key,): (String,)| {
        if let Some(keyed) = &mut store.data_mut().keyed {
            keyed.remove(&key);
        }
        Ok(())
    })?;
    state.func_wrap("add", |mut store: Context<'_>, (key, amount, ttl_ms): (String, u64, u64)| {
        Ok((store.data_mut().add(&key, amount, ttl_ms),))
    })
}

/// Full name of an interface of the contract.
fn interface(name: &str) -> String {
    format!("{}{name}@{}", wit::PACKAGE, wit::VERSION)
}

impl From<wit::event::Match> for Match {
    fn from(how: wit::event::Match) -> Match {
        match how {
            wit::event::Match::OneOf => Match::OneOf,
            wit::event::Match::Prefix => Match::Prefix,
            wit::event::Match::Suffix => Match::Suffix,
            wit::event::Match::Contains => Match::Contains,
        }
    }
}
