//! The rim: everything that the machine may not touch. Descriptors, timers, signals, threads and
//! outputs are owned here, and nothing is decided.
//!
//! Order at start: rings open first, then the running processes are read, so that none is missed
//! between the two.

mod control;
mod notify;
mod reader;
mod reload;
mod replay;
mod rules;
mod self_test;
mod settings;
mod source;
mod start;
mod summary;
mod upkeep;

pub use replay::{ReplayReport, replay};
pub use rules::{RulesError, load_once};
pub use self_test::{COMMAND as SELF_TEST_COMMAND, help as help_self_test};
pub(crate) use settings::machine as machine_settings;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::backend::BackendError;
use crate::config::{self, Config, ConfigError};
use crate::container::files::Reader as ContainerReader;
use crate::control::{Ask, Server};
use crate::digest::pool::Pool;
use crate::event::{Event, Kinds};
use crate::host::boottime_ns;
use crate::input::{ContainerAnswer, HashResult, HashStatus, Input, NameAnswers};
use crate::machine::Sensor;
use crate::metrics;
use crate::names::{NameFiles, Resolver};
use crate::recording::{RecordingError, Writer};
use crate::rules::Change;
use crate::sink::{OpenError, Outputs, Readers};
use crate::snapshot::SnapshotSettings;
use crate::users::Questions;
use notify::Notifier;
use reader::Reader;
use rules::Rules;
use self_test::SelfTest;
use source::{Snapshot, Source};

/// Records taken from the ring before anything else gets a turn. At 1 KiB each they are a
/// fraction of the ring, and take some ms.
const DRAIN_RECORDS_MAX: usize = 2_048;

/// Time between two looks at the ring, or two deliveries, at least. A busy host wakes the sensor up
/// 250 times a second instead of for each event, which halves what it costs; a first event after a
/// pause is taken at once. Hashing a process that lives for less begins by its path.
const TURN_INTERVAL: Duration = Duration::from_millis(4);

/// How often counters of the kernel, the clock and the name files are looked at.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);

/// How often an output that holds up events is looked at.
const HELD_UP_INTERVAL: Duration = Duration::from_millis(10);

/// Time between two snapshots at least, so that a sensor that loses events all the time does not
/// read /proc all the time.
const RESYNC_INTERVAL: Duration = Duration::from_secs(10);

/// A clock step is one of more than this, in ns: what the clock is slewed by is less in a second.
const CLOCK_STEP_NS: u64 = 1_000_000;

/// What to run.
#[derive(Debug)]
pub struct Options {
    pub config: Config,
    /// How to come by the configuration anew.
    pub source: ConfigSource,
    /// Write a recording instead of events.
    pub record: Option<Record>,
    /// Stop by itself after this long.
    pub duration: Option<Duration>,
}

/// Where the configuration comes from, for when it changes.
pub struct ConfigSource {
    /// The file that was named.
    pub path: Option<PathBuf>,
    /// Reads it again, with the same flags over it.
    pub load: Box<dyn Fn() -> Result<Config, ConfigError>>,
}

impl std::fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ConfigSource").field(&self.path).finish()
    }
}

/// Where a recording goes.
#[derive(Debug)]
pub struct Record {
    pub path: PathBuf,
    pub max_bytes: u64,
}

