//! What a run of raw events changed of a process: who it is, where it belongs, what it is called.
//!
//! An event shows a process as it is after its last raw event. What it was before, and what a merge
//! would hide in between, is here.

use std::sync::Arc;

use crate::capability::Capabilities;
use crate::enrich::{set_named, wall_ns};
use crate::event::{Event, Field, Texts, Value};
use crate::process::Process;
use crate::raw::{Kind, RawEvent, Task};
use crate::sink::date::Date;
use crate::users::Users;
use ocellus_ebpf::abi;

/// A process before a run.
#[derive(Clone, Debug)]
pub struct Before {
    pub task: Task,
    pub comm: Arc<str>,
}

impl Before {
    /// None where the process is not known, or was told of by the snapshot only.
    pub fn of(known: Option<&Process>, first: &RawEvent) -> Option<Before> {
        match (first.kind, known) {
            (Kind::Fork, _) => Some(Before { task: first.task, comm: first.comm.clone() }),
            (Kind::Existing, _) | (_, None) => None,
            (_, Some(process)) => Some(Before { task: process.task, comm: process.comm.clone() }),
        }
    }
}

/// Whether a raw event of this kind is about a change and nothing else.
pub fn is_change(kind: Kind) -> bool {
    matches!(kind, Kind::Ids | Kind::Name | Kind::Pgid)
}

/// Whether a raw event tells something that the table does not know. Each thread of a process
/// changes its credentials for itself, and only the first one is news.
pub fn is_news(known: Option<&Process>, raw: &RawEvent) -> bool {
    let same = |process: &Process| {
        process.comm == raw.comm && Changes::between(&process.task, &raw.task).is_empty()
    };
    !is_change(raw.kind) || !known.is_some_and(same)
}

/// What changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes(u8);

impl Changes {
    pub const USER: Changes = Changes(1);
    pub const GROUP: Changes = Changes(1 << 1);
    pub const CAPABILITIES: Changes = Changes(1 << 2);
    pub const SESSION: Changes = Changes(1 << 3);
    pub const PROCESS_GROUP: Changes = Changes(1 << 4);
    pub const NAME: Changes = Changes(1 << 5);

    /// Each with its name in `ocellus.changes`, and the word of public rules for it.
    const NAMES: [(Changes, &'static str, &'static str); 6] = [
        (Changes::USER, "user", "uid_change"),
        (Changes::GROUP, "group", "gid_change"),
        (Changes::SESSION, "session", "session_id_change"),
        (Changes::CAPABILITIES, "capabilities", "capability_change"),
        (Changes::PROCESS_GROUP, "process_group", "pgid_change"),
        (Changes::NAME, "name", "name_change"),
    ];

    pub fn between(before: &Task, after: &Task) -> Changes {
        let users = |task: &Task| [task.uid, task.euid, task.suid, task.fsuid];
        let groups = |task: &Task| [task.gid, task.egid, task.sgid, task.fsgid];
        let of = |changed: bool, what: Changes| if changed { what.0 } else { 0 };
        Changes(
            of(users(before) != users(after), Changes::USER)
                | of(groups(before) != groups(after), Changes::GROUP)
                | of(capabilities(before) != capabilities(after), Changes::CAPABILITIES)
                | of(before.sid != after.sid, Changes::SESSION)
                | of(before.pgid != after.pgid, Changes::PROCESS_GROUP),
        )
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, other: Changes) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Changes) -> Changes {
        Changes(self.0 | other.0)
    }

    fn names(self) -> Texts {
        let named = Changes::NAMES.iter().filter(|(change, ..)| self.has(*change));
        named.map(|(_, name, _)| name).collect()
    }

    /// What public rules call a change of ids: by the first of those that changed.
    pub fn endpoint_action(self) -> &'static str {
        let known = Changes::NAMES.iter().find(|(change, ..)| self.has(*change));
        known.map_or("id_change", |(.., action)| action)
    }
}

fn capabilities(task: &Task) -> [u64; 5] {
    [
        task.cap_effective,
        task.cap_permitted,
        task.cap_inheritable,
        task.cap_bounding,
        task.cap_ambient,
    ]
}

/// What building these fields takes.
#[derive(Debug)]
pub struct Context<'a> {
    pub users: &'a mut Users,
    pub wall_offset_ns: i64,
    pub capabilities: &'a mut Capabilities,
}

