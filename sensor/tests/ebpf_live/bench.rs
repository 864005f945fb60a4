//! Runs a process under the probes and collects its records.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ocellus::backend::CaptureSettings;
use ocellus::backend::ebpf::Ebpf;
use ocellus_ebpf::abi::{Kind, Record, SPAN_COUNT, SpanId};
use tempfile::TempDir;

/// How long a record may take after its process was waited for. It is in the ring before that; only
/// a neighbour that is just being written may hold it up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What happens to each process, once or more.
pub const LIFE: [Kind; 3] = [Kind::Fork, Kind::Exec, Kind::Exit];

/// A record that outlives the ring's memory.
#[derive(Debug, Clone)]
pub struct Seen {
    pub kind: Kind,
    pub record: Record,
    spans: [Vec<u8>; SPAN_COUNT],
}

impl Seen {
    pub fn bytes(&self, id: SpanId) -> &[u8] {
        &self.spans[id as usize]
    }

    pub fn text(&self, id: SpanId) -> String {
        String::from_utf8_lossy(self.bytes(id)).into_owned()
    }

    /// The arguments, each of which ends with NUL unless it was cut.
    pub fn args(&self) -> Vec<String> {
        let text = self.text(SpanId::Args);
        text.strip_suffix('\0').unwrap_or(&text).split('\0').map(str::to_owned).collect()
    }

    /// Bytes in the record and bytes that there were.
    pub fn lengths(&self, id: SpanId) -> (usize, usize) {
        let span = self.record.span[id as usize];
        (span.len as usize, span.full as usize)
    }

    pub fn flag(&self, flag: u32) -> bool {
        self.record.head.flags & flag != 0
    }

    pub fn file_flag(&self, flag: u32) -> bool {
        self.record.file.flags & flag != 0
    }
}

/// A process that ran to its end.
#[derive(Debug)]
pub struct Run {
    pub pid: u32,
    pub status: ExitStatus,
    /// Its records of fork, exec and exit, in the order of the ring.
    pub records: Vec<Seen>,
    /// Its records of changed ids and names.
    pub changes: Vec<Seen>,
    /// The records of everybody else meanwhile.
    pub others: Vec<Seen>,
}

impl Run {
    pub fn of_kind(&self, kind: Kind) -> Vec<&Seen> {
        self.records.iter().filter(|seen| seen.kind == kind).collect()
    }

    /// The only record of a kind.
    pub fn only(&self, kind: Kind) -> &Seen {
        let found = self.of_kind(kind);
        assert_eq!(found.len(), 1, "{} records of pid {}: {found:#?}", kind.name(), self.pid);
        found[0]
    }

    /// The last exec: what a role became.
    pub fn last_exec(&self) -> &Seen {
        self.of_kind(Kind::Exec).last().expect("an exec record of the process")
    }
}

/// The backend, and a directory for files.
pub struct Bench {
    pub backend: Ebpf,
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let backend = Ebpf::open(&CaptureSettings::default()).expect("the backend opens");
        // Of process groups some kernels tell for a price only, which is off by default.
        for probe in backend.probes().iter().filter(|probe| probe.name != "process_groups") {
            assert!(probe.attached(), "{probe}");
        }
        Bench { backend, dir: TempDir::new().expect("a temporary directory") }
    }

    /// Opens the backend again with other settings.
    pub fn reopen(&mut self, settings: &CaptureSettings) {
        self.backend = Ebpf::open(settings).expect("the backend opens");
    }

    /// The directory without symbolic links in its path.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("the directory is there")
    }

    /// Copies a program into the directory.
    pub fn copy(&self, program: &Path, name: &str) -> PathBuf {
        let copy = self.dir().join(name);
        std::fs::copy(program, &copy).expect("the program can be copied");
        copy
    }

    /// Runs a command to its end.
    pub fn run(&mut self, command: &mut Command) -> Run {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let status = child.wait().expect("it can be waited for");
        self.collect(child.id(), status)
    }

    /// The records up to the exit of a process that was waited for.
    pub fn collect(&mut self, pid: u32, status: ExitStatus) -> Run {
        let (mut records, mut changes, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let is_change = |seen: &Seen| matches!(seen.kind, Kind::Ids | Kind::Name | Kind::Pgid);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let drained = self.drain();
            let (own, other): (Vec<Seen>, Vec<Seen>) =
                drained.into_iter().partition(|seen| seen.record.task.pid == pid);
            let (changed, own): (Vec<Seen>, Vec<Seen>) = own.into_iter().partition(is_change);
            changes.extend(changed);
            records.extend(own);
            others.extend(other);
            if records.iter().any(|seen| seen.kind == Kind::Exit) {
                return Run { pid, status, records, changes, others };
            }
            assert!(Instant::now() < deadline, "no exit of pid {pid} among {records:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What is in the ring now.
    pub fn drain(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.backend.drain(usize::MAX, |bytes| {
            let parsed = Record::parse(bytes).expect("the probes write records");
            seen.push(Seen {
                kind: parsed.kind,
                record: parsed.record,
                spans: parsed.spans.map(<[u8]>::to_vec),
            });
        });
        seen
    }
}

/// A command that plays a role of this program.
pub fn role(name: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new(this_program());
    command.arg("role").arg(name).args(arguments);
    command
}

pub fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}
