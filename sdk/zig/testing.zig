//! Test a rule natively, without a sensor:
//!
//!     test "netcat alerts and others pass" {
//!         const rule = ocellus.testing.Tester.init(netcat);
//!         const command = ocellus.testing.FakeEvent.exec("/usr/bin/nc", &.{ "nc", "-l" });
//!         const alert = try rule.expectAlert(command);
//!         try std.testing.expectEqualStrings("user started nc -l", alert.message);
//!         try rule.expectPass(.exec("/usr/bin/ls", &.{"ls"}));
//!     }

const std = @import("std");
const ocellus = @import("ocellus.zig");
const memory = @import("memory.zig");
const stand_in = @import("stand_in.zig");
const fields = ocellus.fields;

/// Longest command name that the kernel keeps, in bytes.
const comm_bytes = 15;
/// Time of an event that is given none: 2026-01-01T00:00:00Z, ns since the epoch.
const first_event_ns = 1_767_225_600_000_000_000;

/// An event with the fields that a test gives it, and no others.
pub const FakeEvent = struct {
    values: stand_in.Values,

    /// An event of these kinds.
    pub fn of(kinds: []const []const u8) FakeEvent {
        const empty = FakeEvent{ .values = @splat(null) };
        return empty.with(fields.ocellus_kinds, kinds).with(fields.timestamp, first_event_ns);
    }

    /// An ordinary execution by `user`, from a shell.
    pub fn exec(executable: []const u8, args: []const []const u8) FakeEvent {
        const line = std.mem.join(std.heap.page_allocator, " ", args) catch @panic("no memory");
        return FakeEvent.of(&.{ "process.fork", "process.exec" })
            .with(fields.process_executable, executable)
            .with(fields.process_name, comm(executable))
            .with(fields.process_args, args)
            .with(fields.process_pid, 4321)
            .with(fields.process_command_line, line)
            .with(fields.process_entity_id, "fake-process")
            .user("user")
            .parent("/usr/bin/bash");
    }

    /// A copy with another value. One of the wrong type does not compile.
    pub fn with(event: FakeEvent, field: anytype, value: ValueOf(@TypeOf(field))) FakeEvent {
        var copy = event;
        copy.values[field.index] = switch (@TypeOf(field)) {
            fields.Text => .{ .text = value },
            fields.Texts => .{ .texts = value },
            fields.Flag => .{ .number = @intFromBool(value) },
            else => .{ .number = value },
        };
        return copy;
    }

    /// A copy that lacks a field.
    pub fn without(event: FakeEvent, field: anytype) FakeEvent {
        var copy = event;
        copy.values[field.index] = null;
        return copy;
    }

    /// A copy with another parent.
    pub fn parent(event: FakeEvent, executable: []const u8) FakeEvent {
        return event.with(fields.process_parent_executable, executable)
            .with(fields.process_parent_name, comm(executable))
            .with(fields.process_parent_entity_id, executable);
    }

    /// A copy by another user; `root` has the id 0.
    pub fn user(event: FakeEvent, name: []const u8) FakeEvent {
        const id = if (std.mem.eql(u8, name, "root")) "0" else "1000";
        return event.with(fields.user_name, name).with(fields.user_effective_name, name)
            .with(fields.user_id, id).with(fields.user_effective_id, id);
    }

    /// A copy that happened later.
    pub fn afterMs(event: FakeEvent, milliseconds: u64) FakeEvent {
        const now_ns = event.values[fields.timestamp.index].?.number;
        return event.with(fields.timestamp, now_ns + milliseconds * std.time.ns_per_ms);
    }
};

fn ValueOf(Field: type) type {
    return switch (Field) {
        fields.Text => []const u8,
        fields.Texts => []const []const u8,
        fields.Flag => bool,
        else => u64,
    };
}

fn comm(path: []const u8) []const u8 {
    const name = std.fs.path.basename(path);
    return name[0..@min(name.len, comm_bytes)];
}

fn passes(term: ocellus.Term, values: *const stand_in.Values) bool {
    const value = values[term.field];
    return switch (term.check) {
        .text => |text| stand_in.passes(value, text.how, text.texts),
        .range => |range| if (value) |some| switch (some) {
            .number => |number| range.least <= number and number <= range.most,
            else => false,
        } else false,
        .present => value != null,
    };
}

fn wants(interest: ocellus.Interest, values: *const stand_in.Values) bool {
    const kinds = values[fields.ocellus_kinds.index];
    if (interest.kinds.len > 0 and !stand_in.passes(kinds, .one_of, interest.kinds)) return false;
    for (interest.terms) |term| if (!passes(term, values)) return false;
    return true;
}

/// Judges events with one rule, as the sensor does: only those that its interests want.
pub const Tester = struct {
    rule: ocellus.Rule,

    /// Begins without state, processes and log lines.
    pub fn init(rule: ocellus.Rule) Tester {
        stand_in.clear();
        if (rule.configure) |configure| if (configure("")) |why| @panic(why);
        return .{ .rule = rule };
    }

    /// Let the rule find a process, with the fields of an event about it.
    pub fn addProcess(_: Tester, entity_id: []const u8, event: FakeEvent) !void {
        try stand_in.known.put(std.heap.page_allocator, entity_id, event.values);
    }

    /// What the rule says; `null` also when its interests do not want the event.
    pub fn judge(tester: Tester, event: FakeEvent) ?ocellus.Verdict {
        const interests = tester.rule.interests;
        for (interests) |interest| {
            if (wants(interest, &event.values)) break;
        } else if (interests.len > 0) return null;
        memory.begin();
        stand_in.current = &event.values;
        defer stand_in.current = null;
        return tester.rule.onEvent(.{});
    }

    /// The alert on this event; an error when there is none.
    pub fn expectAlert(tester: Tester, event: FakeEvent) !ocellus.Alert {
        const verdict = tester.judge(event) orelse return error.NoAlert;
        return switch (verdict) {
            .alert => |alert| alert,
            else => error.NoAlert,
        };
    }

    /// The event passes; an error when it does not.
    pub fn expectPass(tester: Tester, event: FakeEvent) !void {
        if (tester.judge(event) != null) return error.DidNotPass;
    }
};
