//! What the sensor's own process uses.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// Resources of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub resident_bytes: u64,
    /// Processor time in user and kernel mode, of all threads.
    pub cpu_s: f64,
    pub open_files: u64,
    pub threads: u64,
}

impl Usage {
    /// As the kernel has it now; what cannot be read is 0.
    pub fn read() -> Usage {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let cpu_s = getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
            let (user, system) = (usage.user_time(), usage.system_time());
            (user.tv_sec() + system.tv_sec()) as f64
                + (user.tv_usec() + system.tv_usec()) as f64 / 1e6
        });
        Usage {
            resident_bytes: number("VmRSS:") * 1024,
            cpu_s,
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |list| list.count() as u64),
            threads: number("Threads:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_something_of_everything() {
        let usage = Usage::read();
        assert!(usage.resident_bytes > 4096 && usage.open_files > 2 && usage.threads > 0);
        assert!(usage.cpu_s >= 0.0);
    }
}
