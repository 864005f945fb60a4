//! What a component remembers beyond one event, kept by the sensor: it outlives faults and new
//! versions of the component.
//!
//! It is bounded: what was not used for the longest time makes room. Time is that of the events.
//! Rules of one component share the keys, so begin them with the rule's id. What is refused (a key
//! of more than 256 bytes, a value of more than 64 KiB) is in the log.

const std = @import("std");
const ocellus = @import("ocellus.zig");

/// As long as there is room.
pub const forever = 0;

/// The value of a key. `null` when there is none, or when its time is over.
pub fn get(key: []const u8) ?[]const u8 {
    return ocellus.sensor.get(key);
}

/// A counter's value; 0 when there is none, or when its time is over.
pub fn count(key: []const u8) u64 {
    const value = get(key) orelse return 0;
    return if (value.len == 8) std.mem.readInt(u64, value[0..8], .little) else 0;
}

/// Keep a value for some milliseconds from the current event on; `forever`: as long as there is
/// room.
pub fn set(key: []const u8, value: []const u8, ttl_ms: u64) void {
    ocellus.sensor.set(key, value, ttl_ms) orelse {};
}

/// Forget a key.
pub fn remove(key: []const u8) void {
    ocellus.sensor.remove(key);
}

/// Add to a counter and give its value. A counter ends some milliseconds after its first addition;
/// `forever`: it stays as long as there is room.
pub fn add(key: []const u8, amount: u64, ttl_ms: u64) u64 {
    return ocellus.sensor.add(key, amount, ttl_ms) orelse amount;
}
