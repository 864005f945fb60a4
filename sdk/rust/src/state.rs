//! What a component remembers beyond one event, kept by the sensor: it outlives faults and new
//! versions of the component.
//!
//! It is bounded (16,384 keys and 4 MiB, unless the operator says otherwise): what was not used for
//! the longest time makes room. Time is that of the events. Rules of one component share the keys,
//! so begin them with the rule's name.
//!
//! ```
//! use ocellus_sdk::{Event, state};
//! use std::time::Duration;
//!
//! fn is_burst(event: &Event) -> bool {
//!     let user = event.user_id().unwrap_or_default();
//!     state::add(&format!("failed-{user}"), 1, Duration::from_secs(60)) >= 5
//! }
//! ```

use std::time::Duration;

use crate::host;

/// The value of a key. None when there is none, or when its time is over.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// The value of a key that holds a text.
pub fn get_text(key: &str) -> Option<String> {
    String::from_utf8(get(key)?).ok()
}

/// A counter's value; 0 when there is none, or when its time is over.
pub fn count(key: &str) -> u64 {
    let bytes = get(key).and_then(|value| value.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// Keep a value for some time from the current event on; [`FOREVER`]: as long as there is room. A
/// key of more than 256 bytes, or a value of more than 64 KiB, is not kept, and the log says so.
pub fn set(key: &str, value: impl AsRef<[u8]>, ttl: Duration) {
    if let Err(why) = host::set(key, value.as_ref(), ttl_ms(ttl)) {
        crate::error!("cannot keep the value of {key:?}: {why}");
    }
}

/// Forget a key.
pub fn remove(key: &str) {
    host::remove(key);
}

/// Add to a counter and give its value. A counter ends some time after its first addition;
/// [`FOREVER`]: it stays as long as there is room.
pub fn add(key: &str, amount: u64, ttl: Duration) -> u64 {
    host::add(key, amount, ttl_ms(ttl)).unwrap_or_else(|why| {
        crate::error!("cannot count {key:?}: {why}");
        amount
    })
}

/// As long as there is room.
pub const FOREVER: Duration = Duration::ZERO;

/// Whole milliseconds, and at least one unless it is for ever.
fn ttl_ms(ttl: Duration) -> u64 {
    if ttl.is_zero() { 0 } else { u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1) }
}
