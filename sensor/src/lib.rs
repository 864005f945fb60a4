//! Ocellus, an open Linux EDR sensor, as a library.
//!
//! One event walks through these modules in this order:
//! [`backend`] hands over the bytes of one kernel record, `raw` decodes them, `queue` puts them in
//! order, `aggregate` merges what one process did in a row, `process` keeps the process table and
//! enriches, [`event`] is what comes out, `rules` judge it, `sink` writes it.

// Denied, not forbidden, for one named place: `rules/precompiled.rs` hands code that was compiled
// before back to wasmtime, which has no safe way to take it.
#![deny(unsafe_code)]

pub mod actions;
pub mod aggregate;
pub mod author;
pub mod backend;
pub mod bytesize;
pub mod capability;
pub mod changes;
pub mod cli;
pub mod config;
pub mod container;
pub mod control;
pub mod counters;
pub mod digest;
pub mod doctor;
pub mod enrich;
pub mod entry;
pub mod error_chain;
pub mod event;
pub mod fleet;
pub mod host;
pub mod input;
pub mod known;
pub mod leaders;
pub mod leaves;
pub mod lineage;
pub mod logging;
pub mod machine;
pub mod metrics;
pub mod names;
mod nats;
pub mod net;
pub mod privilege;
pub mod process;
pub mod ps;
pub mod queue;
pub mod raw;
pub mod recording;
pub mod redact;
pub mod replay;
pub mod rules;
pub mod run;
pub mod sink;
pub mod snapshot;
pub mod spool;
mod table;
pub mod throttle;
pub mod tty;
pub mod users;
pub mod verdict;
