//! The metrics: name, labels, meaning, what to do about it, and how it is read from the report.
//!
//! The Prometheus text and docs/metrics.md are both made from this table.

use super::{Report, State};
use crate::sink::SinkStats;

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

mod rules;

/// A value for each output.
fn outputs(samples: &mut Samples, report: &Report, value: fn(&SinkStats) -> u64) {
    for output in &report.outputs {
        samples.add(&[&output.name], value(&output.stats) as f64);
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
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    SENSOR.iter().chain(rules::RULES)
}

/// All but those of the rules.
static SENSOR: &[Metric] = metrics! {
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
    Counter "ocellus_output_events_found_total" ["output"]
        "Events that an earlier run had left in the output's spool"
        => "Nothing; they are delivered first."
        |it, to| outputs(to, it, |stats| stats.found);
    Counter "ocellus_output_events_pushed_total" ["output"]
        "Events that were offered to the output"
        => "Nothing; it is what the others of this output are compared with."
        |it, to| outputs(to, it, |stats| stats.pushed);
    Counter "ocellus_output_events_filtered_total" ["output"]
        "Events that the output's filter does not want"
        => "Nothing; it follows from the configuration."
        |it, to| outputs(to, it, |stats| stats.filtered);
    Counter "ocellus_output_events_delivered_total" ["output"]
        "Events that were written, and acknowledged where the receiver acknowledges"
        => "Stands still while events are pushed: the output hangs, or its receiver is away."
        |it, to| outputs(to, it, |stats| stats.delivered);
    Counter "ocellus_output_events_dropped_total" ["output" "cause"]
        "Events that the output gave up, by cause"
        => "`queue_full`, `spool_full`: the receiver is too slow, or was away for too long; raise \
            the output's bounds. `write_failed`, `spool_failed`: see the disk. `refused…`: the \
            log says what the receiver does not like. `closed`: its reader has gone."
        |it, to| for output in &it.outputs {
            for (cause, count) in &output.stats.dropped {
                to.add(&[&output.name, cause], *count as f64);
            }
        };
    Gauge "ocellus_output_events_waiting" ["output"]
        "Events in the output's queue, or in its spool"
        => "Grows: the receiver is slower than the events come, or away."
        |it, to| outputs(to, it, |stats| stats.waiting);
    Gauge "ocellus_output_events_spooled" ["output"]
        "Of those that wait, those that are safe on disk"
        => "Grows: as above; watch the room on that disk."
        |it, to| outputs(to, it, |stats| stats.spooled);
    Counter "ocellus_output_events_repeated_total" ["output"]
        "Events that the receiver knew already"
        => "Nothing; an acknowledgement was lost, and the event was sent once more."
        |it, to| outputs(to, it, |stats| stats.repeated);
    Counter "ocellus_output_events_retried_total" ["output"]
        "Events that were sent again, once for each time"
        => "Grows all the time: the receiver refuses or times out; see the log."
        |it, to| outputs(to, it, |stats| stats.retried);
    Counter "ocellus_output_failures_total" ["output"]
        "Attempts to write, to connect or to send that failed"
        => "Grows: the log says why (a full disk, a collector that is away)."
        |it, to| outputs(to, it, |stats| stats.failures);
    Counter "ocellus_output_bytes_total" ["output"]
        "Bytes written or sent"
        => "Nothing; it is what you pay for."
        |it, to| outputs(to, it, |stats| stats.bytes);
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
