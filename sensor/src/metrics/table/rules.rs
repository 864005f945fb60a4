//! The metrics of the rules.

use super::{Metric, MetricKind, Samples, flag};
use crate::fleet::FleetStatus;
use crate::metrics::Report;
use crate::rules::Mode;

const NS_PER_SECOND: f64 = 1e9;

/// A value for each component.
fn components(samples: &mut Samples, report: &Report, value: fn(&Component) -> f64) {
    for component in &report.rules.components {
        samples.add(&[&component.name], value(component));
    }
}

type Component = crate::rules::ComponentStats;

/// A value where rules come from a fleet's bucket.
fn fleet(samples: &mut Samples, report: &Report, value: fn(&FleetStatus) -> u64) {
    if let Some(fleet) = &report.rules.fleet {
        samples.one(value(fleet) as f64);
    }
}

/// A value for each rule.
fn rules(samples: &mut Samples, report: &Report, value: fn(&crate::rules::RuleCounters) -> u64) {
    for component in &report.rules.components {
        for rule in &component.rules {
            samples.add(&[&component.name, &rule.id], value(&rule.counters) as f64);
        }
    }
}

pub(super) static RULES: &[Metric] = metrics! {
    Gauge "ocellus_rules_generation" []
        "How often the set of rules has changed"
        => "Hosts of one fleet that differ in their rules: `ocellus rules fleet` says in which."
        |it, to| to.one(it.rules.generation as f64);
    Counter "ocellus_rules_changes_total" []
        "Changes of the rules that came into force"
        => "A change that nobody made is worth a look at the event `sensor.rules`."
        |it, to| to.one(it.rules.changes as f64);
    Counter "ocellus_rules_refused_total" []
        "Changes of the rules that were refused; what was in force stays"
        => "Grows: the log and the event `sensor.rules` say why."
        |it, to| to.one(it.rules.refused as f64);
    Counter "ocellus_rules_events_dropped_before_total" []
        "Events dropped by rules that are not loaded any more"
        => "Nothing; it completes the drops by rule."
        |it, to| to.one(it.rules.events_dropped_before as f64);
    Gauge "ocellus_fleet_connected" []
        "1 while the bucket with the rules of the fleet is followed; absent without one"
        => "0: `ocellus status` says why. The last good rules stay in force, and new ones do not \
            come."
        |it, to| if let Some(fleet) = &it.rules.fleet {
            to.one(flag(fleet.connected));
        };
    Gauge "ocellus_fleet_rules" []
        "Rules that the bucket had when it was last seen"
        => "Differs from host to host: look at ocellus_fleet_connected."
        |it, to| fleet(to, it, |fleet| fleet.rules);
    Gauge "ocellus_fleet_rules_refused" []
        "Rules of the bucket that this host refuses as they are there; the versions before stay"
        => "Not 0: `ocellus rules fleet` says why."
        |it, to| fleet(to, it, |fleet| fleet.refused);
    Gauge "ocellus_fleet_kept_bytes" []
        "Bytes of the last good rules on disk"
        => "Near `rules.nats.max_size`: allow more, or publish less."
        |it, to| fleet(to, it, |fleet| fleet.kept_bytes);
    Counter "ocellus_fleet_rules_taken_total" []
        "Versions of rules that were taken from the bucket"
        => "Grows when nobody publishes: ask who does."
        |it, to| fleet(to, it, |fleet| fleet.taken);
    Counter "ocellus_fleet_failures_total" []
        "Connections to the bucket that failed or were lost"
        => "Grows: the log says why. It is tried again after 0.1 to 10 seconds."
        |it, to| fleet(to, it, |fleet| fleet.failures);
    Counter "ocellus_fleet_reports_total" []
        "Times that this host said in the bucket of hosts what it runs"
        => "Stands still for minutes: the host may not write there; `ocellus status` says so."
        |it, to| fleet(to, it, |fleet| fleet.reports);
    Gauge "ocellus_component_active" ["component"]
        "1 when the component's verdicts count; 0 in shadow mode or switched off"
        => "0 for long: a rule that somebody forgot to switch on again."
        |it, to| components(to, it, |stats| flag(stats.mode == Mode::Active));
    Gauge "ocellus_component_quarantined" ["component"]
        "1 when the component is in quarantine after faults"
        => "1: events `sensor.fault` say why; give its author what they say."
        |it, to| components(to, it, |stats| flag(stats.quarantined_until_ns.is_some()));
    Gauge "ocellus_component_memory_bytes" ["component"]
        "Memory that the component's instance holds"
        => "Grows up to `rules.memory`: the rule keeps too much."
        |it, to| components(to, it, |stats| stats.memory_bytes as f64);
    Counter "ocellus_component_candidates_total" ["component"]
        "Events that the component's interests wanted"
        => "Nearly all events: its interests are too wide, and it costs time for nothing."
        |it, to| components(to, it, |stats| stats.counters.candidates as f64);
    Counter "ocellus_component_calls_total" ["component"]
        "Calls of the component"
        => "Nothing; it is what the component's time is divided by."
        |it, to| components(to, it, |stats| stats.counters.calls as f64);
    Counter "ocellus_component_fuel_total" ["component"]
        "Fuel that the calls took; 0 where time is measured by the clock, as in a running sensor"
        => "Nothing; it is for comparing versions of a rule."
        |it, to| components(to, it, |stats| stats.counters.fuel as f64);
    Counter "ocellus_component_bytes_total" ["component"]
        "Bytes of events that it was given"
        => "Far more than other components get: it asks for fields that it does not need."
        |it, to| components(to, it, |stats| stats.counters.bytes as f64);
    Counter "ocellus_component_skipped_total" ["component"]
        "Events that it did not see, in quarantine or while it could not be restarted"
        => "Grows: detections are missing; see ocellus_component_quarantined."
        |it, to| components(to, it, |stats| stats.counters.skipped as f64);
    Counter "ocellus_component_faults_total" ["component" "cause"]
        "Faults of the component: it trapped, overran its time or memory, or answered rubbish"
        => "`time`: give it more (`rules.time_ms`) or have it do less. `memory`: see \
            `rules.memory`. `trap`, `output`: a bug of the rule."
        |it, to| for component in &it.rules.components {
            let counters = &component.counters;
            for (cause, count) in [
                ("trap", counters.traps),
                ("time", counters.timeouts),
                ("memory", counters.memory_faults),
                ("output", counters.output_faults),
            ] {
                to.add(&[&component.name, cause], count as f64);
            }
        };
    Counter "ocellus_component_quarantines_total" ["component"]
        "Times that it was put into quarantine"
        => "Grows: see ocellus_component_faults_total."
        |it, to| components(to, it, |stats| stats.counters.quarantines as f64);
    Counter "ocellus_component_restarts_total" ["component"]
        "Fresh instances after a fault"
        => "Nothing; as many as faults."
        |it, to| components(to, it, |stats| stats.counters.restarts as f64);
    Counter "ocellus_component_log_lines_suppressed_total" ["component"]
        "Lines that it logged beyond its limit"
        => "Grows: the rule logs too much."
        |it, to| components(to, it, |stats| stats.counters.log_lines_suppressed as f64);
    Counter "ocellus_component_carries_total" ["component" "outcome"]
        "Times that a new version was to take over the memory of the one before"
        => "`failed`: the new version began anew; its author says whether that matters."
        |it, to| for component in &it.rules.components {
            let counters = &component.counters;
            for (outcome, count) in
                [("done", counters.carries), ("failed", counters.carries_failed)]
            {
                to.add(&[&component.name, outcome], count as f64);
            }
        };
    Gauge "ocellus_component_state_entries" ["component"]
        "Entries that it keeps in the interface `state`"
        => "At `rules.state_entries`: see ocellus_component_state_evicted_total."
        |it, to| components(to, it, |stats| stats.state_entries as f64);
    Gauge "ocellus_component_state_bytes" ["component"]
        "Bytes that these take"
        => "At `rules.state`: see ocellus_component_state_evicted_total."
        |it, to| components(to, it, |stats| stats.state_bytes as f64);
    Counter "ocellus_component_state_evicted_total" ["component"]
        "Entries that made room for others before their time was over"
        => "Grows: it forgets too early; give it more (`rules.component.NAME.state_entries`)."
        |it, to| components(to, it, |stats| stats.state.evicted as f64);
    Counter "ocellus_component_state_expired_total" ["component"]
        "Entries found to be over when they were looked at"
        => "Nothing."
        |it, to| components(to, it, |stats| stats.state.expired as f64);
    Counter "ocellus_component_state_refused_total" ["component"]
        "Keys and values that were too long to be kept"
        => "Grows: a bug of the rule."
        |it, to| components(to, it, |stats| stats.state.refused as f64);
    Gauge "ocellus_component_event_seconds" ["component" "quantile"]
        "What an event costs in the component"
        => "The dearest of many events: ask its author, or narrow its interests."
        |it, to| for component in &it.rules.components {
            let cost = &component.cost;
            let quantiles = [("0.5", cost.p50_ns), ("0.99", cost.p99_ns), ("1", cost.max_ns)];
            for (quantile, ns) in quantiles {
                to.add(&[&component.name, quantile], ns as f64 / NS_PER_SECOND);
            }
        };
    Counter "ocellus_component_event_samples_total" ["component"]
        "Calls that were measured for ocellus_component_event_seconds"
        => "Nothing; with few, the quantiles say little."
        |it, to| components(to, it, |stats| stats.cost.samples as f64);
    Gauge "ocellus_rule_active" ["component" "rule"]
        "1 when the rule's verdicts count; 0 in shadow mode or switched off"
        => "0 for long: a rule that somebody forgot to switch on again."
        |it, to| for component in &it.rules.components {
            for rule in &component.rules {
                to.add(&[&component.name, &rule.id], flag(rule.mode == Mode::Active));
            }
        };
    Counter "ocellus_rule_candidates_total" ["component" "rule"]
        "Events that one of the rule's interests let through"
        => "Nearly all events: its interests are too wide."
        |it, to| rules(to, it, |counters| counters.candidates);
    Counter "ocellus_rule_verdicts_unwanted_total" ["component" "rule"]
        "Verdicts on events that the rule does not want, which were ignored"
        => "Grows: its interests are too narrow; `ocellus rules test --check-interests` finds it."
        |it, to| rules(to, it, |counters| counters.unwanted);
    Gauge "ocellus_rule_last_hit_timestamp_seconds" ["component" "rule"]
        "Time of the event of its last verdict, since the epoch; 0 when there is none"
        => "0 for months: try it out with `ocellus rules test`."
        |it, to| for component in &it.rules.components {
            for rule in &component.rules {
                let seconds = rule.counters.last_hit_ns as f64 / NS_PER_SECOND;
                to.add(&[&component.name, &rule.id], seconds);
            }
        };
    Counter "ocellus_rule_seconds_total" ["component" "rule"]
        "Time that its candidates took; a call for several rules is divided among them evenly"
        => "The rule that takes most of it is the one to make cheaper: `ocellus rules bench`."
        |it, to| for component in &it.rules.components {
            for rule in &component.rules {
                let seconds = rule.counters.time_ns as f64 / NS_PER_SECOND;
                to.add(&[&component.name, &rule.id], seconds);
            }
        };
    Counter "ocellus_rule_hits_total" ["component" "rule"]
        "Verdicts that the rule gave"
        => "A jump: an incident, or a rule that is too wide."
        |it, to| rules(to, it, |counters| counters.hits);
    Counter "ocellus_rule_tags_total" ["component" "rule"]
        "Verdicts that tagged an event"
        => "Nothing."
        |it, to| rules(to, it, |counters| counters.tags);
    Counter "ocellus_rule_alerts_total" ["component" "rule"]
        "Verdicts that raised an alert"
        => "Many of one rule: tune it, or run it in shadow mode until it is tuned."
        |it, to| rules(to, it, |counters| counters.alerts);
    Counter "ocellus_rule_drops_total" ["component" "rule"]
        "Events that were dropped under the rule's name"
        => "See ocellus_events_dropped_total."
        |it, to| rules(to, it, |counters| counters.drops);
    Counter "ocellus_rule_drops_overruled_total" ["component" "rule"]
        "Drops that an alert overruled, or that concerned an event that is never dropped"
        => "Grows: the rule drops what others find suspicious; have a look at both."
        |it, to| rules(to, it, |counters| counters.drops_overruled);
    Counter "ocellus_rule_drops_repeated_total" ["component" "rule"]
        "Drops of events that another rule dropped already"
        => "All of its drops: the rule is superfluous."
        |it, to| rules(to, it, |counters| counters.drops_repeated);
    Counter "ocellus_rule_verdicts_refused_total" ["component" "rule"]
        "Verdicts that the rule has no permission for"
        => "Grows: grant it (`rules.component.NAME.permissions`), or ask why it wants that."
        |it, to| rules(to, it, |counters| counters.refused);
    Counter "ocellus_rule_verdicts_shadowed_total" ["component" "rule"]
        "Verdicts in shadow mode, which changed nothing"
        => "What the rule would have done: judge it by that before it is made active."
        |it, to| rules(to, it, |counters| counters.shadowed);
};
