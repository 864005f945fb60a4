//! From the bytes of a component to one that is ready to judge. Nothing here runs on the event
//! path: a large component takes seconds to compile.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wasmtime::component::{Component, Linker};

use super::budget::{
    Budget, CODE_BYTES_MAX, COMPONENT_BYTES_MAX, CONFIG_BYTES_MAX, FUNCTION_BYTES_MAX,
};
use super::cache::Cache;
use super::contract;
use super::engine::RuleEngine;
use super::fault::FaultCause;
use super::host::{self, HostState};
use super::instance::{Blueprint, Configured, Instance, NoStart};
use super::interest::Interests;
use super::metadata::{self, Permissions, RuleInfo};
use super::signature::{SignaturePolicy, Voucher};
use super::{World, size, wasi, wit};
use crate::digest::hasher::sha256;
use crate::digest::hex;

/// Whether a component's verdicts count.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Active,
    /// It judges, and its verdicts are counted, but they change nothing.
    Shadow,
    /// It is loaded, but not called.
    Off,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Active => "active",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        }
    }
}

/// What the operator decides about a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub mode: Mode,
    /// What its rules may do, if they ask for it.
    pub permissions: Permissions,
    pub budget: Budget,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Active,
            permissions: Permissions::VERDICTS,
            budget: Budget::default(),
        }
    }
}

/// What the operator decides about one rule; it wins over what holds for its component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleSettings {
    pub mode: Option<Mode>,
    /// What the rule may do, if it asks for it. The environment is a matter of the component.
    pub permissions: Option<Permissions>,
}

/// All that the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorSettings {
    /// For components that have none of their own.
    pub common: Settings,
    /// Of single components, by name.
    pub components: BTreeMap<String, Settings>,
    /// Of single rules, by id.
    pub rules: BTreeMap<String, RuleSettings>,
}

impl OperatorSettings {
    fn component(&self, name: &str) -> Settings {
        *self.components.get(name).unwrap_or(&self.common)
    }

    /// Whether the verdicts of a component count.
    pub(super) fn mode(&self, component: &str) -> Mode {
        self.component(component).mode
    }

    /// The mode of a rule, if it is to have one of its own.
    pub(super) fn mode_of_rule(&self, id: &str) -> Option<Mode> {
        self.rules.get(id).and_then(|rule| rule.mode)
    }

    /// Whether a component with these rules is loaded the same by both. Modes are no matter of
    /// loading.
    pub(super) fn agree(
        &self,
        other: &OperatorSettings,
        component: &str,
        rules: &[Arc<str>],
    ) -> bool {
        let permitted = |of: &OperatorSettings, id: &Arc<str>| {
            of.rules.get(&**id).and_then(|rule| rule.permissions)
        };
        let (this, that) = (self.component(component), other.component(component));
        (this.permissions, this.budget) == (that.permissions, that.budget)
            && rules.iter().all(|id| permitted(self, id) == permitted(other, id))
    }
}

