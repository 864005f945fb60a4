//! The other processes of an event: parent, leaders, ancestors.

use crate::enrich::{set_named, wall};
use crate::event::{Event, Field, Value};
use crate::process::{Process, ProcessId, Table};
use crate::users::Users;

/// The fields that describe one other process.
struct Fields {
    pid: Field,
    entity_id: Field,
    name: Field,
    executable: Field,
    args: Field,
    args_count: Field,
    start: Field,
}

macro_rules! fields {
    ($pid:ident $entity_id:ident $name:ident $executable:ident $args:ident $args_count:ident
     $start:ident) => {
        Fields {
            pid: Field::$pid,
            entity_id: Field::$entity_id,
            name: Field::$name,
            executable: Field::$executable,
            args: Field::$args,
            args_count: Field::$args_count,
            start: Field::$start,
        }
    };
}

const PARENT: Fields = fields!(PROCESS_PARENT_PID PROCESS_PARENT_ENTITY_ID PROCESS_PARENT_NAME
    PROCESS_PARENT_EXECUTABLE PROCESS_PARENT_ARGS PROCESS_PARENT_ARGS_COUNT PROCESS_PARENT_START);
const GROUP: Fields = fields!(PROCESS_GROUP_LEADER_PID PROCESS_GROUP_LEADER_ENTITY_ID
    PROCESS_GROUP_LEADER_NAME PROCESS_GROUP_LEADER_EXECUTABLE PROCESS_GROUP_LEADER_ARGS
    PROCESS_GROUP_LEADER_ARGS_COUNT PROCESS_GROUP_LEADER_START);
const SESSION: Fields = fields!(PROCESS_SESSION_LEADER_PID PROCESS_SESSION_LEADER_ENTITY_ID
    PROCESS_SESSION_LEADER_NAME PROCESS_SESSION_LEADER_EXECUTABLE PROCESS_SESSION_LEADER_ARGS
    PROCESS_SESSION_LEADER_ARGS_COUNT PROCESS_SESSION_LEADER_START);
const ENTRY: Fields = fields!(PROCESS_ENTRY_LEADER_PID PROCESS_ENTRY_LEADER_ENTITY_ID
    PROCESS_ENTRY_LEADER_NAME PROCESS_ENTRY_LEADER_EXECUTABLE PROCESS_ENTRY_LEADER_ARGS
    PROCESS_ENTRY_LEADER_ARGS_COUNT PROCESS_ENTRY_LEADER_START);

/// Sets parent, group leader, session leader and entry leader, as far as they are known.
pub fn fill(
    event: &mut Event,
    table: &Table,
    process: &Process,
    users: &mut Users,
    wall_offset_ns: i64,
) {
    parent(event, table, process, users, wall_offset_ns);
    for (pid, fields, same) in [
        (process.task.pgid, GROUP, Field::PROCESS_GROUP_LEADER_SAME_AS_PROCESS),
        (process.task.sid, SESSION, Field::PROCESS_SESSION_LEADER_SAME_AS_PROCESS),
    ] {
        if pid == 0 {
            continue;
        }
        event.set_number(fields.pid, pid);
        event.set_flag(same, pid == process.id.pid);
        // A pid that names a group or a session is not given to another process.
        if let Some(leader) = table.holder(pid) {
            describe(event, &fields, leader, wall_offset_ns);
        }
    }
    let Some(entry) = &process.entry else { return };
    event.set_static(Field::PROCESS_ENTRY_LEADER_ENTRY_META_TYPE, entry.how);
    event.set_number(ENTRY.pid, entry.leader.pid);
    event.set_flag(Field::PROCESS_ENTRY_LEADER_SAME_AS_PROCESS, entry.leader == process.id);
    if let Some(leader) = table.get(entry.leader) {
        describe(event, &ENTRY, leader, wall_offset_ns);
    }
}

fn parent(
    event: &mut Event,
    table: &Table,
    process: &Process,
    users: &mut Users,
    wall_offset_ns: i64,
) {
    if process.task.ppid == 0 {
        return;
    }
    event.set_number(PARENT.pid, process.task.ppid);
    let Some(parent) = table.get(ProcessId::parent_of(&process.task)) else { return };
    describe(event, &PARENT, parent, wall_offset_ns);
    if let Some(line) = &parent.command_line {
        event.set_text(Field::PROCESS_PARENT_COMMAND_LINE, line.clone());
    }
    if let Some(cwd) = &parent.cwd {
        event.set_text(Field::PROCESS_PARENT_WORKING_DIRECTORY, cwd.value.clone());
    }
    let user = users.user(parent.task.euid);
    set_named(event, user, Field::PROCESS_PARENT_USER_ID, Field::PROCESS_PARENT_USER_NAME);
    let interactive = crate::tty::interactive(parent.task.tty_major, parent.task.tty_minor);
    event.set_flag(Field::PROCESS_PARENT_INTERACTIVE, interactive);
}

fn describe(event: &mut Event, fields: &Fields, process: &Process, wall_offset_ns: i64) {
    event.set_text(fields.entity_id, process.entity_id.clone());
    event.set_text(fields.name, process.comm.clone());
    event.set(fields.start, wall(process.id.start_ns, wall_offset_ns));
    let Some(image) = &process.image else { return };
    if let Some(exe) = &image.exe {
        event.set_text(fields.executable, exe.value.clone());
    }
    if let Some(args) = &image.args {
        event.set(fields.args, Value::Texts(args.value.clone()));
        event.set_number(fields.args_count, image.args_count());
    }
}

/// The fields that [`ancestors`] sets.
pub const ANCESTORS: [Field; 3] = [
    Field::OCELLUS_ANCESTORS_ENTITY_ID,
    Field::OCELLUS_ANCESTORS_NAME,
    Field::OCELLUS_ANCESTORS_EXECUTABLE,
];

/// Sets the chain of those who forked the process, the nearest first.
pub fn ancestors(event: &mut Event, process: &Process, max: usize) {
    let Some(lineage) = &process.lineage else { return };
    for (field, texts) in ANCESTORS.into_iter().zip(lineage.texts(max)) {
        event.set(field, Value::Texts(texts));
    }
}
