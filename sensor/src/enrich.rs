//! Process and run → event: every field that the table, the names and the host can fill.

mod image;

use crate::actions::{self, Actions, Namings};
use crate::capability::Capabilities;
use crate::changes::{self, Before, Changes};
use crate::container::known::Containers;
use crate::digest::identity::Identity;
use crate::event::{Event, Field, Kinds, Texts, Value};
use crate::input::HostInfo;
use crate::leaders;
use crate::process::{Process, Table};
use crate::raw::{Kind, Marked, RawEvent};
use crate::tty;
use crate::users::Users;
use image::{exec_fields, hash_fields, image_fields};
use ocellus_ebpf::abi;

/// Version of ECS that the field table follows.
const ECS_VERSION: &str = "9.4.0";

/// Builds events.
#[derive(Debug)]
pub struct Enricher {
    /// What every event of this host has.
    template: Vec<(Field, Value)>,
    process_category: Texts,
    namings: Namings,
    capabilities: Capabilities,
    pub users: Users,
    pub containers: Containers,
    pub identity: Identity,
    /// Boottime + this = wall time.
    wall_offset_ns: i64,
    ancestors_max: usize,
    sequence: u64,
    hashing: bool,
}

/// Names of the fields that need a remark.
#[derive(Default)]
struct Remarks {
    truncated: Vec<&'static str>,
    escaped: Vec<&'static str>,
    redacted: Vec<&'static str>,
    inferred: Vec<&'static str>,
}

impl Enricher {
    pub fn new(actions: Actions, ancestors_max: usize, hashing: bool) -> Enricher {
        // Full capability sets are `CAP_ALL`, as auditbeat has them.
        let all = matches!(actions, Actions::Auditbeat).then(|| ["CAP_ALL"].iter().collect());
        Enricher {
            template: Vec::new(),
            process_category: ["process"].iter().collect(),
            namings: Namings::new(actions),
            capabilities: Capabilities::new(all),
            users: Users::default(),
            containers: Containers::default(),
            identity: Identity::new(&HostInfo::default()),
            wall_offset_ns: 0,
            ancestors_max,
            sequence: 0,
            hashing,
        }
    }

    pub fn set_wall_offset_ns(&mut self, wall_offset_ns: i64) {
        self.wall_offset_ns = wall_offset_ns;
    }

    pub fn wall_offset_ns(&self) -> i64 {
        self.wall_offset_ns
    }

    /// Takes the host in: it changes every later event.
    pub fn set_host(&mut self, host: &HostInfo) {
        self.identity = Identity::new(host);
        let mut event = Event::default();
        event.set_static(Field::ECS_VERSION, ECS_VERSION);
        event.set_static(Field::EVENT_KIND, "event");
        event.set_static(Field::EVENT_MODULE, "system");
        event.set_static(Field::SERVICE_TYPE, "system");
        event.set_static(Field::AGENT_TYPE, "ocellus");
        event.set_static(Field::AGENT_VERSION, env!("CARGO_PKG_VERSION"));
        event.set_static(Field::HOST_OS_TYPE, "linux");
        for (field, value) in [
            (Field::HOST_ID, &host.id),
            (Field::HOST_BOOT_ID, &host.boot_id),
            (Field::HOST_HOSTNAME, &host.hostname),
            (Field::HOST_NAME, if host.name.is_some() { &host.name } else { &host.hostname }),
            (Field::HOST_ARCHITECTURE, &host.architecture),
            (Field::HOST_OS_KERNEL, &host.kernel),
            (Field::HOST_OS_NAME, &host.os_name),
            (Field::HOST_OS_VERSION, &host.os_version),
            (Field::HOST_OS_FULL, &host.os_full),
            (Field::HOST_OS_PLATFORM, &host.os_platform),
            (Field::HOST_OS_FAMILY, &host.os_family),
        ] {
            if let Some(value) = value {
                event.set_text(field, value.as_str());
            }
        }
        let present = Field::all().filter(|field| *event.get(*field) != Value::Absent);
        self.template = present.map(|field| (field, event.get(field).clone())).collect();
    }

    /// An event of the sensor itself.
    pub fn sensor_event(&mut self, kinds: Kinds, time_ns: u64, action: &'static str) -> Event {
        let subject = self.sequence as u32;
        let names = kinds.names().collect();
        let mut event = self.begin(kinds, names, time_ns, subject);
        event.set_static(Field::EVENT_DATASET, "sensor");
        event.set_static(Field::EVENT_ACTION, action);
        event.set(Field::EVENT_CATEGORY, Value::Texts(["host"].iter().collect()));
        event.set(Field::EVENT_TYPE, Value::Texts(["info"].iter().collect()));
        event
    }

