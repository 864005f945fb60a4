//! The canonical ABI of the component model for `wit/`: how values lie in memory where they cross,
//! and the exports.

const std = @import("std");
const ocellus = @import("ocellus.zig");
const memory = @import("memory.zig");

/// A string or a list of bytes.
pub const Str = extern struct {
    ptr: [*]const u8,
    len: usize,

    pub fn of(text: []const u8) Str {
        // The sensor looks at the address of an empty text, too.
        return .{ .ptr = if (text.len == 0) "" else text.ptr, .len = text.len };
    }

    pub fn slice(text: Str) []const u8 {
        // The address of an empty text may be anything.
        return if (text.len == 0) "" else text.ptr[0..text.len];
    }
};

pub fn List(Item: type) type {
    return extern struct {
        ptr: [*]const Item,
        len: usize,

        pub fn of(items: []const Item) @This() {
            const nothing: [*]const Item = @ptrFromInt(@alignOf(Item));
            return .{ .ptr = if (items.len == 0) nothing else items.ptr, .len = items.len };
        }

        pub fn slice(list: @This()) []const Item {
            return if (list.len == 0) &.{} else list.ptr[0..list.len];
        }
    };
}

pub fn Option(Value: type) type {
    return extern struct {
        is_some: u8,
        value: Value,

        pub fn get(option: @This()) ?Value {
            return if (option.is_some != 0) option.value else null;
        }
    };
}

/// With an error that is a text, which nobody reads: the sensor's log has it.
pub fn Result(Value: type) type {
    return extern struct {
        is_error: u8,
        payload: extern union {
            value: if (Value == void) [0]u8 else Value,
            why: Str,
        },

        pub fn value(result: @This()) ?Value {
            if (result.is_error != 0) {
                ocellus.log(.warn, "the sensor refused: {s}", .{result.payload.why.slice()});
                return null;
            }
            return if (Value == void) {} else result.payload.value;
        }
    };
}

const Term = extern struct {
    field: Str,
    tag: u8,
    payload: extern union {
        texts: List(Str),
        range: [2]u64,
    },
};

const Interest = extern struct { kinds: List(Str), terms: List(Term) };

const RuleInfo = extern struct {
    id: Str,
    name: Str,
    description: Str,
    version: Str,
    attack: List(Str),
    false_positives: List(Str),
    permissions: u8,
    interests: List(Interest),
};

const Hit = extern struct {
    rule: u32,
    tag: u8,
    payload: extern union {
        tags: List(Str),
        alert: extern struct { severity: u8, message: Str, tags: List(Str) },
    },
};

const Saved = extern struct { version: u32, bytes: Str };

comptime {
    if (@sizeOf(usize) == 4) {
        std.debug.assert(@sizeOf(Term) == 32 and @offsetOf(Term, "payload") == 16);
        std.debug.assert(@sizeOf(RuleInfo) == 60 and @offsetOf(RuleInfo, "interests") == 52);
        std.debug.assert(@sizeOf(Hit) == 28 and @offsetOf(Hit, "payload") == 8);
        std.debug.assert(@sizeOf(Option(u64)) == 16 and @sizeOf(Result(u32)) == 12);
        std.debug.assert(@sizeOf(Result(u64)) == 16 and @sizeOf(Option(Saved)) == 16);
    }
}

/// There is no more memory: the rule's budget is used up, which is a fault.
fn allocate(Item: type, count: usize) []Item {
    return memory.allocator().alloc(Item, count) catch @trap();
}

/// Texts as the sensor reads them.
pub fn lowered(texts: []const []const u8) []const Str {
    const list = allocate(Str, texts.len);
    for (texts, list) |text, *slot| slot.* = .of(text);
    return list;
}

/// Texts as the sensor has written them.
pub fn lifted(list: List(Str)) []const []const u8 {
    const texts = allocate([]const u8, list.len);
    for (list.slice(), texts) |text, *slot| slot.* = text.slice();
    return texts;
}

fn loweredTerm(term: ocellus.Term) Term {
    const field = Str.of(ocellus.fields.names[term.field]);
    return switch (term.check) {
        .text => |text| .{
            .field = field,
            .tag = @intFromEnum(text.how),
            .payload = .{ .texts = .of(lowered(text.texts)) },
        },
        .range => |range| .{
            .field = field,
            .tag = 4,
            .payload = .{ .range = .{ range.least, range.most } },
        },
        .present => .{ .field = field, .tag = 5, .payload = undefined },
    };
}

