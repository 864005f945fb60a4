//! The order of a start: probes first, since they need the most rights; then what else needs
//! rights; then the rights are given up, and everything else starts without them.

use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::notify::Notifier;
use super::reader::Reader;
use super::rules::Rules;
use super::self_test::SelfTest;
use super::source::Source;
use super::{Message, Options, Rim, RunError, settings};
use crate::config::{self, Config, Container};
use crate::container::files::Reader as ContainerReader;
use crate::control::{Ask, ControlError, Server};
use crate::digest::pool::Pool;
use crate::error_chain::ErrorChain;
use crate::event::Kinds;
use crate::host::{hostname, wall_offset_ns};
use crate::input::{HostInfo, Input};
use crate::machine::Sensor;
use crate::names::{NameFiles, Resolver};
use crate::privilege::{self, Needs};
use crate::recording::Writer;
use crate::sink::{Outputs, Pace};

/// Answers of other threads that may wait for the loop. Twice the requests that the hash pool can
/// hold: the loop is never that far behind.
const MESSAGES_MAX: usize = 4_096;

/// Questions of operators that may wait for the loop: one at a time is asked.
const ASKS_MAX: usize = 1;

impl Rim {
    pub(super) fn start(options: Options) -> Result<Rim, RunError> {
        let Options { config, source: config_source, record, duration } = options;
        let config_watch = config::Watch::new(config_source.path.as_deref());
        let started = Instant::now();
        let mut source = Source::open(&config.capture)?;
        let recorder =
            record.map(|record| Writer::create(&record.path, record.max_bytes)).transpose()?;
        let is_live = recorder.is_none();
        let mut control = if is_live { bind_control(&config) } else { None };
        let self_test = match is_live {
            true => SelfTest::start(&config.self_test).map_err(start_error("the self-test"))?,
            false => None,
        };
        let notifier = Notifier::from_env();
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let (ask, asks) = mpsc::channel(ASKS_MAX);

        let reads_processes = source.reads_processes();
        let needs = Needs::find(&config, reads_processes, || source.can_be_read());
        let mut privileges = privilege::confine_process(&config.privileges, &needs);
        // These threads read other processes and their files.
        let pool = start_pool(&config, &sender)?;
        let reader = Reader::start(sender.clone()).map_err(start_error("the snapshots"))?;
        let containers = start_containers(&config.container, &sender)
            .map_err(start_error("the look-ups of containers"))?;
        privileges.extend(privilege::confine_loop(&config.privileges, &needs));

        // Everything from here on does with what the loop may do.
        let outputs = match &recorder {
            Some(_) => None,
            None => Some(Outputs::open(&config.outputs()?, Pace::Live)?),
        };
        let rules = match is_live && !config.rules.dirs().is_empty() {
            true => Some(Rules::start(&config.rules, &host_name(&config))?),
            false => None,
        };
        if let Some(control) = &mut control {
            serve_control(control, ask);
        }
        let answers = sender.clone();
        let on_answer = move |names| drop(answers.try_send(Message::Names(names)));
        let resolver = Resolver::start(on_answer).map_err(start_error("the name look-ups"))?;
        let ring = wait_for(source.ring_fd().map_err(start_error("waiting for the ring"))?)
            .map_err(start_error("waiting for the ring"))?;
        let mut rim = Rim {
            sensor: Sensor::new(&settings::machine(&config), Default::default()),
            snapshot_settings: settings::snapshot(&config.capture),
            config,
            config_source,
            config_watch,
            source,
            ring,
            outputs,
            recorder,
            pool,
            control,
            asks,
            self_test,
            notifier,
            reader,
            resolver,
            containers,
            name_files: NameFiles::default(),
            rules,
            sender,
            messages,
            out: Vec::new(),
            wall_offset_ns: wall_offset_ns(),
            snapshot_running: false,
            resynced: Instant::now(),
            resync_wanted: false,
            stop_at: duration.map(|duration| Instant::now() + duration),
            drained: Instant::now(),
            ring_has_more: false,
            stopping: None,
            started,
            ready: false,
            snapshots: 0,
            rules_changed: 0,
            rules_refused: 0,
            last_loss: None,
            last_drop: None,
            drops: 0,
            privileges,
        };
        rim.introduce()?;
        Ok(rim)
    }

    /// The first inputs: the host, its clock, its names, its rules, its processes.
    fn introduce(&mut self) -> Result<(), RunError> {
        let mut host = HostInfo::read();
        host.name.clone_from(&self.config.host.name);
        host.sensor_pid = std::process::id();
        self.input(&Input::Host(host))?;
        self.input(&Input::Clock { wall_offset_ns: self.wall_offset_ns })?;
        let names = self.name_files.load();
        self.input(&Input::Names(names))?;
        let message = self.source.describe();
        self.say(Kinds::SENSOR_START, "sensor_started", None, message);
        if let Some(rules) = &mut self.rules {
            for change in rules.take_first() {
                self.change_rules(change);
            }
        }
        self.start_snapshot(self.source.opened_ns);
        Ok(())
    }
}

/// Why something did not start.
fn start_error(what: &'static str) -> impl Fn(std::io::Error) -> RunError {
    move |source| RunError::Start { what, source }
}

/// What this host is called where hosts are told apart.
fn host_name(config: &Config) -> String {
    config.host.name.clone().unwrap_or_else(hostname)
}

/// Makes the control socket, where that is possible: a sensor that cannot be asked still watches.
fn bind_control(config: &Config) -> Option<Server> {
    let settings = crate::control::Settings {
        socket: config.control.socket.clone(),
        group: config.control.group.clone(),
        metrics: config.metrics.listen,
    };
    let bound = Server::bind(&settings);
    bound.inspect_err(cannot_be_asked).ok()
}

fn serve_control(server: &mut Server, asks: mpsc::Sender<Ask>) {
    let address = server.metrics_address();
    match server.serve(asks) {
        Ok(()) => {
            if let Some(address) = address {
                tracing::info!("metrics are at http://{address}/metrics");
            }
        }
        Err(error) => cannot_be_asked(&error),
    }
}

fn cannot_be_asked(error: &ControlError) {
    tracing::warn!("this sensor cannot be asked: {}", ErrorChain(error));
}

/// The threads that hash; none where hashing is switched off.
fn start_pool(config: &Config, sender: &mpsc::Sender<Message>) -> Result<Option<Pool>, RunError> {
    if config.hash.algorithms.is_empty() {
        return Ok(None);
    }
    let answers = sender.clone();
    // A full channel loses the answer, and its events go without: the loop is that far behind.
    let on_done = move |result| drop(answers.try_send(Message::Hash(result)));
    let pool = Pool::start(config.hash.clone(), on_done);
    pool.map(Some).map_err(start_error("the hash threads"))
}

/// Starts the thread that reads what is known of containers, if that is wanted.
fn start_containers(
    settings: &Container,
    sender: &mpsc::Sender<Message>,
) -> std::io::Result<Option<ContainerReader>> {
    let answers = sender.clone();
    let on_answer = move |answer| drop(answers.try_send(Message::Container(answer)));
    let start = || ContainerReader::start(settings.root.clone(), on_answer);
    settings.names.then(start).transpose()
}

/// Lets the event loop wait for a descriptor.
#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of descriptors that can close under it; an \
              OwnedFd cannot"
)]
fn wait_for(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
