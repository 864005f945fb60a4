//! The metrics: name, labels, meaning, what to do about it, and how it is read from the report.
//!
//! The Prometheus text and docs/metrics.md are both made from this table.

use super::{Report, State};
use crate::rules::Mode;

/// One metric.
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    pub meaning: &'static str,
    /// What an operator does about it.
    pub advice: &'static str,
    pub(super) read: fn(&Report, &mut Samples),
}

/// How a value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    Gauge,
}

impl MetricKind {
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        }
    }
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The values of one metric: those of its labels, and a number.
#[derive(Debug, Default)]
pub struct Samples(pub(super) Vec<(Vec<String>, f64)>);

impl Samples {
    fn one(&mut self, value: f64) {
        self.0.push((Vec::new(), value));
    }

    fn add(&mut self, labels: &[&str], value: f64) {
        self.0.push((labels.iter().map(|label| (*label).to_owned()).collect(), value));
    }
}

macro_rules! metrics {
    ($($kind:ident $name:literal [$($label:literal)*] $meaning:literal => $advice:literal
        $read:expr;)*) => {
        &[$(Metric {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            meaning: $meaning,
            advice: $advice,
            read: $read,
        }),*]
    };
}

/// A value for each component.
fn components(samples: &mut Samples, report: &Report, value: fn(&Component) -> f64) {
    for component in &report.rules.components {
        samples.add(&[&component.name], value(component));
    }
}

type Component = crate::rules::ComponentStats;

/// A value for each rule.
fn rules(samples: &mut Samples, report: &Report, value: fn(&crate::rules::RuleCounters) -> u64) {
    for component in &report.rules.components {
        for rule in &component.rules {
            samples.add(&[&component.name, &rule.id], value(&rule.counters) as f64);
        }
    }
}

/// A value for each output.
fn outputs(samples: &mut Samples, report: &Report, value: fn(&super::Output) -> u64) {
    for output in &report.outputs {
        samples.add(&[&output.name], value(output) as f64);
    }
}

fn cache(
    samples: &mut Samples,
    report: &Report,
    value: fn(&crate::digest::cache::CacheStats) -> u64,
) {
    if let Some(hashing) = &report.hashing {
        samples.one(value(&hashing.cache) as f64);
    }
}

