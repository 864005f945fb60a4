//! The sensor's functions, by the canonical ABI of the component model.

const ocellus = @import("ocellus.zig");
const abi = @import("abi.zig");

const Str = abi.Str;

const raw = struct {

    extern "ocellus:rule/event@1.0.0" fn resolve(name: [*]const u8, len: usize, out: *abi.Result(u32)) void;
    extern "ocellus:rule/event@1.0.0" fn text(field: u32, out: *abi.Option(Str)) void;
    extern "ocellus:rule/event@1.0.0" fn number(field: u32, out: *abi.Option(u64)) void;
    extern "ocellus:rule/event@1.0.0" fn texts(field: u32, out: *abi.List(Str)) void;
    extern "ocellus:rule/event@1.0.0" fn many(asked: [*]const u32, len: usize, out: *abi.List(abi.Option(Str))) void;
    extern "ocellus:rule/event@1.0.0" fn @"make-set"(items: [*]const Str, len: usize, out: *abi.Result(u32)) void;
    extern "ocellus:rule/event@1.0.0" fn @"test"(field: u32, how: u32, set: u32) u32;
    extern "ocellus:rule/event@1.0.0" fn candidates(out: *abi.List(u32)) void;
    extern "ocellus:rule/host@1.0.0" fn log(level: u32, message: [*]const u8, len: usize) void;

    const of_processes = struct {
        extern "ocellus:rule/processes@1.0.0" fn ancestors(id: [*]const u8, len: usize, out: *abi.List(Str)) void;
        extern "ocellus:rule/processes@1.0.0" fn text(id: [*]const u8, len: usize, field: u32, out: *abi.Option(Str)) void;
        extern "ocellus:rule/processes@1.0.0" fn number(id: [*]const u8, len: usize, field: u32, out: *abi.Option(u64)) void;
        extern "ocellus:rule/processes@1.0.0" fn texts(id: [*]const u8, len: usize, field: u32, out: *abi.List(Str)) void;
    };
    const of_state = struct {
        extern "ocellus:rule/state@1.0.0" fn get(key: [*]const u8, len: usize, out: *abi.Option(Str)) void;
        extern "ocellus:rule/state@1.0.0" fn set(
            key: [*]const u8,
            len: usize,
            value: [*]const u8,
            value_len: usize,
            ttl_ms: u64,
            out: *abi.Result(void),
        ) void;
        extern "ocellus:rule/state@1.0.0" fn remove(key: [*]const u8, len: usize) void;
        extern "ocellus:rule/state@1.0.0" fn add(
            key: [*]const u8,
            len: usize,
            amount: u64,
            ttl_ms: u64,
            out: *abi.Result(u64),
        ) void;
    };
};

pub fn resolve(name: []const u8) ?u32 {
    var out: abi.Result(u32) = undefined;
    raw.resolve(name.ptr, name.len, &out);
    return out.value();
}

pub fn text(field: u32) ?[]const u8 {
    var out: abi.Option(Str) = undefined;
    raw.text(field, &out);
    return if (out.get()) |value| value.slice() else null;
}

pub fn number(field: u32) ?u64 {
    var out: abi.Option(u64) = undefined;
    raw.number(field, &out);
    return out.get();
}

pub fn texts(field: u32) []const []const u8 {
    var out: abi.List(Str) = undefined;
    raw.texts(field, &out);
    return abi.lifted(out);
}

pub fn many(asked: []const u32, answer: []?[]const u8) void {
    var out: abi.List(abi.Option(Str)) = undefined;
    raw.many(asked.ptr, asked.len, &out);
    for (out.slice(), answer) |option, *slot| {
        slot.* = if (option.get()) |value| value.slice() else null;
    }
}

pub fn makeSet(items: []const []const u8) ?u32 {
    const lowered = abi.lowered(items);
    var out: abi.Result(u32) = undefined;
    raw.@"make-set"(lowered.ptr, lowered.len, &out);
    return out.value();
}

pub fn check(field: u32, how: ocellus.Match, number_of_set: u32) bool {
    return raw.@"test"(field, @intFromEnum(how), number_of_set) != 0;
}

pub fn candidates() []const u32 {
    var out: abi.List(u32) = undefined;
    raw.candidates(&out);
    return out.slice();
}

pub fn log(level: ocellus.Level, message: []const u8) void {
    raw.log(@intFromEnum(level), message.ptr, message.len);
}

pub fn ancestors(id: []const u8) []const []const u8 {
    var out: abi.List(Str) = undefined;
    raw.of_processes.ancestors(id.ptr, id.len, &out);
    return abi.lifted(out);
}

pub fn textOf(id: []const u8, field: u32) ?[]const u8 {
    var out: abi.Option(Str) = undefined;
    raw.of_processes.text(id.ptr, id.len, field, &out);
    return if (out.get()) |value| value.slice() else null;
}

pub fn numberOf(id: []const u8, field: u32) ?u64 {
    var out: abi.Option(u64) = undefined;
    raw.of_processes.number(id.ptr, id.len, field, &out);
    return out.get();
}

pub fn textsOf(id: []const u8, field: u32) []const []const u8 {
    var out: abi.List(Str) = undefined;
    raw.of_processes.texts(id.ptr, id.len, field, &out);
    return abi.lifted(out);
}

pub fn get(key: []const u8) ?[]const u8 {
    var out: abi.Option(Str) = undefined;
    raw.of_state.get(key.ptr, key.len, &out);
    return if (out.get()) |value| value.slice() else null;
}

pub fn set(key: []const u8, value: []const u8, ttl_ms: u64) ?void {
    var out: abi.Result(void) = undefined;
    raw.of_state.set(key.ptr, key.len, value.ptr, value.len, ttl_ms, &out);
    return out.value();
}

pub fn remove(key: []const u8) void {
    raw.of_state.remove(key.ptr, key.len);
}

pub fn add(key: []const u8, amount: u64, ttl_ms: u64) ?u64 {
    var out: abi.Result(u64) = undefined;
    raw.of_state.add(key.ptr, key.len, amount, ttl_ms, &out);
    return out.value();
}