fn loweredInterests(interests: []const ocellus.Interest) []const Interest {
    const list = allocate(Interest, interests.len);
    for (interests, list) |interest, *slot| {
        const terms = allocate(Term, interest.terms.len);
        for (interest.terms, terms) |term, *term_slot| term_slot.* = loweredTerm(term);
        slot.* = .{ .kinds = .of(lowered(interest.kinds)), .terms = .of(terms) };
    }
    return list;
}

fn loweredRules(rules: []const ocellus.Rule) []const RuleInfo {
    const list = allocate(RuleInfo, rules.len);
    for (rules, list) |rule, *slot| {
        const drops: u8 = if (rule.drops) 4 else 0;
        const environment: u8 = if (rule.environment) 8 else 0;
        slot.* = .{
            .id = .of(rule.id),
            .name = .of(rule.name),
            .description = .of(rule.description),
            .version = .of(rule.version),
            .attack = .of(lowered(rule.attack)),
            .false_positives = .of(lowered(rule.false_positives)),
            .permissions = 1 | 2 | drops | environment,
            .interests = .of(loweredInterests(rule.interests)),
        };
    }
    return list;
}

fn loweredHit(rule: u32, verdict: ocellus.Verdict) Hit {
    return switch (verdict) {
        .tag => |tags| .{ .rule = rule, .tag = 0, .payload = .{ .tags = .of(lowered(tags)) } },
        .alert => |alert| .{ .rule = rule, .tag = 1, .payload = .{ .alert = .{
            .severity = alert.severity,
            .message = .of(alert.message),
            .tags = .of(lowered(alert.tags)),
        } } },
        .drop => .{ .rule = rule, .tag = 2, .payload = undefined },
    };
}

/// Export the functions of the world `rule`, and those of `rule-with-state` when the rule has
/// something to save. Only a component of one rule may: Zig's rules share no format of state.
pub fn exportRules(comptime rules: []const ocellus.Rule) void {
    const Exports = struct {
        var configured: Result(List(RuleInfo)) = undefined;
        var hits: List(Hit) = undefined;
        var saved: Option(Saved) = undefined;
        var loaded: Result(void) = undefined;

        fn realloc(old: ?[*]u8, old_len: usize, alignment: usize, len: usize) callconv(.c) [*]u8 {
            if (len == 0) return @ptrFromInt(alignment);
            const all = memory.allocator();
            const new = all.rawAlloc(len, .fromByteUnits(alignment), @returnAddress()) orelse @trap();
            if (old) |bytes| @memcpy(new[0..@min(old_len, len)], bytes[0..@min(old_len, len)]);
            return new;
        }

        fn configure(text: [*]const u8, len: usize) callconv(.c) *const anyopaque {
            const config = Str{ .ptr = text, .len = len };
            inline for (rules) |rule| if (rule.configure) |take| if (take(config.slice())) |why| {
                configured = .{ .is_error = 1, .payload = .{ .why = .of(why) } };
                return &configured;
            };
            configured = .{ .is_error = 0, .payload = .{ .value = .of(loweredRules(rules)) } };
            return &configured;
        }

        fn onEvent() callconv(.c) *const anyopaque {
            memory.begin();
            // A component of one rule is called for what that wants.
            const wanted: []const u32 = if (rules.len == 1) &.{0} else ocellus.sensor.candidates();
            const list = allocate(Hit, wanted.len);
            var count: usize = 0;
            for (wanted) |position| {
                if (position >= rules.len) continue;
                if (rules[position].onEvent(.{})) |verdict| {
                    list[count] = loweredHit(position, verdict);
                    count += 1;
                }
            }
            hits = .of(list[0..count]);
            return &hits;
        }

        fn saveState() callconv(.c) *const anyopaque {
            const bytes = rules[0].saveState.?();
            saved = .{ .is_some = @intFromBool(bytes != null), .value = .{
                .version = 1,
                .bytes = .of(bytes orelse ""),
            } };
            return &saved;
        }

        fn loadState(version: u32, bytes: [*]const u8, len: usize) callconv(.c) *const anyopaque {
            const text = Str{ .ptr = bytes, .len = len };
            const why = if (version != 1) "it is of another version" else rules[0].loadState.?(text.slice());
            loaded = .{ .is_error = @intFromBool(why != null), .payload = .{ .why = .of(why orelse "") } };
            return &loaded;
        }
    };
    @export(&Exports.realloc, .{ .name = "cabi_realloc" });
    @export(&Exports.configure, .{ .name = "configure" });
    @export(&Exports.onEvent, .{ .name = "on-event" });
    if (rules.len == 1 and rules[0].saveState != null and rules[0].loadState != null) {
        const carry = "ocellus:rule/carry@1.0.0#";
        @export(&Exports.saveState, .{ .name = carry ++ "save-state" });
        @export(&Exports.loadState, .{ .name = carry ++ "load-state" });
    }
}
