//! What the configuration means for each part.

use std::num::NonZeroUsize;

use crate::bytesize::{ByteRate, ByteSize};
use crate::config::{Capture, Config, Hash};
use crate::digest::HashSettings;
use crate::machine::{self, Hashing};
use crate::snapshot::SnapshotSettings;

pub(crate) fn machine(config: &Config) -> machine::Settings {
    let hashing = Hashing {
        cache_entries: at_least_one(config.hash.cache_entries),
        wait_ms: config.hash.wait_ms,
    };
    machine::Settings {
        hold_time_ms: config.aggregate.hold_ms,
        policy: config.aggregate.policy,
        actions: config.ecs.actions,
        processes_max: config.process.max as usize,
        grace_ms: config.process.grace_ms,
        ancestors_max: config.process.ancestors as usize,
        snapshot_events: config.capture.snapshot,
        hashing: (!config.hash.algorithms.is_empty()).then_some(hashing),
    }
}

pub(crate) fn hash(hash: &Hash) -> HashSettings {
    HashSettings {
        algorithms: hash.algorithms.clone(),
        max_file_size: ByteSize(hash.max_file_size.bytes()),
        rate: ByteRate(hash.rate.bytes()),
        threads: at_least_one(hash.threads),
        wait_ms: hash.wait_ms,
        cache_entries: at_least_one(hash.cache_entries),
    }
}

pub(crate) fn snapshot(capture: &Capture) -> SnapshotSettings {
    SnapshotSettings {
        args_max: capture.args_max.bytes() as usize,
        env_max: capture.env.map_or(0, |size| size.bytes() as usize),
    }
}

fn at_least_one(number: u32) -> NonZeroUsize {
    NonZeroUsize::new(number as usize).unwrap_or(NonZeroUsize::MIN)
}
