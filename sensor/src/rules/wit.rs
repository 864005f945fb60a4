//! The contract of `wit/`, as Rust types.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "rule",
    imports: { default: trappable },
});

pub use self::ocellus::rule::event;
pub use self::ocellus::rule::types::{
    Alert, Interest, Level, Permissions, RuleInfo, Term, Test, Verdict,
};

/// Namespace of the interfaces that a component may import.
pub const PACKAGE: &str = "ocellus:rule/";
/// Version of the contract.
pub const VERSION: &str = "0.1.0";
