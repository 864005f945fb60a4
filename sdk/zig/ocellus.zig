//! Write detection rules for the Ocellus sensor in Zig.
//!
//!     const ocellus = @import("ocellus");
//!     const fields = ocellus.fields;
//!
//!     pub const netcat = ocellus.Rule{
//!         .id = "netcat",
//!         .name = "Netcat was started",
//!         .interests = &.{.{
//!             .kinds = &.{"process.exec"},
//!             .terms = &.{.oneOf(fields.process_name, &.{ "nc", "ncat" })},
//!         }},
//!         .onEvent = onEvent,
//!     };
//!
//!     fn onEvent(event: ocellus.Event) ?ocellus.Verdict {
//!         const command = event.text(fields.process_command_line) orelse "netcat";
//!         return ocellus.alert(ocellus.medium, "started {s}", .{command});
//!     }
//!
//!     comptime {
//!         ocellus.component(&.{netcat});
//!     }
//!
//! `ocellus rules build` makes a component of `rule.zig`; `testing` tests it without a sensor.

const std = @import("std");
const builtin = @import("builtin");

pub const fields = @import("fields.zig");
pub const processes = @import("processes.zig");
pub const state = @import("state.zig");
pub const testing = @import("testing.zig");

const abi = @import("abi.zig");
const memory = @import("memory.zig");

/// What the sensor offers: its own functions inside a component, a stand-in outside one.
pub const sensor = if (builtin.target.cpu.arch.isWasm())
    @import("sensor.zig")
else
    @import("stand_in.zig");

/// Severity of an alert that is worth knowing, on its own not worth a look.
pub const low = 21;
/// Severity of an alert that someone should look at when there is time.
pub const medium = 47;
/// Severity of an alert that someone should look at today.
pub const high = 73;
/// Severity of an alert that someone should look at now.
pub const critical = 99;

/// A detection rule. Events come in order, and never two at a time: a rule may keep state.
pub const Rule = struct {
    /// Stable and unique on a host: lower-case letters, digits and `-`, at most 64 bytes.
    id: []const u8,
    /// A short title for people.
    name: []const u8,
    /// What it detects, in a sentence or two.
    description: []const u8 = "",
    version: []const u8 = "0.1.0",
    /// MITRE ATT&CK techniques, for example `T1059.004`.
    attack: []const []const u8 = &.{},
    /// What is known to set it off without harm.
    false_positives: []const []const u8 = &.{},
    /// It may also drop events, where the operator grants that.
    drops: bool = false,
    /// It may see the environment of processes, where the operator grants that.
    environment: bool = false,
    /// The rule sees an event that one of these lets through; every event when there is none.
    interests: []const Interest = &.{},
    /// Take the configuration (TOML), once, before the first event. Give a text to refuse it: that
    /// is why, and the version before stays in force.
    configure: ?*const fn (config: []const u8) ?[]const u8 = null,
    /// Judge the event. `null` lets it pass.
    onEvent: *const fn (event: Event) ?Verdict,
    /// What the rule keeps in variables, for its next version. What it keeps in `state` needs none
    /// of this.
    saveState: ?*const fn () ?[]const u8 = null,
    /// Take over what a version before saved, after `configure`. Give a text to begin without it.
    loadState: ?*const fn (saved: []const u8) ?[]const u8 = null,
};

/// Which events a rule wants to see: those of one of the kinds for which all terms pass. The sensor
/// evaluates interests natively, much faster than it can call a rule.
pub const Interest = struct {
    /// For example `process.exec`; every kind when there is none.
    kinds: []const []const u8 = &.{},
    terms: []const Term = &.{},
};

/// How a text is compared with those of a set.
pub const Match = enum(u8) { one_of, prefix, suffix, contains };

/// A test of one field that the sensor runs natively. A field of several texts passes when one of
/// them does; a field that the event does not have never passes.
pub const Term = struct {
    field: u16,
    check: Check,

    pub const Check = union(enum) {
        text: struct { how: Match, texts: []const []const u8 },
        range: struct { least: u64, most: u64 },
        present,
    };

    fn ofText(field: anytype, how: Match, texts: []const []const u8) Term {
        return .{ .field = field.index, .check = .{ .text = .{ .how = how, .texts = texts } } };
    }

    /// The field is one of these.
    pub fn oneOf(field: anytype, texts: []const []const u8) Term {
        return ofText(field, .one_of, texts);
    }

    /// The field starts with one of these.
    pub fn startsWith(field: anytype, texts: []const []const u8) Term {
        return ofText(field, .prefix, texts);
    }

    /// The field ends with one of these.
    pub fn endsWith(field: anytype, texts: []const []const u8) Term {
        return ofText(field, .suffix, texts);
    }

    /// The field contains one of these.
    pub fn contains(field: anytype, texts: []const []const u8) Term {
        return ofText(field, .contains, texts);
    }

    /// The number lies between these two, both included.
    pub fn between(field: anytype, least: u64, most: u64) Term {
        return .{ .field = field.index, .check = .{ .range = .{ .least = least, .most = most } } };
    }

    /// The event has the field.
    pub fn present(field: anytype) Term {
        return .{ .field = field.index, .check = .present };
    }
};

