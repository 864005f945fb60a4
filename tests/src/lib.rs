//! What the end-to-end tests, the simulation and the benchmarks share.

#![forbid(unsafe_code)]

pub mod ecs;
pub mod guest;
pub mod history;
pub mod load;
pub mod prebuilt;
pub mod program;
pub mod vm;
pub mod workload;
