//! The program `ocellus` under test: started, waited for, stopped, its events read.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a test waits for what must come. Ample on a busy machine, and in a guest that it
/// emulates; reached only on failure.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The program that `cargo build --workspace` has put beside the tests.
pub fn ocellus() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test knows where it is");
    while path.pop() {
        let program = path.join("ocellus");
        if program.is_file() {
            check_age(&program);
            return program;
        }
    }
    panic!("the program ocellus is not built: run `cargo build --workspace`, or `make test`");
}

/// A single test target does not bring the program up to date: an old one would be tested in its
/// place. Unit tests, in files of their own, are no part of it.
fn check_age(program: &Path) {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let built = modified(program).expect("it is a file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut waiting: Vec<PathBuf> =
        ["sensor/src", "ebpf/bpf", "ebpf/src", "wit"].map(|folder| root.join(folder)).into();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("it is readable");
            waiting.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        } else if !path.ends_with("tests.rs") && modified(&path).is_ok_and(|it| it > built) {
            let path = path.display();
            panic!("{path} is newer than the program: run `cargo build --workspace`");
        }
    }
}

/// Runs a program in a directory: whether it succeeded, and what it said, with its errors.
pub fn run(program: &Path, dir: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(dir).output();
    let Output { status, stdout, stderr } = output.unwrap_or_else(|error| {
        panic!("{}: {error}; `.ci/setup test` installs what is missing", program.display())
    });
    let said = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    (status.success(), said)
}

/// The key that `ocellus rules keys` has written into `NAME.pub`.
pub fn public_key(dir: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(dir.join(name).with_extension("pub")).expect("it was made");
    text.lines().nth(1).expect("the key is in the second line").to_owned()
}

/// Fails with a clear message where the test cannot do what it is for.
pub fn need_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test runs the sensor on live events: run it as root"
    );
}

/// A sensor that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: PathBuf,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    read: Mutex<ReadSoFar>,
}

/// The output as far as it was read: a test looks often, and the file grows long.
#[derive(Debug, Default)]
struct ReadSoFar {
    bytes: u64,
    events: Vec<Value>,
}

/// How a sensor ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Its standard error.
    pub log: String,
    pub events: Vec<Value>,
    /// What it wrote, as it wrote it.
    pub output: Vec<u8>,
}

impl Ended {
    /// Raw events that were lost between the kernel and the outputs.
    pub fn lost(&self) -> u64 {
        let line = self.log.lines().find_map(|line| line.strip_prefix("lost "));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no totals:\n{}", self.log))
    }

    /// The totals' line of an output, after its name: `3 pushed = 3 delivered + …`.
    pub fn output_line(&self, name: &str) -> &str {
        let start = format!("output {name}: ");
        let lines = self.log.lines().filter_map(|line| line.strip_prefix(&*start));
        let mut totals = lines.filter(|line| line.contains(" pushed = "));
        totals.next_back().unwrap_or_else(|| panic!("no totals of {name}:\n{}", self.log))
    }

    /// A number of an output's totals, by the word behind it (`delivered`) or before it, for a
    /// cause of drops (`spool_full`). 0 when the line does not have it.
    pub fn output_count(&self, name: &str, word: &str) -> u64 {
        let line = self.output_line(name);
        let words: Vec<&str> =
            line.split([' ', ',', '(', ')', ';']).filter(|word| !word.is_empty()).collect();
        let Some(at) = words.iter().position(|it| *it == word) else { return 0 };
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let is_cause = word.contains('_') || word == "unreachable" || word == "closed";
        let number = if is_cause { number(at + 1) } else { at.checked_sub(1).and_then(number) };
        number.unwrap_or_else(|| panic!("no number at {word}: {line}"))
    }

    /// The totals at the end are there and add up.
    pub fn assert_balanced(&self) {
        assert!(self.log.contains("received "), "there are no totals: {}", self.log);
        assert!(!self.log.contains("UNACCOUNTED"), "{}", self.log);
    }
}

impl Running {
    /// Starts `ocellus run` with these arguments, writing JSON into `dir`, and waits until its
    /// probes are attached and the snapshot is in.
    pub fn start(dir: &Path, arguments: &[&str]) -> Running {
        let running = Running::launch(dir, arguments);
        running.wait_for_log(" started: ");
        running
    }

    /// The same, without waiting.
    pub fn launch(dir: &Path, arguments: &[&str]) -> Running {
        Running::launch_with(dir, arguments, &[])
    }

