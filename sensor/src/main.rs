//! The program `ocellus`: reads the command line and calls the library.
//!
//! Standard output belongs to events and answers, standard error to the log and to the one line
//! that says why a command failed.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use ocellus::cli::{self, Cli, Command, ConfigCommand};
use ocellus::config::{Config, DEFAULT_PATH};
use ocellus::error_chain::ErrorChain;

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
        Command::Config(ConfigCommand::Show { config }) => config_show(config.as_deref()),
        Command::Completions { shell } => print(&cli::completions(shell)),
        Command::Man => print(&cli::man_page()),
        Command::Schema => print(cli::schema_page().as_bytes()),
        other => Err(format!("this build cannot do {other:?}").into()),
    }
}

fn config_check(file: Option<&Path>) -> Outcome {
    Config::load(file)?;
    let name = match file {
        Some(path) => path.display().to_string(),
        None if Path::new(DEFAULT_PATH).exists() => DEFAULT_PATH.to_owned(),
        None => return print(b"there is no configuration file; the defaults are in force\n"),
    };
    print(format!("{name}: ok\n").as_bytes())
}

fn config_show(file: Option<&Path>) -> Outcome {
    let config = Config::load(file)?;
    print(toml::to_string(&config)?.as_bytes())
}

/// Writes an answer to standard output. A reader that has seen enough is no failure.
fn print(text: &[u8]) -> Outcome {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
