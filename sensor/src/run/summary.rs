//! The totals that a run ends with.

use crate::machine::Sensor;
use crate::rules::sheet;
use crate::sink::SinkStats;

/// The totals as text: of the machine, of each output, and the cost sheet of the rules.
pub(crate) fn totals(sensor: &Sensor, outputs: &[(String, SinkStats)]) -> String {
    let mut text = format!("{}\n", sensor.counters());
    for (name, stats) in outputs {
        text.push_str(&format!("output {name}: {stats}\n"));
    }
    text.push_str(&sheet(&sensor.rules.stats()));
    text
}
