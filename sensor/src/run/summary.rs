//! The totals that a run ends with.

use crate::machine::Sensor;
use crate::rules::RuleCounters;
use crate::sink::SinkStats;

/// Settles the counters with what the sink could not write; the totals as text.
pub(crate) fn totals(sensor: &mut Sensor, sink: Option<SinkStats>) -> String {
    if let Some(sink) = sink {
        sensor.lose_delivered("sink_full", sink.dropped_full);
        sensor.lose_delivered("sink_error", sink.dropped_error);
        sensor.lose_delivered("sink_closed", sink.dropped_closed);
    }
    let mut text = format!("{}\n", sensor.counters());
    for component in sensor.rules.stats() {
        let counters = component.counters;
        let (name, memory_kib) = (&component.name, component.memory_bytes / 1024);
        text.push_str(&format!(
            "component {name}: {} candidates, {} calls, {} faults, {memory_kib} KiB\n",
            counters.candidates,
            counters.calls,
            counters.faults(),
        ));
        for rule in component.rules.iter().filter(|rule| rule.counters.hits > 0) {
            let RuleCounters { hits, tags, alerts, drops, refused, .. } = rule.counters;
            text.push_str(&format!(
                "  rule {}: {hits} hits: {alerts} alerts, {tags} tags, {drops} drops, {refused} \
                 refused\n",
                rule.id
            ));
        }
    }
    text
}
