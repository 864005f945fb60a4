//! What the loop does beside its turns: snapshots, a look around once a second, the end.

use tokio::time::Instant;

use super::reader::Order;
use super::source::Snapshot;
use super::{CLOCK_STEP_NS, DRAIN_RECORDS_MAX, RESYNC_INTERVAL, Rim, RunError, summary};
use crate::event::Kinds;
use crate::host::{boottime_ns, wall_offset_ns};
use crate::input::{Input, Lost};
use crate::sink::Outputs;

impl Rim {
    /// Reads the running processes, on a thread of its own. What has happened since `began_ns` must
    /// be in the ring, or have been.
    pub(super) fn start_snapshot(&mut self, began_ns: u64) {
        self.resync_wanted = false;
        self.resynced = Instant::now();
        let starts = self.source.task_starts();
        let settings = self.snapshot_settings;
        self.snapshot_running = self.reader.order(Order { starts, settings, began_ns });
        if !self.snapshot_running {
            tracing::error!("the running processes cannot be read: its thread has ended");
        }
    }

    pub(super) fn take_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), RunError> {
        // What the ring holds happened while /proc was read: the machine puts both in order.
        while !self.drain(DRAIN_RECORDS_MAX)? {}
        for record in &snapshot.records {
            self.input(&Input::Raw(record.into()))?;
        }
        self.snapshot_running = false;
        self.snapshots += 1;
        self.input(&Input::SnapshotEnd { began_ns: snapshot.began_ns })?;
        if !std::mem::replace(&mut self.ready, true) {
            tracing::info!("{}", self.source.describe());
            self.notifier.ready();
        }
        Ok(())
    }

    /// Looks at what nobody tells of: lost events, the clock, the name files.
    pub(super) fn keep_house(&mut self) -> Result<(), RunError> {
        for (cause, kind, count) in self.source.lost_since() {
            tracing::error!(cause, kind, count, "the kernel lost events");
            let lost = Lost { cause: cause.to_owned(), kind: kind.to_owned(), count };
            self.input(&Input::Lost(lost))?;
            self.resync_wanted = true;
            self.last_loss = Some(Instant::now());
        }
        self.watch_outputs();
        self.test_self();
        // Modes change without a change of the rules.
        self.report_rules();
        if self.config_watch.has_changed() {
            tracing::info!("reading the configuration again, since its files have changed");
            self.reload_config()?;
        }
        if self.resync_wanted
            && !self.snapshot_running
            && self.resynced.elapsed() >= RESYNC_INTERVAL
        {
            tracing::warn!("reading the running processes again, since events were lost");
            self.start_snapshot(boottime_ns());
        }
        let wall_offset_ns = wall_offset_ns();
        if wall_offset_ns.abs_diff(self.wall_offset_ns) > CLOCK_STEP_NS {
            self.wall_offset_ns = wall_offset_ns;
            self.input(&Input::Clock { wall_offset_ns })?;
        }
        if self.name_files.has_changed() {
            let names = self.name_files.load();
            self.input(&Input::Names(names))?;
        }
        Ok(())
    }

    /// Remembers when an output last dropped events.
    fn watch_outputs(&mut self) {
        let drops = self.output_reports().iter().map(|output| output.stats.dropped_total()).sum();
        if std::mem::replace(&mut self.drops, drops) < drops {
            self.last_drop = Some(Instant::now());
        }
    }

    /// Drains the ring and the machine, writes everything out and prints the totals.
    pub(super) fn finish(mut self) -> Result<(), RunError> {
        let why = self.stopping.unwrap_or("done");
        self.notifier.stopping();
        while !self.drain(DRAIN_RECORDS_MAX)? {}
        self.keep_house()?;
        while let Ok(message) = self.messages.try_recv() {
            self.take(message)?;
        }
        let now_ns = boottime_ns();
        self.record(now_ns, &Input::Tick)?;
        self.sensor.drain(now_ns, &mut self.out);
        self.say(Kinds::SENSOR_STOP, "sensor_stopped", None, format!("Ocellus stopped: {why}"));
        self.deliver();
        tracing::info!("stopping: {why}");
        if let Some(recorder) = self.recorder.take() {
            let bytes = recorder.finish()?;
            tracing::info!(bytes, "the recording is complete");
        }
        let outputs = self.outputs.take().map(Outputs::finish).unwrap_or_default();
        eprint!("{}", summary::totals(&self.sensor, &outputs));
        Ok(())
    }
}
