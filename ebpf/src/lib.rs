//! The kernel probes of Ocellus: the compiled object, and the record that it writes as safe Rust.
//!
//! The probes are C, in `bpf/`, because Rust does not emit CO-RE relocations. `bpf/abi.h` fixes the
//! record and [`abi`] mirrors it. Loading the object is the sensor's business.

#![forbid(unsafe_code)]

pub mod abi;
pub mod btf;
mod layout;

/// An ELF parser reads the object in place, so it is aligned as its headers are.
#[repr(C, align(8))]
struct Aligned<Bytes: ?Sized>(Bytes);

static OBJECT: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/ocellus.bpf.o")));

/// The compiled probes: an ELF object for BPF, aligned to eight bytes.
pub fn object() -> &'static [u8] {
    &OBJECT.0
}
