//! The delivery self-test: a child with a nonce among its arguments is executed, and its event must
//! come out of each output in time. It tells a sensor that works from one whose probes loaded.
//!
//! The child is executed by a helper, a process of its own without any capability that was started
//! before the sensor gave up the right to start programs (`privilege`).

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::time::Instant;

use crate::config;
use crate::event::{Event, Field};
use crate::metrics;

/// The executable of this process, whatever has become of its file.
const OURSELVES: &str = "/proc/self/exe";

/// The command of the helper, and of the child with a nonce behind it.
pub const COMMAND: &str = "self-test";

/// Where the test stands.
#[derive(Debug)]
enum Stage {
    Idle,
    /// The child is executed; its event has not come out of the machine.
    Executed {
        nonce: String,
        began: Instant,
    },
    /// Its event has come out of the machine; it may wait for an output that holds up all.
    Seen {
        began: Instant,
    },
    /// Its event was handed to the outputs.
    Pushed {
        began: Instant,
        marks: Vec<Mark>,
    },
}

/// An output when the event was handed to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    name: String,
    /// Events settled once ours is, or was not for this output.
    position: u64,
    dropped: u64,
}

#[derive(Debug)]
pub(super) struct SelfTest {
    settings: config::SelfTest,
    helper: Helper,
    stage: Stage,
    next: Instant,
    report: metrics::SelfTest,
}

impl SelfTest {
    /// Starts the helper. The first test follows when the sensor has started.
    pub(super) fn start(settings: &config::SelfTest) -> io::Result<Option<SelfTest>> {
        if settings.interval_s == 0 {
            return Ok(None);
        }
        Ok(Some(SelfTest {
            settings: settings.clone(),
            helper: Helper::start()?,
            stage: Stage::Idle,
            next: Instant::now(),
            report: metrics::SelfTest { enabled: true, ..metrics::SelfTest::default() },
        }))
    }

    /// Other times from now on.
    pub(super) fn set(&mut self, settings: &config::SelfTest) {
        self.settings = settings.clone();
        self.report.enabled = settings.interval_s > 0;
        self.next = self.next.min(Instant::now() + Duration::from_secs(settings.interval_s));
    }

    /// Begins a test that is due, and fails one that takes too long. `outputs` as they are now.
    pub(super) fn tick(&mut self, outputs: impl FnOnce() -> Vec<metrics::Output>) {
        let now = Instant::now();
        match &self.stage {
            Stage::Idle if now >= self.next && self.report.enabled => self.begin(now),
            Stage::Idle => {}
            Stage::Executed { began, .. } => {
                if now - *began > self.timeout() {
                    let timeout = self.settings.timeout_s;
                    self.fail(format!("no event came of an execution in {timeout} s"));
                }
            }
            Stage::Seen { began } => {
                if now - *began > self.timeout() {
                    let timeout = self.settings.timeout_s;
                    self.fail(format!("an output held up its event for {timeout} s"));
                }
            }
            Stage::Pushed { .. } => self.look(now, &outputs()),
        }
    }

    /// Looks for the event of the child among those that are about to be delivered.
    pub(super) fn look_for(&mut self, events: &[Arc<Event>]) {
        let Stage::Executed { nonce, began } = &self.stage else { return };
        let is_ours = |event: &Arc<Event>| {
            let args = event.texts(Field::PROCESS_ARGS);
            args.is_some_and(|args| args.len() == 3 && args.get(2) == Some(nonce))
        };
        if events.iter().any(is_ours) {
            self.stage = Stage::Seen { began: *began };
        }
    }

    /// True when its event has been seen, and not yet been handed to the outputs.
    pub(super) fn has_seen(&self) -> bool {
        matches!(self.stage, Stage::Seen { .. })
    }

    /// True when its event has been handed to the outputs.
    pub(super) fn is_pushed(&self) -> bool {
        matches!(self.stage, Stage::Pushed { .. })
    }

    /// The event of the child was handed to the outputs, which are like this right after.
    pub(super) fn pushed(&mut self, outputs: &[metrics::Output]) {
        let Stage::Seen { began } = self.stage else { return };
        let marks = outputs.iter().map(|output| Mark {
            name: output.name.clone(),
            position: output.stats.accepted(),
            dropped: output.stats.dropped_total(),
        });
        self.stage = Stage::Pushed { began, marks: marks.collect() };
    }

    /// Looks whether the outputs have delivered it.
    fn look(&mut self, now: Instant, outputs: &[metrics::Output]) {
        let Stage::Pushed { began, marks } = &self.stage else { return };
        let began = *began;
        let mut waits_for = None;
        for mark in marks {
            // An output that was removed meanwhile owes nothing.
            let Some(output) = outputs.iter().find(|output| output.name == mark.name) else {
                continue;
            };
            if output.stats.settled() < mark.position {
                waits_for = Some(mark.name.clone());
            } else if output.stats.dropped_total() > mark.dropped {
                let problem = format!("the output {} dropped events while it ran", mark.name);
                return self.fail(problem);
            }
        }
        match waits_for {
            None => self.pass(now - began),
            Some(name) if now - began > self.timeout() => {
                let timeout = self.settings.timeout_s;
                self.fail(format!("the output {name} did not deliver its event in {timeout} s"));
            }
            Some(_) => {}
        }
    }

    fn begin(&mut self, now: Instant) {
        let nonce = format!("{:016x}", RandomState::new().hash_one(self.report.passed));
        match self.helper.execute(&nonce) {
            Ok(()) => self.stage = Stage::Executed { nonce, began: now },
            Err(error) => self.fail(format!("its helper cannot execute anything: {error}")),
        }
    }

    fn pass(&mut self, latency: Duration) {
        self.report.passed += 1;
        self.report.latency_s = latency.as_secs_f64();
        if self.report.problem.take().is_some() || self.report.passed == 1 {
            let ms = latency.as_millis();
            tracing::info!("delivery self-test passed: an execution was delivered after {ms} ms");
        }
        self.end();
    }

    fn fail(&mut self, problem: String) {
        self.report.failed += 1;
        tracing::error!("delivery self-test failed: {problem}");
        self.report.problem = Some(problem);
        self.end();
    }

    fn end(&mut self) {
        self.stage = Stage::Idle;
        self.next = Instant::now() + Duration::from_secs(self.settings.interval_s);
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.settings.timeout_s)
    }

    pub(super) fn report(&self) -> metrics::SelfTest {
        self.report.clone()
    }
}

/// The process that executes the children. It ends when its standard input does, which is when
/// this is dropped, or when the sensor ends in whatever way.
#[derive(Debug)]
struct Helper {
    orders: ChildStdin,
}

impl Helper {
    fn start() -> io::Result<Helper> {
        let mut child = Command::new(OURSELVES)
            .arg(COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let Some(orders) = child.stdin.take() else { unreachable!("it is piped") };
        // A helper that hangs must not hold up the loop.
        fcntl(&orders, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Helper { orders })
    }

    fn execute(&mut self, nonce: &str) -> io::Result<()> {
        self.orders.write_all(format!("{nonce}\n").as_bytes())
    }
}

/// The helper: executes a child for each line of its standard input, until that ends.
pub fn help() -> io::Result<()> {
    crate::privilege::give_up_everything();
    for nonce in io::stdin().lock().lines() {
        let mut child = Command::new(OURSELVES).arg(COMMAND).arg(nonce?).spawn()?;
        child.wait()?;
    }
    Ok(())
}
