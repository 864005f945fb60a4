//! The totals that a run ends with.

use crate::machine::Sensor;
use crate::rules::RuleCounters;
use crate::sink::SinkStats;

/// The totals as text: of the machine, of each output, of each rule.
pub(crate) fn totals(sensor: &Sensor, outputs: &[(String, SinkStats)]) -> String {
    let mut text = format!("{}\n", sensor.counters());
    for (name, stats) in outputs {
        text.push_str(&format!("output {name}: {stats}\n"));
    }
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
