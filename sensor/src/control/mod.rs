//! How operators talk to a running sensor: a unix socket with one JSON object a line each way, and
//! a page of metrics over HTTP on a loopback address.
//!
//! Both are served by a thread of their own. The event loop gets one question at a time through a
//! bounded channel, so that no client, however slow or hostile, holds up an event.

mod client;
mod http;
mod protocol;
mod server;
mod socket;

pub use client::{ClientError, ask};
pub use protocol::{Answer, Request, Wanted};
pub use server::{Ask, ControlError, Server, Settings};

/// Where the socket is unless the configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/ocellus/control.sock";

/// A request is a command and two words.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// Largest answer: the counters of 256 components, with some hundred bytes for each of their
/// rules.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
