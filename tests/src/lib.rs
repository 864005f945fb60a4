//! What the end-to-end tests, the simulation and the benchmarks share.

#![forbid(unsafe_code)]

pub mod churn;
pub mod ecs;
pub mod fuzz;
pub mod guest;
pub mod history;
pub mod latency;
pub mod load;
pub mod prebuilt;
pub mod program;
pub mod workload;
