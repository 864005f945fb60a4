//! What the end-to-end tests, the simulation and the benchmarks share.

#![forbid(unsafe_code)]

pub mod binary;
pub mod ecs;
pub mod guest;
pub mod history;
pub mod program;
pub mod workload;
