//! The sensor that all scenarios share, and the events that it has written so far.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ocellus_tests::program::{Ended, PATIENCE, Running, need_root, parse};
use serde_json::Value;
use tempfile::TempDir;

use crate::family::{Facts, Family};
use crate::runner::Held;

/// The programs of `tests/workload/`.
pub const WORKLOAD: &str = env!("OCELLUS_WORKLOAD");
pub const STILL: &str = env!("OCELLUS_STILL");
/// Empty where the compiler knows no 32-bit architecture.
pub const STILL32: &str = env!("OCELLUS_STILL32");

/// Bytes of environment that the sensor takes. A scenario has more than that.
pub const ENV_BYTES: usize = 16 << 10;

/// Each raw event is an event of its own, so that what is told does not depend on how fast a busy
/// machine runs a scenario. That they merge is tested where one sensor serves one test. Changes of
/// ids are seen by whatever way this kernel has. Hashes are waited for, however late they come.
const CONFIG: &str = "[aggregate]\npolicy = \"minimal\"\n\n\
    [capture]\nenv = \"16KiB\"\nids = \"syscalls\"\n\n\
    [hash]\nwait_ms = 60000\n";

/// Names the backend to try, where it is not the one that the sensor would choose.
const BACKEND_VARIABLE: &str = "SCENARIOS_BACKEND";

/// What the kprobe backend cannot give.
const KPROBE_READS_LATE: &str = "kprobes copy 192 bytes of arguments and 128 of the file name that \
    was passed to exec, and no environment; the rest is read from /proc, as long as the process \
    lives, and what is missing is marked as cut";
/// Below the stage's directory, where the files of container runtimes are looked for.
const RUNTIMES: &str = "runtimes";

/// Between two looks at what must come.
const LOOK: Duration = Duration::from_millis(20);

pub struct Stage {
    dir: TempDir,
    backend: String,
    running: Running,
    written: Mutex<Written>,
}

/// The events so far, each parsed once.
#[derive(Default)]
struct Written {
    file: Option<File>,
    /// The beginning of a line.
    rest: Vec<u8>,
    events: Vec<Arc<Value>>,
}

impl Stage {
    pub fn open() -> Stage {
        need_root();
        let dir = tempfile::Builder::new()
            .prefix("ocellus-scenarios-")
            .tempdir()
            .expect("there is room for a directory");
        // Some scenarios run as another user.
        open_to_all(dir.path());
        let (cache, runtimes) = (dir.path().join("cache"), dir.path().join(RUNTIMES));
        let own = format!("[rules]\ncache_dir = {cache:?}\n\n[container]\nroot = {runtimes:?}\n");
        let config = format!("{CONFIG}\n{own}");
        std::fs::write(dir.path().join("ocellus.toml"), config).expect("it is writable");
        let backend = std::env::var(BACKEND_VARIABLE).unwrap_or_else(|_| "auto".to_owned());
        let running = Running::start(dir.path(), &["--backend", &backend]);
        let stage = Stage { dir, backend, running, written: Mutex::default() };
        // Once this is told, so is all that ran before, and its hashes are known.
        stage.play(&mut stage.workload(["exit", "0"]));
        stage
    }

    /// What `--backend` was given.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// Stops the sensor.
    pub fn close(self) -> Ended {
        // Each event is read once more, and a guest has room for one copy of them.
        drop(self.written);
        self.running.stop()
    }

    pub fn sensor_pid(&self) -> u32 {
        self.running.pid()
    }

