//! The commands that ask a running sensor.

use std::io::{IsTerminal as _, stdout};
use std::time::{Duration, Instant};

use ocellus::author;
use ocellus::cli::{FleetRules, RunningRules, SocketArgs, StatsArgs, StatusArgs, TopArgs};
use ocellus::config::{Config, Level};
use ocellus::control::{Answer, Request, ask};
use ocellus::fleet::{self, CommandError};
use ocellus::metrics::{self, Report, State};

use crate::{Outcome, answer, print};

/// Lines of a screen whose size is not known.
const LINES: usize = 50;

/// Back to the upper left corner, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[J";

pub fn status(args: &StatusArgs) -> Outcome {
    let report = report(&args.socket)?;
    answer(args.json, &report, metrics::status)?;
    match report.health.state {
        State::Healthy | State::Degraded => Ok(()),
        state @ (State::Starting | State::Failing) => {
            Err(format!("the sensor is {}", state.as_str()).into())
        }
    }
}

pub fn top(args: &TopArgs) -> Outcome {
    let mut before = report(&args.socket)?;
    let mut then = Instant::now();
    loop {
        std::thread::sleep(Duration::from_secs_f64(args.interval));
        let now = report(&args.socket)?;
        let seconds = then.elapsed().as_secs_f64();
        then = Instant::now();
        let is_screen = stdout().is_terminal() && !args.once;
        let lines = match terminal_size::terminal_size() {
            Some((_, height)) if is_screen => usize::from(height.0).saturating_sub(1).max(1),
            _ => LINES,
        };
        let text = metrics::top(&before, &now, seconds, lines);
        if is_screen {
            print(format!("{CLEAR}{text}").as_bytes())?;
        } else {
            print(text.as_bytes())?;
        }
        if args.once {
            return Ok(());
        }
        before = now;
    }
}

pub fn log_level(level: Level, socket: &SocketArgs) -> Outcome {
    change(socket, &Request::LogLevel { level })
}

pub fn rules(command: RunningRules) -> Outcome {
    match command {
        RunningRules::List { socket } => print(metrics::rules_list(&report(&socket)?).as_bytes()),
        RunningRules::Stats(StatsArgs { recording: Some(recording), rules, json, .. }) => {
            author::cost_sheet(&recording, &rules.unwrap_or_default(), json, &mut stdout())
        }
        RunningRules::Stats(StatsArgs { json, socket, .. }) => {
            let report = report(&socket)?;
            answer(json, &report.rules, |_| metrics::rules_stats(&report))
        }
        RunningRules::Reload { socket } => change(&socket, &Request::RulesReload),
        RunningRules::Mode { rule, mode, socket } => {
            change(&socket, &Request::RulesMode { rule, mode })
        }
    }
}

pub fn fleet(command: FleetRules) -> Outcome {
    let lines = match command {
        FleetRules::Publish { files, config } => {
            fleet::publish(&Config::load(config.as_deref())?.rules, &files)?
        }
        FleetRules::Unpublish { names, config } => {
            fleet::unpublish(&Config::load(config.as_deref())?.rules, &names)?
        }
        FleetRules::Fleet { config, forget, json } => {
            let rules = Config::load(config.as_deref())?.rules;
            let bucket = rules.nats.ok_or(CommandError::NoBucket)?;
            if let Some(host) = forget {
                fleet::forget(&bucket, &host)?;
            }
            return answer(json, &fleet::overview(&bucket)?, ToString::to_string);
        }
    };
    print(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())
}

fn report(socket: &SocketArgs) -> Result<Report, Box<dyn std::error::Error>> {
    match ask(&socket.socket, &Request::Status)? {
        Answer::Status(report) => Ok(*report),
        Answer::Done(other) | Answer::Error(other) => Err(other.into()),
    }
}

fn change(socket: &SocketArgs, request: &Request) -> Outcome {
    match ask(&socket.socket, request)? {
        Answer::Done(what) => print(format!("{what}\n").as_bytes()),
        Answer::Status(_) => Err("the sensor gave another answer than was asked for".into()),
        Answer::Error(why) => Err(why.into()),
    }
}
