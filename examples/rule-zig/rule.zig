//! Alerts when netcat is started, and says by whom. Build it with
//! `ocellus rules build .`.

const std = @import("std");
const ocellus = @import("ocellus");
const fields = ocellus.fields;

pub const netcat = ocellus.Rule{
    .id = "example-netcat-zig",
    .name = "Netcat was started",
    .description = "Any start of netcat",
    .attack = &.{"T1095"},
    .interests = &.{.{
        .kinds = &.{"process.exec"},
        .terms = &.{.oneOf(fields.process_name, &.{ "nc", "ncat", "netcat" })},
    }},
    .onEvent = onEvent,
};

fn onEvent(event: ocellus.Event) ?ocellus.Verdict {
    const user = event.text(fields.user_name) orelse "someone";
    const command = event.text(fields.process_command_line) orelse "netcat";
    return ocellus.alert(ocellus.medium, "{s} started {s}", .{ user, command });
}

comptime {
    ocellus.component(&.{netcat});
}

test "netcat alerts and others pass" {
    const FakeEvent = ocellus.testing.FakeEvent;
    const rule = ocellus.testing.Tester.init(netcat);
    const alert = try rule.expectAlert(.exec("/usr/bin/nc", &.{ "nc", "-l", "4444" }));
    try std.testing.expectEqualStrings("user started nc -l 4444", alert.message);
    try rule.expectPass(FakeEvent.exec("/usr/bin/ls", &.{"ls"}));
}
