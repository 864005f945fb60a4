//! A stand-in for the sensor, so that rules run natively in tests. A field's number is its index in
//! the table.

const std = @import("std");
const ocellus = @import("ocellus.zig");

/// A value of a field.
pub const Value = union(enum) {
    text: []const u8,
    texts: []const []const u8,
    number: u64,
};

/// Values by the index of their field; null: the event does not have it.
pub const Values = [ocellus.fields.names.len]?Value;

const Kept = struct { value: []const u8, ends_ns: ?u64 };

const all = std.heap.page_allocator;
/// The current event. None outside of `onEvent`.
pub var current: ?*const Values = null;
/// Other processes, by entity id.
pub var known: std.StringHashMapUnmanaged(Values) = .empty;
/// Sets that were made.
var sets: std.ArrayList([]const []const u8) = .empty;
var kept: std.StringHashMapUnmanaged(Kept) = .empty;
/// Lines in the log.
pub var lines: std.ArrayList([]const u8) = .empty;

/// Forget what rules keep, the processes that they find, and the log.
pub fn clear() void {
    kept.clearRetainingCapacity();
    known.clearRetainingCapacity();
    lines.clearRetainingCapacity();
}

fn valueOf(values: ?*const Values, field: u32) ?Value {
    const here = values orelse return null;
    return if (field < here.len) here[field] else null;
}

fn asText(value: ?Value) ?[]const u8 {
    return if (value) |some| switch (some) {
        .text => |one| one,
        else => null,
    } else null;
}

fn asNumber(value: ?Value) ?u64 {
    return if (value) |some| switch (some) {
        .number => |one| one,
        else => null,
    } else null;
}

fn asTexts(value: ?Value) []const []const u8 {
    const some = value orelse return &.{};
    switch (some) {
        .text => |one| {
            const list = all.alloc([]const u8, 1) catch @panic("no memory");
            list[0] = one;
            return list;
        },
        .texts => |several| return several,
        .number => return &.{},
    }
}

/// Whether one of the field's texts passes a test.
pub fn passes(value: ?Value, how: ocellus.Match, others: []const []const u8) bool {
    for (asTexts(value)) |one| for (others) |other| {
        const is = switch (how) {
            .one_of => std.mem.eql(u8, one, other),
            .prefix => std.mem.startsWith(u8, one, other),
            .suffix => std.mem.endsWith(u8, one, other),
            .contains => std.mem.indexOf(u8, one, other) != null,
        };
        if (is) return true;
    };
    return false;
}

pub fn resolve(name: []const u8) ?u32 {
    for (ocellus.fields.names, 0..) |own, index| {
        if (std.mem.eql(u8, own, name)) return @intCast(index);
    }
    return null;
}

pub fn text(field: u32) ?[]const u8 {
    return asText(valueOf(current, field));
}

pub fn number(field: u32) ?u64 {
    return asNumber(valueOf(current, field));
}

pub fn texts(field: u32) []const []const u8 {
    return asTexts(valueOf(current, field));
}

pub fn many(asked: []const u32, answer: []?[]const u8) void {
    for (asked, answer) |field, *slot| slot.* = text(field);
}

pub fn makeSet(items: []const []const u8) ?u32 {
    sets.append(all, items) catch return null;
    return @intCast(sets.items.len - 1);
}

pub fn check(field: u32, how: ocellus.Match, number_of_set: u32) bool {
    return passes(valueOf(current, field), how, sets.items[number_of_set]);
}

pub fn candidates() []const u32 {
    return &.{};
}

pub fn log(_: ocellus.Level, message: []const u8) void {
    lines.append(all, all.dupe(u8, message) catch return) catch return;
}

pub fn ancestors(id: []const u8) []const []const u8 {
    const field = ocellus.fields.ocellus_ancestors_entity_id.index;
    const list = asTexts(valueOf(known.getPtr(id), field));
    return list[0..@min(list.len, 64)];
}

pub fn textOf(id: []const u8, field: u32) ?[]const u8 {
    return asText(valueOf(known.getPtr(id), field));
}

pub fn numberOf(id: []const u8, field: u32) ?u64 {
    return asNumber(valueOf(known.getPtr(id), field));
}

pub fn textsOf(id: []const u8, field: u32) []const []const u8 {
    return asTexts(valueOf(known.getPtr(id), field));
}

fn endsNs(ttl_ms: u64) ?u64 {
    return if (ttl_ms == 0) null else nowNs() + ttl_ms * std.time.ns_per_ms;
}

fn nowNs() u64 {
    return number(ocellus.fields.timestamp.index) orelse 0;
}

pub fn get(key: []const u8) ?[]const u8 {
    const one = kept.get(key) orelse return null;
    if (one.ends_ns) |ends_ns| if (ends_ns <= nowNs()) return null;
    return one.value;
}

fn keep(key: []const u8, value: []const u8, ends_ns: ?u64) void {
    const own_key = all.dupe(u8, key) catch @panic("no memory");
    const own_value = all.dupe(u8, value) catch @panic("no memory");
    kept.put(all, own_key, .{ .value = own_value, .ends_ns = ends_ns }) catch @panic("no memory");
}

pub fn set(key: []const u8, value: []const u8, ttl_ms: u64) ?void {
    if (key.len > 256 or value.len > 64 << 10) return null;
    keep(key, value, endsNs(ttl_ms));
}

pub fn remove(key: []const u8) void {
    _ = kept.remove(key);
}

pub fn add(key: []const u8, amount: u64, ttl_ms: u64) ?u64 {
    const before = get(key) orelse "";
    const is_counter = before.len == 8;
    const sum = if (is_counter) std.mem.readInt(u64, before[0..8], .little) +| amount else amount;
    var bytes: [8]u8 = undefined;
    std.mem.writeInt(u64, &bytes, sum, .little);
    keep(key, &bytes, if (is_counter) kept.get(key).?.ends_ns else endsNs(ttl_ms));
    return sum;
}
