<<<<<<< HEAD
//! What the end-to-end tests, the simulation and the benchmarks share.

#![forbid(unsafe_code)]

pub mod workload;
=======
//! What the end-to-end tests share.

#![forbid(unsafe_code)]

pub mod guest;
>>>>>>> rules