    /// A directory for one scenario, which goes with the stage.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).expect("the name is new");
        open_to_all(&path);
        path
    }

    /// Where the sensor looks for the files of container runtimes.
    pub fn runtimes(&self) -> PathBuf {
        self.dir.path().join(RUNTIMES)
    }

    /// A command of the workload program, in words.
    pub fn workload<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(WORKLOAD);
        command.args(words);
        command
    }

    /// Runs a command to its end, and waits until all is told of it and of what it forked.
    pub fn play(&self, command: &mut Command) -> Family {
        self.start(command.stdin(Stdio::null())).finish()
    }

    /// Runs a command that lives as long as its standard input. With kprobes that is until so many
    /// execs of it are told, as what they do not copy is read from /proc then.
    pub fn play_told(&self, command: &mut Command, execs: usize) -> (Family, Held) {
        if self.backend != "kprobe" {
            return (self.play(command), Held::Yes);
        }
        (self.play_until(command, execs), Held::Limited(KPROBE_READS_LATE))
    }

    /// Runs a command that lives as long as its standard input, which is until so many execs of it
    /// are told.
    pub fn play_until(&self, command: &mut Command, execs: usize) -> Family {
        let actor = self.begin(command);
        let is_told = |family: &Family| family.root().all("exec").len() >= execs;
        actor.wait_for("last exec", |family| is_told(family).then_some(()));
        actor.finish()
    }

    /// Starts a command whose standard input stays open until the scenario says so.
    pub fn begin(&self, command: &mut Command) -> Actor<'_> {
        self.start(command.stdin(Stdio::piped()))
    }

    fn start(&self, command: &mut Command) -> Actor<'_> {
        let from = self.events().events.len();
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let stdin = child.stdin.take();
        Actor { stage: self, pid: child.id(), child, stdin, from }
    }

    /// All events so far.
    fn events(&self) -> MutexGuard<'_, Written> {
        let mut written = self.written.lock().expect("nobody panics with it");
        written.read(&self.dir.path().join("events.ndjson"));
        written
    }

    /// Waits for the first event that is wanted, of any process.
    pub fn event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Arc<Value> {
        self.wait(what, || self.events().events.iter().find(|event| wanted(event)).cloned())
    }

    fn events_from(&self, from: usize) -> Vec<Arc<Value>> {
        self.events().events[from..].to_vec()
    }

    /// Waits for what must come.
    pub fn wait<T>(&self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(began.elapsed() < PATIENCE, "no {what} in time");
            std::thread::sleep(LOOK);
        }
    }
}

impl Written {
    fn read(&mut self, path: &Path) {
        if self.file.is_none() {
            self.file = File::open(path).ok();
        }
        let Some(file) = &mut self.file else { return };
        file.read_to_end(&mut self.rest).expect("it is readable");
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.events.extend(parse(&self.rest[..whole]).into_iter().map(Arc::new));
        self.rest.drain(..whole);
    }
}

/// A command that runs.
pub struct Actor<'a> {
    stage: &'a Stage,
    pub pid: u32,
    child: Child,
    stdin: Option<ChildStdin>,
    from: usize,
}

impl Actor<'_> {
    /// Waits until what is told of the command and its descendants is enough.
    pub fn wait_for<T>(&self, what: &str, ready: impl Fn(&Family) -> Option<T>) -> T {
        self.stage.wait(what, || {
            let family = Family::of(self.pid, &self.stage.events_from(self.from))?;
            ready(&family)
        })
    }

    /// Lets go of the standard input.
    pub fn release(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end, and until that is told: all that it and its descendants did before that
    /// is then told, too, as events leave in order of time.
    pub fn finish(mut self) -> Family {
        self.release();
        let (stage, pid, from) = (self.stage, self.pid, self.from);
        let output = self.child.wait_with_output().expect("it is our child");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!log.contains("workload: "), "the workload failed: {log}");
        let ended = stage.wait(&format!("end of process {pid}"), || {
            let family = Family::of(pid, &stage.events_from(from))?;
            let is_over = family.root().kinds().last() == Some(&"exit");
            is_over.then_some(family)
        });
        ended.with(Facts::parse(&output.stdout), output.status)
    }
}

fn open_to_all(path: &Path) {
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("it is ours");
}

/// Copies an executable.
pub fn copy(from: &str, to: &Path) -> String {
    std::fs::copy(from, to).expect("there is room");
    text(to)
}

/// The path as a text.
pub fn text(path: &Path) -> String {
    path.to_str().expect("it is UTF-8").to_owned()
}

/// Where the path leads.
pub fn resolved(path: &str) -> String {
    text(&std::fs::canonicalize(path).expect("it exists"))
}

/// Writes an executable script.
pub fn script(path: &Path, content: &str) -> String {
    std::fs::write(path, content).expect("there is room");
    open_to_all(path);
    text(path)
}

/// SHA-256 of a file.
pub fn sha256(path: &Path) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(std::fs::read(path).expect("it is readable"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts a command. A file that was just written may be busy: a child that another thread forked
/// meanwhile holds it open for writing until it executes something.
fn spawn(command: &mut Command) -> Child {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match command.spawn() {
            Ok(child) => return child,
            Err(error)
                if error.kind() == std::io::ErrorKind::ExecutableFileBusy
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(LOOK);
            }
            Err(error) => panic!("cannot start {command:?}: {error}"),
        }
    }
}
