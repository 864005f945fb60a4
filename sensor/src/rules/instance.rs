//! One running component: a store of its own, and how a fresh one is made when it fails.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Instance as Guest, InstancePre, TypedFunc};

use super::budget::{self, Budget};
use super::contract::{Exports, World};
use super::engine::RuleEngine;
use super::fault::Failure;
use super::host::HostState;
use super::keyed::Keyed;
use super::wit;

/// All that is needed to start an instance of a component, again and again.
#[derive(Clone)]
pub(super) struct Blueprint {
    pub engine: RuleEngine,
    /// The component with its imports resolved.
    pub component: InstancePre<HostState>,
    pub exports: Exports,
    pub name: Arc<str>,
    /// What `configure` is given.
    pub config: Box<str>,
    pub budget: Budget,
    /// The operator lets it see the environment of processes.
    pub environment: bool,
}

/// A live instance.
pub(super) struct Instance {
    store: Store<HostState>,
    judge: Judge,
    carry: Option<Carry>,
    /// See [`Instance::take_fuel`].
    fuel: u64,
}

/// How a guest judges.
enum Judge {
    Event(TypedFunc<(), (Vec<wit::Hit>,)>),
    Batch(TypedFunc<(Arc<wit::Batch>,), (Vec<wit::BatchHit>,)>),
}

/// How a guest hands its memory over.
struct Carry {
    save: TypedFunc<(), (Option<wit::Saved>,)>,
    load: TypedFunc<(wit::Saved,), (Result<(), String>,)>,
}

/// What `configure` answered.
pub(super) enum Configured {
    Metadata(wit::Metadata),
    /// The guest's own words for why it cannot start.
    Refused(String),
}

/// Why there is no instance.
pub(super) enum NoStart {
    Failed(Failure),
    /// Its exports do not have the types of the contract.
    Types(wasmtime::Error),
}

impl Blueprint {
    /// Make a fresh instance and configure it.
    pub(super) fn start(&self) -> Result<(Instance, Configured), NoStart> {
        let columns = self.engine.columns().clone();
        let mut state = HostState::new(self.name.clone(), self.budget.memory_bytes, columns);
        state.sees_environment = self.environment;
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| &mut state.limits);
        self.engine.limit(&mut store);
        store.set_hostcall_fuel(budget::CONFIGURE_BYTES);
        // Instantiation may run code of the guest, so it falls under the same deadline.
        self.engine.allow(&mut store, budget::CONFIGURE_TIME_MS);
        let guest = match self.component.instantiate(&mut store) {
            Ok(guest) => guest,
            Err(error) => return Err(NoStart::Failed(Failure::of(&error, &mut store))),
        };
        let (judge, carry) = self.functions(&guest, &mut store).map_err(NoStart::Types)?;
        let configure = guest
            .get_typed_func::<(&str,), (Result<wit::Metadata, String>,)>(
                &mut store,
                self.exports.configure,
            )
            .map_err(NoStart::Types)?;
        let configured = match configure.call(&mut store, (&self.config,)) {
            Ok((Ok(metadata),)) => Configured::Metadata(metadata),
            Ok((Err(why),)) => Configured::Refused(why),
            Err(error) => return Err(NoStart::Failed(Failure::of(&error, &mut store))),
        };
        store.set_hostcall_fuel(budget::CALL_BYTES);
        Ok((Instance { store, judge, carry, fuel: 0 }, configured))
    }

    /// The functions that are called again and again.
    fn functions(
        &self,
        guest: &Guest,
        store: &mut Store<HostState>,
    ) -> wasmtime::Result<(Judge, Option<Carry>)> {
        let Exports { world, judge, carry, .. } = &self.exports;
        let judge = match world {
            World::Rule => Judge::Event(guest.get_typed_func(&mut *store, judge)?),
            World::BatchRule => Judge::Batch(guest.get_typed_func(&mut *store, judge)?),
        };
        let carry = match carry {
            Some((save, load)) => Some(Carry {
                save: guest.get_typed_func(&mut *store, save)?,
                load: guest.get_typed_func(&mut *store, load)?,
            }),
            None => None,
        };
        Ok((judge, carry))
    }
}

