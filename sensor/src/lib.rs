//! Ocellus, an open Linux EDR sensor, as a library.
//!
//! One event walks through these modules in this order:
//! [`backend`] hands over the bytes of one kernel record, `raw` decodes them, `queue` puts them in
//! order, `aggregate` merges what one process did in a row, `process` keeps the process table and
//! enriches, [`event`] is what comes out, `rules` judge it, `sink` writes it.

// Denied, not forbidden, for one named place: `rules/precompiled.rs` hands code that was compiled
// before back to wasmtime, which has no safe way to take it.
#![deny(unsafe_code)]

pub mod backend;
pub mod event;
pub mod input;
pub mod rules;
pub mod verdict;
