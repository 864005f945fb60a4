//! The engine that compiles and runs components, and the clock that ends calls which take too long.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wasmtime::{Config, Engine, EngineWeak, Store, UpdateDeadline};

use super::budget;
use super::columns::Columns;
use super::host::HostState;

/// How the time of a call is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metering {
    /// By the clock, in ticks of a millisecond; see [`Allowance`]. For production: it costs at most
    /// 5 %.
    Epoch,
    /// By instructions, [`budget::FUEL_PER_MS`] of them for a millisecond. For tests and replay:
    /// the same call always ends at the same instruction.
    Fuel,
}

/// A tick, the unit of epoch deadlines.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a call after which the ticker sleeps. It must be longer than any call may take.
const IDLE_TICKS: u64 = 2 * budget::TIME_MS_MAX;
/// Frames of a guest's stack that a fault's detail may name.
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");

/// Compiles and runs components. Clones share one engine.
#[derive(Clone)]
pub struct RuleEngine(Arc<Inner>);

struct Inner {
    engine: Engine,
    metering: Metering,
    ticker: Option<Ticker>,
    columns: Columns,
}

impl std::fmt::Debug for RuleEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleEngine").field("metering", &self.0.metering).finish_non_exhaustive()
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("cannot run WebAssembly on this machine: {0}")]
    Unsupported(String),
    #[error("cannot start the thread that ends calls of rules which take too long")]
    Ticker(#[source] std::io::Error),
}

impl RuleEngine {
    pub fn new(metering: Metering) -> Result<RuleEngine, EngineError> {
        let engine = Engine::new(&config(metering))
            .map_err(|error| EngineError::Unsupported(format!("{error:#}")))?;
        let ticker = match metering {
            Metering::Epoch => Some(Ticker::start(&engine).map_err(EngineError::Ticker)?),
            Metering::Fuel => None,
        };
        let columns = Columns::default();
        Ok(RuleEngine(Arc::new(Inner { engine, metering, ticker, columns })))
    }

    pub(super) fn wasmtime(&self) -> &Engine {
        &self.0.engine
    }

    /// Columns that its components asked for.
    pub(super) fn columns(&self) -> &Columns {
        &self.0.columns
    }

    /// End calls into a store when their time is up.
    pub(super) fn limit(&self, store: &mut Store<HostState>) {
        if self.0.ticker.is_none() {
            return;
        }
        let engine = self.clone();
        store.epoch_deadline_callback(move |mut store| {
            engine.wake();
            let used = Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?);
            Ok(match store.data_mut().allowance.extended(used) {
                Some(ticks) => UpdateDeadline::Continue(ticks),
                None => UpdateDeadline::Interrupt,
            })
        });
    }

    /// Give the next call into a store this many milliseconds.
    pub(super) fn allow(&self, store: &mut Store<HostState>, time_ms: u64) {
        let time_ms = time_ms.min(budget::TIME_MS_MAX);
        match self.0.metering {
            Metering::Epoch => {
                self.wake();
                store.data_mut().allowance = Allowance::new(time_ms);
                store.set_epoch_deadline(Allowance::ticks(time_ms));
            }
            Metering::Fuel => store
                .set_fuel(time_ms * budget::FUEL_PER_MS)
                .expect("fuel is on in an engine that counts it"),
        }
    }

    /// Fuel that the last call into a store took, of this many milliseconds; 0 where time is
    /// measured by the clock.
    pub(super) fn spent(&self, store: &Store<HostState>, time_ms: u64) -> u64 {
        if self.0.metering == Metering::Epoch {
            return 0;
        }
        let allowed = time_ms.min(budget::TIME_MS_MAX) * budget::FUEL_PER_MS;
        store.get_fuel().map_or(0, |left| allowed - left)
    }

    /// Processor time of this thread, where time is measured by the clock; else always the same, so
    /// that a replay in fuel does not depend on the machine.
    pub(super) fn used(&self) -> Duration {
        match self.0.metering {
            Metering::Epoch => {
                clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Into::into)
            }
            Metering::Fuel => Duration::ZERO,
        }
    }

    fn wake(&self) {
        if let Some(ticker) = &self.0.ticker {
            ticker.wake();
        }
    }
}

