//! What an output sends to: strict servers that check the protocol, and real ones that are started
//! for a test.

pub mod bulk;
pub mod forward;
pub mod lines;
pub mod nats;
pub mod rsyslog;
pub mod tls;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{PATIENCE, field};

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound").port()
}

/// Waits until something is there.
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "no {what} in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program that a test needs; fails with what to install where it is missing.
pub fn installed(name: &str, package: &str) -> PathBuf {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|it| it.is_file());
    found.unwrap_or_else(|| panic!("install {package}: this test runs {name}"))
}

/// Numbered processes of one test, which are told from those of others that run beside it.
#[derive(Debug)]
pub struct Load {
    tag: String,
}

impl Default for Load {
    fn default() -> Load {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Load { tag: format!("numbered-{}-{number}-", std::process::id()) }
    }
}

impl Load {
    /// What the first argument of each of its processes begins with.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Executes `/bin/true` once for each number, with the tag and the number as its argument.
    pub fn execute(&self, numbers: Range<u64>) {
        self.execute_with(numbers, "");
    }

    /// The same, with one more argument.
    pub fn execute_with(&self, numbers: Range<u64>, argument: &str) {
        for number in numbers {
            let first = format!("{}{number}", self.tag);
            let status = Command::new("/bin/true").arg(first).arg(argument).status();
            assert!(status.expect("there is true").success());
        }
    }

    /// The number of the process that an event is about, if it is one of these.
    pub fn number(&self, event: &Value) -> Option<u64> {
        let args = field(event, "process.args").as_array()?;
        args.get(1)?.as_str()?.strip_prefix(&self.tag)?.parse().ok()
    }

    /// What was received of them.
    pub fn received<'a>(&self, events: impl IntoIterator<Item = &'a Value>) -> Received {
        let mut all = BTreeMap::<u64, BTreeMap<String, u64>>::new();
        for event in events {
            if let Some(number) = self.number(event) {
                let id = field(event, "event.id").as_str().expect("each event has an id");
                *all.entry(number).or_default().entry(id.to_owned()).or_default() += 1;
            }
        }
        Received(all)
    }
}

/// How often each number was received, by the distinct ids of its events.
#[derive(Debug, Default)]
pub struct Received(pub BTreeMap<u64, BTreeMap<String, u64>>);

impl Received {
    /// The numbers of a range that are missing.
    pub fn missing(&self, numbers: Range<u64>) -> Vec<u64> {
        numbers.filter(|number| !self.0.contains_key(number)).collect()
    }

    /// Events that were received more than once, each with the same id.
    pub fn repeated(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).map(|count| count - 1).sum()
    }
}
