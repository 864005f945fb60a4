//! The command line: what can be typed, what it means, and what `--help` teaches.
//!
//! Help, completions and the man page are made from these definitions, so none of them drifts.

mod fleet;
mod man;
mod rules;
mod schema;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueHint};

use crate::bytesize::ByteSize;
use crate::config::{Backend, Config, ConfigError, Level, Output, Outputs};
use crate::control::Wanted;
use crate::sink::Format;

pub use fleet::FleetRules;
pub use man::man_page;
use rules::RULES_EXAMPLES;
pub use rules::{DiffArgs, DiffOn, RulesCommand, StatsArgs, TestArgs};
pub use schema::{index_template, schema_page};

const ABOUT: &str =
    "Watches the processes of this Linux host and lets WebAssembly rules judge them";

const LONG_ABOUT: &str = "\
Watches the processes of this Linux host and lets WebAssembly rules judge them.

eBPF probes in the kernel tell of each process that starts, executes a program or ends. Ocellus \
puts these in order, adds who, from where and with which hash, hands each event to the rules, and \
writes it as ECS to standard output or a file. A rule that is changed while the sensor runs is in \
force with the next event.

Standard output belongs to events, standard error to the log.";

const EXAMPLES: &str = "\
Examples:
  ocellus doctor                                what this host can do, and what it lacks
  ocellus run --format pretty                   watch processes
  ocellus run --rules /etc/ocellus/rules --output /var/log/ocellus/events.ndjson
  ocellus replay examples/sample.ocellus --rules rules/dist --format pretty
  ocellus config show                           what is in force, and every key there is

Exit status: 0 all went well, 1 it failed, 2 the command line is wrong.
`ocellus man | man -l -` shows the manual.";

const RUN_EXAMPLES: &str = "\
Examples:
  ocellus run --format pretty
  ocellus run --rules ./rules --output events.ndjson
  ocellus run | jq 'select(.event.kind == \"alert\")'

Signals: SIGINT and SIGTERM deliver what is held, flush the output and print the totals; SIGHUP \
reads the rules again and opens the output file anew. Needs root, or CAP_BPF, CAP_PERFMON, \
CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  ocellus replay examples/sample.ocellus --format pretty
  ocellus replay incident.ocellus --rules ./rules | jq 'select(.event.kind == \"alert\")'
  ocellus replay incident.ocellus --stats --output /dev/null

The same recording, rules and configuration give the same events, to the byte. Needs no root.";

const RECORD_EXAMPLES: &str = "\
Examples:
  ocellus record incident.ocellus --duration 60
  ocellus record incident.ocellus --max-size '1 GiB'

A recording holds command lines, paths and user names of this host: treat it as such.";

const STATUS_EXAMPLES: &str = "\
Examples:
  ocellus status
  ocellus status --json | jq .health

Exit status: 0 the sensor is healthy or degraded, 1 it is starting or failing, or none runs.";

const TOP_EXAMPLES: &str = "\
Examples:
  ocellus top
  ocellus top --once --interval 10";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "ocellus", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this host and write events
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run a recording through the whole pipeline
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Write raw events to a file, for `replay`
    #[command(after_help = RECORD_EXAMPLES)]
    Record(RecordArgs),
    /// Write, test, measure and compare rules
    #[command(subcommand, after_help = RULES_EXAMPLES)]
    Rules(AnyRulesCommand),
    /// Tell what this kernel and this user can do, and what is missing
    Doctor(DoctorArgs),
    /// Print the process tree, as the sensor sees it when it starts
    Ps,
    /// Tell how the running sensor is
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Watch the running sensor: events, losses, outputs, and components by their cost
    #[command(after_help = TOP_EXAMPLES)]
    Top(TopArgs),
    /// Change which log lines the running sensor writes, until it is restarted
    Loglevel {
        /// error, warn, info, debug or trace
        #[arg(value_enum)]
        level: Level,
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Check the configuration, or show what is in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  ocellus completions bash > /etc/bash_completion.d/ocellus")]
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  ocellus man | man -l -")]
    Man,
    /// Print the schema page, docs/schema.md
    #[command(hide = true)]
    Schema {
        /// Print the index template for Elasticsearch and OpenSearch
        #[arg(long)]
        index_template: bool,
    },
    /// Print the metrics page, docs/metrics.md
    #[command(hide = true)]
    MetricsPage,
    /// Execute the children of the delivery self-test, or be one
    #[command(hide = true, name = crate::run::SELF_TEST_COMMAND)]
    SelfTest { nonce: Option<String> },
}