/// What is left of the time of a call.
///
/// The first deadline is wall time, because asking for more than that at each call would cost as
/// much as a fast call does. But on a busy host the thread may have waited for the processor all
/// the while. So a call that reaches its deadline is only then put on the clock of its thread, for
/// the same time once more. It ends after one to two times its budget of processor time, and never
/// before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    time_ms: u64,
    /// Processor time of the thread when the first deadline was reached.
    measured_from: Option<Duration>,
}

impl Allowance {
    fn new(time_ms: u64) -> Allowance {
        Allowance { time_ms, measured_from: None }
    }

    pub(super) fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// At a deadline: how many ticks the call gets until the next one; none when its time is up.
    /// `used` is the processor time of the thread.
    fn extended(&mut self, used: Duration) -> Option<u64> {
        let from = *self.measured_from.get_or_insert(used);
        let left = Duration::from_millis(self.time_ms).saturating_sub(used.saturating_sub(from));
        (!left.is_zero()).then(|| Allowance::ticks(left.as_millis() as u64))
    }

    /// Ticks that last at least so long: the current one has begun already.
    fn ticks(time_ms: u64) -> u64 {
        time_ms + 1
    }
}

fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .max_wasm_stack(budget::STACK_BYTES)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES))
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        // Nothing unwinds through a guest's frames but wasmtime's own backtrace.
        .native_unwind_info(false);
    match metering {
        Metering::Epoch => config.epoch_interruption(true),
        Metering::Fuel => config.consume_fuel(true),
    };
    config
}

/// A thread that advances the engine's epoch while calls are made, and sleeps otherwise, so that an
/// idle sensor does not wake a thousand times a second.
struct Ticker {
    state: Arc<TickerState>,
    thread: Thread,
}

#[derive(Default)]
struct TickerState {
    /// A call was made since the last tick.
    used: AtomicBool,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    fn start(engine: &Engine) -> std::io::Result<Ticker> {
        let state = Arc::new(TickerState::default());
        let (weak, shared) = (engine.weak(), state.clone());
        let thread = thread::Builder::new()
            .name("rule-ticker".into())
            .spawn(move || tick(&weak, &shared))?;
        Ok(Ticker { state, thread: thread.thread().clone() })
    }

    /// To be called before each call into a guest.
    fn wake(&self) {
        // Either this store is seen by the ticker's last look before it sleeps, or `asleep` is seen
        // here: both are sequentially consistent. A flag that is already up needs no store, because
        // the ticker runs for IDLE_TICKS after it takes it down, longer than the call may take.
        if !self.state.used.load(Ordering::Relaxed) {
            self.state.used.store(true, Ordering::SeqCst);
        }
        if self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &EngineWeak, state: &TickerState) {
    // Asleep until the first call.
    let mut idle_ticks = IDLE_TICKS;
    while !state.stop.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        idle_ticks = if state.used.swap(false, Ordering::SeqCst) { 0 } else { idle_ticks + 1 };
        if idle_ticks >= IDLE_TICKS {
            state.asleep.store(true, Ordering::SeqCst);
            while !state.used.load(Ordering::SeqCst) && !state.stop.load(Ordering::SeqCst) {
                thread::park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            idle_ticks = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_a_call_waited_for_the_processor_does_not_count() {
        let mut allowance = Allowance::new(10);
        let at = |ms| Duration::from_millis(ms);
        // The first deadline: from here on processor time counts.
        assert_eq!(allowance.extended(at(500)), Some(11));
        assert_eq!(allowance.extended(at(500)), Some(11));
        assert_eq!(allowance.extended(at(503)), Some(8));
        assert_eq!(allowance.extended(at(509)), Some(2));
        assert_eq!(allowance.extended(at(510)), None);
        assert_eq!(allowance.extended(at(900)), None);
    }

    #[test]
    fn the_ticker_ends_with_its_engine() {
        let engine = RuleEngine::new(Metering::Epoch).unwrap();
        let state = engine.0.ticker.as_ref().unwrap().state.clone();
        assert_eq!(Arc::strong_count(&state), 3, "the engine, its thread, and this test");
        drop(engine);
        while Arc::strong_count(&state) > 1 {
            thread::yield_now();
        }
    }

    #[test]
    fn the_ticker_outlasts_the_longest_call() {
        assert!(IDLE_TICKS > Allowance::ticks(budget::TIME_MS_MAX));
    }
}
