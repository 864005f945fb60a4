//! The sensor's functions, as a component imports them.

use crate::bindings::ocellus::rule::{event, host, processes, types};
use crate::{Level, Match};

pub(crate) use crate::bindings::ocellus::rule::state::{add, get, remove, set};
pub(crate) use event::{candidates, many, number, resolve, text, texts};
pub(crate) use processes::{ancestors, number as number_of, text as text_of, texts as texts_of};

pub(crate) fn make_set(texts: &[String]) -> Result<u32, String> {
    event::make_set(texts)
}

pub(crate) fn test(field: u32, how: Match, set: u32) -> bool {
    let how = match how {
        Match::OneOf => event::Match::OneOf,
        Match::Prefix => event::Match::Prefix,
        Match::Suffix => event::Match::Suffix,
        Match::Contains => event::Match::Contains,
    };
    event::test(field, how, set)
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => types::Level::Debug,
        Level::Info => types::Level::Info,
        Level::Warn => types::Level::Warn,
        Level::Error => types::Level::Error,
    };
    host::log(level, message);
}
