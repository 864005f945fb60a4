//! The totals that a run ends with, on standard error.

use std::io::Write as _;

use crate::machine::Sensor;
use crate::sink::SinkStats;

/// Settles the counters with what the sink could not write, and prints them.
pub(crate) fn print(sensor: &mut Sensor, sink: Option<SinkStats>) {
    if let Some(sink) = sink {
        sensor.lose_delivered("sink_full", sink.dropped_full);
        sensor.lose_delivered("sink_error", sink.dropped_error);
        sensor.lose_delivered("sink_closed", sink.dropped_closed);
    }
    let mut text = format!("{}\n", sensor.counters());
    for component in sensor.rules.stats() {
        text.push_str(&format!("{component}\n"));
    }
    // Nobody is left to tell when this fails.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
