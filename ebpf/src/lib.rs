//! The kernel probes of Ocellus: the record that they write, as safe Rust.
//!
//! The C side is in `bpf/`; `bpf/abi.h` fixes the record, [`abi`] mirrors it.

#![forbid(unsafe_code)]

pub mod abi;
mod layout;
