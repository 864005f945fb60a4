//! The command line of the commands for a fleet's rules.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

const PUBLISH_EXAMPLES: &str = "\
Example:
  ocellus rules sign netcat.wasm --key team.key
  ocellus rules publish netcat.wasm
  ocellus rules fleet

The configuration's [rules.nats] says where the bucket is; --config names another one, for who
publishes from elsewhere than a host, or as somebody who may write.";

/// What is done with the rules of a fleet.
#[derive(Clone, Debug, Subcommand)]
pub enum FleetRules {
    /// Put components, with the signatures beside them, into the fleet's bucket: into force on all
    /// hosts
    #[command(after_help = PUBLISH_EXAMPLES)]
    Publish {
        /// Components (*.wasm)
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Configuration with `[rules.nats]` [default: /etc/ocellus/ocellus.toml]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
    /// Remove components from the fleet's bucket: out of force on all hosts
    Unpublish {
        /// Names of components, without `.wasm`
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Configuration with `[rules.nats]` [default: /etc/ocellus/ocellus.toml]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
    /// Tell which rules the fleet's bucket has, and how far each host is
    Fleet {
        /// Configuration with `[rules.nats]` [default: /etc/ocellus/ocellus.toml]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
        /// Forget a host that is gone for good; one that is there says again what it runs
        #[arg(long, value_name = "HOST")]
        forget: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
