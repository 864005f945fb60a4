//! The program `ocellus`: reads the command line and calls the library.
//!
//! Standard output belongs to events and answers, standard error to the log and to the one line
//! that says why a command failed.

mod operate;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use ocellus::cli::{
    self, AnyRulesCommand, Cli, Command, ConfigCommand, DoctorArgs, RecordArgs, ReplayArgs,
    RulesCommand, RunArgs,
};
use ocellus::config::{self, Layered};
use ocellus::error_chain::ErrorChain;
use ocellus::names::NameFiles;
use ocellus::run::{self, ConfigSource, Options, Record};
use ocellus::snapshot::{Snapshot, SnapshotSettings, TaskStarts};
use ocellus::{author, doctor, logging, ps};
use serde::Serialize;

/// Bytes of each command line that `ocellus ps` reads; a line of a terminal shows fewer.
const PS_ARGS_BYTES: usize = 4_096;

/// A command's own error: printed once, here.
type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    // A wrong command line ends here, with status 2.
    let cli = Cli::parse();
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ocellus: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Config(ConfigCommand::Check { file }) => config_check(file.as_deref()),
        Command::Config(ConfigCommand::Show { config, origin }) => {
            config_show(config.as_deref(), origin)
        }
        Command::Config(ConfigCommand::Schema) => print(config::schema().as_bytes()),
        Command::Completions { shell } => print(&cli::completions(shell)),
        Command::Man => print(&cli::man_page()),
        Command::Schema { index_template: false } => print(cli::schema_page().as_bytes()),
        Command::Schema { index_template: true } => print(cli::index_template().as_bytes()),
        Command::Run(args) => run(args),
        Command::Record(args) => record(args),
        Command::Replay(args) => replay(&args),
        Command::Doctor(args) => doctor(&args),
        Command::Status(args) => operate::status(&args),
        Command::Top(args) => operate::top(&args),
        Command::Loglevel { level, socket } => operate::log_level(level, &socket),
        Command::MetricsPage => print(ocellus::metrics::metrics_page().as_bytes()),
        // The child is there to be seen, and has nothing to do.
        Command::SelfTest { nonce: Some(_) } => Ok(()),
        Command::SelfTest { nonce: None } => Ok(run::help_self_test()?),
        Command::Rules(AnyRulesCommand::Running(command)) => operate::rules(command),
        Command::Rules(AnyRulesCommand::Fleet(command)) => operate::fleet(command),
        Command::Ps => ps(),
        Command::Rules(AnyRulesCommand::Author(command)) => rules(&command),
    }
}

fn config_check(file: Option<&Path>) -> Outcome {
    let files = Layered::load(file)?.files;
    if files.is_empty() {
        return print(b"there is no configuration file; the defaults are in force\n");
    }
    let lines = files.iter().map(|path| format!("{}: ok\n", path.display()));
    print(lines.collect::<String>().as_bytes())
}

fn config_show(file: Option<&Path>, origin: bool) -> Outcome {
    let layered = Layered::load(file)?;
    match origin {
        true => print(layered.show().as_bytes()),
        false => print(toml::to_string(&layered.config)?.as_bytes()),
    }
}

fn run(args: RunArgs) -> Outcome {
    let config = args.to_config()?;
    logging::start(config.log.level);
    let path = args.config.clone();
    let source = ConfigSource { path, load: Box::new(move || args.to_config()) };
    Ok(run::run(Options { config, source, record: None, duration: None })?)
}

fn record(args: RecordArgs) -> Outcome {
    let config = args.to_config()?;
    logging::start(config.log.level);
    let record = Record { path: args.file.clone(), max_bytes: args.max_size.0 };
    let duration = args.duration.map(Duration::from_secs);
    let path = args.config.clone();
    let source = ConfigSource { path, load: Box::new(move || args.to_config()) };
    Ok(run::run(Options { config, source, record: Some(record), duration })?)
}

fn replay(args: &ReplayArgs) -> Outcome {
    let config = args.to_config()?;
    logging::start(config.log.level);
    let report = run::replay(&args.file, &config)?;
    if args.stats {
        eprint!("{report}");
    }
    match report.damage {
        Some(damage) => Err(damage.into()),
        None => Ok(()),
    }
}

fn doctor(args: &DoctorArgs) -> Outcome {
    let report = doctor::examine(args.btf.as_deref());
    answer(args.json, &report, ToString::to_string)?;
    match report.verdict.state {
        doctor::State::Ready | doctor::State::Degraded => Ok(()),
        doctor::State::Unable => Err(report.verdict.summary.into()),
    }
}

/// The answer comes as it is made: `rules watch` goes on for hours.
fn rules(command: &RulesCommand) -> Outcome {
    match author::command(command, &mut io::stdout()) {
        Err(error) if is_broken_pipe(&*error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let own = error.downcast_ref::<io::Error>();
    let is_broken = own.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    is_broken || error.source().is_some_and(is_broken_pipe)
}

fn ps() -> Outcome {
    let settings = SnapshotSettings { args_max: PS_ARGS_BYTES, env_max: 0 };
    let mut snapshot = Snapshot::new(settings);
    let records: Vec<_> = snapshot.take(&TaskStarts::default())?.collect();
    print(ps::tree(&records, &NameFiles::default().load()).as_bytes())
}

/// Writes an answer as JSON, or as its text for a person.
fn answer<T: Serialize>(json: bool, value: &T, text: impl FnOnce(&T) -> String) -> Outcome {
    let text = match json {
        true => format!("{}\n", serde_json::to_string_pretty(value)?),
        false => text(value),
    };
    print(text.as_bytes())
}

/// Writes an answer to standard output. A reader that has seen enough is no failure.
fn print(text: &[u8]) -> Outcome {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