/// Which running sensor to ask.
#[derive(Clone, Debug, Args)]
pub struct SocketArgs {
    /// Control socket of the sensor
    #[arg(long, value_name = "PATH", default_value = crate::control::DEFAULT_SOCKET)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub socket: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub socket: SocketArgs,
}

#[derive(Clone, Debug, Args)]
pub struct TopArgs {
    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = interval)]
    pub interval: f64,
    /// Print one look, and end
    #[arg(long)]
    pub once: bool,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Seconds between a tenth and an hour.
fn interval(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, from 0.1 to 3600".to_owned()),
    }
}

#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Configuration file [default: /etc/ocellus/ocellus.toml, if it exists]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Directory of rules (*.wasm); it is watched, and a changed rule is in force at once
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub rules: Option<PathBuf>,
    /// Where raw events come from
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// File with the BTF of this kernel, where the kernel does not offer its own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub btf: Option<PathBuf>,
    /// How events are written, in place of the configured outputs
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// File to append events to, in place of the configured outputs [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// How long a raw event waits for those that merge with it, in milliseconds
    #[arg(long, value_name = "N")]
    pub hold_ms: Option<u64>,
    /// Do not report the processes that run already
    #[arg(long)]
    pub no_snapshot: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Recording, as `ocellus record` wrote it
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Configuration file; without it, the defaults, so that a replay is the same everywhere
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Directory of rules (*.wasm)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub rules: Option<PathBuf>,
    /// How events are written, in place of the configured outputs
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// File to append events to, in place of the configured outputs [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Print the totals, and the time that each stage took, to standard error
    #[arg(long)]
    pub stats: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// File to write; it must not exist
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Configuration file [default: /etc/ocellus/ocellus.toml, if it exists]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Where raw events come from
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// File with the BTF of this kernel, where the kernel does not offer its own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub btf: Option<PathBuf>,
    /// Stop after so many seconds [default: at SIGINT or SIGTERM]
    #[arg(long, value_name = "S")]
    pub duration: Option<u64>,
    /// Stop once the file has this size
    #[arg(long, value_name = "SIZE", default_value = "256 MiB")]
    pub max_size: ByteSize,
}

/// All that is done with rules.
#[derive(Clone, Debug, Subcommand)]
pub enum AnyRulesCommand {
    #[command(flatten)]
    Running(RunningRules),
    #[command(flatten)]
    Fleet(FleetRules),
    #[command(flatten)]
    Author(RulesCommand),
}