    /// The event of a run of raw events of one process, which are in the table already.
    pub fn process_event(
        &mut self,
        table: &Table,
        process: &Process,
        run: &[Box<RawEvent>],
        before: Option<&Before>,
    ) -> Event {
        let kinds = run.iter().fold(Kinds::NONE, |all, raw| all.with(kinds_of(raw.kind)));
        let first = run.first().map_or(0, |raw| raw.time_ns);
        let names = self.namings.of(kinds).kinds.clone();
        let mut event = self.begin(kinds, names, first, process.id.pid);
        let mut remarks = Remarks::default();
        event.set_static(Field::EVENT_DATASET, "process");
        event.set(Field::EVENT_CATEGORY, Value::Texts(self.process_category.clone()));
        if run.iter().all(|raw| raw.kind != Kind::Existing) {
            event.set_number(Field::OCELLUS_RAW_EVENTS, run.len() as u64);
        }
        if process.ticks {
            remarks.inferred.push(Field::PROCESS_START.name());
        }
        if process.fork_unseen && process.lineage.is_some() {
            remarks.inferred.extend(leaders::ANCESTORS.map(Field::name));
        }
        self.identity_fields(&mut event, process);
        self.user_fields(&mut event, process);
        self.kernel_fields(&mut event, process);
        if process.comm_escaped {
            remarks.escaped.push(Field::PROCESS_NAME.name());
        }
        if let Some(cwd) = &process.cwd {
            remarks.set(&mut event, Field::PROCESS_WORKING_DIRECTORY, cwd, Value::Text);
        }
        if let Some(cgroup) = &process.cgroup {
            remarks.set(&mut event, Field::OCELLUS_CGROUP, cgroup, Value::Text);
        }
        if let Some(image) = &process.image {
            image_fields(&mut event, &mut remarks, image);
            if kinds.intersects(Kinds::PROCESS_EXEC.with(Kinds::PROCESS_EXISTING)) {
                exec_fields(&mut event, &mut remarks, process, image);
            }
        }
        changes::rights(&mut event, run);
        if let Some(line) = &process.command_line {
            event.set_text(Field::PROCESS_COMMAND_LINE, line.clone());
        }
        if run.iter().any(|raw| raw.flags & abi::F_THREAD_EXEC != 0) {
            event.set_flag(Field::OCELLUS_THREAD_EXEC, true);
        }
        if kinds.intersects(Kinds::PROCESS_EXIT) {
            self.exit_fields(&mut event, process);
        }
        leaders::fill(&mut event, table, process, &mut self.users, self.wall_offset_ns);
        leaders::ancestors(&mut event, process, self.ancestors_max);
        let changes = self.change_fields(&mut event, run, before);
        self.name_event(&mut event, process, kinds, changes);
        remarks.write(&mut event);
        event
    }

    fn begin(&mut self, kinds: Kinds, names: Texts, time_ns: u64, subject: u32) -> Event {
        self.sequence += 1;
        let mut event = Event::default();
        event.kinds = kinds;
        for (field, value) in &self.template {
            event.set(*field, value.clone());
        }
        event.set(Field::TIMESTAMP, wall(time_ns, self.wall_offset_ns));
        event.set_number(Field::EVENT_SEQUENCE, self.sequence);
        event.set_text(Field::EVENT_ID, self.identity.event_id(time_ns, subject, kinds.bits()));
        event.set(Field::OCELLUS_KINDS, Value::Texts(names));
        event
    }

    fn identity_fields(&self, event: &mut Event, process: &Process) {
        event.set_number(Field::PROCESS_PID, process.id.pid);
        event.set_text(Field::PROCESS_ENTITY_ID, process.entity_id.clone());
        event.set_text(Field::PROCESS_NAME, process.comm.clone());
        event.set(Field::PROCESS_START, wall(process.id.start_ns, self.wall_offset_ns));
        if let Some(container) = &process.container {
            event.set_text(Field::CONTAINER_ID, container.id.clone());
            if let Some(runtime) = container.runtime {
                event.set_static(Field::CONTAINER_RUNTIME, runtime);
            }
            // Their ids are names.
            if matches!(container.runtime, Some("lxc" | "systemd-nspawn")) {
                event.set_text(Field::CONTAINER_NAME, container.id.clone());
            }
            self.containers.fill(event, &container.id);
        }
        if process.ours {
            event.set_flag(Field::OCELLUS_SELF, true);
        }
    }

