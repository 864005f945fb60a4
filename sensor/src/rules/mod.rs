//! Rules: WebAssembly components that judge events.

pub mod build;
