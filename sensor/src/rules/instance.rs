//! One running component: a store of its own, and how a fresh one is made when it fails.

use std::sync::Arc;

use wasmtime::Store;

use super::budget::{self, Budget};
use super::engine::RuleEngine;
use super::fault::Failure;
use super::host::HostState;
use super::wit;
use crate::event::Event;

/// All that is needed to start an instance of a component, again and again.
#[derive(Clone)]
pub(super) struct Blueprint {
    pub engine: RuleEngine,
    /// The component with its imports resolved.
    pub component: wit::RulePre<HostState>,
    pub name: Arc<str>,
    /// What `configure` is given.
    pub config: Box<str>,
    pub budget: Budget,
}

/// A live instance.
pub(super) struct Instance {
    store: Store<HostState>,
    guest: wit::Rule,
    fuel: u64,
}

/// What `configure` answered.
pub(super) enum Configured {
    Metadata(wit::Metadata),
    /// The guest's own words for why it cannot start.
    Refused(String),
}

impl Blueprint {
    /// Make a fresh instance and configure it.
    pub(super) fn start(&self) -> Result<(Instance, Configured), Failure> {
        let state = HostState::new(self.name.clone(), self.budget.memory_bytes);
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| &mut state.limits);
        self.engine.limit(&mut store);
        store.set_hostcall_fuel(budget::CONFIGURE_BYTES);
        // Instantiation may run code of the guest, so it falls under the same deadline.
        self.engine.allow(&mut store, budget::CONFIGURE_TIME_MS);
        let guest = match self.component.instantiate(&mut store) {
            Ok(guest) => guest,
            Err(error) => return Err(Failure::of(&error, &mut store)),
        };
        let configured = match guest.call_configure(&mut store, &self.config) {
            Ok(Ok(metadata)) => Configured::Metadata(metadata),
            Ok(Err(why)) => Configured::Refused(why),
            Err(error) => return Err(Failure::of(&error, &mut store)),
        };
        store.set_hostcall_fuel(budget::CALL_BYTES);
        Ok((Instance { store, guest, fuel: 0 }, configured))
    }
}

impl Instance {
    /// Let the guest judge an event. After a failure the instance must not be used again.
    pub(super) fn judge(
        &mut self,
        engine: &RuleEngine,
        budget: &Budget,
        event: &Arc<Event>,
        now_ns: u64,
    ) -> Result<Vec<wit::Hit>, Failure> {
        engine.allow(&mut self.store, budget.time_ms);
        self.store.data_mut().begin(event.clone(), now_ns);
        let result = self.guest.call_on_event(&mut self.store);
        self.store.data_mut().end();
        self.fuel += engine.spent(&self.store, budget.time_ms);
        result.map_err(|error| Failure::of(&error, &mut self.store))
    }

    /// Fuel that its calls took since this was last asked.
    pub(super) fn take_fuel(&mut self) -> u64 {
        std::mem::take(&mut self.fuel)
    }

    /// Linear memory that the guest holds, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.store.data().limits.memory_bytes()
    }

    pub(super) fn log_lines_suppressed(&self) -> u64 {
        self.store.data().log_lines_suppressed()
    }
}
