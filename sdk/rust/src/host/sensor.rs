//! The sensor's functions, as a component imports them.

use crate::bindings::ocellus::rule::{event, host, processes, types};
use crate::{Level, Match};

#[cfg(not(feature = "batch"))]
pub(crate) use event::candidates;
pub(crate) use event::{many, number, resolve, text, texts};
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

#[cfg(feature = "batch")]
pub(crate) use batch::{column_of, here, look_at};

/// In a batch, getters and the state need to be told which event they are asked about. That is done
/// when they are asked for the first time, since rules seldom do.
#[cfg(feature = "batch")]
mod batch {
    use std::cell::Cell;

    use crate::bindings::ocellus::rule::packed;

    pub(crate) use packed::column_of;

    thread_local! {
        /// The event that is judged, and the one that the sensor was told.
        static EVENTS: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    }

    /// Judge the event of this position next. The first event of a batch is what the sensor shows.
    pub(crate) fn look_at(position: u32, starts_batch: bool) {
        let (_, told) = EVENTS.get();
        EVENTS.set((position, if starts_batch { 0 } else { told }));
    }

    /// Make sure that the sensor shows the event that is judged.
    pub(crate) fn here() {
        let (judged, told) = EVENTS.get();
        if judged != told {
            packed::select(judged);
            EVENTS.set((judged, judged));
        }
    }
}

/// The sensor shows the event that is judged.
#[cfg(not(feature = "batch"))]
pub(crate) fn here() {}

/// The keyed state, in the time of the event that is judged.
pub(crate) use state::{add, get, remove, set};

mod state {
    use super::here;
    use crate::bindings::ocellus::rule::state;

    pub(crate) use state::remove;

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        here();
        state::get(key)
    }

    pub(crate) fn set(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), String> {
        here();
        state::set(key, value, ttl_ms)
    }

    pub(crate) fn add(key: &str, amount: u64, ttl_ms: u64) -> Result<u64, String> {
        here();
        state::add(key, amount, ttl_ms)
    }
}
