//! The thread of an output: takes events from the queue and hands them to the target.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::SinkError;
use super::queue::{Queue, Work};
use super::tally::cause;
use crate::event::Event;

/// How long to wait for a receiver that is busy.
const BUSY_WAIT: Duration = Duration::from_millis(5);
/// At most one log line of a kind in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Where a thread puts its events.
pub(super) trait Target: Send {
    /// Encodes an event into the target's buffer. False when it is larger than the target takes.
    fn add(&mut self, event: &Event) -> bool;

    /// The buffer should be written before more is added.
    fn is_full(&self) -> bool;

    /// Writes the buffer, and settles with the queue what became of its events.
    fn flush(&mut self, queue: &Queue) -> Flow;

    /// Opens a file anew.
    fn reopen(&mut self) {}

    /// Does what is due beside writing, and says when the next such thing is due at the latest.
    fn upkeep(&mut self) -> Option<Instant> {
        None
    }

    /// The queue has ended. What the target still holds counts as dropped.
    fn end(&mut self) {}
}

/// What is to be done after a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// More events may come.
    Done,
    /// The events are still here, as the receiver is not: try again after this long.
    Later(Duration),
    /// They are still here, as the receiver is busy for a moment.
    Busy,
    /// Nobody reads the output any more, and nobody ever will.
    Closed,
}

pub(super) fn start(
    queue: Arc<Queue>,
    mut target: Box<dyn Target>,
) -> Result<JoinHandle<()>, SinkError> {
    let run = move || {
        run(&queue, &mut *target);
        target.end();
        queue.end();
    };
    thread::Builder::new().name("output".to_owned()).spawn(run).map_err(SinkError::Thread)
}

fn run(queue: &Queue, target: &mut dyn Target) {
    loop {
        let due = target.upkeep();
        match queue.next(due) {
            Work::Events(batch) => {
                for event in &batch {
                    if !target.add(event) {
                        queue.settle(1, |stats| stats.drop_by(cause::TOO_LARGE, 1));
                    }
                    if target.is_full() {
                        flush(queue, target);
                    }
                }
                flush(queue, target);
            }
            Work::Reopen => target.reopen(),
            Work::Idle => {}
            Work::End => return,
        }
    }
}

/// Flushes until all is written. At the end of the run, a receiver that is not there gets one
/// attempt, and one that is busy as long as anybody waits for it.
fn flush(queue: &Queue, target: &mut dyn Target) {
    loop {
        match target.flush(queue) {
            Flow::Done => return,
            Flow::Closed => return queue.close(),
            Flow::Later(_) if queue.is_finishing() => return,
            Flow::Later(wait) => queue.pause(wait),
            Flow::Busy if queue.is_closed() => return,
            Flow::Busy => thread::sleep(BUSY_WAIT),
        }
        target.upkeep();
    }
}

/// Lets a message through now and then, with the number of events that it is about.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    last: Option<Instant>,
    events: u64,
}

impl LogLimit {
    /// The number of events since the last message, when it is time for the next.
    pub(super) fn take(&mut self, events: u64) -> Option<u64> {
        self.events += events;
        if self.last.is_some_and(|last| last.elapsed() < LOG_INTERVAL) {
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.events))
    }

    /// The next message is let through.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}
