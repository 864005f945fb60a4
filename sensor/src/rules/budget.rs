//! What one component may use. Every number has its reason here; an operator may change those of
//! [`Budget`] for a component.

pub use super::keyed::{
    BYTES_MAX as STATE_BYTES_MAX, ENTRIES_MAX as STATE_ENTRIES_MAX, StateBudget,
};

/// Time for one call of `on-event`, in milliseconds. A compiled rule takes microseconds, a slow
/// interpreter takes 14 of them; a thousand times that still keeps the event loop going.
pub const TIME_MS: u64 = 10;
/// Time for one call of `configure`, in milliseconds. It runs off the event path at load, but on it
/// when an instance is replaced, so that a crash loop costs at most
/// [`FAULTS_MAX`](super::health::FAULTS_MAX) times this in a quarantine's window.
pub const CONFIGURE_TIME_MS: u64 = 250;
/// Longest time that an operator may give to a call, in milliseconds.
pub const TIME_MS_MAX: u64 = 1_000;
/// Time that each further event adds to a call of `on-batch`, in milliseconds. Batches are for
/// compiled languages, which take microseconds for an event.
pub const BATCH_EVENT_TIME_MS: u64 = 1;
/// Events in a batch at most. A call costs some 100 ns, so that with 64 events it hardly counts;
/// with 256, measurements show that the text of a batch no longer fits the processor's nearest
/// cache.
pub const BATCH_EVENTS_MAX: usize = 64;
/// Linear memory of all of a component's core instances together, in bytes. A rule in C holds
/// 128 KiB, one in Rust 1.1 MiB, one in JavaScript (QuickJS) 1.4 MiB, before they keep anything.
pub const MEMORY_BYTES: usize = 16 << 20;
/// Fuel that stands for one millisecond where time is counted in fuel: about one unit for each
/// instruction of the guest.
pub const FUEL_PER_MS: u64 = 1_000_000;
/// Elements of all tables of a component together. A table holds function pointers, so it needs as
/// many elements as a large program has functions.
pub const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, tables and memories of one component. `wit-component` adds shims to every rule,
/// and QuickJS needs three memories; wasmtime's default of one is too few for it.
pub const INSTANCES: usize = 64;
pub const TABLES: usize = 64;
pub const MEMORIES: usize = 16;
/// Stack of a guest, in bytes.
pub const STACK_BYTES: usize = 512 << 10;

/// Largest batch, in bytes; an event that is larger comes alone. So a batch costs a guest no more
/// memory than a large event does, however many large events there are.
pub const BATCH_BYTES: usize = 256 << 10;

/// Bytes that one call may carry from the guest to the host: the hits of `on-event`, or the
/// arguments of a host function. Enough for every bound below, and not enough to hurt.
pub const CALL_BYTES: usize = 1 << 20;
/// The same for what `configure` answers: metadata of [`RULES_MAX`](super::metadata::RULES_MAX)
/// rules with a kilobyte each.
pub const CONFIGURE_BYTES: usize = 8 << 20;
/// Most hits of one component on one event.
pub const HITS_MAX: usize = 256;
/// Most tags in one hit.
pub const TAGS_MAX: usize = 32;
/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 128;
/// Longest message of an alert, in bytes: a line with a long command line in it.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// Highest severity of an alert.
pub const SEVERITY_MAX: u8 = 100;
/// Most fields in one call of `many`.
pub const MANY_FIELDS_MAX: usize = 1024;

/// Bytes of a log line.
pub const LOG_LINE_BYTES: usize = 1024;
/// Log lines that a component may write at once.
pub const LOG_LINES_BURST: u32 = 20;
/// How long a component that used them up waits for the next line, in nanoseconds.
pub const LOG_LINE_INTERVAL_NS: u64 = 1_000_000_000;

/// Sets that `make-set` keeps for an instance.
pub const SETS_MAX: usize = 64;
/// Texts in one set.
pub const SET_TEXTS_MAX: usize = 4096;
/// Text of all sets of an instance together, in bytes.
pub const SETS_BYTES_MAX: usize = 256 << 10;

/// Largest component, in bytes. The largest known toolchain (CPython) makes 18 MB.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;
/// Most code of a component, in bytes. Compiling takes some four seconds for each MiB. The largest
/// known toolchain (StarlingMonkey) makes 10 MB.
pub const CODE_BYTES_MAX: usize = 16 << 20;
/// Most code of one function, in bytes. The compiler takes 800 times as much memory; CPython's
/// largest function has 417 KiB.
pub const FUNCTION_BYTES_MAX: usize = 512 << 10;
/// Largest configuration of a component, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 64 << 10;
/// Largest state that a component may hand to its next version, in bytes.
pub const CARRY_BYTES_MAX: usize = 1 << 20;
/// What a list costs beside its bytes when it crosses.
pub const CARRY_EXTRA_BYTES: usize = 1024;
/// Time for `save-state` and for `load-state`, in milliseconds. Both run between two events.
pub const CARRY_TIME_MS: u64 = 50;
/// Most components in a set.
pub const COMPONENTS_MAX: usize = 256;

/// What an operator may give to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Time for one call of `on-event`, in milliseconds.
    pub time_ms: u64,
    /// Linear memory, in bytes.
    pub memory_bytes: usize,
    /// What it may keep in the interface `state`.
    pub state: StateBudget,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { time_ms: TIME_MS, memory_bytes: MEMORY_BYTES, state: StateBudget::default() }
    }
}