impl Instance {
    /// What the host keeps for it, beside its memory.
    pub(super) fn host(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    /// Let the guest judge the event that it is shown. After a failure the instance must not be
    /// used again.
    pub(super) fn judge_event(
        &mut self,
        engine: &RuleEngine,
        budget: &Budget,
    ) -> Result<Vec<wit::Hit>, Failure> {
        let Judge::Event(on_event) = &self.judge else {
            return Err(Failure::output("it judges batches only"));
        };
        engine.allow(&mut self.store, budget.time_ms);
        let result = on_event.call(&mut self.store, ());
        self.fuel += engine.spent(&self.store, budget.time_ms);
        result.map(|(hits,)| hits).map_err(|error| Failure::of(&error, &mut self.store))
    }

    /// The same for a batch.
    pub(super) fn judge_batch(
        &mut self,
        engine: &RuleEngine,
        budget: &Budget,
        batch: &Arc<wit::Batch>,
    ) -> Result<Vec<wit::BatchHit>, Failure> {
        let Judge::Batch(on_batch) = &self.judge else {
            return Err(Failure::output("it judges single events only"));
        };
        let more = batch.events.len().saturating_sub(1) as u64;
        let time_ms = budget.time_ms + more * budget::BATCH_EVENT_TIME_MS;
        engine.allow(&mut self.store, time_ms);
        let result = on_batch.call(&mut self.store, (batch.clone(),));
        self.fuel += engine.spent(&self.store, time_ms);
        result.map(|(hits,)| hits).map_err(|error| Failure::of(&error, &mut self.store))
    }

    /// Fuel that its calls took since this was last asked.
    pub(super) fn take_fuel(&mut self) -> u64 {
        std::mem::take(&mut self.fuel)
    }

    /// Whether it takes over the memory of a version before.
    pub(super) fn carries(&self) -> bool {
        self.carry.is_some()
    }

    /// What the guest hands to its next version. None when it does not want to.
    pub(super) fn save(&mut self, engine: &RuleEngine) -> Option<Result<wit::Saved, Failure>> {
        let carry = self.carry.as_ref()?;
        self.store.set_hostcall_fuel(budget::CARRY_BYTES_MAX + budget::CARRY_EXTRA_BYTES);
        engine.allow(&mut self.store, budget::CARRY_TIME_MS);
        let saved = carry.save.call(&mut self.store, ());
        self.store.set_hostcall_fuel(budget::CALL_BYTES);
        Some(match saved {
            Ok((None,)) => return None,
            Ok((Some(saved),)) if saved.bytes.len() > budget::CARRY_BYTES_MAX => {
                let len = saved.bytes.len();
                let max = budget::CARRY_BYTES_MAX;
                Err(Failure::output(format!("`save-state` gave {len} bytes; at most {max}")))
            }
            Ok((Some(saved),)) => Ok(saved),
            Err(error) => Err(Failure::of(&error, &mut self.store)),
        })
    }

    /// Hand the guest what the version before saved. None when it does not want it; the inner error
    /// is the guest's own.
    pub(super) fn load(
        &mut self,
        engine: &RuleEngine,
        saved: wit::Saved,
    ) -> Option<Result<Result<(), String>, Failure>> {
        let carry = self.carry.as_ref()?;
        engine.allow(&mut self.store, budget::CARRY_TIME_MS);
        let loaded = carry.load.call(&mut self.store, (saved,));
        Some(match loaded {
            Ok((answer,)) => Ok(answer),
            Err(error) => Err(Failure::of(&error, &mut self.store)),
        })
    }

    /// Linear memory that the guest holds, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.store.data().limits.memory_bytes()
    }

    pub(super) fn log_lines_suppressed(&self) -> u64 {
        self.store.data().log_lines_suppressed()
    }

    /// Bytes of events that the guest was given.
    pub(super) fn bytes(&self) -> u64 {
        self.store.data().bytes
    }

    pub(super) fn keyed(&self) -> Option<&Keyed> {
        self.store.data().keyed.as_ref()
    }

    /// Give up the instance; what the host kept for it stays.
    pub(super) fn into_host(self) -> HostState {
        self.store.into_data()
    }
}