    /// The same, with these variables in its environment.
    pub fn launch_with(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let config = dir.join("ocellus.toml");
        if !config.exists() {
            let cache = dir.join("cache");
            // A busy host hashes late; a test that looks at hashes waits for them.
            // Sensors of other tests run at the same time, each with a socket of its own.
            let socket = dir.join("control.sock");
            let text = format!(
                "[rules]\ncache_dir = {cache:?}\n[hash]\nwait_ms = 60000\n\
                 [control]\nsocket = {socket:?}\n"
            );
            std::fs::write(&config, text).expect("the directory is writable");
        }
        let output = dir.join("events.ndjson");
        let output = output.to_str().expect("the path is UTF-8");
        Running::spawn(dir, &[&["--output", output], arguments].concat(), environment)
    }

    /// Starts `ocellus run` with the outputs of this TOML, and a file that this reads the events
    /// from. Without hashes, which are not what such a test is about.
    pub fn start_with_outputs(dir: &Path, outputs: &str, arguments: &[&str]) -> Running {
        let (cache, file) = (dir.join("cache"), dir.join("events.ndjson"));
        let socket = dir.join("control.sock");
        let text = format!(
            "[capture]\nsnapshot = false\n[rules]\ncache_dir = {cache:?}\n[hash]\nalgorithms = \
             []\n[control]\nsocket = {socket:?}\n[[output]]\ntype = \"file\"\nname = \"own\"\n\
             path = {file:?}\n{outputs}"
        );
        std::fs::write(dir.join("ocellus.toml"), text).expect("the directory is writable");
        let running = Running::spawn(dir, arguments, &[]);
        running.wait_for_log(" started: ");
        running
    }

    fn spawn(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let output = dir.join("events.ndjson");
        let mut child = Command::new(ocellus())
            .args(["run", "--config"])
            .arg(dir.join("ocellus.toml"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("it is piped");
        let log = Arc::<Mutex<String>>::default();
        let copy = log.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                copy.lock().expect("nobody panics with it").push_str(&(line + "\n"));
            }
        });
        Running { child, output, log, reader: Some(reader), read: Mutex::default() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits until the log holds this text.
    pub fn wait_for_log(&self, text: &str) {
        self.wait_for_log_times(text, 1);
    }

    /// Waits until the log holds this text so many times.
    pub fn wait_for_log_times(&self, text: &str, times: usize) {
        let wait = || (self.log().matches(text).count() >= times).then_some(());
        self.wait(&format!("{times} times {text:?} in the log"), wait);
    }

    /// Waits until an event passes, and returns it.
    pub fn wait_for_event(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut looked_at = 0;
        self.wait(what, || {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if read.catch_up(&self.output) {
                looked_at = 0;
            }
            let found = read.events[looked_at..].iter().find(|event| wanted(event)).cloned();
            looked_at = read.events.len();
            found
        })
    }

    fn wait<T>(&self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(began.elapsed() < PATIENCE, "no {what} in time; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The whole events that are written so far.
    pub fn events(&self) -> Vec<Value> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.catch_up(&self.output);
        read.events.clone()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    /// Ends it by SIGKILL: no totals, nothing is written any more.
    pub fn kill(self) -> Ended {
        self.signal(Signal::SIGKILL);
        self.wait_for_end()
    }

    /// Stops it by SIGINT and waits for its end.
    pub fn stop(self) -> Ended {
        self.signal(Signal::SIGINT);
        self.wait_for_end()
    }

    /// Waits for its end.
    pub fn wait_for_end(mut self) -> Ended {
        let status = self.child.wait().expect("it is our child");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of the log does not panic");
        }
        let output = read(&self.output);
        Ended { code: status.code(), log: self.log(), events: parse(&output), output }
    }
}

impl ReadSoFar {
    /// Reads what is new. True when the file was replaced, and all of it is new.
    fn catch_up(&mut self, path: &Path) -> bool {
        let Ok(mut file) = File::open(path) else { return false };
        let length = file.metadata().expect("it is a file").len();
        let replaced = length < self.bytes;
        if replaced {
            *self = ReadSoFar::default();
        }
        file.seek(SeekFrom::Start(self.bytes)).expect("it is a file");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("it is readable");
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.bytes += whole as u64;
        self.events.extend(parse(&bytes[..whole]));
        replaced
    }
}

impl Drop for Running {
    /// A test that fails does not leave a sensor behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        file.read_to_end(&mut bytes).expect("it is readable");
    }
    bytes
}

/// The events in NDJSON. A last line that is not whole is left out.
pub fn parse(ndjson: &[u8]) -> Vec<Value> {
    let whole = ndjson.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    ndjson[..whole]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(line)),
        })
        .collect()
}

/// The value at a dotted path of an event.
pub fn field<'a>(event: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(event, |value, key| &value[key])
}

/// Whether an event has this argument.
pub fn has_argument(event: &Value, argument: &str) -> bool {
    let args = field(event, "process.args").as_array();
    args.is_some_and(|args| args.iter().any(|arg| arg == argument))
}
