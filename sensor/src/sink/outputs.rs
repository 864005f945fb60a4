//! The outputs of a run, together: each event goes to each of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::file::FileTarget;
use super::net::{self, Net};
use super::queue::{Push, Queue, weight};
use super::settings::{self, QueueSettings, Selection, SinkSettings, WhenFull};
use super::syslog::{Syslog, SyslogTarget};
use super::tally::{SinkStats, Tally};
use super::unix::UnixTarget;
use super::worker::{self, Target};
use super::{OpenError, SinkError};
use crate::event::Event;

/// How long [`Outputs::finish`] waits for an output that takes nothing, for example a stopped
/// pager.
const FINISH_WAIT: Duration = Duration::from_secs(5);
/// What waits for a full output under [`WhenFull::Block`]: as much as one queue holds.
const BACKLOG: QueueSettings = QueueSettings::DEFAULT;
/// How often somebody who waits for a full output looks at it again.
const ROOM_INTERVAL: Duration = Duration::from_millis(100);

/// Whether what feeds the outputs can wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Events come when they come: each output does with them what its settings say.
    Live,
    /// Events come from a file, and nothing is dropped for want of room.
    Patient,
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "when all outputs are closed, the run should end"]
pub enum Readers {
    Some,
    /// Every output is closed for good.
    None,
}

/// All outputs of a run.
#[derive(Debug)]
pub struct Outputs {
    sinks: Vec<Sink>,
    pace: Pace,
    /// Events that wait since an output under [`WhenFull::Block`] is full; the ring goes on being
    /// drained.
    backlog: VecDeque<Waiting>,
    backlog_bytes: usize,
}

/// An event of the backlog. What it holds may grow meanwhile, as its texts keep their encoded form,
/// so what was added for it is remembered.
#[derive(Debug)]
struct Waiting {
    event: Arc<Event>,
    bytes: usize,
}

/// No output holds this event up.
fn is_free(sinks: &mut [Sink], event: &Event) -> bool {
    sinks.iter_mut().all(|sink| sink.is_free(event))
}

/// One output.
#[derive(Debug)]
struct Sink {
    name: String,
    selection: Selection,
    when_full: WhenFull,
    block: Duration,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    net: Option<Net>,
    thread: Option<JoinHandle<()>>,
    is_closed: bool,
    /// Since when the output has been full, and has held up events.
    full_since: Option<Instant>,
    /// It has held up events for as long as it may, and loses them until it has room again.
    is_given_up: bool,
}

impl Outputs {
    pub fn open(settings: &[SinkSettings], pace: Pace) -> Result<Outputs, OpenError> {
        let open = |settings: &SinkSettings| {
            Sink::open(settings).map_err(|source| {
                let name = settings.name.clone();
                OpenError { name, source }
            })
        };
        let sinks = settings.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Outputs { sinks, pace, backlog: VecDeque::new(), backlog_bytes: 0 })
    }

    /// Hands events to each output. Under [`Pace::Live`] it never waits: what an output holds up
    /// is tried again with the next call.
    pub fn deliver(&mut self, events: &mut Vec<Arc<Event>>) -> Readers {
        for event in events.drain(..) {
            if self.pace == Pace::Patient {
                self.push_patiently(&event);
            } else if self.backlog.is_empty() && is_free(&mut self.sinks, &event) {
                self.push(&event);
            } else {
                let bytes = weight(&event);
                self.backlog_bytes += bytes;
                self.backlog.push_back(Waiting { event, bytes });
            }
        }
        self.work_off();
        self.sinks.iter().for_each(|sink| sink.queue.wake());
        match self.sinks.iter().all(|sink| sink.is_closed) {
            true => Readers::None,
            false => Readers::Some,
        }
    }

    /// Events wait for an output: [`Outputs::deliver`] should be called again soon.
    pub fn is_held_up(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Hands over what waits, as far as there is room for it.
    fn work_off(&mut self) {
        while let Some(Waiting { event, .. }) = self.backlog.front() {
            let is_over =
                self.backlog.len() > BACKLOG.events_max || self.backlog_bytes > BACKLOG.bytes_max;
            // Beyond the bound, the event goes where there is room, and is dropped where there is
            // none.
            if !is_over && !is_free(&mut self.sinks, event) {
                return;
            }
            let Some(Waiting { event, bytes }) = self.backlog.pop_front() else { return };
            self.backlog_bytes -= bytes;
            self.push(&event);
        }
    }

    fn push(&mut self, event: &Arc<Event>) {
        for sink in &mut self.sinks {
            sink.push(event);
        }
    }

    fn push_patiently(&mut self, event: &Arc<Event>) {
        for sink in &mut self.sinks {
            if !sink.wants(event) {
                continue;
            }
            loop {
                match sink.queue.push(event, WhenFull::Block) {
                    Push::Wait => {
                        sink.queue.wait_for_room(ROOM_INTERVAL);
                    }
                    Push::Closed => break sink.is_closed = true,
                    Push::Queued | Push::Full => break,
                }
            }
        }
    }

    /// Opens files anew before the next event, so that one that was moved away is left alone.
    pub fn reopen(&self) {
        self.sinks.iter().for_each(|sink| sink.queue.reopen());
    }

    /// What became of the events, by the outputs' names.
    pub fn stats(&self) -> Vec<(String, SinkStats)> {
        self.sinks.iter().map(|sink| (sink.name.clone(), sink.stats())).collect()
    }

    /// Writes what waits and ends the threads. An output that takes nothing for five seconds is
    /// given up; what waits for it counts as dropped, or stays in its spool.
    pub fn finish(mut self) -> Vec<(String, SinkStats)> {
        while let Some(Waiting { event, bytes }) = self.backlog.pop_front() {
            self.sinks.iter_mut().for_each(|sink| sink.wait_at_the_end(bytes));
            self.push(&event);
        }
        self.sinks.iter().for_each(|sink| sink.queue.finish());
        let finish = |sink: &mut Sink| (sink.name.clone(), sink.finish());
        std::mem::take(&mut self.sinks).iter_mut().map(finish).collect()
    }
}

