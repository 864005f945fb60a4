//! The command line of `ocellus rules`: the author's loop.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand, ValueHint};

use super::SocketArgs;
use crate::author::new::TEMPLATES;

/// For `ocellus rules --help`.
pub const RULES_EXAMPLES: &str = "\
From an idea to a running rule:
  ocellus rules new --lang rust netcat                   a project that builds
  ocellus rules test netcat                              build it, run its fixtures
  ocellus rules test netcat --recording day.ocellus      how loud is it on ordinary work?
  ocellus rules watch netcat --into /etc/ocellus/rules   rebuild and swap on each save

docs/rules.md has a tutorial, the reference and a cookbook.";

const TEST_EXAMPLES: &str = "\
Examples:
  ocellus rules test my-rule
  ocellus rules test my-rule --check-interests --max-fuel 50000 --junit results.xml
  ocellus rules test my-rule.wasm --fixtures fixtures.toml
  ocellus rules test my-rule --recording day.ocellus --max-alerts 2
  ocellus rules test my-rule --events event.json

Fixtures are TOML or JSON files in tests/ beside the rule; docs/rules.md has their format. Fuel, \
about one for each instruction of the rule, makes cost reproducible. Exit status 1: a test failed.";

const KEYS_EXAMPLES: &str = "\
Example:
  ocellus rules keys team                        makes team.key and team.pub
  ocellus rules sign netcat.wasm --key team.key  makes netcat.wasm.minisig
  ocellus rules verify netcat.wasm --key team.pub

The second line of team.pub belongs into rules.trusted_keys. Keys and signatures are minisign's: \
`minisign -S` and `minisign -V` do the same.";

const EXPLAIN_EXAMPLES: &str = "\
Example:
  ocellus replay day.ocellus | grep suspicious | head -1 > event.json
  ocellus rules explain event.json --rules /etc/ocellus/rules";

pub const STATS_EXAMPLES: &str = "\
Examples:
  ocellus rules stats
  ocellus rules stats --recording day.ocellus --rules /etc/ocellus/rules";

const DIFF_EXAMPLES: &str = "\
Examples:
  ocellus rules diff old.wasm new.wasm --on day.ocellus
  ocellus rules diff old.wasm my-rule --on live --duration 60

Exit status 1: they differ.";

#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Make a project for a new rule
    New {
        /// Name of the rule and of the folder that is made
        name: String,
        /// Language
        #[arg(long, value_name = "LANG", value_parser = languages())]
        lang: String,
        /// Folder to make it in
        #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
        r#in: PathBuf,
    },
    /// Build the rule in a directory into a component
    Build {
        /// Directory of the rule's source
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// File to write [default: NAME.wasm, after the directory]
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Make a pair of keys with which rules are signed: NAME.key and NAME.pub
    #[command(after_help = KEYS_EXAMPLES)]
    Keys {
        /// Path of the two files, without their ending
        #[arg(value_hint = ValueHint::AnyPath)]
        name: PathBuf,
        /// File with the password that encrypts the secret key [default: it is asked for]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        password_file: Option<PathBuf>,
        /// Protect the secret key by the mode of its file only
        #[arg(long, conflicts_with = "password_file")]
        no_password: bool,
    },
    /// Sign components: each gets FILE.minisig beside it
    Sign {
        /// Components (*.wasm)
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Secret key, as `ocellus rules keys` or minisign made it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        key: PathBuf,
        /// File with the key's password [default: it is asked for]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        password_file: Option<PathBuf>,
    },
    /// Tell who signed components, and whether they are as they were then
    Verify {
        /// Components (*.wasm)
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Public key, or a .pub file [default: the configuration's `rules.trusted_keys`]
        #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
        key: Option<String>,
        /// Configuration with the trusted keys [default: /etc/ocellus/ocellus.toml]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "key")]
        config: Option<PathBuf>,
    },
    /// Load components as the sensor would, and tell what each is or why it fails
    Check {
        /// A component, a folder with the source of one, or a directory of components, for which it
        /// is checked too that they fit together
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
    },
    /// Tell all that a component says of itself
    Inspect {
        /// Component (*.wasm), or the directory of a rule's source
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a rule's fixtures
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArgs),
    /// Measure what a rule costs for the events of a recording
    Bench {
        /// Component (*.wasm), or the directory of a rule's source
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// Recording, as `ocellus record` wrote it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        recording: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Rebuild a rule on each save, and swap it into a running sensor
    Watch {
        /// Directory of the rule's source
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Directory of rules that the sensor watches
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        into: PathBuf,
    },
    /// Tell what each rule says to an event, and why those that were not called were not
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// File with an event in JSON, or several
        #[arg(value_hint = ValueHint::FilePath)]
        event: PathBuf,
        /// Directory of rules (*.wasm), or one component
        #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
        rules: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the events on which two versions of a rule differ
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
}

#[derive(Clone, Debug, Args)]
pub struct StatsArgs {
    /// Recording, as `ocellus record` wrote it [default: ask the running sensor]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "rules")]
    pub recording: Option<PathBuf>,
    /// Directory of rules (*.wasm) for the recording
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "recording")]
    pub rules: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub socket: SocketArgs,
}

#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// Directory of the rule's source, or a component (*.wasm)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// Fixtures, or a directory of them [default: tests/ in the rule's directory]
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub fixtures: Vec<PathBuf>,
    /// Events in JSON: tell what the rule says to each
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub events: Vec<PathBuf>,
    /// Recording of ordinary work, on which the rule must not alert
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub recording: Vec<PathBuf>,
    /// Alerts that are allowed in each recording
    #[arg(long, value_name = "N", default_value_t = 0, requires = "recording")]
    pub max_alerts: u64,
    /// What the rule's `configure` is given; wins over the fixtures' own
    #[arg(long, value_name = "TOML", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Prove on all events that the terms of the interests hide none on which the rule would fire
    #[arg(long)]
    pub check_interests: bool,
    /// Fail when one event takes more fuel
    #[arg(long, value_name = "N")]
    pub max_fuel: Option<u64>,
}

#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The old version: a component (*.wasm) or the directory of a rule's source
    #[arg(value_hint = ValueHint::AnyPath)]
    pub a: PathBuf,
    /// The new version
    #[arg(value_hint = ValueHint::AnyPath)]
    pub b: PathBuf,
    /// Recording to compare them on; or `live`: this host, for a while
    #[arg(long, value_name = "RECORDING|live", value_hint = ValueHint::FilePath)]
    pub on: DiffOn,
    /// Seconds of `--on live` [default: 60; SIGINT ends them early]
    #[arg(long, value_name = "S")]
    pub duration: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What two versions of a rule are compared on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffOn {
    /// This host. A recording of that name is `./live`.
    Live,
    Recording(PathBuf),
}

impl From<OsString> for DiffOn {
    fn from(text: OsString) -> DiffOn {
        if text == "live" { DiffOn::Live } else { DiffOn::Recording(text.into()) }
    }
}

/// The languages that there is a template for, and their other names.
fn languages() -> PossibleValuesParser {
    PossibleValuesParser::new(
        TEMPLATES
            .iter()
            .map(|template| PossibleValue::new(template.language).aliases(template.aliases())),
    )
}