/// What is done with the rules of the running sensor.
#[derive(Clone, Debug, Subcommand)]
pub enum RunningRules {
    /// List the rules of the running sensor, and what came of them
    List {
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Print what each rule does and costs: in the running sensor, or on a recording
    #[command(after_help = rules::STATS_EXAMPLES)]
    Stats(StatsArgs),
    /// Have the running sensor look at its rules directory now
    Reload {
        #[command(flatten)]
        socket: SocketArgs,
    },
    /// Change whether a component's verdicts count, until the sensor is restarted
    Mode {
        /// Name of the component, or id of one of its rules
        rule: String,
        /// What it is to be
        #[arg(value_enum)]
        mode: Wanted,
        #[command(flatten)]
        socket: SocketArgs,
    },
}

#[derive(Clone, Debug, Default, Args)]
pub struct DoctorArgs {
    /// File with the BTF of this kernel, where the kernel does not offer its own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub btf: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a configuration file is right, and where it is wrong
    Check {
        /// Configuration file [default: /etc/ocellus/ocellus.toml, if it exists]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the configuration with every key, as it is in force
    Show {
        /// Configuration file [default: /etc/ocellus/ocellus.toml, if it exists]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
        /// Print one key a line, and where its value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print the JSON schema of the configuration
    Schema,
}

impl RunArgs {
    /// The configuration file's values, with the flags over them.
    pub fn to_config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.as_deref())?;
        set(&mut config.capture.backend, self.backend);
        config.capture.btf = self.btf.clone().or(config.capture.btf.take());
        set(&mut config.aggregate.hold_ms, self.hold_ms);
        config.capture.snapshot &= !self.no_snapshot;
        apply_common(&mut config, &self.rules, self.format, &self.output);
        config.check_flags()?;
        Ok(config)
    }
}

impl ReplayArgs {
    /// The named configuration file's values or the defaults, with the flags over them.
    pub fn to_config(&self) -> Result<Config, ConfigError> {
        let mut config = match &self.config {
            Some(path) => Config::load(Some(path))?,
            None => Config::default(),
        };
        apply_common(&mut config, &self.rules, self.format, &self.output);
        Ok(config)
    }
}

impl RecordArgs {
    /// The configuration file's values, with the flags over them.
    pub fn to_config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.as_deref())?;
        set(&mut config.capture.backend, self.backend);
        config.capture.btf = self.btf.clone().or(config.capture.btf.take());
        Ok(config)
    }
}

fn apply_common(
    config: &mut Config,
    rules: &Option<PathBuf>,
    format: Option<Format>,
    output: &Option<PathBuf>,
) {
    config.rules.dir = rules.clone().or(config.rules.dir.take());
    if format.is_some() || output.is_some() {
        config.output = Outputs(vec![Output::plain(output.clone(), format)]);
    }
}

fn set<T>(value: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *value = flag;
    }
}

/// The definitions themselves, for what is derived from them.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Completions of the whole command line for a shell.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ocellus", &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_args(args: &[&str]) -> RunArgs {
        let all = ["ocellus", "run"].iter().chain(args);
        match Cli::try_parse_from(all).expect("the arguments are right").command {
            Command::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ocellus.toml");
        let text = "[aggregate]\nhold_ms = 7\n[[output]]\ntype = \"file\"\npath = \"a\"\n";
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        let config = run_args(&["--config", path]).to_config().unwrap();
        assert_eq!(config.aggregate.hold_ms, 7);
        assert_eq!(config.output.0, [Output::plain(Some("a".into()), None)]);
        assert!(config.capture.snapshot);
        let config = run_args(&["--config", path, "--format", "pretty"]).to_config().unwrap();
        assert_eq!(config.output.0, [Output::plain(None, Some(Format::Pretty))]);
        let flags = ["--config", path, "--hold-ms", "9", "--format", "pretty", "--no-snapshot"];
        let more = ["--backend", "kprobe", "--rules", "r", "--output", "b"];
        let config = run_args(&[&flags[..], &more[..]].concat()).to_config().unwrap();
        assert_eq!(config.aggregate.hold_ms, 9);
        assert_eq!(config.output.0, [Output::plain(Some("b".into()), Some(Format::Pretty))]);
        assert_eq!(config.capture.backend, Backend::Kprobe);
        assert_eq!(config.rules.dir.as_deref(), Some("r".as_ref()));
        assert!(!config.capture.snapshot);
    }

    #[test]
    fn a_flag_out_of_range_is_refused() {
        let error = run_args(&["--hold-ms", "999999"]).to_config().unwrap_err();
        assert!(error.to_string().starts_with("aggregate.hold_ms: "), "{error}");
    }

    #[test]
    fn a_size_is_read_from_the_command_line() {
        let args = ["ocellus", "record", "f", "--max-size", "2 GiB"];
        let Command::Record(args) = Cli::try_parse_from(args).unwrap().command else { panic!() };
        assert_eq!(args.max_size, ByteSize(2 << 30));
    }

    #[test]
    fn each_shell_gets_completions() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let text = String::from_utf8(completions(*shell)).unwrap();
            assert!(text.contains("no-snapshot"), "{shell}");
        }
    }
}
