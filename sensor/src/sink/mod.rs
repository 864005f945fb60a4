//! Where judged events go: standard output, files, sockets, and receivers over the network, each
//! with its own format, selection and bounded queue.
//!
//! ```text
//! Outputs::deliver ─┬─ queue ── thread: encode, write                    stdout, file, socket
//!                   └─ queue ── thread: encode, append ─ spool ─ thread: send     network
//! ```
//!
//! [`Outputs::deliver`] never blocks the event path: what an output cannot take is dropped and
//! counted by its cause, or held up within a bound, as its settings say.

mod archive;
pub mod date;
pub mod encode;
mod encoder;
mod file;
mod json;
pub mod net;
mod outputs;
mod pretty;
mod queue;
pub mod quote;
mod settings;
mod stream;
mod syslog;
mod tally;
mod unix;
mod worker;

use std::io;
use std::path::PathBuf;

use crate::net::PeerError;
use crate::spool::SpoolError;

pub use outputs::{Outputs, Pace, Readers};
pub use pretty::Pretty;
pub use settings::{
    Compression, Facility, Format, QueueSettings, RotateSettings, Selection, SinkSettings,
    SyslogHeader, Target, WhenFull,
};
pub use tally::{SinkStats, cause};

/// An output could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("output {name}")]
pub struct OpenError {
    pub name: String,
    pub source: SinkError,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("cannot write events to {path}: it is a directory; name a file in it")]
    IsDirectory { path: PathBuf },
    #[error("cannot open {path} for writing events")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot write events to standard output")]
    Stdout(#[source] io::Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("cannot start the thread that writes events")]
    Thread(#[source] io::Error),
}
