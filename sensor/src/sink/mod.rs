//! Where judged events go: standard output or a file, as JSON, MessagePack or lines for people.
//!
//! [`Sink::push`] never blocks the event path unless it is told to: events wait in a bounded queue,
//! and a thread of the sink's own encodes and writes them.

pub mod date;
pub mod encode;
mod json;
mod output;
mod pretty;
pub mod quote;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::Event;

pub use pretty::Pretty;
pub use writer::{Push, Sink, SinkStats};

/// How events are written.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ECS, one JSON object a line.
    #[default]
    Json,
    /// ECS, one MessagePack map after the other.
    Msgpack,
    /// One line for a person, in colour on a terminal.
    Pretty,
}

/// Where events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    #[default]
    Stdout,
    /// Created with mode 0600 when it does not exist, appended to when it does.
    File(PathBuf),
}

/// What to do with an event when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Drop it and count it, so that the kernel's ring is drained whatever the output does.
    #[default]
    Drop,
    /// Wait. For replay, where nothing is lost by waiting.
    Block,
}

/// How to open a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkSettings {
    pub format: Format,
    pub target: Target,
    pub when_full: WhenFull,
}

/// Why a sink could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("cannot write events to {path}: it is a directory; name a file in it")]
    IsDirectory { path: PathBuf },
    #[error("cannot open {path} for writing events")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot write events to standard output")]
    Stdout(#[source] io::Error),
    #[error("cannot start the thread that writes events")]
    Thread(#[source] io::Error),
}

impl Target {
    fn open(&self) -> Result<File, SinkError> {
        match self {
            // Not `io::stdout()`: its buffer looks for line ends, and ours ends where events do.
            Target::Stdout => {
                io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(SinkError::Stdout)
            }
            Target::File(path) => open_file(path),
        }
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Target::Stdout) && io::stdout().is_terminal()
    }
}

fn open_file(path: &Path) -> Result<File, SinkError> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::IsADirectory {
            SinkError::IsDirectory { path }
        } else {
            SinkError::Open { path, source }
        }
    })
}

/// Turns events into bytes.
#[derive(Debug)]
enum Encoder {
    Json,
    Msgpack,
    Pretty(Pretty),
}

impl Encoder {
    fn new(settings: &SinkSettings) -> Encoder {
        match settings.format {
            Format::Json => Encoder::Json,
            Format::Msgpack => Encoder::Msgpack,
            Format::Pretty => Encoder::Pretty(Pretty::new(settings.target.is_terminal())),
        }
    }

    fn encode(&self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Encoder::Json => encode::json(event, out),
            Encoder::Msgpack => encode::msgpack(event, out),
            Encoder::Pretty(pretty) => pretty.lines(event, out),
        }
    }
}
