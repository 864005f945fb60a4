//! The sink's queue and the thread behind it.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::output::Output;
use super::{Encoder, SinkError, SinkSettings, Target, WhenFull};
use crate::error_chain::ErrorChain;
use crate::event::{Event, FIELD_COUNT, Field, Value};

/// Events that may wait: some seconds of a busy host, for an output that stalls for a moment.
const QUEUE_EVENTS_MAX: usize = 16_384;
/// Bytes that these may hold, an event of ordinary size taking 5 KiB. Texts shared between events
/// count for each, so this is an upper bound; it keeps very long command lines from eating the
/// memory.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Events that are taken from the queue, encoded and written at once.
const BATCH_EVENTS_MAX: usize = 512;
/// How long [`Sink::finish`] waits for an output that takes nothing, for example a stopped pager.
const FINISH_WAIT: Duration = Duration::from_secs(5);

/// What became of the events that were pushed: the first four add up to their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkStats {
    pub written: u64,
    /// Dropped because the queue was full: `sink_full`.
    pub dropped_full: u64,
    /// Dropped because writing failed: `sink_error`.
    pub dropped_error: u64,
    /// Dropped because nobody reads the output any more: `sink_closed`.
    pub dropped_closed: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Writes that failed.
    pub errors: u64,
}

impl SinkStats {
    /// How many events these account for.
    pub fn events(&self) -> u64 {
        self.written + self.dropped_full + self.dropped_error + self.dropped_closed
    }
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a closed output should end the run"]
pub enum Push {
    Queued,
    /// The queue is full; the event is counted as `sink_full`.
    Full,
    /// The reader of standard output has gone; nothing will be written any more.
    Closed,
}

/// An open output with its thread. Without [`Sink::finish`] nobody waits for what is still queued.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    when_full: WhenFull,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do for the thread.
    work: Condvar,
    /// The thread has made room, or has ended.
    progress: Condvar,
}

#[derive(Debug)]
struct Queued {
    event: Arc<Event>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    /// Of the queue and of the batch that is being written.
    events: usize,
    bytes: usize,
    pushed: u64,
    stats: SinkStats,
    thread_waits: bool,
    finishing: bool,
    reopen: bool,
    closed: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters and a queue are right after every statement, also where a panic came between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    pub fn open(settings: &SinkSettings) -> Result<Sink, SinkError> {
        let file = settings.target.open()?;
        Sink::start(file, settings)
    }

    fn start(file: File, settings: &SinkSettings) -> Result<Sink, SinkError> {
        let shared = Arc::<Shared>::default();
        let writer = Writer {
            shared: Arc::clone(&shared),
            target: settings.target.clone(),
            encoder: Encoder::new(settings),
            output: Output::new(file),
        };
        let thread = thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || writer.run())
            .map_err(SinkError::Thread)?;
        Ok(Sink { shared, when_full: settings.when_full, thread: Some(thread) })
    }

    /// Hands an event over. Blocks only under [`WhenFull::Block`].
    pub fn push(&self, event: Arc<Event>) -> Push {
        let bytes = weight(&event);
        let mut state = self.shared.lock();
        state.pushed += 1;
        while !state.closed && !state.has_room(bytes) {
            if self.when_full == WhenFull::Drop {
                state.stats.dropped_full += 1;
                return Push::Full;
            }
            state = self.shared.progress.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            state.stats.dropped_closed += 1;
            return Push::Closed;
        }
        state.events += 1;
        state.bytes += bytes;
        state.queue.push_back(Queued { event, bytes });
        if std::mem::take(&mut state.thread_waits) {
            self.shared.work.notify_one();
        }
        Push::Queued
    }

    /// Opens the file anew before the next event, so that one that was moved away is left alone.
    pub fn reopen(&self) {
        let mut state = self.shared.lock();
        state.reopen = true;
        state.thread_waits = false;
        self.shared.work.notify_one();
    }

    /// What became of the events that were pushed, for the report.
    pub fn report(&self) -> crate::metrics::Output {
        let state = self.shared.lock();
        let SinkStats { written, dropped_full, dropped_error, dropped_closed, bytes, errors } =
            state.stats;
        let dropped =
            [("full", dropped_full), ("error", dropped_error), ("closed", dropped_closed)]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(cause, count)| (cause.to_owned(), count));
        crate::metrics::Output {
            name: "output".to_owned(),
            pushed: state.pushed,
            delivered: written,
            dropped: dropped.collect(),
            waiting: state.pushed - state.stats.events(),
            failures: errors,
            bytes,
            ..crate::metrics::Output::default()
        }
    }

    pub fn stats(&self) -> SinkStats {
        self.shared.lock().stats
    }

    /// Writes what waits and ends the thread. An output that takes nothing for five seconds is
    /// given up under [`WhenFull::Drop`]; what waits for it then counts as `sink_full`.
    pub fn finish(mut self) -> SinkStats {
        let thread = self.thread.take();
        let mut state = self.shared.lock();
        state.finishing = true;
        self.shared.work.notify_one();
        let mut written = state.stats.written;
        let mut deadline = Instant::now() + FINISH_WAIT;
        while !state.ended {
            if state.stats.written != written {
                written = state.stats.written;
                deadline = Instant::now() + FINISH_WAIT;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && self.when_full == WhenFull::Drop {
                state.stats.dropped_full += state.pushed - state.stats.events();
                return state.stats;
            }
            let wait = if left.is_zero() { FINISH_WAIT } else { left };
            let waited = self.shared.progress.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let stats = state.stats;
        assert_eq!(stats.events(), state.pushed, "every event is accounted for: {stats:?}");
        drop(state);
        if let Some(thread) = thread {
            thread.join().expect("the thread that writes events does not panic");
        }
        stats
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.finishing = true;
        self.shared.work.notify_one();
    }
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        // One event always fits, however large.
        self.events == 0
            || (self.events < QUEUE_EVENTS_MAX && self.bytes + bytes <= QUEUE_BYTES_MAX)
    }
}

