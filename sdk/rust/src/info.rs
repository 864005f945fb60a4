//! Who a rule is.

/// What a rule says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) version: String,
    pub(crate) attack: Vec<String>,
    pub(crate) false_positives: Vec<String>,
    pub(crate) drops: bool,
    pub(crate) environment: bool,
}

impl RuleInfo {
    /// `id`: stable and unique on a host, of lower case letters, digits and `-`, at most 64 bytes.
    /// `name`: a short title for people. The rule may tag and alert.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            description: String::new(),
            version: "0.1.0".to_owned(),
            attack: Vec::new(),
            false_positives: Vec::new(),
            drops: false,
            environment: false,
        }
    }

    /// What the rule detects, in a sentence or two.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Version of the rule; `0.1.0` when not said. `env!("CARGO_PKG_VERSION")` is the crate's.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// MITRE ATT&CK techniques, for example `T1059.004`.
    #[must_use]
    pub fn attack(mut self, techniques: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.attack = techniques.into_iter().map(Into::into).collect();
        self
    }

    /// What is known to set the rule off without harm.
    #[must_use]
    pub fn false_positives(mut self, known: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.false_positives = known.into_iter().map(Into::into).collect();
        self
    }

    /// The rule may also drop events, where the operator grants it.
    #[must_use]
    pub fn asks_to_drop(mut self) -> Self {
        self.drops = true;
        self
    }

    /// The rule may also see the environment of processes, `process.env_vars`, where the operator
    /// grants it. All rules of the component may then.
    #[must_use]
    pub fn asks_for_environment(mut self) -> Self {
        self.environment = true;
        self
    }
}
