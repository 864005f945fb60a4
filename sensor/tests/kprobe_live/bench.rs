//! Runs a process under the probes and collects its records.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ocellus::backend::kprobe::Kprobe;
use ocellus::backend::{BackendError, CaptureSettings};
use ocellus_ebpf::abi::{Kind, Record, SPAN_COUNT, SpanId, f_inferred};
use tempfile::TempDir;

/// How long a record may take after its process was waited for. It is in the ring before that.
const PATIENCE: Duration = Duration::from_secs(10);

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

    pub fn is_inferred(&self, id: SpanId) -> bool {
        self.flag(f_inferred(id))
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
    /// Its records, in the order of the rings.
    pub records: Vec<Seen>,
    /// The records of everybody else meanwhile.
    pub others: Vec<Seen>,
}

impl Run {
    pub fn kinds(&self) -> Vec<Kind> {
        self.records.iter().map(|seen| seen.kind).collect()
    }

    /// The only record of a kind.
    pub fn only(&self, kind: Kind) -> &Seen {
        let found: Vec<&Seen> = self.records.iter().filter(|seen| seen.kind == kind).collect();
        assert_eq!(found.len(), 1, "{} records of pid {}: {found:#?}", kind.name(), self.pid);
        found[0]
    }

    /// The last exec: what a role became.
    pub fn last_exec(&self) -> &Seen {
        let mut execs = self.records.iter().filter(|seen| seen.kind == Kind::Exec);
        execs.next_back().expect("an exec record of the process")
    }
}

/// The backend, and a directory for files.
pub struct Bench {
    pub backend: Kprobe,
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let backend = attached(Kprobe::open(&CaptureSettings::default()));
        Bench { backend, dir: TempDir::new().expect("a temporary directory") }
    }

    /// Opens the backend again with other settings.
    pub fn reopen(&mut self, settings: &CaptureSettings) {
        self.backend = attached(Kprobe::open(settings));
    }

    /// The directory without symbolic links in its path.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("the directory is there")
    }

    /// Copies this program into the directory.
    pub fn copy(&self, name: &str) -> PathBuf {
        let copy = self.dir().join(name);
        std::fs::copy(this_program(), &copy).expect("the program can be copied");
        copy
    }

    /// Runs a command to its end, and only then looks what there is of it: nobody is left to ask.
    pub fn run(&mut self, command: &mut Command) -> Run {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let status = child.wait().expect("it can be waited for");
        self.collect(child.id(), status, Vec::new())
    }

    /// Runs a command that says `ready` and waits for the end of its input, as role `wait` does.
    /// Looks what there is of it while it waits.
    pub fn run_watched(&mut self, command: &mut Command) -> Run {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let ready = child.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 6]);
        ready.expect("it says that it is ready");
        let before = self.drain();
        drop(child.stdin.take());
        let status = child.wait().expect("it can be waited for");
        self.collect(child.id(), status, before)
    }

    /// The records up to the exit of a process that was waited for; `before` came earlier.
    pub fn collect(&mut self, pid: u32, status: ExitStatus, before: Vec<Seen>) -> Run {
        let (mut records, mut others) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + PATIENCE;
        let mut drained = before;
        loop {
            drained.append(&mut self.drain());
            for seen in drained.drain(..) {
                let list = if seen.record.task.pid == pid { &mut records } else { &mut others };
                list.push(seen);
            }
            if records.iter().any(|seen| seen.kind == Kind::Exit) {
                return Run { pid, status, records, others };
            }
            assert!(Instant::now() < deadline, "no exit of pid {pid} among {records:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What is in the rings now.
    pub fn drain(&mut self) -> Vec<Seen> {
        drain(&mut self.backend)
    }
}

pub fn drain(backend: &mut Kprobe) -> Vec<Seen> {
    let mut seen = Vec::new();
    backend.drain(usize::MAX, |bytes| {
        let parsed = Record::parse(bytes).expect("the backend makes records");
        seen.push(Seen {
            kind: parsed.kind,
            record: parsed.record,
            spans: parsed.spans.map(<[u8]>::to_vec),
        });
    });
    seen
}

/// The backend with every probe.
pub fn attached(opened: Result<Kprobe, BackendError>) -> Kprobe {
    let backend = opened.expect("the backend opens");
    for probe in backend.probes() {
        assert!(probe.attached(), "{probe}");
    }
    backend
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
