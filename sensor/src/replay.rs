//! A recording through the whole pipeline: the machine gets what it got then, at the times at which
//! it got it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::counters::Counters;
use crate::event::Event;
use crate::input::Input;
use crate::machine::{Sensor, Settings};
use crate::recording::{Reader, RecordingError};
use crate::rules::RuleSet;

/// What a replay came to.
#[derive(Debug)]
pub struct Replayed {
    pub sensor: Sensor,
    /// Inputs in the recording.
    pub inputs: u64,
    /// The recording is damaged at its end; what stood before it was replayed.
    pub damage: Option<RecordingError>,
}

impl Replayed {
    pub fn counters(&self) -> Counters {
        self.sensor.counters()
    }
}

/// Replays a file. `deliver` gets the events in order; it ends the replay by returning false.
pub fn replay(
    path: &Path,
    settings: &Settings,
    rules: RuleSet,
    deliver: impl FnMut(Arc<Event>) -> bool,
) -> Result<Replayed, RecordingError> {
    replay_from(Reader::open(path)?, settings, rules, deliver)
}

/// Replays what a reader gives, as [`replay`] does a file.
pub fn replay_from<R: Read>(
    mut reader: Reader<R>,
    settings: &Settings,
    rules: RuleSet,
    mut deliver: impl FnMut(Arc<Event>) -> bool,
) -> Result<Replayed, RecordingError> {
    let mut sensor = Sensor::new(settings, rules);
    let mut out = Vec::new();
    let mut inputs = 0;
    let mut last_ns = 0;
    let damage = loop {
        let (now_ns, input) = match reader.next_input() {
            Ok(Some(next)) => next,
            Ok(None) => break None,
            Err(error @ RecordingError::Damaged { .. }) => break Some(error),
            Err(error) => return Err(error),
        };
        inputs += 1;
        last_ns = now_ns;
        if input == Input::Tick {
            sensor.step(now_ns, &mut out);
        } else {
            sensor.feed(&input, now_ns, &mut out);
        }
        // Hashes and names of users and containers come from the recording: nobody is asked.
        sensor.take_hash_requests();
        sensor.take_container_requests();
        sensor.take_questions();
        if !out.drain(..).all(&mut deliver) {
            return Ok(Replayed { sensor, inputs, damage: None });
        }
    };
    sensor.drain(last_ns, &mut out);
    out.drain(..).all(&mut deliver);
    Ok(Replayed { sensor, inputs, damage })
}
