//! Turns an event into the bytes that an output writes for it.

use super::settings::Format;
use super::{Pretty, encode};
use crate::event::Event;

#[derive(Debug)]
pub(super) enum Encoder {
    Json,
    Msgpack,
    Pretty(Pretty),
}

impl Encoder {
    /// In colour only if `is_terminal`.
    pub(super) fn new(format: Format, is_terminal: bool) -> Encoder {
        match format {
            Format::Json => Encoder::Json,
            Format::Msgpack => Encoder::Msgpack,
            Format::Pretty => Encoder::Pretty(Pretty::new(is_terminal)),
        }
    }

    pub(super) fn encode(&self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Encoder::Json => encode::json(event, out),
            Encoder::Msgpack => encode::msgpack(event, out),
            Encoder::Pretty(pretty) => pretty.lines(event, out),
        }
    }
}