/// Why the sensor did not start, or stopped before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot capture events")]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot write events")]
    Output(#[from] OpenError),
    #[error("cannot load the rules")]
    Rules(#[from] RulesError),
    #[error("cannot record")]
    Recording(#[from] RecordingError),
    #[error("cannot start {what}")]
    Start { what: &'static str, source: std::io::Error },
}

/// What other threads tell the loop.
#[derive(Debug)]
enum Message {
    Hash(HashResult),
    Names(NameAnswers),
    Container(ContainerAnswer),
    Snapshot(Snapshot),
}

/// Runs until a signal, the end of the duration, or the end of whoever reads the events.
pub fn run(options: Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Start { what: "the event loop", source })?;
    let outcome = runtime.block_on(async { Rim::start(options)?.run().await });
    // A thread that hangs in a read of a dead file server must not keep the process alive.
    runtime.shutdown_background();
    outcome
}

struct Rim {
    /// As it is in force.
    config: Config,
    config_source: ConfigSource,
    config_watch: config::Watch,
    sensor: Sensor,
    source: Source,
    /// Readable when the source has records.
    ring: AsyncFd<OwnedFd>,
    /// None while recording.
    outputs: Option<Outputs>,
    recorder: Option<Writer>,
    pool: Option<Pool>,
    control: Option<Server>,
    asks: mpsc::Receiver<Ask>,
    self_test: Option<SelfTest>,
    notifier: Notifier,
    reader: Reader,
    resolver: Resolver,
    containers: Option<ContainerReader>,
    name_files: NameFiles,
    rules: Option<Rules>,
    sender: mpsc::Sender<Message>,
    messages: mpsc::Receiver<Message>,
    /// Events on their way from the machine to the outputs.
    out: Vec<Arc<Event>>,
    wall_offset_ns: i64,
    snapshot_settings: SnapshotSettings,
    /// Events wait until the first snapshot is in: what it found must come first.
    snapshot_running: bool,
    resynced: Instant,
    resync_wanted: bool,
    stop_at: Option<Instant>,
    /// When the ring was last looked at.
    drained: Instant,
    ring_has_more: bool,
    stopping: Option<&'static str>,
    started: Instant,
    /// The first snapshot is in, and events are delivered.
    ready: bool,
    snapshots: u64,
    rules_changed: u64,
    rules_refused: u64,
    /// When the kernel last lost events, and an output last dropped some.
    last_loss: Option<Instant>,
    last_drop: Option<Instant>,
    drops: u64,
    /// What the sensor may still do, one line each.
    privileges: Vec<String>,
}

impl Rim {
    async fn run(mut self) -> Result<(), RunError> {
        let signals = |kind| {
            signal(kind).map_err(|source| RunError::Start { what: "signal handling", source })
        };
        let (mut interrupt, mut terminate, mut hangup) = (
            signals(SignalKind::interrupt())?,
            signals(SignalKind::terminate())?,
            signals(SignalKind::hangup())?,
        );
        let mut housekeeping = interval(HOUSEKEEPING_INTERVAL);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let alive_interval = self.notifier.alive_interval().unwrap_or(HOUSEKEEPING_INTERVAL);
        let mut alive = interval(alive_interval.max(Duration::from_millis(1)));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stopping.is_none() {
            let ripe = self.next_step();
            let ring_has_more = self.ring_has_more;
            let next_turn = self.drained + TURN_INTERVAL;
            tokio::select! {
                ready = readable_after(&self.ring, next_turn) => {
                    let what = "waiting for the ring";
                    let mut ready = ready.map_err(|source| RunError::Start { what, source })?;
                    // Before the drain: a record that comes during it makes the ring readable anew.
                    ready.clear_ready();
                    self.drain_turn()?;
                }
                () = std::future::ready(()), if ring_has_more => self.drain_turn()?,
                Some(message) = self.messages.recv() => self.take(message)?,
                change = next_change(&mut self.rules) => self.change_rules(change),
                () = sleep_until(ripe) => {}
                Some(ask) = self.asks.recv() => self.answer(ask),
                _ = housekeeping.tick() => self.keep_house()?,
                _ = alive.tick() => self.notifier.alive(),
                _ = received(&mut interrupt) => self.stopping = Some("interrupted (SIGINT)"),
                _ = received(&mut terminate) => self.stopping = Some("asked to stop (SIGTERM)"),
                _ = received(&mut hangup) => self.reload()?,
            }
            self.step()?;
            if self.self_test.as_ref().is_some_and(SelfTest::is_pushed) {
                self.test_self();
            }
            if self.stop_at.is_some_and(|stop_at| Instant::now() >= stop_at) {
                self.stopping = Some("the time is up");
            }
        }
        self.finish()
    }

    /// Gives the machine one input, and the recording too.
    fn input(&mut self, input: &Input<'_>) -> Result<(), RunError> {
        let now_ns = boottime_ns();
        self.record(now_ns, input)?;
        self.sensor.feed(input, now_ns, &mut self.out);
        Ok(())
    }

    fn record(&mut self, now_ns: u64, input: &Input<'_>) -> Result<(), RunError> {
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.write(now_ns, input)?;
        if recorder.is_full() {
            self.stopping.get_or_insert("the recording has reached its size");
        }
        Ok(())
    }

    /// One turn at the ring. When it is not empty afterwards, the next turn comes at once, but
    /// after everything else has had one.
    fn drain_turn(&mut self) -> Result<(), RunError> {
        self.drained = Instant::now();
        self.ring_has_more = !self.drain(DRAIN_RECORDS_MAX)?;
        Ok(())
    }

    /// Takes records out of the ring. True when it is empty.
    fn drain(&mut self, max: usize) -> Result<bool, RunError> {
        let now_ns = boottime_ns();
        let mut failed = Ok(());
        let taken = {
            let Rim { source, sensor, recorder, out, .. } = self;
            source.drain(max, |bytes| {
                if let Some(recorder) = recorder {
                    let written = recorder.write(now_ns, &Input::Raw(bytes.into()));
                    failed = std::mem::replace(&mut failed, Ok(())).and(written);
                }
                sensor.feed_raw(bytes, now_ns, out);
            })
        };
        failed?;
        if self.recorder.as_ref().is_some_and(Writer::is_full) {
            self.stopping.get_or_insert("the recording has reached its size");
        }
        self.ask();
        Ok(taken < max)
    }

    /// Lets the machine deliver what is ripe, and hands it to the outputs.
    fn step(&mut self) -> Result<(), RunError> {
        if !self.snapshot_running || self.sensor.is_pressed() {
            let now_ns = boottime_ns();
            if self.sensor.next_step_ns().is_some_and(|ripe_ns| ripe_ns <= now_ns) {
                self.record(now_ns, &Input::Tick)?;
                self.sensor.step(now_ns, &mut self.out);
            }
        }
        self.ask();
        self.deliver();
        Ok(())
    }

    /// Lets the self-test go on.
    fn test_self(&mut self) {
        let outputs = self.outputs.as_ref();
        if let Some(test) = self.self_test.as_mut().filter(|_| self.ready) {
            test.tick(|| outputs.map(metrics::Output::all).unwrap_or_default());
        }
    }

    /// Passes on what the machine asks for.
    fn ask(&mut self) {
        for request in self.sensor.take_hash_requests() {
            let Some(pool) = &self.pool else { continue };
            if let Err(refused) = pool.submit(request) {
                let detail = Some("too many files wait to be hashed".to_owned());
                let result = HashResult::without_digests(refused.id, HashStatus::Timeout, detail);
                drop(self.sender.try_send(Message::Hash(result)));
            }
        }
        for request in self.sensor.take_container_requests() {
            if let Some(containers) = &self.containers {
                containers.ask(request);
            }
        }
        let questions = self.sensor.take_questions();
        if !questions.is_empty() {
            let Questions { users, groups } = &questions;
            if !self.resolver.ask(users.iter().copied(), groups.iter().copied()) {
                self.sensor.put_back(&questions);
            }
        }
    }

    fn deliver(&mut self) {
        let Some(outputs) = &mut self.outputs else {
            self.out.clear();
            return;
        };
        let mut test = self.self_test.as_mut();
        if let Some(test) = &mut test {
            test.look_for(&self.out);
        }
        if outputs.deliver(&mut self.out) == Readers::None {
            self.stopping.get_or_insert("nobody reads the events any more");
        }
        if let Some(test) = test.filter(|test| test.has_seen() && !outputs.is_held_up()) {
            test.pushed(&metrics::Output::all(outputs));
        }
    }

    fn take(&mut self, message: Message) -> Result<(), RunError> {
        match message {
            Message::Hash(result) => self.input(&Input::Hash(result)),
            Message::Names(answers) => self.input(&Input::MoreNames(answers)),
            Message::Container(answer) => self.input(&Input::Container(answer)),
            Message::Snapshot(snapshot) => self.take_snapshot(&snapshot),
        }
    }

    /// Puts a change of the rules into force: the next event is judged by them.
    fn change_rules(&mut self, change: Change) {
        let notice = self.sensor.rules.apply(change);
        notice.log();
        *if notice.refused { &mut self.rules_refused } else { &mut self.rules_changed } += 1;
        let action = if notice.refused { "rules_refused" } else { "rules_changed" };
        self.say_rules(action, notice.component.as_deref(), notice.message);
        self.report_rules();
    }

    /// Tells the fleet what is in force here.
    fn report_rules(&mut self) {
        if let Some(rules) = &mut self.rules {
            rules.report(&self.sensor.rules);
        }
    }

    /// An event about the rules.
    fn say_rules(&mut self, action: &'static str, component: Option<&str>, message: String) {
        self.say(Kinds::SENSOR_RULES, action, component, message);
    }

    /// An event of the sensor itself.
    fn say(&mut self, kinds: Kinds, action: &'static str, about: Option<&str>, message: String) {
        self.sensor.say(kinds, action, about, message, boottime_ns(), &mut self.out);
    }

    /// When the machine next has something to do. On a busy host the next look at the ring
    /// delivers, too: it comes first, so that the sensor is not woken for both.
    fn next_step(&self) -> Instant {
        let now_ns = boottime_ns();
        let wait = match self.sensor.next_step_ns() {
            // A ripe event that did not leave waits for its hash: look again soon.
            Some(ripe_ns) if ripe_ns <= now_ns => Duration::from_millis(10),
            Some(ripe_ns) => Duration::from_nanos(ripe_ns - now_ns).max(2 * TURN_INTERVAL),
            None => HOUSEKEEPING_INTERVAL,
        };
        let wait = match &self.outputs {
            Some(outputs) if outputs.is_held_up() => wait.min(HELD_UP_INTERVAL),
            _ => wait,
        };
        let next = Instant::now() + wait.min(HOUSEKEEPING_INTERVAL);
        self.stop_at.map_or(next, |stop_at| next.min(stop_at))
    }
}

/// Waits until the ring has records, but not before `time`.
async fn readable_after(
    ring: &AsyncFd<OwnedFd>,
    time: Instant,
) -> std::io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    sleep_until(time).await;
    ring.readable().await
}

/// The next change of the rules; never one where there are none.
async fn next_change(rules: &mut Option<Rules>) -> Change {
    match rules {
        Some(rules) => rules.next_change().await,
        None => std::future::pending().await,
    }
}

/// A signal, or never when no more can come.
async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
