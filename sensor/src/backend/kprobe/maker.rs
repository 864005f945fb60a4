//! Hits of probes → records.

use ocellus_ebpf::abi::{self, Kind, Record, SPAN_COUNT, SpanId};
use rustc_hash::FxHashMap;

use super::decode::{self, Args};
use super::fields::{FILENAME_WINDOW_BYTES, FieldId, Fields};
use super::places::{self, Place, Places};
use crate::backend::CaptureSettings;
use crate::snapshot::dir::{List, ProcDir};

/// Names that wait for their exec, on kernels where two probes tell of one. The wait is some
/// hundred microseconds, and a CPU executes one program at a time; what is more has been left
/// behind by programs that were killed in between.
const NAMES_MAX: usize = 4_096;

/// What a probe tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    Fork,
    Exec,
    Exit,
    /// How an exec that is about to happen is called.
    ExecName,
}

/// When, where and in which process of our pid namespace a probe was hit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// Boottime.
    pub time_ns: u64,
    pub cpu: u32,
    pub pid: u32,
}

/// What only the start of an exec tells.
#[derive(Debug)]
struct Name {
    tid: u32,
    argc: u32,
    envc: u32,
    filename: Box<[u8]>,
}

/// Makes records.
#[derive(Debug)]
pub(super) struct Maker {
    args_max: usize,
    env_max: usize,
    places: Places,
    /// By pid in our namespace.
    names: FxHashMap<u32, Name>,
}

/// The parts of a record that have no fixed length.
#[derive(Default)]
struct Spans<'a> {
    bytes: [&'a [u8]; SPAN_COUNT],
}

impl Maker {
    pub(super) fn new(settings: &CaptureSettings) -> Maker {
        Maker {
            args_max: settings.args_max as usize,
            env_max: settings.env_max as usize,
            places: Places::new(),
            names: FxHashMap::default(),
        }
    }

    /// The record of a hit. None for what makes no record: threads, kernel threads and names.
    pub(super) fn make(&mut self, tells: Tells, hit: &Hit, fields: &Fields<'_>) -> Option<Vec<u8>> {
        match tells {
            Tells::Fork => self.fork(hit, fields),
            Tells::Exec => Some(self.exec(hit, fields)),
            Tells::Exit => exit(hit, fields),
            Tells::ExecName => {
                self.keep_name(hit, fields);
                None
            }
        }
    }

    fn keep_name(&mut self, hit: &Hit, fields: &Fields<'_>) {
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(hit.pid, name(fields, FieldId::CommonPid));
    }

    fn fork(&mut self, hit: &Hit, fields: &Fields<'_>) -> Option<Vec<u8>> {
        let task = decode::task(fields);
        if task.tid != task.pid || decode::is_kernel_thread(fields) {
            return None;
        }
        let mut record = decode::record(Kind::Fork, hit.time_ns, hit.cpu, task);
        let (cwd, cgroup) = self.surroundings(fields, &mut record);
        let mut spans = Spans::default();
        spans.put_place(&mut record, SpanId::Cwd, &cwd);
        spans.put(SpanId::Cgroup, &cgroup);
        Some(record.encode(spans.bytes))
    }

    fn exec(&mut self, hit: &Hit, fields: &Fields<'_>) -> Vec<u8> {
        let task = decode::task(fields);
        let mut record = decode::record(Kind::Exec, hit.time_ns, hit.cpu, task);
        let name = match fields.has(FieldId::Filename) {
            true => Some(name(fields, FieldId::OldTid)),
            false => self.names.remove(&hit.pid),
        };
        if let Some(name) = &name {
            (record.argc, record.envc) = (name.argc, name.envc);
            record.task.tid = name.tid;
            if name.tid != task.pid {
                record.head.flags |= abi::F_THREAD_EXEC;
            }
        }
        let args = decode::args(fields, name.as_ref().map(|name| name.argc));
        let (cwd, cgroup) = self.surroundings(fields, &mut record);
        let filename = name.as_ref().map_or(&[][..], |name| &name.filename);

        let image = decode::image(fields, &task);
        let mut exe = Place::default();
        let mut running = None;
        record.head.flags |= abi::f_inferred(SpanId::Exe);
        if let Some(image) = &image {
            record.file = places::with_memfd_deleted(image.file);
            let first_arg = args.bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            let names = [filename, first_arg];
            exe = self.places.image(image, task.pid, &names, &cwd, hit.time_ns).unwrap_or_default();
            if args.bytes.len() < args.full_bytes as usize || self.env_max > 0 {
                running = places::running(task.pid, &image.file);
            }
        }
        let args = self.whole_args(args, running.as_ref(), &mut record);
        let env = self.env(running.as_ref(), &mut record);

        let mut spans = Spans::default();
        spans.put_place(&mut record, SpanId::Exe, &exe);
        spans.put(SpanId::Filename, filename);
        // The window ends in the middle of a name: how long it is nobody knows.
        let is_cut = filename.len() == FILENAME_WINDOW_BYTES;
        record.span[SpanId::Filename as usize].full = filename.len() as u32 + u32::from(is_cut);
        spans.put_place(&mut record, SpanId::Cwd, &cwd);
        spans.put(SpanId::Cgroup, &cgroup);
        spans.put(SpanId::Args, &args.bytes);
        record.span[SpanId::Args as usize].full = args.full_bytes;
        spans.put(SpanId::Env, &env.bytes);
        record.span[SpanId::Env as usize].full = env.full_bytes;
        record.encode(spans.bytes)
    }

