//! Giving up, once the probes are attached, all that the sensor does not need any more.
//!
//! Capabilities and Landlock belong to a thread and to those that it starts, which makes two
//! domains of one process:
//!
//! - the **readers** (hash threads and the one that reads /proc) keep CAP_SYS_PTRACE and
//!   CAP_DAC_READ_SEARCH: without them, files and facts of other users are closed. Landlock would
//!   take the first away from them, so they have none;
//! - the **loop** and whatever else it starts (rules, outputs, name look-ups, control socket) has
//!   no capability, writes only where it was configured to write, and cannot open a port.
//!
//! For all of them: no new privileges, no core dumps, and only the system calls of
//! [`filter`](self), among which there is none that starts a program.

mod capabilities;
mod confine;
mod filter;
mod needs;

pub use capabilities::Capability;
pub use confine::{confine_loop, confine_process};
pub use filter::without_files;
pub use needs::Needs;

/// Gives up all capabilities, and the way to new ones, as far as that can be done: for a process
/// that needs none.
pub fn give_up_everything() {
    // Who has no capability to begin with may not be able to drop one; that is as good.
    let _ = nix::sys::prctl::set_no_new_privs();
    let _ = capabilities::keep(&[]);
}
