//! The bounded queue between the event path and the thread of an output.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tally::{SinkStats, Tally, cause};
use super::{QueueSettings, WhenFull};
use crate::event::{Event, Value};

/// Events that are taken from the queue, encoded and written at once.
pub(super) const BATCH_EVENTS_MAX: usize = 512;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to do for the thread.
    work: Condvar,
    /// The thread has made room, or has ended.
    progress: Condvar,
    settings: QueueSettings,
    pub tally: Arc<Tally>,
}

#[derive(Debug)]
struct Queued {
    event: Arc<Event>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    /// Of the queue and of the batch that the thread has in its hands.
    events: usize,
    bytes: usize,
    /// Of the events, those that the thread has in its hands.
    in_hand: usize,
    in_hand_bytes: usize,
    /// Counts what the thread does, so that one that hangs is told from one that is slow.
    steps: u64,
    thread_waits: bool,
    finishing: bool,
    reopen: bool,
    closed: bool,
    /// Nobody waits for the thread any more, and what it holds is counted.
    abandoned: bool,
    ended: bool,
}

/// What the thread is to do next.
#[derive(Debug)]
pub(super) enum Work {
    Events(Vec<Arc<Event>>),
    Reopen,
    /// Nothing came in time.
    Idle,
    /// There will be no more events.
    End,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a closed output may end the run"]
pub(super) enum Push {
    Queued,
    /// An event was dropped and counted: this one, or the oldest.
    Full,
    /// There is no room; nothing was counted.
    Wait,
    /// The reader has gone; nothing will be written any more.
    Closed,
}

impl Queue {
    pub(super) fn new(settings: QueueSettings, tally: Arc<Tally>) -> Queue {
        Queue {
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            settings,
            tally,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The queue is right after every statement, also where a panic came between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event over, for the thread to take once it is woken: see [`Queue::wake`]. Does not
    /// wait: see [`Queue::wait_for_room`].
    pub(super) fn push(&self, event: &Arc<Event>, when_full: WhenFull) -> Push {
        let bytes = weight(event);
        let mut state = self.lock();
        if state.closed {
            let mut tally = self.tally.lock();
            tally.pushed += 1;
            tally.drop_by(cause::CLOSED, 1);
            return Push::Closed;
        }
        let mut outcome = Push::Queued;
        if !self.has_room_for(&state, bytes) {
            outcome = Push::Full;
            match when_full {
                WhenFull::Block => return Push::Wait,
                WhenFull::DropNewest => {
                    let mut tally = self.tally.lock();
                    tally.pushed += 1;
                    tally.drop_by(cause::FULL, 1);
                    return Push::Full;
                }
                WhenFull::DropOldest => self.make_room(&mut state, bytes),
            }
        }
        if outcome == Push::Full && !self.has_room_for(&state, bytes) {
            // All that is left is in the thread's hands, which cannot be taken back.
            let mut tally = self.tally.lock();
            tally.pushed += 1;
            tally.drop_by(cause::FULL, 1);
            return Push::Full;
        }
        self.tally.lock().pushed += 1;
        state.events += 1;
        state.bytes += bytes;
        state.queue.push_back(Queued { event: event.clone(), bytes });
        outcome
    }

    /// Wakes the thread if there is something for it to do: once for many events, as two threads
    /// that take turns cost more than what they do.
    pub(super) fn wake(&self) {
        let mut state = self.lock();
        if !state.queue.is_empty() && std::mem::take(&mut state.thread_waits) {
            self.work.notify_one();
        }
    }

    fn make_room(&self, state: &mut State, bytes: usize) {
        while !self.has_room_for(state, bytes)
            && let Some(oldest) = state.queue.pop_front()
        {
            state.events -= 1;
            state.bytes -= oldest.bytes;
            self.tally.drop_by(cause::FULL, 1);
        }
    }

    /// An event that holds so many bytes would be taken, or the reader has gone.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let state = self.lock();
        state.closed || self.has_room_for(&state, bytes)
    }

    fn has_room_for(&self, state: &State, bytes: usize) -> bool {
        // One event always fits, however large.
        state.events == 0
            || (state.events < self.settings.events_max
                && state.bytes + bytes <= self.settings.bytes_max)
    }

    /// Waits until the thread makes progress. False when it does not in this time.
    pub(super) fn wait_for_room(&self, time: Duration) -> bool {
        self.wake();
        let state = self.lock();
        if state.closed {
            return true;
        }
        let waited = self.progress.wait_timeout(state, time);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Makes the thread open its output anew before the next event.
    pub(super) fn reopen(&self) {
        let mut state = self.lock();
        state.reopen = true;
        state.thread_waits = false;
        self.work.notify_one();
    }

    /// No more events will come.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.finishing = true;
        state.thread_waits = false;
        self.work.notify_one();
    }

    /// Nobody waits for the thread any more, or nobody reads what it writes.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.lock().finishing
    }