    /// Working directory and cgroup, which fork and exec have.
    fn surroundings(&mut self, fields: &Fields<'_>, record: &mut Record) -> (Place, Vec<u8>) {
        let (pid, ppid) = (record.task.pid, record.task.ppid);
        let now_ns = record.head.time_ns;
        record.head.flags |= abi::f_inferred(SpanId::Cwd) | abi::f_inferred(SpanId::Cgroup);
        let cwd = decode::directory(fields, &record.task)
            .and_then(|id| self.places.directory(&id, pid, ppid, now_ns))
            .unwrap_or_default();
        let cgroup = self.places.cgroup(decode::cgroup(fields), pid, ppid);
        (cwd, cgroup.map(|path| path.to_vec()).unwrap_or_default())
    }

    /// The arguments: those that the probe copied when they are all, else those in /proc if they
    /// begin with them and are as long, else what the probe copied, cut.
    fn whole_args(&self, args: Args<'_>, running: Option<&ProcDir>, record: &mut Record) -> List {
        let copied = List {
            bytes: args.bytes[..args.bytes.len().min(self.args_max)].to_vec(),
            full_bytes: args.full_bytes,
            count: record.argc,
        };
        if args.bytes.len() == args.full_bytes as usize {
            record.argc = record.argc.max(count(args.bytes));
            return copied;
        }
        let list = running.map(|dir| dir.list("cmdline", self.args_max)).unwrap_or_default();
        let agrees = list.full_bytes == args.full_bytes
            && list.bytes.starts_with(&args.bytes[..args.bytes.len().min(list.bytes.len())])
            && (record.argc == 0 || list.count == record.argc);
        if agrees {
            record.head.flags |= abi::f_inferred(SpanId::Args);
            record.argc = list.count;
            return list;
        }
        if args.bytes.is_empty() {
            record.head.flags |= abi::F_ARGS_FAULT;
        }
        copied
    }

    fn env(&self, running: Option<&ProcDir>, record: &mut Record) -> List {
        if self.env_max == 0 {
            return List::default();
        }
        record.head.flags |= abi::f_inferred(SpanId::Env);
        let list = running.map(|dir| dir.list("environ", self.env_max)).unwrap_or_default();
        if list.bytes.is_empty() && record.envc > 0 {
            record.head.flags |= abi::F_ENV_FAULT;
        }
        list
    }
}

impl<'a> Spans<'a> {
    fn put(&mut self, id: SpanId, bytes: &'a [u8]) {
        self.bytes[id as usize] = bytes;
    }

    /// A path; one that lost its beginning is longer than what there is of it.
    fn put_place(&mut self, record: &mut Record, id: SpanId, place: &'a Place) {
        self.put(id, &place.path);
        let lost = u32::from(place.is_lost);
        record.span[id as usize].full = place.path.len() as u32 + lost;
    }
}

fn exit(hit: &Hit, fields: &Fields<'_>) -> Option<Vec<u8>> {
    if !decode::is_group_dead(fields) || decode::is_kernel_thread(fields) {
        return None;
    }
    let mut record = decode::record(Kind::Exit, hit.time_ns, hit.cpu, decode::task(fields));
    record.exit_status = decode::exit_status(fields);
    Some(record.encode([&[]; SPAN_COUNT]))
}

fn name(fields: &Fields<'_>, tid: FieldId) -> Name {
    Name {
        tid: fields.short(tid),
        argc: fields.short(FieldId::Argc),
        envc: fields.short(FieldId::Envc),
        filename: decode::filename(fields).into(),
    }
}

fn count(list: &[u8]) -> u32 {
    list.iter().filter(|byte| **byte == 0).count() as u32
}

#[cfg(test)]
#[path = "maker_tests.rs"]
mod tests;
