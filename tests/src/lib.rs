//! What the end-to-end tests, the simulation and the benchmarks share.

#![forbid(unsafe_code)]

pub mod churn;
pub mod ecs;
pub mod fields;
pub mod fleet;
pub mod fuzz;
pub mod golden;
pub mod guest;
pub mod history;
pub mod latency;
pub mod load;
pub mod prebuilt;
pub mod program;
pub mod receivers;
pub mod soak;
pub mod vm;
pub mod workload;