/// Upper bound of the bytes that an event holds.
fn weight(event: &Event) -> usize {
    let texts = |field| match event.get(field) {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.bytes() + texts.len() * size_of::<u32>(),
        Value::Absent | Value::Static(_) | Value::Number(_) | Value::Flag(_) | Value::Time(_) => 0,
    };
    FIELD_COUNT * size_of::<Value>() + Field::all().map(texts).sum::<usize>()
}

/// The thread's side.
struct Writer {
    shared: Arc<Shared>,
    target: Target,
    encoder: Encoder,
    output: Output<File>,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_EVENTS_MAX);
        while self.next(&mut batch) {
            let bytes: usize = batch.iter().map(|queued| queued.bytes).sum();
            let events = batch.len();
            for queued in batch.drain(..) {
                self.output.add(|out| self.encoder.encode(&queued.event, out));
                if self.output.is_full() {
                    self.write();
                }
            }
            self.write();
            let mut state = self.shared.lock();
            state.events -= events;
            state.bytes -= bytes;
            self.shared.progress.notify_all();
        }
        let mut state = self.shared.lock();
        state.stats.dropped_error += self.output.events_left();
        state.ended = true;
        self.shared.progress.notify_all();
    }

    /// Waits for events and takes some. False when there will be none any more.
    fn next(&mut self, batch: &mut Vec<Queued>) -> bool {
        let mut state = self.shared.lock();
        loop {
            if std::mem::take(&mut state.reopen) {
                drop(state);
                self.reopen();
                state = self.shared.lock();
            }
            if state.closed {
                return false;
            }
            if !state.queue.is_empty() {
                let count = state.queue.len().min(BATCH_EVENTS_MAX);
                batch.extend(state.queue.drain(..count));
                return true;
            }
            if state.finishing {
                return false;
            }
            state.thread_waits = true;
            state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn reopen(&mut self) {
        if self.target == Target::Stdout {
            return;
        }
        match self.target.open() {
            Ok(file) => self.output.replace(file),
            Err(error) => {
                tracing::error!(error = %ErrorChain(&error), "keeping the old output file");
            }
        }
    }

    /// Writes the buffer and accounts for it.
    fn write(&mut self) {
        let outcome = self.output.write();
        let mut state = self.shared.lock();
        state.stats.written += outcome.events_written;
        state.stats.bytes += outcome.bytes_written;
        state.stats.dropped_error += outcome.events_dropped;
        state.stats.errors += u64::from(outcome.failed);
        if outcome.closed {
            state.closed = true;
            state.stats.dropped_closed += outcome.events_left + state.queue.len() as u64;
            state.queue.clear();
            self.shared.progress.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
