//! One component in force: its instance, its health and its counters.

mod hits;
mod replace;

use std::sync::Arc;
use std::time::Instant;

use super::contract::World;
use super::fault::{Failure, Fault, FaultCause};
use super::health::{Health, Readiness};
use super::histogram::Histogram;
use super::host::HostState;
use super::instance::{Blueprint, Instance};
use super::interest::Interests;
use super::keyed::Keyed;
use super::load::{Mode, Prepared};
use super::metadata::{Permissions, RuleInfo};
use super::pack::Packer;
use super::processes::Processes;
use super::set::Events;
use super::stats::{ComponentCounters, ComponentStats, Cost, RuleCounters, RuleStats};
use super::{output, wit};
use crate::verdict::Verdict;

/// One component in force.
pub(super) struct Loaded {
    blueprint: Blueprint,
    /// None after a fault, until the next event that the component wants.
    instance: Option<Instance>,
    /// What the host keeps for the component while it has no instance.
    keyed: Option<Keyed>,
    rules: Vec<LoadedRule>,
    mode: Mode,
    health: Health,
    counters: ComponentCounters,
    /// What an event costs, in ns.
    cost: Histogram,
    /// Time that the last restart took, in ms: a slow one is a fault that weighs more.
    restart_ms: u64,
    /// SHA-256 of the component, lower-case hex.
    digest: Arc<str>,
    /// Who vouches for it, in words.
    vouched_for: Option<Arc<str>>,
}

/// One call in so many is measured: two looks at the clock cost a tenth of a fast call.
pub const CALLS_PER_SAMPLE: u64 = 8;

struct LoadedRule {
    info: Arc<RuleInfo>,
    interests: Interests,
    /// What it asks for and the operator grants.
    permitted: Permissions,
    /// Its own mode, which wins over that of the component.
    mode: Option<Mode>,
    counters: RuleCounters,
    /// The event of the last candidate: what a rule says to others is ignored.
    wants: u32,
}

/// No event of a call.
const NONE: u32 = u32::MAX;

/// Events to be judged by several components, one after the other.
pub(super) struct Call<'a> {
    pub events: &'a Events,
    pub now_ns: u64,
    pub packer: &'a mut Packer,
    pub processes: &'a mut Option<Box<dyn Processes>>,
    /// One for each event.
    pub verdicts: &'a mut [Verdict],
    /// Measure each call, and not only one in [`CALLS_PER_SAMPLE`].
    pub measures_all: bool,
    /// Wishes to drop an event, by event, of this component's rules.
    pub drops: Vec<(u32, usize)>,
}

