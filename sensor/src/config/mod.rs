//! What an operator can set: a TOML file, over it the command line's flags.
//!
//! Every key has a default, so that an empty file is a whole configuration. The file with all of
//! them, explained, is `examples/ocellus.toml`.

mod bucket;
mod change;
mod check;
mod layers;
mod load;
mod operation;
mod output;
mod path_or_off;
mod schema;
mod size_or_off;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actions::Actions;
use crate::aggregate::Policy;
use crate::backend::IdProbes;
use crate::bytesize::ByteSize;
use crate::digest::HashSettings;
use crate::rules::signature::{self, ALLOWED_DIGESTS_MAX, SignaturePolicy, TRUSTED_KEYS_MAX};
use crate::rules::{self, Mode, Permissions};

pub use bucket::RuleBucket;
pub use change::{Watch, changed_keys, take_over};
pub use layers::{Layered, Origin, path_of};
pub use load::{ConfigError, nearest};
pub use operation::{Control, Metrics, Privileges, Redact, SelfTest, Throttle};
pub use output::{Kind as OutputKind, Output, Outputs, Rotate, Spool};
pub use schema::schema;

/// Where `ocellus run` looks for a configuration when none is named.
pub const DEFAULT_PATH: &str = "/etc/ocellus/ocellus.toml";

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub capture: Capture,
    pub aggregate: Aggregate,
    pub process: Process,
    pub hash: HashSettings,
    pub container: Container,
    pub host: Host,
    pub ecs: Ecs,
    pub rules: Rules,
    pub redact: Redact,
    pub throttle: Throttle,
    pub output: Outputs,
    pub control: Control,
    pub metrics: Metrics,
    pub self_test: SelfTest,
    pub privileges: Privileges,
    pub log: Log,
}

/// How raw events are taken from the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    pub backend: Backend,
    /// A file with the BTF of this kernel, for one that does not offer its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub btf: Option<PathBuf>,
    /// ByteSize of the ring between kernel and sensor.
    pub ring_bytes: ByteSize,
    /// Bytes of a process's arguments that are taken; what is longer is cut and marked.
    pub args_max: ByteSize,
    /// Bytes of its environment; none leaves the environment alone, as it often holds secrets.
    #[serde(with = "size_or_off")]
    #[schemars(with = "size_or_off::SizeOrSwitch")]
    pub env: Option<ByteSize>,
    /// Changes of credentials, sessions, process groups and names.
    pub ids: IdProbes,
    /// Report the processes that run when the sensor starts.
    pub snapshot: bool,
}

/// Where raw events come from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// eBPF, or kernel probes where the kernel refuses it.
    #[default]
    Auto,
    /// eBPF, or nothing.
    Ebpf,
    /// Kernel probes through tracefs, without BPF.
    Kprobe,
}

/// How raw events of one process become one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aggregate {
    /// How long a raw event waits for those that merge with it, and for those that the kernel hands
    /// over late.
    pub hold_ms: u64,
    pub policy: Policy,
}

/// The process table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// Processes that the table holds; beyond that, the ones that exited first are forgotten early.
    pub max: u32,
    /// How long an exited process stays known to its children.
    pub grace_ms: u64,
    /// Generations in `ocellus.ancestors.*`.
    pub ancestors: u32,
}

/// What is said about containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Container {
    /// Look up names and images in the files that the runtimes keep.
    pub names: bool,
    /// Where those files are looked for.
    pub root: PathBuf,
}

/// What the sensor says about the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// `host.name`, in place of the host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How events are put into words of ECS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ecs {
    pub actions: Actions,
}

/// The rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Directory of components; without one, events are delivered as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// A bucket in NATS with the rules of a fleet; those in `dir` win over those of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<RuleBucket>,
    /// Directory for compiled code. It must belong to the sensor's user, and nobody else may write
    /// to it.
    pub cache_dir: PathBuf,
    /// Time for one call of a rule.
    pub time_ms: u64,
    /// Memory of one component.
    pub memory: ByteSize,
    /// What one component may keep in the interface `state`: keys, and bytes.
    pub state_entries: usize,
    pub state: ByteSize,
    /// Public keys whose signatures are trusted: the second lines of minisign's `.pub` files.
    pub trusted_keys: Vec<String>,
    /// SHA-256 of components, in hex, that need no signature.
    pub allowed_digests: Vec<String>,
    /// Load only what a trusted key has signed, or an allowed digest names.
    pub require_signature: bool,
    /// What differs for one component, by the name of its file without `.wasm`.
    pub component: BTreeMap<String, Component>,
    /// What differs for one rule, by its id; it wins over what holds for its component.
    pub rule: BTreeMap<String, Rule>,
}

/// What an operator sets for one rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What the rule may do; not given, what its component may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
}

