//! How a component fails.

use std::fmt;
use std::sync::Arc;

use wasmtime::{Store, Trap, WasmBacktrace};

use super::host::{HostState, Misuse};

/// Longest detail of a fault, in bytes.
const DETAIL_BYTES_MAX: usize = 512;
/// Functions of the guest that a detail names.
const DETAIL_FRAMES: usize = 3;

/// One failure of a component. The event that it was judging passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the component.
    pub component: Arc<str>,
    pub cause: FaultCause,
    pub detail: String,
    /// Set when this fault put the component into quarantine: until when, in the time that
    /// [`RuleSet::judge`](super::RuleSet::judge) is given.
    pub quarantined_until_ns: Option<u64>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultCause {
    /// The guest ended itself: a panic, an access outside its memory, a stack that is too deep.
    Trap,
    /// It took longer than its budget allows.
    Time,
    /// It wanted more memory than its budget allows.
    Memory,
    /// What it answered, or handed to the host, breaks the contract or a bound.
    Output,
}

impl FaultCause {
    pub const ALL: [FaultCause; 4] =
        [FaultCause::Trap, FaultCause::Time, FaultCause::Memory, FaultCause::Output];

    pub fn name(self) -> &'static str {
        match self {
            FaultCause::Trap => "trap",
            FaultCause::Time => "time",
            FaultCause::Memory => "memory",
            FaultCause::Output => "output",
        }
    }
}

impl fmt::Display for FaultCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultCause::Trap => "trapped",
            FaultCause::Time => "took too long",
            FaultCause::Memory => "wanted too much memory",
            FaultCause::Output => "broke the contract",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the component `{}` {}: {}", self.component, self.cause, self.detail)?;
        if self.quarantined_until_ns.is_some() {
            f.write_str("; it is in quarantine")?;
        }
        Ok(())
    }
}

/// A fault before it is known which component has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {detail}")]
pub(super) struct Failure {
    pub cause: FaultCause,
    pub detail: String,
}

impl Failure {
    pub(super) fn output(detail: impl Into<String>) -> Failure {
        Failure { cause: FaultCause::Output, detail: detail.into() }
    }

    /// What an error of a call, or of instantiation, means.
    pub(super) fn of(error: &wasmtime::Error, store: &mut Store<HostState>) -> Failure {
        let refused = store.data_mut().limits.take_refused();
        let trap = error.downcast_ref::<Trap>();
        let cause = match trap {
            Some(Trap::Interrupt | Trap::OutOfFuel) => FaultCause::Time,
            _ if refused => FaultCause::Memory,
            Some(_) => FaultCause::Trap,
            None => FaultCause::Output,
        };
        let mut detail = match (error.downcast_ref::<Misuse>(), trap) {
            (Some(misuse), _) => misuse.to_string(),
            (None, Some(Trap::Interrupt)) => {
                format!("it was interrupted after {} ms", store.data().allowance.time_ms())
            }
            (None, Some(trap)) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
            (None, None) => error.root_cause().to_string(),
        };
        if let Some(place) = error.downcast_ref::<WasmBacktrace>().and_then(place) {
            detail = format!("{detail}, in {place}");
        }
        truncate(&mut detail);
        Failure { cause, detail }
    }
}

/// The innermost functions of the guest, if it names them.
fn place(backtrace: &WasmBacktrace) -> Option<String> {
    let names: Vec<_> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(DETAIL_FRAMES)
        .map(|name| format!("`{}`", name.escape_debug()))
        .collect();
    (!names.is_empty()).then(|| names.join(" called by "))
}

fn truncate(detail: &mut String) {
    if detail.len() > DETAIL_BYTES_MAX {
        let end = detail.floor_char_boundary(DETAIL_BYTES_MAX);
        detail.truncate(end);
        detail.push('…');
    }
}