    fn user_fields(&mut self, event: &mut Event, process: &Process) {
        let task = &process.task;
        let users = [
            (task.euid, Field::PROCESS_USER_ID, Field::PROCESS_USER_NAME),
            (task.uid, Field::PROCESS_REAL_USER_ID, Field::PROCESS_REAL_USER_NAME),
            (task.suid, Field::PROCESS_SAVED_USER_ID, Field::PROCESS_SAVED_USER_NAME),
            (task.uid, Field::USER_ID, Field::USER_NAME),
            (task.euid, Field::USER_EFFECTIVE_ID, Field::USER_EFFECTIVE_NAME),
        ];
        for (id, id_field, name_field) in users {
            set_named(event, self.users.user(id), id_field, name_field);
        }
        let groups = [
            (task.egid, Field::PROCESS_GROUP_ID, Field::PROCESS_GROUP_NAME),
            (task.gid, Field::PROCESS_REAL_GROUP_ID, Field::PROCESS_REAL_GROUP_NAME),
            (task.sgid, Field::PROCESS_SAVED_GROUP_ID, Field::PROCESS_SAVED_GROUP_NAME),
            (task.gid, Field::USER_GROUP_ID, Field::USER_GROUP_NAME),
            (task.egid, Field::USER_EFFECTIVE_GROUP_ID, Field::USER_EFFECTIVE_GROUP_NAME),
        ];
        for (id, id_field, name_field) in groups {
            set_named(event, self.users.group(id), id_field, name_field);
        }
        // Nearly always the effective ones.
        if task.fsuid != task.euid {
            let id = self.users.user(task.fsuid).id.clone();
            event.set_text(Field::OCELLUS_FILESYSTEM_USER_ID, id);
        }
        if task.fsgid != task.egid {
            let id = self.users.group(task.fsgid).id.clone();
            event.set_text(Field::OCELLUS_FILESYSTEM_GROUP_ID, id);
        }
    }

    fn change_fields(
        &mut self,
        event: &mut Event,
        run: &[Box<RawEvent>],
        before: Option<&Before>,
    ) -> Changes {
        let mut context = changes::Context {
            users: &mut self.users,
            wall_offset_ns: self.wall_offset_ns,
            capabilities: &mut self.capabilities,
        };
        changes::fill(event, before, run, &mut context)
    }

    fn kernel_fields(&mut self, event: &mut Event, process: &Process) {
        let task = &process.task;
        let interactive = tty::interactive(task.tty_major, task.tty_minor);
        event.set_flag(Field::PROCESS_INTERACTIVE, interactive);
        if task.tty_major != 0 {
            event.set_number(Field::PROCESS_TTY_CHAR_DEVICE_MAJOR, task.tty_major);
            event.set_number(Field::PROCESS_TTY_CHAR_DEVICE_MINOR, task.tty_minor);
        }
        for (number, field) in [
            (task.vpid, Field::PROCESS_VPID),
            (task.pgid, Field::OCELLUS_PGID),
            (task.sid, Field::OCELLUS_SID),
            (task.ns_cgroup, Field::OCELLUS_NS_CGROUP),
            (task.ns_ipc, Field::OCELLUS_NS_IPC),
            (task.ns_mnt, Field::OCELLUS_NS_MNT),
            (task.ns_net, Field::OCELLUS_NS_NET),
            (task.ns_pid, Field::OCELLUS_NS_PID),
            (task.ns_time, Field::OCELLUS_NS_TIME),
            (task.ns_user, Field::OCELLUS_NS_USER),
            (task.ns_uts, Field::OCELLUS_NS_UTS),
        ] {
            if number != 0 {
                event.set_number(field, number);
            }
        }
        for (mask, field) in [
            (task.cap_effective, Field::PROCESS_THREAD_CAPABILITIES_EFFECTIVE),
            (task.cap_permitted, Field::PROCESS_THREAD_CAPABILITIES_PERMITTED),
            (task.cap_inheritable, Field::OCELLUS_CAPABILITIES_INHERITABLE),
            (task.cap_bounding, Field::OCELLUS_CAPABILITIES_BOUNDING),
            (task.cap_ambient, Field::OCELLUS_CAPABILITIES_AMBIENT),
        ] {
            if let Some(names) = self.capabilities.names(mask) {
                event.set(field, Value::Texts(names));
            }
        }
    }

