//! The last steps of the walk: the rules are asked, then the limits, and the event is delivered.

use std::any::Any;
use std::sync::Arc;

use super::Sensor;
use crate::event::{Event, Field, Kinds, Value};
use crate::known::Known;
use crate::process::ProcessId;
use crate::rules::budget::BATCH_EVENTS_MAX;
use crate::rules::{Events, Fault, Processes};
use crate::throttle::Summary;
use crate::verdict::Verdict;

/// The process tree that an event counts against; none for what is told in any case.
pub(super) type Tree = Option<ProcessId>;

/// Events that are to be judged together, fewer than [`BATCH_EVENTS_MAX`], each with its tree.
#[derive(Debug, Default)]
pub(super) struct Unjudged {
    events: Vec<Arc<Event>>,
    trees: Vec<Tree>,
}

impl Unjudged {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl Sensor {
    pub(super) fn judge_own(&mut self, event: Event, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        self.counters.receive_named("sensor", 1);
        self.judge(event, None, now_ns, out);
        self.judge_all(now_ns, out);
    }

    /// Has an event judged with those that wait for it; the order of events stays.
    pub(super) fn judge(
        &mut self,
        event: Event,
        tree: Tree,
        now_ns: u64,
        out: &mut Vec<Arc<Event>>,
    ) {
        let event = Arc::new(event);
        if self.rules.is_empty() {
            return self.deliver(event, tree, now_ns, out);
        }
        self.unjudged.events.push(event);
        self.unjudged.trees.push(tree);
        if self.unjudged.len() >= BATCH_EVENTS_MAX {
            self.judge_all(now_ns, out);
        }
    }

    /// Asks the rules about the events that wait, and delivers those that no rule drops, as far as
    /// their trees have not had more than their share. An alert always passes.
    pub(super) fn judge_all(&mut self, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        if self.unjudged.is_empty() {
            return;
        }
        let Unjudged { events, trees } = std::mem::take(&mut self.unjudged);
        let events: Events = Arc::new(events);
        let verdicts = self.ask_rules(&events, now_ns);
        // The rules have let go of the events, so that verdicts can be written into them.
        let events = Arc::try_unwrap(events).unwrap_or_else(|shared| (*shared).clone());
        for ((mut event, tree), verdict) in events.into_iter().zip(trees).zip(verdicts) {
            match &verdict.dropped_by {
                Some(rule) => self.counters.drop_by(&rule.id),
                None => {
                    verdict.apply(Arc::make_mut(&mut event));
                    let tree = tree.filter(|_| verdict.alerts.is_empty());
                    self.deliver(event, tree, now_ns, out);
                }
            }
            for fault in &verdict.faults {
                self.fault(fault, now_ns, out);
            }
        }
    }

    /// Lends the rules what they may look things up in.
    fn ask_rules(&mut self, events: &Events, now_ns: u64) -> Vec<Verdict> {
        if !self.rules.ask_for_processes() {
            return self.rules.judge_all(events, now_ns, &mut None);
        }
        let known = Known {
            table: std::mem::take(&mut self.table),
            users: std::mem::take(&mut self.enricher.users),
            wall_offset_ns: self.enricher.wall_offset_ns(),
        };
        let mut lent: Option<Box<dyn Processes>> = Some(Box::new(known));
        let verdicts = self.rules.judge_all(events, now_ns, &mut lent);
        let lent = lent.map(|lent| -> Box<dyn Any> { lent }).and_then(|any| any.downcast().ok());
        let known: Box<Known> = lent.expect("the rules give back what they were lent");
        self.table = known.table;
        self.enricher.users = known.users;
        verdicts
    }

    /// Delivers the event, unless the limits of its tree are against it.
    fn deliver(&mut self, event: Arc<Event>, tree: Tree, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        match tree.map_or(Ok(()), |tree| self.throttle.check(tree, now_ns)) {
            Ok(()) => {
                self.counters.delivered += 1;
                out.push(event);
            }
            Err(limit) => self.counters.drop_by(limit.drop_name()),
        }
    }

    /// One event for each tree that was throttled a while, in place of its flood.
    pub(super) fn tell_throttled(&mut self, now_ns: u64, at_end: bool, out: &mut Vec<Arc<Event>>) {
        for summary in self.throttle.take_summaries(now_ns, at_end) {
            let Summary { limit, tree, events, since_ns } = summary;
            let kinds = Kinds::SENSOR_THROTTLE;
            let mut event = self.enricher.sensor_event(kinds, now_ns, "events_throttled");
            event.set_number(Field::OCELLUS_THROTTLED_COUNT, events);
            event.set_static(Field::OCELLUS_THROTTLED_LIMIT, limit.as_str());
            let mut whose = "of all processes".to_owned();
            if let Some(tree) = tree {
                let leader = self.table.get(tree);
                let name = leader.map_or("a process that has ended", |it| &*it.comm);
                whose = format!("of {name} (PID: {}) and its descendants", tree.pid);
                event.set_number(Field::PROCESS_ENTRY_LEADER_PID, tree.pid);
                let id = self.enricher.identity.entity_id(tree);
                event.set_text(Field::PROCESS_ENTRY_LEADER_ENTITY_ID, id);
                if let Some(leader) = leader {
                    event.set_text(Field::PROCESS_ENTRY_LEADER_NAME, leader.comm.clone());
                }
            }
            let seconds = now_ns.saturating_sub(since_ns) as f64 / 1e9;
            event.set_text(
                Field::MESSAGE,
                format!("Throttled {events} events {whose} in {seconds:.0} s"),
            );
            self.judge_own(event, now_ns, out);
        }
    }

    /// A fault is an event that no rule judges: one that fails on it would never stop.
    fn fault(&mut self, fault: &Fault, now_ns: u64, out: &mut Vec<Arc<Event>>) {
        tracing::warn!(component = &*fault.component, "{fault}");
        let mut event = self.enricher.sensor_event(Kinds::SENSOR_FAULT, now_ns, "rule_fault");
        event.set_text(Field::MESSAGE, fault.to_string());
        event.set_text(Field::ERROR_MESSAGE, fault.detail.as_str());
        event.set_text(Field::OCELLUS_COMPONENT, fault.component.clone());
        event.set(Field::EVENT_TYPE, Value::Texts(["info"].iter().collect()));
        self.counters.receive_named("sensor", 1);
        self.counters.delivered += 1;
        out.push(Arc::new(event));
    }
}
