//! The golden component in Zig; see ../README.md.

const std = @import("std");
const ocellus = @import("ocellus");
const fields = ocellus.fields;

var shells = ocellus.Set{ .texts = &.{ "sh", "bash", "dash" } };
var dash = ocellus.Set{ .texts = &.{"-"} };
var accent = ocellus.Set{ .texts = &.{ "é", "日" } };
var script = ocellus.Set{ .texts = &.{ ".sh", ".py" } };

/// FNV-1a of texts, each with a zero byte after it.
const Sum = struct {
    value: u32 = 0x811c9dc5,

    fn add(sum: *Sum, text: []const u8) void {
        for (text) |byte| sum.value = (sum.value ^ byte) *% 0x01000193;
        sum.value *%= 0x01000193;
    }
};

fn print(comptime format: []const u8, arguments: anytype) []const u8 {
    return std.fmt.allocPrint(ocellus.allocator(), format, arguments) catch @panic("no memory");
}

const texts = ocellus.Rule{
    .id = "golden-text",
    .name = "Golden texts",
    .interests = &.{
        .{ .kinds = &.{"process.exec"}, .terms = &.{
            .oneOf(fields.process_name, &.{ "sh", "bash", "make", "名前" }),
            .startsWith(fields.process_executable, &.{ "/usr/", "/opt/" }),
        } },
        .{ .terms = &.{
            .endsWith(fields.process_executable, &.{ ".sh", ".py" }),
            .contains(fields.process_args, &.{ "-", "é" }),
        } },
    },
    .onEvent = onTexts,
};

fn onTexts(event: ocellus.Event) ?ocellus.Verdict {
    const all = event.many(&.{
        fields.process_name,
        fields.process_executable,
        fields.rule_id,
    });
    const tags = ocellus.allocator().alloc([]const u8, 4) catch @panic("no memory");
    var count: usize = 0;
    const checks = .{
        .{ event.matches(fields.process_name, .one_of, &shells), "shell" },
        .{ event.matches(fields.process_args, .prefix, &dash), "option" },
        .{ event.matches(fields.process_args, .contains, &accent), "accent" },
    };
    inline for (checks) |one| if (one[0]) {
        tags[count] = one[1];
        count += 1;
    };
    if (event.matches(fields.process_executable, .suffix, &script)) {
        var sum = Sum{};
        sum.add(all[0] orelse "");
        sum.add(all[1] orelse "");
        sum.add(all[2] orelse "none");
        tags[count] = print("script {x:0>8}", .{sum.value});
        count += 1;
    }
    return if (count > 0) ocellus.tag(tags[0..count]) else null;
}

const states = ocellus.Rule{ .id = "golden-state", .name = "Golden state", .onEvent = onState };

fn onState(event: ocellus.Event) ?ocellus.Verdict {
    const entity = event.text(fields.process_entity_id) orelse return null;
    const name = event.text(fields.process_name) orelse "";
    const parent = event.text(fields.process_parent_entity_id) orelse "";
    const kinds = event.texts(fields.ocellus_kinds);
    const last_key = print("last/{s}", .{name});
    for (kinds) |kind| {
        if (std.mem.eql(u8, kind, "process.exit")) ocellus.state.remove(last_key);
    }
    const count = ocellus.state.add(print("count/{s}", .{parent}), 1, 5000);
    var sum = Sum{};
    for (event.texts(fields.process_args)) |arg| sum.add(arg);
    sum.add(name);
    const before = if (ocellus.state.get(last_key)) |last|
        print("{x:0>8}", .{std.mem.readInt(u32, last[0..4], .little)})
    else
        "-";
    var bytes: [4]u8 = undefined;
    std.mem.writeInt(u32, &bytes, sum.value, .little);
    ocellus.state.set(last_key, &bytes, 2000);
    if (count % 4 != 0 and sum.value % 7 != 0) return null;
    const above = ocellus.processes.ancestors(entity).len;
    const executable = ocellus.processes.text(parent, fields.process_executable) orelse "-";
    const pid = ocellus.processes.number(parent, fields.process_pid) orelse 0;
    const parent_args = ocellus.processes.texts(parent, fields.process_args).len;
    const severity: u8 = @intCast(sum.value % 101);
    return ocellus.alert(severity, "{s} {d} {x:0>8} {s} {d} {s} {d} {d}", .{
        name, count, sum.value, before, above, executable, pid, parent_args,
    }).withTags(kinds);
}

const numbers = ocellus.Rule{
    .id = "golden-number",
    .name = "Golden numbers",
    .drops = true,
    .interests = &.{.{
        .kinds = &.{ "process.exec", "process.exit" },
        .terms = &.{
            .between(fields.process_pid, 10, 40),
            .present(fields.process_parent_entity_id),
        },
    }},
    .onEvent = onNumbers,
};

fn onNumbers(event: ocellus.Event) ?ocellus.Verdict {
    const pid = event.number(fields.process_pid) orelse 0;
    if (pid % 5 == 0) {
        const interactive = if (event.flag(fields.process_interactive)) "yes" else "no";
        const tags = ocellus.allocator().alloc([]const u8, 2) catch @panic("no memory");
        tags[0] = "five";
        tags[1] = print("pid {d} {s}", .{ pid, interactive });
        return ocellus.tag(tags);
    }
    const code = event.number(fields.process_exit_code) orelse return null;
    return if ((pid + code) % 3 == 0) ocellus.dropEvent() else null;
}

comptime {
    ocellus.component(&.{ texts, states, numbers });
}
