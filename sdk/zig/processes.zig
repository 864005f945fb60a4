//! Other processes than the one that the event is about, by their entity id.
//!
//! The sensor knows those that run, and those that ended up to some seconds ago.
//! `wit/processes.wit` lists the fields that it gives.

const ocellus = @import("ocellus.zig");
const fields = ocellus.fields;

/// Entity ids of a process's ancestors, the parent first; at most 64. Empty when the process or its
/// parent is not known.
pub fn ancestors(entity_id: []const u8) []const []const u8 {
    return ocellus.sensor.ancestors(entity_id);
}

/// A text field of a process. `null` when the process or the value is not known.
pub fn text(entity_id: []const u8, field: fields.Text) ?[]const u8 {
    return ocellus.sensor.textOf(entity_id, ocellus.fieldNumber(field.index));
}

/// A number, a flag as 0 or 1, or a time, of a process.
pub fn number(entity_id: []const u8, field: anytype) ?u64 {
    return ocellus.sensor.numberOf(entity_id, ocellus.fieldNumber(field.index));
}

/// A field of several texts of a process.
pub fn texts(entity_id: []const u8, field: fields.Texts) []const []const u8 {
    return ocellus.sensor.textsOf(entity_id, ocellus.fieldNumber(field.index));
}