/// Why a component was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the file is empty")]
    Empty,
    #[error("the file ends too early; it may be incomplete")]
    Truncated,
    #[error("it is not WebAssembly")]
    NotWasm,
    #[error("it is WebAssembly in text form; build it into a binary component first")]
    TextFormat,
    #[error(
        "it is a core module, not a component; make a component of it, for example with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("it is WebAssembly of a version that this sensor does not know: {version:02x?}")]
    UnknownFormat { version: [u8; 4] },
    #[error("it has more than {} MiB, the most allowed", COMPONENT_BYTES_MAX >> 20)]
    TooLarge,
    #[error("it has more than {} MiB of code, the most allowed", CODE_BYTES_MAX >> 20)]
    CodeTooLarge,
    #[error(
        "function {index} of one of its modules has {} KiB of code; at most {}",
        bytes >> 10,
        FUNCTION_BYTES_MAX >> 10
    )]
    FunctionTooLarge { index: usize, bytes: usize },
    #[error("its configuration has more than {} KiB, the most allowed", CONFIG_BYTES_MAX >> 10)]
    ConfigTooLarge,
    #[error("it does not compile: {0}")]
    Compile(String),
    #[error(
        "it imports `{name}`, which the sensor does not offer; a rule may import `ocellus:rule/*`, \
         and those parts of WASI 0.2 that toolchains need, which do nothing"
    )]
    ForeignImport { name: String },
    #[error(
        "it was built for another version of the contract (`{name}`), this sensor offers {}; build \
         it anew with `ocellus rules build` and the SDK of this version",
        wit::VERSION
    )]
    OtherVersion { name: String },
    #[error(
        "it is a component of another world: a rule exports `{missing}`, this exports {}",
        listed(found)
    )]
    OtherWorld { missing: &'static str, found: Vec<String> },
    #[error("it exports both `on-event` and `on-batch`; a component implements one world")]
    BothWorlds,
    #[error("its imports or exports do not have the types of the contract: {0}")]
    OtherTypes(String),
    #[error("it {cause} while it was started and configured: {detail}")]
    Fault { cause: FaultCause, detail: String },
    #[error("its `configure` refused: {0:?}")]
    Refused(String),
    #[error("its metadata is wrong: {0}")]
    Metadata(String),
}

