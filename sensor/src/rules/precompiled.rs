//! The one place that takes machine code from a file.
#![allow(unsafe_code, reason = "wasmtime offers no safe way to load code that it compiled before")]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes that this user, or root, wrote into a cache that nobody else can write to, and that have
/// not changed since. Only [`cache`](super::cache) makes one.
pub(super) struct TrustedCode<'a>(&'a [u8]);

impl<'a> TrustedCode<'a> {
    /// The caller answers for where the bytes come from: they run as machine code of the sensor.
    pub(super) fn new(bytes: &'a [u8]) -> TrustedCode<'a> {
        TrustedCode(bytes)
    }

    /// Take the code over. An error when it is not code of this version and configuration.
    pub(super) fn load(self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` asks that the bytes come from `Component::serialize` of wasmtime,
        // unaltered. They come from a file that `Cache::put` wrote from that very function; the
        // cache reads it through a descriptor of which it checked that the file, and the directory
        // that holds it, belong to root or to this user and cannot be written by anyone else, and
        // that a SHA-256 over the bytes, written with them, still fits. Whoever could forge such a
        // file could as well replace the sensor. Version and configuration of the engine are part
        // of the file's name, and wasmtime checks them again.
        unsafe { Component::deserialize(engine, self.0) }
    }
}