/// What an operator sets for one component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Component {
    pub mode: Mode,
    /// What its rules may do; not given, all verdicts that they ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// Not given: what holds for all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_entries: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ByteSize>,
}

/// What a rule may do with an event, and see of it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    Tag,
    Alert,
    Drop,
    Environment,
}

impl Rules {
    /// The directories that rules are loaded from, the one that wins first.
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.dir.iter().chain(self.nats.as_ref().map(|nats| &nats.dir)).cloned().collect()
    }

    /// What the operator decides about components and rules.
    pub fn operator(&self) -> rules::OperatorSettings {
        let own = |(name, component): (&String, _)| (name.clone(), self.settings(component));
        let of_rule = |rule: &Rule| rules::RuleSettings {
            mode: rule.mode,
            permissions: rule.permissions.as_deref().map(granted),
        };
        rules::OperatorSettings {
            common: self.settings(&Component::default()),
            components: self.component.iter().map(own).collect(),
            rules: self.rule.iter().map(|(id, rule)| (id.clone(), of_rule(rule))).collect(),
        }
    }

    /// Who may vouch for components. An error names the key, and says what is wrong.
    pub fn policy(&self) -> Result<SignaturePolicy, (&'static str, String)> {
        let trusted = |what| ("rules.trusted_keys", what);
        let allowed = |what| ("rules.allowed_digests", what);
        let (keys, digests) = (&self.trusted_keys, &self.allowed_digests);
        if keys.len() > TRUSTED_KEYS_MAX {
            return Err(trusted(format!("there are more than {TRUSTED_KEYS_MAX}")));
        }
        if digests.len() > ALLOWED_DIGESTS_MAX {
            return Err(allowed(format!("there are more than {ALLOWED_DIGESTS_MAX}")));
        }
        if self.require_signature && keys.is_empty() && digests.is_empty() {
            let what = "no rule could be loaded: name keys in `rules.trusted_keys`, or digests in \
                        `rules.allowed_digests`";
            return Err(("rules.require_signature", what.to_owned()));
        }
        Ok(SignaturePolicy {
            keys: keys.iter().map(|key| key.parse().map_err(trusted)).collect::<Result<_, _>>()?,
            digests: digests
                .iter()
                .map(|digest| signature::read_digest(digest).map_err(allowed))
                .collect::<Result<_, _>>()?,
            required: self.require_signature,
        })
    }

    fn settings(&self, component: &Component) -> rules::Settings {
        let permissions = component.permissions.as_deref().map_or(Permissions::VERDICTS, granted);
        let bytes = |size: ByteSize| usize::try_from(size.0).unwrap_or(usize::MAX);
        let budget = rules::budget::Budget {
            time_ms: component.time_ms.unwrap_or(self.time_ms),
            memory_bytes: bytes(component.memory.unwrap_or(self.memory)),
            state: rules::budget::StateBudget {
                entries: component.state_entries.unwrap_or(self.state_entries),
                bytes: bytes(component.state.unwrap_or(self.state)),
            },
        };
        rules::Settings { mode: component.mode, permissions, budget }
    }
}

fn granted(permissions: &[Permission]) -> Permissions {
    let has = |permission| permissions.contains(&permission);
    Permissions {
        tag: has(Permission::Tag),
        alert: has(Permission::Alert),
        drop: has(Permission::Drop),
        environment: has(Permission::Environment),
    }
}

/// The sensor's own log, on standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub level: Level,
}

/// Which log lines are written.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Unintended loss, or the sensor stops.
    Error,
    /// Something is degraded.
    Warn,
    /// Life cycle.
    #[default]
    Info,
    Debug,
    Trace,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

impl Default for Capture {
    fn default() -> Capture {
        Capture {
            backend: Backend::default(),
            btf: None,
            ring_bytes: ByteSize(8 << 20),
            args_max: ByteSize(32 << 10),
            env: None,
            ids: IdProbes::default(),
            snapshot: true,
        }
    }
}

impl Default for Aggregate {
    fn default() -> Aggregate {
        Aggregate { hold_ms: 50, policy: Policy::default() }
    }
}

impl Default for Process {
    fn default() -> Process {
        Process { max: 65_536, grace_ms: 4_000, ancestors: 8 }
    }
}

impl Default for Container {
    fn default() -> Container {
        Container { names: true, root: PathBuf::from("/") }
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            dir: None,
            nats: None,
            cache_dir: PathBuf::from("/var/cache/ocellus"),
            time_ms: 10,
            memory: ByteSize(16 << 20),
            state_entries: 16_384,
            state: ByteSize(4 << 20),
            trusted_keys: Vec::new(),
            allowed_digests: Vec::new(),
            require_signature: false,
            component: BTreeMap::new(),
            rule: BTreeMap::new(),
        }
    }
}
