//! Turns an event into the bytes that an output writes for it.

use super::Pretty;
use super::encode::{self, JsonLines};
use super::settings::Format;
use crate::event::Event;

#[derive(Debug)]
pub(super) enum Encoder {
    Json(Box<JsonLines>),
    Msgpack,
    Pretty(Pretty),
}

impl Encoder {
    /// In colour only if `is_terminal`.
    pub(super) fn new(format: Format, is_terminal: bool) -> Encoder {
        match format {
            Format::Json => Encoder::Json(Box::default()),
            Format::Msgpack => Encoder::Msgpack,
            Format::Pretty => Encoder::Pretty(Pretty::new(is_terminal)),
        }
    }

    pub(super) fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Encoder::Json(lines) => lines.write(event, out),
            Encoder::Msgpack => encode::msgpack(event, out),
            Encoder::Pretty(pretty) => pretty.lines(event, out),
        }
    }
}
