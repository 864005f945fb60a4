//! Memory of a component: what `configure` takes stays, what an event takes is given back.

const std = @import("std");
const builtin = @import("builtin");

const backing = if (builtin.target.cpu.arch.isWasm())
    std.heap.wasm_allocator
else
    std.heap.page_allocator;

var lasting = std.heap.ArenaAllocator.init(backing);
var passing = std.heap.ArenaAllocator.init(backing);
var is_event = false;

pub fn allocator() std.mem.Allocator {
    return if (is_event) passing.allocator() else lasting.allocator();
}

/// An event begins: what the one before took is free.
pub fn begin() void {
    is_event = true;
    _ = passing.reset(.retain_capacity);
}
