//! The thread that takes events out of a spool and sends them until the receiver has them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Record;
use crate::net::backoff::Backoff;
use crate::sink::tally::{Tally, cause};
use crate::sink::worker::LogLimit;
use crate::spool::{Batch, Reader};

/// Records that are sent together at most.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Bytes that they have together at most.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How often an idle connection is looked after.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);

/// What a receiver said about a batch. What is named nowhere is delivered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Positions in the batch of records that it could not take now, but may take later.
    pub again: Vec<usize>,
    /// How many records it will never take, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Records that it had already.
    pub repeated: u64,
    /// What it said about one of those that it did not take.
    pub reason: Option<String>,
}

impl Answer {
    /// Adds the answer about the records that begin at `start`.
    pub fn append(&mut self, part: Answer, start: usize) {
        self.again.extend(part.again.iter().map(|index| start + index));
        for (cause, count) in part.refused {
            *self.refused.entry(cause).or_default() += count;
        }
        self.repeated += part.repeated;
        self.reason = self.reason.take().or(part.reason);
    }
}

/// A receiver.
pub(super) trait Peer: Send {
    /// Sends records and waits for the receiver's word where it gives one. After an error, all of
    /// them are sent again.
    fn send(&mut self, records: &[Record<'_>]) -> io::Result<Answer>;

    /// There is nothing to send.
    fn idle(&mut self) {}
}

/// The running thread.
#[derive(Debug)]
pub(in crate::sink) struct Delivery {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Counts answers, so that a receiver that hangs is told from one that is slow.
    steps: u64,
    finishing: bool,
    ended: bool,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self) {
        self.lock().steps += 1;
        self.changed.notify_all();
    }

    /// Waits, but not at the end of the run. True when the run ends.
    fn pause(&self, time: Duration) -> bool {
        let mut state = self.lock();
        let deadline = Instant::now() + time;
        while !state.finishing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.finishing
    }
}

impl Delivery {
    pub(super) fn start(
        name: &str,
        reader: Reader,
        peer: Box<dyn Peer>,
        tally: Arc<Tally>,
    ) -> io::Result<Delivery> {
        let control = Arc::<Control>::default();
        let mut courier = Courier {
            name: name.to_owned(),
            reader,
            peer,
            tally,
            control: control.clone(),
            backoff: Backoff::default(),
            log: LogLimit::default(),
            is_down: false,
        };
        let thread = thread::Builder::new().name("deliver".to_owned()).spawn(move || {
            courier.run();
            courier.control.lock().ended = true;
            courier.control.changed.notify_all();
        })?;
        Ok(Delivery { control, thread: Some(thread) })
    }

    /// Nothing is tried again from now on: what cannot be delivered stays in the spool.
    pub(in crate::sink) fn finish(&self) {
        self.control.lock().finishing = true;
        self.control.changed.notify_all();
    }

    /// Waits until what is in the spool is delivered; gives up on a receiver that says nothing for
    /// `patience`.
    pub(in crate::sink) fn wait_for_end(&mut self, patience: Duration) {
        let mut state = self.control.lock();
        let (mut steps, mut deadline) = (state.steps, Instant::now() + patience);
        while !state.ended {
            if state.steps != steps {
                (steps, deadline) = (state.steps, Instant::now() + patience);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.control.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the thread that delivers events does not panic");
        }
    }
}

/// The thread's side.
struct Courier {
    name: String,
    reader: Reader,
    peer: Box<dyn Peer>,
    tally: Arc<Tally>,
    control: Arc<Control>,
    backoff: Backoff,
    log: LogLimit,
    /// The last attempt failed.
    is_down: bool,
}

impl Courier {
    fn run(&mut self) {
        loop {
            match self.reader.next(BATCH_RECORDS_MAX, BATCH_BYTES_MAX, IDLE_INTERVAL) {
                Ok(Some(batch)) if self.deliver(&batch) => {}
                Ok(Some(_)) => return,
                Ok(None) if self.reader.is_finished() => return,
                Ok(None) => self.peer.idle(),
                Err(error) => {
                    self.failed(&error, "cannot read the spool");
                    if self.control.pause(self.backoff.next()) {
                        return;
                    }
                }
            }
        }
    }

    /// Sends the records of a batch until all are delivered or refused. False when the run ends
    /// before that.
    fn deliver(&mut self, batch: &Batch) -> bool {
        let mut left: Vec<Record<'_>> = batch.payloads().filter_map(Record::parse).collect();
        let unreadable = batch.damaged() + (batch.len() - left.len()) as u64;
        let mut refused = BTreeMap::new();
        let mut repeated = 0;
        let bytes: u64 = left.iter().map(|record| record.body.len() as u64).sum();
        let total = left.len() as u64;
        while !left.is_empty() {
            let again = match self.peer.send(&left) {
                Ok(answer) => {
                    repeated += answer.repeated;
                    self.note(&answer);
                    for (cause, count) in answer.refused {
                        *refused.entry(cause).or_default() += count;
                    }
                    answer.again
                }
                Err(error) => {
                    self.failed(&error, "cannot deliver events; they wait in the spool");
                    (0..left.len()).collect()
                }
            };
            self.control.step();
            if again.len() < left.len() {
                self.backoff.reset();
            }
            left = again.iter().map(|index| left[*index]).collect();
            if left.is_empty() {
                break;
            }
            if self.control.pause(self.backoff.next()) {
                return false;
            }
            self.tally.lock().retried += left.len() as u64;
        }
        self.recovered();
        let refused_total: u64 = refused.values().sum();
        let tally = self.tally.clone();
        let committed = self.reader.commit(batch, |dropped_meanwhile| {
            let mut stats = tally.lock();
            stats.undo_drop(cause::SPOOL_FULL, dropped_meanwhile);
            stats.delivered += total - refused_total;
            stats.repeated += repeated;
            stats.bytes += bytes;
            stats.drop_by(cause::SPOOL_CORRUPT, unreadable);
            for (cause, count) in &refused {
                stats.drop_by(cause, *count);
            }
        });
        if let Err(error) = committed {
            self.failed(&error, "cannot note in the spool what is delivered");
        }
        true
    }

    /// Says what a receiver did not take.
    fn note(&mut self, answer: &Answer) {
        let Some(reason) = &answer.reason else { return };
        let refused: u64 = answer.refused.values().sum();
        let name = &self.name;
        if refused > 0 {
            if let Some(events_dropped) = self.log.take(refused) {
                tracing::error!(
                    events_dropped,
                    reason,
                    "output {name}: the receiver refused events"
                );
            }
        } else if self.log.take(0).is_some() {
            tracing::warn!(reason, "output {name}: the receiver asks to send some events later");
        }
    }

    fn failed(&mut self, error: &io::Error, what: &str) {
        self.tally.lock().failures += 1;
        self.is_down = true;
        if self.log.take(0).is_some() {
            tracing::warn!(%error, "output {}: {what}", self.name);
        }
    }

    fn recovered(&mut self) {
        self.backoff.reset();
        if std::mem::take(&mut self.is_down) {
            self.log.reset();
            tracing::info!("output {}: events are delivered again", self.name);
        }
    }
}