impl Sink {
    fn open(settings: &SinkSettings) -> Result<Sink, SinkError> {
        let tally = Arc::<Tally>::default();
        let (net, target): (_, Box<dyn Target>) = match &settings.target {
            settings::Target::Stdout => (None, Box::new(FileTarget::stdout(settings.format)?)),
            settings::Target::File { path, rotate } => {
                (None, Box::new(FileTarget::open(path, rotate, settings.format)?))
            }
            settings::Target::Unix { path } => {
                (None, Box::new(UnixTarget::new(path, settings.format)))
            }
            settings::Target::SyslogSocket { path, facility, header } => {
                let syslog = Syslog::new(*facility, *header);
                (None, Box::new(SyslogTarget::new(path, syslog)))
            }
            settings::Target::Net { peer, spool } => {
                let (net, target) = net::open(settings, peer, spool, &tally)?;
                (Some(net), Box::new(target))
            }
        };
        Sink::start(settings, target, net, tally)
    }

    fn start(
        settings: &SinkSettings,
        target: Box<dyn Target>,
        net: Option<Net>,
        tally: Arc<Tally>,
    ) -> Result<Sink, SinkError> {
        let queue = Arc::new(Queue::new(settings.queue, tally.clone()));
        Ok(Sink {
            name: settings.name.clone(),
            selection: settings.selection,
            when_full: settings.when_full,
            block: settings.block,
            thread: Some(worker::start(queue.clone(), target)?),
            queue,
            tally,
            net,
            is_closed: false,
            full_since: None,
            is_given_up: false,
        })
    }

    /// Whether the output has such an event; counts it if not.
    fn wants(&self, event: &Event) -> bool {
        let has = self.selection.has(event);
        if !has {
            let mut tally = self.tally.lock();
            tally.pushed += 1;
            tally.filtered += 1;
        }
        has
    }

    /// The output does not hold up events. One that is full does, until its time is up; then it
    /// loses events until it has room again.
    fn is_free(&mut self, event: &Event) -> bool {
        if self.when_full != WhenFull::Block || self.is_closed {
            return true;
        }
        if self.queue.has_room(weight(event)) {
            (self.full_since, self.is_given_up) = (None, false);
            return true;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if !self.is_given_up && since.elapsed() >= self.block {
            self.is_given_up = true;
            tracing::error!(
                "output {} has taken nothing for {:?}: it loses events until it has room again",
                self.name,
                self.block
            );
        }
        self.is_given_up
    }

    /// Waits for room, unless the output has been waited for in vain before.
    fn wait_at_the_end(&mut self, bytes: usize) {
        while !self.is_given_up && !self.queue.has_room(bytes) {
            self.is_given_up = !self.queue.wait_for_room(FINISH_WAIT);
        }
    }

    fn push(&mut self, event: &Arc<Event>) {
        if !self.wants(event) {
            return;
        }
        let when_full = match self.when_full {
            // Whoever holds events up has room, or may hold up no more.
            WhenFull::Block => WhenFull::DropNewest,
            other => other,
        };
        if self.queue.push(event, when_full) == Push::Closed {
            self.is_closed = true;
        }
    }

    fn stats(&self) -> SinkStats {
        let queued = self.queue.waiting();
        let spooled = self.net.as_ref().map_or(0, |net| net.gauge.records());
        let counted = self.tally.lock().clone();
        SinkStats { waiting: queued + spooled, spooled, ..counted }
    }

    fn finish(&mut self) -> SinkStats {
        let has_ended = self.queue.wait_for_end(FINISH_WAIT);
        if let Some(net) = &mut self.net {
            net.delivery.finish();
            if has_ended {
                net.delivery.wait_for_end(FINISH_WAIT);
            }
        }
        if let Some(thread) = self.thread.take()
            && has_ended
        {
            thread.join().expect("the thread of an output does not panic");
        }
        self.stats()
    }
}

impl Drop for Sink {
    /// Without [`Outputs::finish`] nobody waits for what is still queued.
    fn drop(&mut self) {
        self.queue.finish();
    }
}

#[cfg(test)]
mod tests;