    fn exit_fields(&self, event: &mut Event, process: &Process) {
        let Some(exit) = process.exit else { return };
        event.set(Field::PROCESS_END, wall(exit.time_ns, self.wall_offset_ns));
        let Some(status) = exit.status else { return };
        // wait(2): the low seven bits are the signal, the eighth says that there is a core.
        let signal = status & 0x7f;
        if signal == 0 {
            event.set_number(Field::PROCESS_EXIT_CODE, (status >> 8) & 0xff);
        } else {
            event.set_number(Field::PROCESS_EXIT_CODE, 128 + signal);
            event.set_number(Field::OCELLUS_SIGNAL, signal);
            event.set_flag(Field::OCELLUS_CORE_DUMPED, status & 0x80 != 0);
        }
    }

    /// Action, types and message, and the hash with what went wrong with it.
    fn name_event(&mut self, event: &mut Event, process: &Process, kinds: Kinds, changes: Changes) {
        let naming = self.namings.of(kinds);
        let action = match naming.action {
            actions::ID_CHANGE => changes.endpoint_action(),
            action => action,
        };
        event.set_static(Field::EVENT_ACTION, action);
        event.set(Field::EVENT_TYPE, Value::Texts(naming.types.clone()));
        let pid = process.id.pid;
        let problem = match hash_fields(event, process, self.hashing) {
            Some(problem) => problem,
            None => {
                let user = self.users.user(process.task.uid);
                let message = naming.message(&process.comm, pid, user.name.as_deref());
                event.set_text(Field::MESSAGE, message);
                return;
            }
        };
        // auditbeat's words (peers: quark, 3.4).
        let executable = process.executable().map_or("", |path| path);
        let error = format!("failed to hash executable {executable} for PID {pid}: {problem}");
        event.set_text(Field::MESSAGE, format!("ERROR for PID {pid}: {error}"));
        event.set_text(Field::ERROR_MESSAGE, error);
    }
}

/// The kind of event that a raw event makes.
fn kinds_of(kind: Kind) -> Kinds {
    match kind {
        Kind::Fork => Kinds::PROCESS_FORK,
        Kind::Exec => Kinds::PROCESS_EXEC,
        Kind::Exit => Kinds::PROCESS_EXIT,
        Kind::Existing => Kinds::PROCESS_EXISTING,
        Kind::Ids => Kinds::PROCESS_ID_CHANGE,
        Kind::Name => Kinds::PROCESS_NAME_CHANGE,
        Kind::Pgid => Kinds::PROCESS_PGID_CHANGE,
    }
}

/// Boottime as wall time.
pub fn wall(boottime_ns: u64, offset_ns: i64) -> Value {
    Value::Time(wall_ns(boottime_ns, offset_ns))
}

/// Boottime as wall time, in ns since the epoch.
pub fn wall_ns(boottime_ns: u64, offset_ns: i64) -> u64 {
    boottime_ns.saturating_add_signed(offset_ns)
}

/// An id as text, and its name where it has one.
pub fn set_named(
    event: &mut Event,
    named: &crate::users::Named,
    id_field: Field,
    name_field: Field,
) {
    event.set_text(id_field, named.id.clone());
    if let Some(name) = &named.name {
        event.set_text(name_field, name.clone());
    }
}

impl Remarks {
    fn set<T: Clone>(
        &mut self,
        event: &mut Event,
        field: Field,
        marked: &Marked<T>,
        value: impl FnOnce(T) -> Value,
    ) {
        event.set(field, value(marked.value.clone()));
        if marked.marks.truncated {
            self.truncated.push(field.name());
        }
        if marked.marks.escaped {
            self.escaped.push(field.name());
        }
        if marked.marks.redacted {
            self.redacted.push(field.name());
        }
        if marked.marks.inferred {
            self.inferred.push(field.name());
        }
    }

    fn write(self, event: &mut Event) {
        for (names, field) in [
            (self.truncated, Field::OCELLUS_TRUNCATED),
            (self.escaped, Field::OCELLUS_ESCAPED),
            (self.redacted, Field::OCELLUS_REDACTED),
            (self.inferred, Field::OCELLUS_INFERRED),
        ] {
            if !names.is_empty() {
                event.set(field, Value::Texts(names.into_iter().collect()));
            }
        }
    }
}