fn pool(samples: &mut Samples, report: &Report, value: fn(&crate::digest::pool::PoolStats) -> u64) {
    if let Some(hashing) = &report.hashing {
        samples.one(value(&hashing.pool) as f64);
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Every metric, in the order of the page.
pub static METRICS: &[Metric] = metrics! {
    Gauge "ocellus_info" ["version" "backend"]
        "1; its labels say which sensor this is"
        => "Count hosts by version to follow an upgrade."
        |it, to| to.add(&[&it.version, &it.backend], 1.0);
    Gauge "ocellus_uptime_seconds" []
        "Time since the sensor was started"
        => "A value that keeps falling back is a sensor that restarts: read its log."
        |it, to| to.one(it.uptime_s);
    Gauge "ocellus_healthy" []
        "1 when nothing is wrong; 0 when something is, or the first snapshot is not in"
        => "Alert on 0 for some minutes; `ocellus status` names the problems."
        |it, to| to.one(flag(it.health.state == State::Healthy));
    Gauge "ocellus_problems" []
        "Problems that `ocellus status` names"
        => "Run `ocellus status` on that host."
        |it, to| to.one(it.health.problems.len() as f64);
    Gauge "ocellus_probe_attached" ["probe"]
        "1 when the kernel program is attached"
        => "0: `ocellus doctor` says what is missing and what that costs."
        |it, to| for probe in &it.probes { to.add(&[&probe.name], flag(probe.attached)) };
    Counter "ocellus_events_received_total" ["kind"]
        "Raw events by kind: from the kernel, from the snapshot, the sensor's own"
        => "0 for minutes on a host that works: the probes see nothing; see the self-test."
        |it, to| for (kind, count) in &it.events.received { to.add(&[kind], *count as f64) };
    Counter "ocellus_events_delivered_total" []
        "Events that were handed to the outputs"
        => "Compare with what your collector received."
        |it, to| to.one(it.events.delivered as f64);
    Counter "ocellus_events_merged_total" []
        "Raw events that are part of an event with others, or told nothing new"
        => "Nothing; it is the work that merging saves. `aggregate.policy` changes it."
        |it, to| to.one(it.events.merged as f64);
    Counter "ocellus_events_dropped_total" ["rule"]
        "Events that were dropped on purpose, by rule; names that begin with `ocellus.` are the \
         sensor's own"
        => "A rule that drops much more than before may hide something: look at its last change. \
            `ocellus.throttle_tree` and `ocellus.throttle_global`: see [throttle] in the \
            configuration."
        |it, to| for (rule, count) in &it.events.dropped { to.add(&[rule], *count as f64) };
    Counter "ocellus_events_lost_total" ["cause" "kind"]
        "Events that were lost, by cause"
        => "`ring_full`: double `capture.ring_bytes`, or give the sensor more processor time. \
            Causes of outputs (`sink_…`): see that output's metrics. `preempted`, `no_scratch`: \
            report it. `malformed`: a bug, report it."
        |it, to| for (cause, kinds) in &it.events.lost {
            for (kind, count) in kinds { to.add(&[cause, kind], *count as f64) }
        };
    Gauge "ocellus_events_held" []
        "Raw events that wait to be merged, or for a hash"
        => "Thousands for minutes: hashing is slow; see `hash.wait_ms` and `hash.rate`."
        |it, to| to.one(it.events.held as f64);
    Gauge "ocellus_queue_pressed" []
        "1 when raw events come in faster than they can wait for each other"
        => "For minutes: the host runs more processes than the sensor follows; give it processor \
            time, or look for a fork storm."
        |it, to| to.one(flag(it.queue_pressed));
    Gauge "ocellus_processes_known" []
        "Processes in the table, exited ones within their grace time included"
        => "Near `process.max`: raise it."
        |it, to| to.one(it.processes.known as f64);
    Counter "ocellus_processes_evicted_total" []
        "Processes forgotten because the table was full"
        => "Grows: raise `process.max`; children of those lack their parents' names."
        |it, to| to.one(it.processes.stats.processes_evicted as f64);
    Counter "ocellus_exits_inferred_total" []
        "Processes whose exit never came: found when their pid was reused, or by a resync"
        => "Grows without losses: report it."
        |it, to| to.one(it.processes.stats.exits_inferred as f64);
    Counter "ocellus_snapshots_total" []
        "Times that all running processes were read: at the start, and after losses"
        => "Grows: events are lost; see ocellus_events_lost_total."
        |it, to| to.one(it.processes.snapshots as f64);
    Counter "ocellus_hash_cache_hits_total" []
        "Executables whose hash was known"
        => "Nothing; compare with the misses."
        |it, to| cache(to, it, |stats| stats.hits);
    Counter "ocellus_hash_cache_joined_total" []
        "Executables whose hash was under way already"
        => "Nothing."
        |it, to| cache(to, it, |stats| stats.joined);
    Counter "ocellus_hash_cache_misses_total" []
        "Executables that had to be hashed"
        => "As many as hits for hours: raise `hash.cache_entries`."
        |it, to| cache(to, it, |stats| stats.misses);
    Counter "ocellus_hash_cache_evicted_total" []
        "Hashes that were forgotten for newer ones"
        => "Grows fast: raise `hash.cache_entries`."
        |it, to| cache(to, it, |stats| stats.evicted);
    Counter "ocellus_hash_waits_timed_out_total" []
        "Events that went without a hash because it did not come in `hash.wait_ms`"
        => "Grows: raise `hash.wait_ms`, `hash.rate` or `hash.threads`."
        |it, to| cache(to, it, |stats| stats.timed_out);
    Counter "ocellus_hash_waits_refused_total" []
        "Executables that were not hashed because too many waited already"
        => "Grows: a storm of new executables; look for what makes them."
        |it, to| cache(to, it, |stats| stats.refused);
    Counter "ocellus_hash_files_accepted_total" []
        "Files that the hash threads took on"
        => "Nothing."
        |it, to| pool(to, it, |stats| stats.accepted);
    Counter "ocellus_hash_files_refused_total" []
        "Files that the hash threads refused because their queue was full"
        => "Grows: raise `hash.rate` or `hash.threads`."
        |it, to| pool(to, it, |stats| stats.refused);
    Counter "ocellus_hash_files_total" ["status"]
        "Files by what came of hashing them, as in `ocellus.hash.status`"
        => "`error` grows: the log says why. `gone` and `changed` in number: files are replaced \
            right after they ran, which is worth a look. `too_large`: see `hash.max_file_size`."
        |it, to| if let Some(hashing) = &it.hashing {
            let pool = &hashing.pool;
            for (status, count) in [
                ("ok", pool.ok),
                ("changed", pool.changed),
                ("gone", pool.gone),
                ("too_large", pool.too_large),
                ("timeout", pool.timed_out),
                ("error", pool.failed),
            ] {
                to.add(&[status], count as f64);
            }
        };
    Counter "ocellus_hash_read_bytes_total" []
        "Bytes read from files to hash them"
        => "More than your disks can spare: lower `hash.rate`."
        |it, to| pool(to, it, |stats| stats.read_bytes);
    Counter "ocellus_hash_threads_hung_total" []
        "Hash threads that were given up because they hung in a read"
        => "Grows: a file server does not answer."
        |it, to| pool(to, it, |stats| stats.hung);
    Gauge "ocellus_hash_files_queued" []
        "Files that wait for a hash thread"
        => "Hundreds for minutes: raise `hash.rate` or `hash.threads`."
        |it, to| pool(to, it, |stats| stats.queued as u64);
    Gauge "ocellus_hash_files_running" []
        "Files that are being read"
        => "Nothing."
        |it, to| pool(to, it, |stats| stats.running as u64);
    Gauge "ocellus_hash_threads_hanging" []
        "Hash threads that hang in a read now"
        => "Not 0: a file server does not answer."
        |it, to| pool(to, it, |stats| stats.hanging as u64);
    Gauge "ocellus_rules_generation" []
        "How often the set of rules has changed"
        => "Hosts of one fleet that differ in their rules: compare `ocellus rules list`."
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
    Counter "ocellus_output_events_found_total" ["output"]
        "Events that an earlier run had left in the output's spool"
        => "Nothing; they are delivered first."
        |it, to| outputs(to, it, |output| output.found);
    Counter "ocellus_output_events_pushed_total" ["output"]
        "Events that were offered to the output"
        => "Nothing; it is what the others of this output are compared with."
        |it, to| outputs(to, it, |output| output.pushed);
    Counter "ocellus_output_events_filtered_total" ["output"]
        "Events that the output's filter does not want"
        => "Nothing; it follows from the configuration."
        |it, to| outputs(to, it, |output| output.filtered);
    Counter "ocellus_output_events_delivered_total" ["output"]
        "Events that were written, and acknowledged where the receiver acknowledges"
        => "Stands still while events are pushed: the output hangs, or its receiver is away."
        |it, to| outputs(to, it, |output| output.delivered);
    Counter "ocellus_output_events_dropped_total" ["output" "cause"]
        "Events that the output gave up, by cause"
        => "`queue_full`, `spool_full`: the receiver is too slow, or was away for too long; raise \
            the output's bounds. `write_failed`, `spool_failed`: see the disk. `refused…`: the \
            log says what the receiver does not like. `closed`: its reader has gone."
        |it, to| for output in &it.outputs {
            for (cause, count) in &output.dropped {
                to.add(&[&output.name, cause], *count as f64);
            }
        };
    Gauge "ocellus_output_events_waiting" ["output"]
        "Events in the output's queue, or in its spool"
        => "Grows: the receiver is slower than the events come, or away."
        |it, to| outputs(to, it, |output| output.waiting);
    Gauge "ocellus_output_events_spooled" ["output"]
        "Of those that wait, those that are safe on disk"
        => "Grows: as above; watch the room on that disk."
        |it, to| outputs(to, it, |output| output.spooled);
    Counter "ocellus_output_events_repeated_total" ["output"]
        "Events that the receiver knew already"
        => "Nothing; an acknowledgement was lost, and the event was sent once more."
        |it, to| outputs(to, it, |output| output.repeated);
    Counter "ocellus_output_events_retried_total" ["output"]
        "Events that were sent again, once for each time"
        => "Grows all the time: the receiver refuses or times out; see the log."
        |it, to| outputs(to, it, |output| output.retried);
    Counter "ocellus_output_failures_total" ["output"]
        "Attempts to write, to connect or to send that failed"
        => "Grows: the log says why (a full disk, a collector that is away)."
        |it, to| outputs(to, it, |output| output.failures);
    Counter "ocellus_output_bytes_total" ["output"]
        "Bytes written or sent"
        => "Nothing; it is what you pay for."
        |it, to| outputs(to, it, |output| output.bytes);
    Gauge "ocellus_self_test_passing" []
        "1 when the last delivery self-test passed, 0 when it failed; absent before the first"
        => "0: events do not arrive, whatever else looks well; `ocellus status` says where they \
            stop."
        |it, to| if it.self_test.passed + it.self_test.failed > 0 {
            to.one(flag(it.self_test.problem.is_none()));
        };
    Counter "ocellus_self_tests_passed_total" []
        "Delivery self-tests that passed"
        => "Nothing."
        |it, to| to.one(it.self_test.passed as f64);
    Counter "ocellus_self_tests_failed_total" []
        "Delivery self-tests that failed"
        => "Grows: see ocellus_self_test_passing."
        |it, to| to.one(it.self_test.failed as f64);
    Gauge "ocellus_self_test_latency_seconds" []
        "Time from an execution to the last output that had written its event, in the last test"
        => "Seconds: see which queue is long: held, hash or output."
        |it, to| to.one(it.self_test.latency_s);
    Counter "ocellus_control_requests_total" []
        "Requests on the control socket and the metrics page that were answered"
        => "Nothing."
        |it, to| to.one(it.control.requests as f64);
    Counter "ocellus_control_requests_refused_total" ["reason"]
        "Requests that were not answered: `busy`: too many at once; `peer`: the user may not ask; \
         `failed`: too long, not understood, or too slow"
        => "Grows: something on this host uses the socket that should not."
        |it, to| {
            to.add(&["busy"], it.control.refused_busy as f64);
            to.add(&["peer"], it.control.refused_peers as f64);
            to.add(&["failed"], it.control.failed as f64);
        };
    Gauge "ocellus_resident_bytes" []
        "Resident memory of the sensor; the ring counts twice"
        => "Grows for days: report it."
        |it, to| to.one(it.usage.resident_bytes as f64);
    Counter "ocellus_cpu_seconds_total" []
        "Processor time of the sensor, all threads"
        => "More than you grant: look for expensive rules in `ocellus top`."
        |it, to| to.one(it.usage.cpu_s);
    Gauge "ocellus_open_files" []
        "File descriptors that the sensor holds"
        => "Grows for days: report it."
        |it, to| to.one(it.usage.open_files as f64);
    Gauge "ocellus_threads" []
        "Threads of the sensor"
        => "Nothing."
        |it, to| to.one(it.usage.threads as f64);
};