    /// Waits for the thread to end; gives up on one that does nothing for `patience`. True when it
    /// has ended. Events that it left behind are counted as dropped.
    pub(super) fn wait_for_end(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        let (mut steps, mut deadline) = (state.steps, Instant::now() + patience);
        while !state.ended {
            if state.steps != steps {
                (steps, deadline) = (state.steps, Instant::now() + patience);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.progress.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let ended = state.ended;
        self.clear(&mut state, cause::UNREACHABLE);
        ended
    }

    /// Drops and counts all that waits or is in the thread's hands.
    fn clear(&self, state: &mut State, cause: &str) {
        (state.closed, state.abandoned) = (true, true);
        self.tally.drop_by(cause, state.events as u64);
        state.queue.clear();
        (state.events, state.bytes, state.in_hand, state.in_hand_bytes) = (0, 0, 0, 0);
        self.progress.notify_all();
    }

    /// Events in the queue and in the hands of the thread.
    pub(super) fn waiting(&self) -> u64 {
        self.lock().events as u64
    }

    /// The thread's side: what to do next, waiting for it no longer than until `deadline`.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Work {
        let mut state = self.lock();
        state.steps += 1;
        loop {
            if std::mem::take(&mut state.reopen) {
                return Work::Reopen;
            }
            if state.closed {
                return Work::End;
            }
            if !state.queue.is_empty() {
                let count = state.queue.len().min(BATCH_EVENTS_MAX);
                let batch: Vec<Queued> = state.queue.drain(..count).collect();
                state.in_hand += batch.len();
                state.in_hand_bytes += batch.iter().map(|queued| queued.bytes).sum::<usize>();
                return Work::Events(batch.into_iter().map(|queued| queued.event).collect());
            }
            if state.finishing {
                return Work::End;
            }
            state.thread_waits = true;
            let Some(deadline) = deadline else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.thread_waits = false;
                return Work::Idle;
            }
            let waited = self.work.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread's side: pauses before another attempt. Ends early when the queue is finishing or
    /// is to be opened anew.
    pub(super) fn pause(&self, time: Duration) {
        let state = self.lock();
        if !state.finishing && !state.reopen && !state.closed {
            drop(self.work.wait_timeout(state, time));
        }
    }

    /// The thread's side: counts what became of so many events in its hands, unless it was given
    /// up meanwhile and they are counted already.
    pub(super) fn settle(&self, events: u64, count: impl FnOnce(&mut SinkStats)) {
        let mut state = self.lock();
        state.steps += 1;
        if state.abandoned {
            return;
        }
        state.in_hand -= events as usize;
        state.events -= events as usize;
        if state.in_hand == 0 {
            state.bytes -= std::mem::take(&mut state.in_hand_bytes);
        }
        count(&mut self.tally.lock());
        self.progress.notify_all();
    }

    /// The thread's side: the reader has gone for good. What waits is dropped.
    pub(super) fn close(&self) {
        self.clear(&mut self.lock(), cause::CLOSED);
    }

    /// The thread's side: it ends. What it still has is dropped.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        self.clear(&mut state, cause::UNREACHABLE);
        state.ended = true;
    }
}

/// Upper bound of the bytes that an event holds. Texts shared between events count for each.
pub(super) fn weight(event: &Event) -> usize {
    let texts = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.held_bytes(),
        Value::Absent | Value::Static(_) | Value::Number(_) | Value::Flag(_) | Value::Time(_) => 0,
    };
    size_of_val(event.values()) + event.values().iter().map(texts).sum::<usize>()
}
