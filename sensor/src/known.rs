//! What rules may ask of other processes: the process table with the names of users, lent to the
//! rules while they judge.

use std::sync::Arc;

use crate::enrich::wall;
use crate::event::{Field, Value};
use crate::process::{Process, ProcessId, Table};
use crate::rules::Processes;
use crate::rules::processes::ANCESTORS_MAX;
use crate::tty;
use crate::users::Users;

/// The process table and what makes values of it.
#[derive(Debug)]
pub struct Known {
    pub table: Table,
    pub users: Users,
    /// Boottime + this = wall time.
    pub wall_offset_ns: i64,
}

impl Processes for Known {
    fn ancestors(&self, entity_id: &str) -> Vec<Arc<str>> {
        let lineage = self.table.by_entity_id(entity_id).and_then(|found| found.lineage.as_ref());
        let ancestors = lineage.into_iter().flat_map(|lineage| lineage.iter());
        ancestors.take(ANCESTORS_MAX).map(|ancestor| ancestor.entity_id.clone()).collect()
    }

    fn value(&mut self, entity_id: &str, field: Field) -> Value {
        let Known { table, users, wall_offset_ns } = self;
        match table.by_entity_id(entity_id) {
            Some(process) => value(table, users, *wall_offset_ns, process, field),
            None => Value::Absent,
        }
    }
}

fn value(
    table: &Table,
    users: &mut Users,
    wall_offset_ns: i64,
    process: &Process,
    field: Field,
) -> Value {
    let task = &process.task;
    match field {
        Field::PROCESS_ENTITY_ID => Value::Text(process.entity_id.clone()),
        Field::PROCESS_NAME => Value::Text(process.comm.clone()),
        Field::PROCESS_EXECUTABLE => text(process.executable()),
        Field::PROCESS_COMMAND_LINE => text(process.command_line.as_ref()),
        Field::PROCESS_WORKING_DIRECTORY => text(process.cwd.as_ref().map(|cwd| &cwd.value)),
        Field::PROCESS_USER_ID => Value::Text(users.user(task.euid).id.clone()),
        Field::PROCESS_USER_NAME => text(users.user(task.euid).name.as_ref()),
        Field::PROCESS_REAL_USER_ID => Value::Text(users.user(task.uid).id.clone()),
        Field::PROCESS_REAL_USER_NAME => text(users.user(task.uid).name.as_ref()),
        Field::PROCESS_GROUP_ID => Value::Text(users.group(task.egid).id.clone()),
        Field::PROCESS_GROUP_NAME => text(users.group(task.egid).name.as_ref()),
        Field::PROCESS_HASH_SHA256 => {
            let digest = process.hash.as_ref().and_then(|hash| hash.digests.sha256.as_deref());
            digest.map_or(Value::Absent, |digest| Value::Text(digest.into()))
        }
        Field::CONTAINER_ID => text(process.container.as_ref().map(|container| &container.id)),
        Field::PROCESS_PID => Value::Number(process.id.pid.into()),
        Field::PROCESS_VPID => known_number(task.vpid),
        Field::PROCESS_PARENT_PID => known_number(task.ppid),
        Field::PROCESS_START => wall(process.id.start_ns, wall_offset_ns),
        Field::PROCESS_END => match process.exit {
            Some(exit) => wall(exit.time_ns, wall_offset_ns),
            None => Value::Absent,
        },
        Field::PROCESS_INTERACTIVE => Value::Flag(tty::interactive(task.tty_major, task.tty_minor)),
        Field::PROCESS_ARGS | Field::PROCESS_ARGS_COUNT => args(process, field),
        Field::PROCESS_PARENT_ENTITY_ID
        | Field::PROCESS_PARENT_NAME
        | Field::PROCESS_PARENT_EXECUTABLE => parent(table, process, field),
        _ => Value::Absent,
    }
}

fn args(process: &Process, field: Field) -> Value {
    let Some(image) = &process.image else { return Value::Absent };
    let Some(args) = &image.args else { return Value::Absent };
    if field == Field::PROCESS_ARGS {
        return Value::Texts(args.value.clone());
    }
    Value::Number(image.args_count().into())
}

/// A value of the parent: as it is now while it is known, else as it was when it forked.
fn parent(table: &Table, process: &Process, field: Field) -> Value {
    if let Some(parent) = table.get(ProcessId::parent_of(&process.task)) {
        return match field {
            Field::PROCESS_PARENT_ENTITY_ID => Value::Text(parent.entity_id.clone()),
            Field::PROCESS_PARENT_NAME => Value::Text(parent.comm.clone()),
            _ => text(parent.executable()),
        };
    }
    let Some(ancestor) = &process.lineage else { return Value::Absent };
    match field {
        Field::PROCESS_PARENT_ENTITY_ID => Value::Text(ancestor.entity_id.clone()),
        Field::PROCESS_PARENT_NAME => Value::Text(ancestor.name.clone()),
        _ => text(ancestor.executable.as_ref()),
    }
}

fn text(text: Option<&Arc<str>>) -> Value {
    text.map_or(Value::Absent, |text| Value::Text(text.clone()))
}

/// A number for which the kernel has 0 when there is none.
fn known_number(number: u32) -> Value {
    if number == 0 { Value::Absent } else { Value::Number(number.into()) }
}