impl Loaded {
    pub(super) fn new(prepared: Prepared) -> Loaded {
        let granted = prepared.settings.permissions;
        let rules = prepared.rules.into_iter().zip(prepared.interests);
        let settings = &prepared.operator.rules;
        let rules = rules.map(|(info, interests)| {
            let own = settings.get(&*info.id).copied().unwrap_or_default();
            (info, interests, own)
        });
        let rules = rules.map(|(info, interests, own)| LoadedRule {
            permitted: info.permissions.and(own.permissions.unwrap_or(granted)),
            mode: own.mode,
            info,
            interests,
            counters: RuleCounters::default(),
            wants: NONE,
        });
        Loaded {
            keyed: Some(Keyed::new(prepared.blueprint.budget.state)),
            blueprint: prepared.blueprint,
            instance: Some(prepared.instance),
            rules: rules.collect(),
            mode: prepared.settings.mode,
            health: Health::default(),
            counters: ComponentCounters::default(),
            cost: Histogram::default(),
            restart_ms: 0,
            digest: prepared.digest.into(),
            vouched_for: prepared.voucher.map(|voucher| voucher.to_string().into()),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.blueprint.name
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// The mode of the component holds for all of its rules, whatever was set for one of them.
    pub(super) fn forget_rule_modes(&mut self) {
        self.rules.iter_mut().for_each(|rule| rule.mode = None);
    }

    /// Change the modes of those of its rules for which there is an answer.
    pub(super) fn change_rule_modes(&mut self, new: impl Fn(&str) -> Option<Option<Mode>>) {
        for rule in &mut self.rules {
            if let Some(mode) = new(&rule.info.id) {
                rule.mode = mode;
            }
        }
    }

    pub(super) fn health_mut(&mut self) -> &mut Health {
        &mut self.health
    }

    /// Change the mode of one of its rules. False when it has none of this id.
    pub(super) fn set_rule_mode(&mut self, id: &str, mode: Mode) -> bool {
        let rule = self.rules.iter_mut().find(|rule| *rule.info.id == *id);
        rule.map(|rule| rule.mode = Some(mode)).is_some()
    }

    fn mode_of(&self, rule: &LoadedRule) -> Mode {
        rule.mode.unwrap_or(self.mode)
    }

    pub(super) fn has_rule(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| *rule.info.id == *id)
    }

    /// Events that its rules dropped.
    pub(super) fn drops(&self) -> u64 {
        self.rules.iter().map(|rule| rule.counters.drops).sum()
    }

    /// Events dropped by those of its rules that another version does not have.
    pub(super) fn drops_not_in(&self, other: &Prepared) -> u64 {
        let gone =
            self.rules.iter().filter(|rule| other.rules.iter().all(|new| new.id != rule.info.id));
        gone.map(|rule| rule.counters.drops).sum()
    }

    /// The interests of its rules that are to be called, with their positions.
    pub(super) fn interests(&self) -> impl Iterator<Item = (u32, &Interests)> {
        let rules = self.rules.iter().enumerate();
        let called = rules.filter(|(_, rule)| self.mode_of(rule) != Mode::Off);
        called.map(|(position, rule)| (position as u32, &rule.interests))
    }

    pub(super) fn asks_for_processes(&self) -> bool {
        self.blueprint.exports.processes
    }

    /// The columns of packed events, if the component judges those.
    pub(super) fn columns(&self) -> Option<&super::columns::Columns> {
        (self.blueprint.exports.world == World::BatchRule).then(|| self.blueprint.engine.columns())
    }

    /// Let the component judge the events that its rules want. `wanted` is in order of events, then
    /// of rules. Tags, alerts and faults go into the verdicts; wishes to drop are given back in the
    /// call, because every alert comes first.
    pub(super) fn judge(&mut self, wanted: &[wit::Candidate], call: &mut Call<'_>) {
        for candidate in wanted {
            self.rules[candidate.rule as usize].counters.candidates += 1;
        }
        match self.blueprint.exports.world {
            World::Rule => {
                for wanted in wanted.chunk_by(|a, b| a.event == b.event) {
                    self.judge_event(wanted, call);
                }
            }
            World::BatchRule => {
                let mut rest = wanted;
                while !rest.is_empty() {
                    let taken = self.judge_batch(rest, call);
                    rest = &rest[taken..];
                }
            }
        }
        if let Some(instance) = &mut self.instance {
            instance.host().end();
        }
    }

    /// Whether it may judge `events` events now; they are counted.
    fn is_ready(&mut self, events: u64, now_ns: u64) -> bool {
        self.counters.candidates += events;
        match self.health.readiness(now_ns) {
            Readiness::Ready => true,
            Readiness::Released => {
                tracing::info!("the component `{}` is released from quarantine", self.name());
                true
            }
            Readiness::Quarantined => {
                self.counters.skipped += events;
                false
            }
        }
    }

    /// One event, which the rules of `wanted` want.
    fn judge_event(&mut self, wanted: &[wit::Candidate], call: &mut Call<'_>) {
        let event = wanted[0].event;
        if !self.is_ready(1, call.now_ns) {
            return;
        }
        for candidate in wanted {
            self.rules[candidate.rule as usize].wants = event;
        }
        match self.call_event(event, wanted, call) {
            Ok(hits) => {
                for hit in hits {
                    self.take_hit(event, hit.rule, hit.verdict, call);
                }
            }
            Err(failure) => self.failed(failure, event, call),
        }
        for candidate in wanted {
            self.rules[candidate.rule as usize].wants = NONE;
        }
    }

    fn call_event(
        &mut self,
        event: u32,
        wanted: &[wit::Candidate],
        call: &mut Call<'_>,
    ) -> Result<Vec<wit::Hit>, Failure> {
        self.ready_instance(1)?;
        let candidates = wanted.iter().map(|one| wit::Candidate { event: 0, rule: one.rule });
        let hits = self.lend(&[event], wanted, candidates, call, |instance, blueprint| {
            instance.judge_event(&blueprint.engine, &blueprint.budget)
        })?;
        output::check(&hits, self.rules.len()).map_err(Failure::output)?;
        Ok(hits)
    }

    /// As many events as fit into a batch; gives how many of `wanted` are done. A batch that fails
    /// is judged once more, one event at a time, so that one event cannot hide the others.
    fn judge_batch(&mut self, wanted: &[wit::Candidate], call: &mut Call<'_>) -> usize {
        let (taken, outcome) = self.call_batch(wanted, call);
        let Err(failure) = outcome else { return taken };
        let wanted = &wanted[..taken];
        let first = wanted[0].event;
        if wanted.iter().all(|candidate| candidate.event == first) {
            self.failed(failure, first, call);
            return taken;
        }
        self.give_up_instance();
        let faults_before = self.counters.faults();
        for wanted in wanted.chunk_by(|a, b| a.event == b.event) {
            if let (_, Err(failure)) = self.call_batch(wanted, call) {
                self.failed(failure, wanted[0].event, call);
            }
        }
        if self.counters.faults() == faults_before {
            self.failed(failure, first, call);
        }
        taken
    }

    fn call_batch(
        &mut self,
        wanted: &[wit::Candidate],
        call: &mut Call<'_>,
    ) -> (usize, Result<(), Failure>) {
        let environment = self.blueprint.environment;
        let (batch, shown, taken) = call.packer.gather(call.events, wanted, environment);
        let (batch, shown) = (batch.clone(), shown.to_vec());
        let events = shown.len();
        if !self.is_ready(events as u64, call.now_ns) {
            return (taken, Ok(()));
        }
        if let Err(failure) = self.ready_instance(events as u64) {
            return (taken, Err(failure));
        }
        let candidates = batch.candidates.iter().copied().map(wit::Candidate::of_word);
        let hits = self.lend(&shown, &wanted[..taken], candidates, call, |instance, blueprint| {
            instance.host().bytes += (batch.text.len() + 8 * batch.words.len()) as u64;
            instance.judge_batch(&blueprint.engine, &blueprint.budget, &batch)
        });
        drop(batch);
        let checked = hits.and_then(|hits| {
            output::check_batch(&hits, events, self.rules.len()).map_err(Failure::output)?;
            Ok(hits)
        });
        let hits = match checked {
            Ok(hits) => hits,
            Err(failure) => return (taken, Err(failure)),
        };
        for hit in hits {
            let event = shown[hit.event as usize];
            let by = |one: &wit::Candidate| (one.event, one.rule).cmp(&(event, hit.rule));
            let wants = wanted[..taken].binary_search_by(by).is_ok();
            self.rules[hit.rule as usize].wants = if wants { event } else { NONE };
            self.take_hit(event, hit.rule, hit.verdict, call);
        }
        (taken, Ok(()))
    }

    /// One call of the instance, which is there, for the rules in `wanted`: lends it the events in
    /// `shown`, and what may be asked of other processes.
    fn lend<T>(
        &mut self,
        shown: &[u32],
        wanted: &[wit::Candidate],
        candidates: impl IntoIterator<Item = wit::Candidate>,
        call: &mut Call<'_>,
        judge: impl FnOnce(&mut Instance, &Blueprint) -> T,
    ) -> T {
        let Some(instance) = &mut self.instance else { unreachable!("it is there or was made") };
        self.counters.calls += 1;
        instance.host().begin(call.events, shown.iter().copied(), candidates, call.now_ns);
        instance.host().processes = call.processes.take();
        let one_in = if call.measures_all { 1 } else { CALLS_PER_SAMPLE };
        let is_sample = call.measures_all || self.counters.calls.is_multiple_of(CALLS_PER_SAMPLE);
        let began = is_sample.then(Instant::now);
        let told = judge(instance, &self.blueprint);
        let took = began.map(|began| began.elapsed().as_nanos() as u64);
        self.counters.fuel += instance.take_fuel();
        *call.processes = instance.host().processes.take();
        if let Some(took_ns) = took {
            self.cost.record(took_ns / shown.len() as u64);
            let share_ns = took_ns * one_in / wanted.len() as u64;
            for candidate in wanted {
                self.rules[candidate.rule as usize].counters.time_ns += share_ns;
            }
        }
        told
    }

    /// Make sure that there is an instance for `events` events.
    fn ready_instance(&mut self, events: u64) -> Result<(), Failure> {
        if self.instance.is_none() {
            self.counters.restarts += 1;
            let engine = &self.blueprint.engine;
            let began = engine.used();
            let fresh = replace::restart(&self.blueprint, &self.rules);
            self.restart_ms = engine.used().saturating_sub(began).as_millis() as u64;
            self.instance = Some(fresh.inspect_err(|_| self.counters.skipped += events)?);
        }
        if let Some(keyed) = self.keyed.take()
            && let Some(instance) = &mut self.instance
        {
            instance.host().keyed = Some(keyed);
        }
        Ok(())
    }

    /// Give up the instance, but not what the host kept for it.
    fn give_up_instance(&mut self) {
        self.counters = self.counters_so_far();
        if let Some(HostState { keyed: Some(keyed), .. }) =
            self.instance.take().map(Instance::into_host)
        {
            self.keyed = Some(keyed);
        }
    }

    /// Account for a failure and give up the instance that failed.
    fn failed(&mut self, failure: Failure, event: u32, call: &mut Call<'_>) {
        self.give_up_instance();
        let counters = &mut self.counters;
        *match failure.cause {
            FaultCause::Trap => &mut counters.traps,
            FaultCause::Time => &mut counters.timeouts,
            FaultCause::Memory => &mut counters.memory_faults,
            FaultCause::Output => &mut counters.output_faults,
        } += 1;
        let quarantined_until_ns = self.health.fault(call.now_ns, self.restart_ms);
        counters.quarantines += u64::from(quarantined_until_ns.is_some());
        call.verdicts[event as usize].faults.push(Fault {
            component: self.name().clone(),
            cause: failure.cause,
            detail: failure.detail,
            quarantined_until_ns,
        });
    }

    /// Counters, with those that the living instance keeps itself.
    fn counters_so_far(&self) -> ComponentCounters {
        let mut counters = self.counters;
        if let Some(living) = &self.instance {
            counters.log_lines_suppressed += living.log_lines_suppressed();
            counters.bytes += living.bytes();
        }
        counters
    }

    pub(super) fn stats(&self) -> ComponentStats {
        let rules = self.rules.iter();
        let rules = rules.map(|rule| RuleStats {
            id: rule.info.id.clone(),
            mode: self.mode_of(rule),
            counters: rule.counters,
        });
        let keyed = self.instance.as_ref().and_then(Instance::keyed).or(self.keyed.as_ref());
        ComponentStats {
            name: self.name().clone(),
            world: self.blueprint.exports.world,
            mode: self.mode,
            digest: self.digest.clone(),
            vouched_for: self.vouched_for.clone(),
            quarantined_until_ns: self.health.quarantined_until_ns(),
            memory_bytes: self.instance.as_ref().map_or(0, Instance::memory_bytes),
            state_entries: keyed.map_or(0, Keyed::entries),
            state_bytes: keyed.map_or(0, Keyed::bytes),
            state: keyed.map(|keyed| keyed.counters).unwrap_or_default(),
            cost: Cost::of(&self.cost),
            counters: self.counters_so_far(),
            rules: rules.collect(),
        }
    }
}
