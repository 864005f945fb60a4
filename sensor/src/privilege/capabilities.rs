//! Capabilities of the calling thread, and of the threads that it starts.

use std::collections::HashSet;

use caps::CapSet;
use caps::errors::CapsError;

pub use caps::Capability;

/// Keeps only these, of those that the thread has, and lets nothing that it executes have more.
pub(super) fn keep(wanted: &[Capability]) -> Result<(), CapsError> {
    let wanted: HashSet<Capability> = wanted.iter().copied().collect();
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::read(None, CapSet::Bounding)?.difference(&wanted) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    let has = caps::read(None, CapSet::Permitted)?;
    let kept: HashSet<Capability> = has.intersection(&wanted).copied().collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::clear(None, CapSet::Inheritable)
}

/// Calls as a thread that uses none of its capabilities; it has them again afterwards.
pub(super) fn without<T>(call: impl FnOnce() -> T) -> Result<T, CapsError> {
    let had = caps::read(None, CapSet::Effective)?;
    caps::clear(None, CapSet::Effective)?;
    let result = call();
    caps::set(None, CapSet::Effective, &had)?;
    Ok(result)
}

/// What the thread may use, in the order of their numbers.
pub(super) fn effective() -> Result<Vec<Capability>, CapsError> {
    let mut all: Vec<Capability> = caps::read(None, CapSet::Effective)?.into_iter().collect();
    all.sort_by_key(|capability| capability.index());
    Ok(all)
}