impl From<NoStart> for LoadError {
    fn from(why: NoStart) -> LoadError {
        match why {
            NoStart::Failed(failure) => {
                LoadError::Fault { cause: failure.cause, detail: failure.detail }
            }
            NoStart::Types(error) => LoadError::OtherTypes(shortened(&format!("{error:#}"))),
        }
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN_MAX: usize = 5;
    if names.is_empty() {
        return "nothing".into();
    }
    let shown: Vec<_> = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Turns bytes into components that are ready to judge.
#[derive(Clone)]
pub struct Loader {
    engine: RuleEngine,
    linker: Linker<HostState>,
    cache: Option<Arc<Cache>>,
    settings: Arc<OperatorSettings>,
    policy: Arc<SignaturePolicy>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("engine", &self.engine)
            .field("cache", &self.cache)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A component that is compiled, checked, started and configured.
pub struct Prepared {
    pub(super) blueprint: Blueprint,
    pub(super) instance: Instance,
    pub(super) rules: Vec<Arc<RuleInfo>>,
    /// What each rule wants to see.
    pub(super) interests: Vec<Interests>,
    pub(super) settings: Settings,
    /// Those of its rules are among them.
    pub(super) operator: Arc<OperatorSettings>,
    pub(super) digest: String,
    /// Who vouches for it, if anybody does.
    pub(super) voucher: Option<Voucher>,
    pub(super) from_cache: bool,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("name", &self.blueprint.name)
            .field("digest", &self.digest)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Prepared {
    pub fn name(&self) -> &str {
        &self.blueprint.name
    }

    pub fn rules(&self) -> &[Arc<RuleInfo>] {
        &self.rules
    }

    /// The world of the contract that it implements.
    pub fn world(&self) -> World {
        self.blueprint.exports.world
    }

    /// Whether it hands its memory to its next version.
    pub fn carries_state(&self) -> bool {
        self.blueprint.exports.carry.is_some()
    }

    /// SHA-256 of the component, lower-case hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether the cache had its compiled code.
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    pub fn mode(&self) -> Mode {
        self.settings.mode
    }
}

impl Loader {
    /// A loader without a cache, for which default settings hold.
    ///
    /// # Panics
    /// If two host functions have the same name, which is a bug here.
    pub fn new(engine: RuleEngine) -> Loader {
        let mut linker = Linker::new(engine.wasmtime());
        host::add_to_linker(&mut linker).expect("the host's functions have distinct names");
        Loader { engine, linker, cache: None, settings: Arc::default(), policy: Arc::default() }
    }

    /// Keep compiled code in a cache.
    #[must_use]
    pub fn with_cache(mut self, cache: impl Into<Arc<Cache>>) -> Loader {
        self.cache = Some(cache.into());
        self
    }

    /// Load from directories only what this lets in.
    #[must_use]
    pub fn with_policy(mut self, policy: SignaturePolicy) -> Loader {
        self.policy = Arc::new(policy);
        self
    }

    pub(super) fn policy(&self) -> &SignaturePolicy {
        &self.policy
    }

    /// Use these settings for all components that have none of their own.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Loader {
        Arc::make_mut(&mut self.settings).common = settings;
        self
    }

    /// Use these settings from now on.
    #[must_use]
    pub fn with_operator(mut self, settings: OperatorSettings) -> Loader {
        self.settings = Arc::new(settings);
        self
    }

    pub(super) fn operator(&self) -> &Arc<OperatorSettings> {
        &self.settings
    }

    /// Make a component ready: compile it, check it, start it and let it configure itself.
    ///
    /// `name` is its file name without `.wasm`; `config` is what `configure` gets.
    pub fn load(&self, name: &str, wasm: &[u8], config: &str) -> Result<Prepared, LoadError> {
        if wasm.len() as u64 > COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge);
        }
        if config.len() as u64 > CONFIG_BYTES_MAX {
            return Err(LoadError::ConfigTooLarge);
        }
        contract::check_format(wasm)?;
        let digest = sha256(wasm);
        let (component, from_cache) = self.compile(wasm, &digest)?;
        let settings = self.settings.component(name);
        let mut blueprint = self.link(name, &component, config, &settings)?;
        let (mut instance, configured) = blueprint.start()?;
        let metadata = match configured {
            Configured::Metadata(metadata) => metadata,
            Configured::Refused(why) => return Err(LoadError::Refused(shortened(&why))),
        };
        let rules = metadata::check_rules(metadata.rules).map_err(LoadError::Metadata)?;
        let (rules, interests): (Vec<_>, _) =
            rules.into_iter().map(|rule| (rule.info, rule.interests)).unzip();
        // Granted, but not asked for: then it is not seen.
        blueprint.environment &= rules.iter().any(|rule| rule.permissions.environment);
        instance.host().sees_environment = blueprint.environment;
        let operator = self.settings.clone();
        Ok(Prepared {
            blueprint,
            instance,
            rules,
            interests,
            settings,
            operator,
            digest: hex(&digest),
            voucher: None,
            from_cache,
        })
    }

    /// Compiled code, and whether the cache had it.
    fn compile(&self, wasm: &[u8], digest: &[u8]) -> Result<(Component, bool), LoadError> {
        let engine = self.engine.wasmtime();
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.get(engine, digest)) {
            return Ok((component, true));
        }
        size::check(wasm)?;
        // A panic of the compiler is a bug of the compiler, but the sensor must outlive it.
        let compiled = catch_unwind(AssertUnwindSafe(|| Component::new(engine, wasm)));
        let component = match compiled {
            Ok(Ok(component)) => component,
            Ok(Err(error)) => return Err(LoadError::Compile(shortened(&format!("{error:#}")))),
            Err(_) => return Err(LoadError::Compile("the compiler failed on it".into())),
        };
        if let Some(cache) = &self.cache {
            cache.put(engine, digest, &component);
        }
        Ok((component, false))
    }

    fn link(
        &self,
        name: &str,
        component: &Component,
        config: &str,
        settings: &Settings,
    ) -> Result<Blueprint, LoadError> {
        let exports = contract::check_world(self.engine.wasmtime(), component)?;
        let types = |error| LoadError::OtherTypes(shortened(&format!("{error:#}")));
        let mut linker = self.linker.clone();
        wasi::define(&mut linker, component).map_err(types)?;
        let linked = linker.instantiate_pre(component).map_err(types)?;
        Ok(Blueprint {
            engine: self.engine.clone(),
            component: linked,
            exports,
            name: name.into(),
            config: config.into(),
            budget: settings.budget,
            environment: settings.permissions.environment,
        })
    }
}

/// A text of foreign origin, fit for one line of a message.
pub(super) fn shortened(text: &str) -> String {
    const BYTES_MAX: usize = 400;
    let short = &text[..text.floor_char_boundary(BYTES_MAX)];
    let more = if short.len() < text.len() { "…" } else { "" };
    let line = short.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    line.chain(more.chars()).collect()
}
