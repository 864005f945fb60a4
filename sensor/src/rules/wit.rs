//! The contract of `wit/`, as Rust types.

use wasmtime::component::{ComponentType, Lift, Lower};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "batch-rule",
    imports: { default: trappable },
    additional_derives: [PartialEq],
});

pub use self::ocellus::rule::event;
pub use self::ocellus::rule::types::{
    Alert, Hit, Interest, Level, Permissions, RuleInfo, Term, Test, Verdict,
};

/// Namespace of the interfaces of the contract.
pub const PACKAGE: &str = "ocellus:rule/";
/// Version of the contract.
pub const VERSION: &str = "1.0.0";

/// A rule that wants an event: positions in the events that are shown, and in `metadata.rules`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub event: u32,
    pub rule: u32,
}

impl Candidate {
    /// As a word of `packed.batch.candidates`.
    pub fn of_word(word: u64) -> Candidate {
        Candidate { event: (word >> 32) as u32, rule: word as u32 }
    }
}

/// `carry.saved`.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Saved {
    pub version: u32,
    pub bytes: Vec<u8>,
}