/// What a rule wants done with an event; `null` lets it pass.
pub const Verdict = union(enum) {
    /// Add these tags.
    tag: []const []const u8,
    /// Mark the event as an alert.
    alert: Alert,
    /// Do not deliver the event. The rule must ask for this, with `drops`.
    drop,

    /// An alert with these tags; other verdicts stay as they are.
    pub fn withTags(verdict: Verdict, tags: []const []const u8) Verdict {
        return switch (verdict) {
            .alert => |one| .{ .alert = .{
                .severity = one.severity,
                .message = one.message,
                .tags = tags,
            } },
            else => verdict,
        };
    }
};

/// Something that a person should look at.
pub const Alert = struct {
    /// 0 to 100.
    severity: u8,
    message: []const u8,
    tags: []const []const u8 = &.{},
};

/// Longest message, in bytes. Longer ones are cut: a command line may have megabytes.
const message_bytes = 1024;

/// Mark the event as an alert. `severity` is 0 to 100; the message, one line, is formatted as by
/// `std.fmt`, and is cut at 1,024 bytes.
pub fn alert(severity: u8, comptime format: []const u8, arguments: anytype) Verdict {
    const whole = std.fmt.allocPrint(allocator(), format, arguments) catch out_of_memory;
    return .{ .alert = .{ .severity = @min(severity, 100), .message = shortened(whole) } };
}

const out_of_memory = "an alert, for whose message there was no memory";

/// Cut between characters.
fn shortened(text: []const u8) []const u8 {
    if (text.len <= message_bytes) return text;
    var end: usize = message_bytes;
    while (end > 0 and text[end] & 0xc0 == 0x80) end -= 1;
    return text[0..end];
}

/// Add tags to the event. They must outlive the call.
pub fn tag(tags: []const []const u8) Verdict {
    return .{ .tag = tags };
}

/// Do not deliver the event.
pub fn dropEvent() Verdict {
    return .drop;
}

/// Memory that is given back when the event has been judged; inside `configure`, memory that stays.
pub fn allocator() std.mem.Allocator {
    return memory.allocator();
}

/// A set of texts that the sensor keeps, so that comparing copies nothing. Make it a variable of
/// the file, `var shells = ocellus.Set{ .texts = &.{ "sh", "bash" } };`: an instance may have 64.
pub const Set = struct {
    texts: []const []const u8,
    made: ?u32 = null,

    /// The sensor's number for the set. One that it refuses is empty.
    pub fn number(set: *Set) u32 {
        if (set.made == null) set.made = sensor.makeSet(set.texts) orelse std.math.maxInt(u32);
        return set.made.?;
    }
};

const unasked = std.math.maxInt(u32);
var numbers: [fields.names.len]u32 = @splat(unasked);

/// The sensor's number for a field, asked for once. No event has one that the sensor does not know.
pub fn fieldNumber(index: u16) u32 {
    if (numbers[index] == unasked) {
        numbers[index] = sensor.resolve(fields.names[index]) orelse unasked - 1;
    }
    return numbers[index];
}

/// The event that is being judged. Nothing is copied until it is asked for; ask once and keep the
/// answer when you need it twice. Texts are valid until the event has been judged.
pub const Event = struct {
    /// A text field. `null` when the event does not have it.
    pub fn text(_: Event, field: fields.Text) ?[]const u8 {
        return sensor.text(fieldNumber(field.index));
    }

    /// A number or a time (ns since the epoch). `null` when the event does not have it.
    pub fn number(_: Event, field: anytype) ?u64 {
        return sensor.number(fieldNumber(field.index));
    }

    /// Whether the event has the flag and it is set.
    pub fn flag(_: Event, field: fields.Flag) bool {
        return sensor.number(fieldNumber(field.index)) == 1;
    }

    /// All values of a field that holds several texts. Empty when the event does not have it.
    pub fn texts(_: Event, field: fields.Texts) []const []const u8 {
        return sensor.texts(fieldNumber(field.index));
    }

    /// Several text fields in one call, which is cheaper than one by one.
    pub fn many(_: Event, comptime asked: []const fields.Text) [asked.len]?[]const u8 {
        var asked_numbers: [asked.len]u32 = undefined;
        for (asked, &asked_numbers) |field, *slot| slot.* = fieldNumber(field.index);
        var answer: [asked.len]?[]const u8 = undefined;
        sensor.many(&asked_numbers, &answer);
        return answer;
    }

    /// Compare inside the sensor: nothing is copied. A field of several texts passes when one of
    /// them does; a field that the event does not have never passes.
    pub fn matches(_: Event, field: anytype, how: Match, set: *Set) bool {
        return sensor.check(fieldNumber(field.index), how, set.number());
    }
};

/// How loud a line in the log is.
pub const Level = enum(u8) { debug, info, warn, err };

/// Write a line to the sensor's log, under the name of the rule. Lines are cut at 1,024 bytes, and
/// limited in rate.
pub fn log(level: Level, comptime format: []const u8, arguments: anytype) void {
    sensor.log(level, std.fmt.allocPrint(allocator(), format, arguments) catch return);
}

/// Make the component, once, in `rule.zig`.
pub fn component(comptime rules: []const Rule) void {
    if (comptime builtin.target.cpu.arch.isWasm()) abi.exportRules(rules);
}

test {
    _ = testing;
}