/// Sets what the run changed, and how it was before.
pub fn fill(
    event: &mut Event,
    before: Option<&Before>,
    run: &[Box<RawEvent>],
    context: &mut Context<'_>,
) -> Changes {
    let mut changes = Changes::default();
    let mut last = before.map(|before| &before.task);
    for raw in run {
        if let Some(last) = last.replace(&raw.task) {
            changes = changes.with(Changes::between(last, &raw.task));
        }
    }
    if run.iter().any(|raw| raw.kind == Kind::Name) {
        changes = changes.with(Changes::NAME);
    }
    steps(event, run, context.wall_offset_ns);
    if changes.is_empty() {
        return changes;
    }
    event.set(Field::OCELLUS_CHANGES, Value::Texts(changes.names()));
    if let (Some(before), Some(after)) = (before, run.last()) {
        previous_ids(event, &before.task, &after.task, context);
        previous_places(event, &before.task, &after.task);
        if changes.has(Changes::NAME) {
            event.set_text(Field::OCELLUS_PREVIOUS_NAME, before.comm.clone());
        }
    }
    changes
}

fn previous_ids(event: &mut Event, before: &Task, after: &Task, context: &mut Context<'_>) {
    let users = &mut *context.users;
    if before.euid != after.euid {
        let (id, name) = (Field::OCELLUS_PREVIOUS_USER_ID, Field::OCELLUS_PREVIOUS_USER_NAME);
        set_named(event, users.user(before.euid), id, name);
    }
    if before.egid != after.egid {
        let (id, name) = (Field::OCELLUS_PREVIOUS_GROUP_ID, Field::OCELLUS_PREVIOUS_GROUP_NAME);
        set_named(event, users.group(before.egid), id, name);
    }
    for (before, after, field) in [
        (before.uid, after.uid, Field::OCELLUS_PREVIOUS_REAL_USER_ID),
        (before.suid, after.suid, Field::OCELLUS_PREVIOUS_SAVED_USER_ID),
        (before.fsuid, after.fsuid, Field::OCELLUS_PREVIOUS_FILESYSTEM_USER_ID),
    ] {
        if before != after {
            event.set_text(field, users.user(before).id.clone());
        }
    }
    for (before, after, field) in [
        (before.gid, after.gid, Field::OCELLUS_PREVIOUS_REAL_GROUP_ID),
        (before.sgid, after.sgid, Field::OCELLUS_PREVIOUS_SAVED_GROUP_ID),
        (before.fsgid, after.fsgid, Field::OCELLUS_PREVIOUS_FILESYSTEM_GROUP_ID),
    ] {
        if before != after {
            event.set_text(field, users.group(before).id.clone());
        }
    }
    let fields = [
        Field::OCELLUS_PREVIOUS_CAPABILITIES_EFFECTIVE,
        Field::OCELLUS_PREVIOUS_CAPABILITIES_PERMITTED,
        Field::OCELLUS_PREVIOUS_CAPABILITIES_INHERITABLE,
        Field::OCELLUS_PREVIOUS_CAPABILITIES_BOUNDING,
        Field::OCELLUS_PREVIOUS_CAPABILITIES_AMBIENT,
    ];
    let sets = capabilities(before).into_iter().zip(capabilities(after));
    for (field, (before, _)) in fields.into_iter().zip(sets).filter(|(_, (a, b))| a != b) {
        if let Some(names) = context.capabilities.names(before) {
            event.set(field, Value::Texts(names));
        }
    }
}

fn previous_places(event: &mut Event, before: &Task, after: &Task) {
    for (before, after, field) in [
        (before.pgid, after.pgid, Field::OCELLUS_PREVIOUS_PGID),
        (before.sid, after.sid, Field::OCELLUS_PREVIOUS_SID),
    ] {
        if before != after && before != 0 {
            event.set_number(field, before);
        }
    }
}

