//! Virtual machines for tests and measurements: kernels of the distribution, booted by qemu in
//! software emulation from an initramfs that holds what was built here.
//!
//! A guest's files lie where they lie on this host, so that a test finds there what it was built to
//! look for. What a guest is to do is a shell script; what it leaves in `/out` comes back.

mod architecture;
mod archive;
mod image;
mod kernels;
mod machine;

pub use architecture::Architecture;
pub use archive::Archive;
pub use image::Image;
pub use kernels::{Kernel, Series, fetch};
pub use machine::{Boot, Ran};

use std::io;
use std::process::Command;

/// Runs a command to its end, and gives what it wrote. An error names the program that is missing,
/// or quotes what it said.
pub fn output_of(command: &mut Command) -> io::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        let words = match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{name} is missing: `.ci/setup kernels` installs it")
            }
            _ => format!("{name}: {error}"),
        };
        io::Error::new(error.kind(), words)
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{name} failed ({}): {}", output.status, words.trim())))
}
