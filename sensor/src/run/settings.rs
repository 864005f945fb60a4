//! What the configuration means for each part.

use crate::config::{Capture, Config};
use crate::machine::{self, Hashing};
use crate::snapshot::SnapshotSettings;

pub(crate) fn machine(config: &Config) -> machine::Settings {
    let hashing =
        Hashing { cache_entries: config.hash.cache_entries, wait_ms: config.hash.wait_ms };
    machine::Settings {
        hold_time_ms: config.aggregate.hold_ms,
        policy: config.aggregate.policy,
        actions: config.ecs.actions,
        processes_max: config.process.max as usize,
        grace_ms: config.process.grace_ms,
        ancestors_max: config.process.ancestors as usize,
        snapshot_events: config.capture.snapshot,
        // The configuration was checked: its patterns compile.
        redactor: config.redact.redactor().unwrap_or_default(),
        limits: config.throttle.limits(),
        hashing: (!config.hash.algorithms.is_empty()).then_some(hashing),
    }
}

pub(crate) fn snapshot(capture: &Capture) -> SnapshotSettings {
    SnapshotSettings {
        args_max: capture.args_max.0 as usize,
        env_max: capture.env.map_or(0, |size| size.0 as usize),
    }
}