/// What would be hidden where a run has several changes of ids, or several execs: each of them.
fn steps(event: &mut Event, run: &[Box<RawEvent>], wall_offset_ns: i64) {
    let of = |kind: Kind| run.iter().filter(move |raw| raw.kind == kind);
    let times = |kind: Kind| -> Texts {
        let date = |raw: &RawEvent| Date::new(wall_ns(raw.time_ns, wall_offset_ns));
        of(kind).map(|raw| date(raw).as_str().to_owned()).collect()
    };
    if of(Kind::Ids).nth(1).is_some() {
        let users: Texts = of(Kind::Ids).map(|raw| raw.task.euid.to_string()).collect();
        let groups: Texts = of(Kind::Ids).map(|raw| raw.task.egid.to_string()).collect();
        event.set(Field::OCELLUS_ID_CHANGES_USER, Value::Texts(users));
        event.set(Field::OCELLUS_ID_CHANGES_GROUP, Value::Texts(groups));
        event.set(Field::OCELLUS_ID_CHANGES_TIME, Value::Texts(times(Kind::Ids)));
    }
    if of(Kind::Exec).nth(1).is_some() {
        let images = || of(Kind::Exec).map(|raw| raw.image.as_deref());
        let executables: Texts = images()
            .map(|image| image?.exe.as_ref().map(|exe| exe.value.clone()))
            .map(Option::unwrap_or_default)
            .collect();
        let lines: Texts = images()
            .map(|image| image?.args.as_ref().map(|args| args.value.joined()))
            .map(Option::unwrap_or_default)
            .collect();
        event.set(Field::OCELLUS_EXECS_EXECUTABLE, Value::Texts(executables));
        event.set(Field::OCELLUS_EXECS_COMMAND_LINE, Value::Texts(lines));
        event.set(Field::OCELLUS_EXECS_TIME, Value::Texts(times(Kind::Exec)));
    }
}

/// What an exec got from its file, and whose credentials changed.
pub fn rights(event: &mut Event, run: &[Box<RawEvent>]) {
    for raw in run {
        if raw.flags & abi::F_SECURE_EXEC != 0 {
            event.set_flag(Field::OCELLUS_SECURE_EXEC, true);
        }
        if raw.kind == Kind::Exec && file_gave_capabilities(raw) {
            event.set_flag(Field::OCELLUS_EXE_CAPABILITIES, true);
        }
        if raw.kind == Kind::Ids && raw.task.tid != raw.task.pid {
            event.set_number(Field::PROCESS_THREAD_ID, raw.task.tid);
        }
    }
}

/// True for an exec whose file gave it capabilities that its caller had not (capabilities(7)).
///
/// The kernel asks for care (AT_SECURE) when permitted capabilities are more than the ambient ones
/// and the caller is not root, who has them anyway. A file that is set-uid root gives them all
/// without having any: the whole bounding set, and what was inheritable.
fn file_gave_capabilities(raw: &RawEvent) -> bool {
    let task = &raw.task;
    let secure = raw.flags & abi::F_SECURE_EXEC != 0;
    let grown = task.cap_permitted & !task.cap_ambient != 0;
    let by_set_uid =
        task.euid != task.uid && task.cap_permitted == task.cap_bounding | task.cap_inheritable;
    secure && grown && !by_set_uid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_told_apart() {
        let base = Task::default();
        for (after, expected) in [
            (Task { uid: 1, ..base }, Changes::USER),
            (Task { fsuid: 1, ..base }, Changes::USER),
            (Task { suid: 1, ..base }, Changes::USER),
            (Task { egid: 1, ..base }, Changes::GROUP),
            (Task { fsgid: 1, ..base }, Changes::GROUP),
            (Task { cap_ambient: 1, ..base }, Changes::CAPABILITIES),
            (Task { cap_bounding: 1, ..base }, Changes::CAPABILITIES),
            (Task { sid: 1, ..base }, Changes::SESSION),
            (Task { pgid: 1, ..base }, Changes::PROCESS_GROUP),
            (Task { tid: 1, vpid: 1, tty_major: 1, ..base }, Changes::default()),
        ] {
            assert_eq!(Changes::between(&base, &after), expected, "{after:?}");
        }
    }

    #[test]
    fn public_rules_look_for_the_user_first() {
        let all = Changes(u8::MAX);
        assert_eq!(all.endpoint_action(), "uid_change");
        assert_eq!(Changes::GROUP.with(Changes::SESSION).endpoint_action(), "gid_change");
        assert_eq!(Changes::default().endpoint_action(), "id_change");
        let names = all.names();
        let expected = ["user", "group", "session", "capabilities", "process_group", "name"];
        assert_eq!(names.iter().collect::<Vec<_>>(), expected);
    }
}
