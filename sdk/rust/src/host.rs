//! The host interface: the sensor in a component, a stand-in in native tests.

#[cfg(target_arch = "wasm32")]
mod sensor;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod stand_in;

#[cfg(target_arch = "wasm32")]
pub(crate) use sensor::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use stand_in::*;
