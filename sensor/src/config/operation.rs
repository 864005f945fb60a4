//! Configuration of what operators see of the sensor and do with it.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path_or_off;
use crate::redact::{self, PatternError, Redactor};
use crate::throttle::{Limits, Rate};

/// The control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Where it is; `false`: there is none.
    #[serde(with = "path_or_off")]
    #[schemars(with = "path_or_off::PathOrSwitch")]
    pub socket: Option<PathBuf>,
    /// Group whose members may read what `ocellus status` shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Default for Control {
    fn default() -> Control {
        Control { socket: Some(PathBuf::from(crate::control::DEFAULT_SOCKET)), group: None }
    }
}

/// The metrics page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Loopback address and port of `/metrics` and `/healthz`; not given: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// What the sensor gives up once its probes are attached. A switch is for finding out whether a
/// trouble comes from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Privileges {
    /// Give up capabilities.
    pub capabilities: bool,
    /// Allow only the system calls that are needed.
    pub seccomp: bool,
    /// Write only where the configuration says, where the kernel has Landlock.
    pub landlock: bool,
}

impl Default for Privileges {
    fn default() -> Privileges {
        Privileges { capabilities: true, seccomp: true, landlock: true }
    }
}

/// The delivery self-test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelfTest {
    /// Time between two tests, in seconds; 0 switches them off.
    pub interval_s: u64,
    /// Time within which the event must have reached each output, in seconds.
    pub timeout_s: u64,
}

impl Default for SelfTest {
    fn default() -> SelfTest {
        SelfTest { interval_s: 300, timeout_s: 30 }
    }
}

/// Events that are too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Throttle {
    /// Events a second of one process tree, in the long run; 0 is no limit.
    pub tree_rate: u32,
    /// Events of one tree that may come at once.
    pub tree_burst: u32,
    /// Events a second of all together; 0 is no limit.
    pub global_rate: u32,
    /// Events of all that may come at once.
    pub global_burst: u32,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle { tree_rate: 0, tree_burst: 10_000, global_rate: 0, global_burst: 50_000 }
    }
}

impl Throttle {
    pub fn limits(&self) -> Limits {
        let rate = |per_second, burst| (per_second > 0).then_some(Rate { per_second, burst });
        Limits {
            tree: rate(self.tree_rate, self.tree_burst),
            global: rate(self.global_rate, self.global_burst),
        }
    }
}

/// Secrets in arguments and environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redact {
    /// Replace what commonly is a secret.
    pub defaults: bool,
    /// Regular expressions over the arguments, or the environment, joined by NULs.
    pub patterns: Vec<String>,
}

impl Default for Redact {
    fn default() -> Redact {
        Redact { defaults: true, patterns: Vec::new() }
    }
}

impl Redact {
    /// The patterns, compiled.
    pub fn redactor(&self) -> Result<Redactor, PatternError> {
        let common: &[&str] = if self.defaults { &redact::DEFAULTS } else { &[] };
        let own = self.patterns.iter().map(String::as_str);
        Redactor::new(common.iter().copied().chain(own))
    }
}
