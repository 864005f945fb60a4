//! From the command line of `ocellus rules …` to what is printed.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::explain::config_of;
use super::new::Template;
use super::testing::{self, Options, junit};
use super::{bench, cache, component, diff, events, explain, inspect, open, sign, stats, watch};
use crate::cli::{DiffArgs, DiffOn, RulesCommand, TestArgs};
use crate::config::Config;
use crate::recording::RECORDING_BYTES_MAX;
use crate::rules::build::Language;
use crate::rules::signature::TrustedKey;
use crate::rules::trial::Trial;
use crate::rules::{Directory, Metering, RuleSet, build};
use crate::run;

/// How long `rules diff --on live` captures this host unless it is told.
const LIVE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Box<dyn Error>>;

/// Does what one of the commands says, and writes its answer. An error is for standard error; some
/// come after an answer, as that of a test that failed.
pub fn command(command: &RulesCommand, out: &mut dyn Write) -> Outcome {
    match command {
        RulesCommand::New { name, lang, r#in } => {
            let template = Template::of(lang).ok_or("there is no such template")?;
            Ok(out.write_all(template.make(name, r#in)?.as_bytes())?)
        }
        RulesCommand::Build { dir, output } => {
            let to = output.as_deref().unwrap_or(Path::new("."));
            let built = build::build(dir, to, cache().as_deref())?;
            Ok(writeln!(out, "{}", built.display())?)
        }
        RulesCommand::Keys { name, password_file, no_password } => {
            let protection = sign::protection(password_file.as_deref(), *no_password)?;
            Ok(out.write_all(sign::keys(name, protection)?.as_bytes())?)
        }
        RulesCommand::Sign { files, key, password_file } => {
            for signature in sign::sign(files, key, password_file.as_deref())? {
                writeln!(out, "{}", signature.display())?;
            }
            Ok(())
        }
        RulesCommand::Verify { files, key, config } => {
            let keys = match key {
                Some(key) => vec![sign::public_key(key)?],
                None => Config::load(config.as_deref())?.rules.policy().map_err(|it| it.1)?.keys,
            };
            verify(files, &keys, out)
        }
        RulesCommand::Check { path } if path.is_dir() && Language::detect(path).is_none() => {
            check_directory(path, out)
        }
        RulesCommand::Check { path } => {
            let inspection = inspected(path)?;
            Ok(out.write_all(inspection.summary().as_bytes())?)
        }
        RulesCommand::Inspect { path, json } => answer(&inspected(path)?, *json, out),
        RulesCommand::Test(args) => test(args, out),
        RulesCommand::Bench { path, recording, json } => {
            let events = events::from_recording(recording)?;
            answer(&bench::bench(&component(path)?, &events)?, *json, out)
        }
        RulesCommand::Watch { dir, into } => Ok(watch::watch(dir, into, out)?),
        RulesCommand::Explain { event, rules, json } => {
            let events = events::from_json(event)?;
            answer(&explain::explain(&events, rules, &open(Metering::Fuel)?)?, *json, out)
        }
        RulesCommand::Diff(args) => diff(args, out),
    }
}

/// The cost sheet of the rules in a directory, on a recording.
pub fn cost_sheet(recording: &Path, rules: &Path, json: bool, out: &mut dyn Write) -> Outcome {
    let fuel = all_of(rules, Metering::Fuel, |notice| eprintln!("ocellus: {notice}"))?;
    let timed = all_of(rules, Metering::Epoch, |_| {})?;
    answer(&stats::stats(recording, fuel, timed)?, json, out)
}

fn answer(what: &(impl Serialize + ToString), json: bool, out: &mut dyn Write) -> Outcome {
    let text = match json {
        true => format!("{}\n", serde_json::to_string_pretty(what)?),
        false => what.to_string(),
    };
    Ok(out.write_all(text.as_bytes())?)
}

fn inspected(path: &Path) -> Result<inspect::Inspection, Box<dyn Error>> {
    let component = component(path)?;
    let config = config_of(path)?;
    let inspection = inspect::inspect(&component, &open(Metering::Fuel)?, &config)
        .map_err(|error| inspect::explain(&component, &error))?;
    Ok(inspect::Inspection { signature: signature_of(path), ..inspection })
}

/// What a component's signature is worth on this host; none for a source.
fn signature_of(path: &Path) -> Option<String> {
    if path.is_dir() {
        return None;
    }
    // Where the configuration cannot be read, nobody is trusted.
    let policy = Config::load(None).ok().and_then(|config| config.rules.policy().ok());
    Some(sign::remark(path, &policy.unwrap_or_default().keys))
}

fn verify(files: &[PathBuf], keys: &[TrustedKey], out: &mut dyn Write) -> Outcome {
    if keys.is_empty() {
        return Err("no key is trusted: give one with --key, or set `rules.trusted_keys`".into());
    }
    let mut failed = 0;
    for file in files {
        match sign::verify(file, keys) {
            Ok(words) => writeln!(out, "{}: {words}", file.display())?,
            Err(error) => {
                failed += 1;
                writeln!(out, "{}: {error}", file.display())?;
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} files are not to be trusted", files.len()).into()),
    }
}

/// As the sensor would load it, with the operator's configuration.
fn check_directory(dir: &Path, out: &mut dyn Write) -> Outcome {
    let config = Config::load(None)?;
    let (mut components, mut refused) = (0, 0);
    let mut lines = String::new();
    run::load_once(dir, &config.rules, |notice| {
        components += 1;
        refused += u32::from(notice.refused);
        lines.push_str(&format!("{}\n", notice.message));
    })?;
    out.write_all(lines.as_bytes())?;
    match refused {
        0 if components == 0 => Err(format!(
            "there is neither a component (a file named *.wasm) nor the source of a rule in {}",
            dir.display()
        )
        .into()),
        0 => Ok(()),
        count => {
            Err(format!("{count} of the components in {} cannot be used", dir.display()).into())
        }
    }
}

/// The rules of a directory. `refused` is told of those that cannot be used.
fn all_of(
    dir: &Path,
    metering: Metering,
    refused: impl Fn(&str),
) -> Result<RuleSet, Box<dyn Error>> {
    let loader = open(metering)?;
    let mut set = RuleSet::new();
    for change in Directory::open_of_anybody(dir)?.load_all(&loader)? {
        let notice = set.apply(change);
        if notice.refused {
            refused(&notice.message);
        }
    }
    Ok(set)
}

fn test(args: &TestArgs, out: &mut dyn Write) -> Outcome {
    let report = testing::test(&Options {
        path: args.path.clone(),
        fixtures: args.fixtures.clone(),
        events: args.events.clone(),
        recordings: args.recording.clone(),
        alerts_max: args.max_alerts,
        config: args.config.clone(),
        check_interests: args.check_interests,
        fuel_max: args.max_fuel,
    })?;
    out.write_all(report.to_string().as_bytes())?;
    if let Some(path) = &args.junit {
        let named = |error: io::Error| format!("cannot write {}: {error}", path.display());
        std::fs::write(path, junit(&report)).map_err(named)?;
    }
    match report.failed() {
        0 => Ok(()),
        failed => Err(format!("{failed} tests of {} failed", report.component).into()),
    }
}

fn diff(args: &DiffArgs, out: &mut dyn Write) -> Outcome {
    let loader = open(Metering::Fuel)?;
    let trial = |path: &Path| -> Result<Trial, Box<dyn Error>> {
        Ok(Trial::new(component(path)?.load(&loader, &config_of(path)?)?)?)
    };
    let (mut a, mut b) = (trial(&args.a)?, trial(&args.b)?);
    let mut diff = diff::Diff::default();
    let mut each = |event| {
        diff.compare(&event, &mut a, &mut b);
        true
    };
    match (&args.on, args.duration) {
        (DiffOn::Recording(_), Some(_)) => return Err("--duration is for `--on live`".into()),
        (DiffOn::Recording(recording), None) => {
            events::replay(recording, RuleSet::new(), &mut each)?
        }
        (DiffOn::Live, seconds) => {
            let scratch = build::Scratch::new()?;
            let recording = scratch.path().join("live.ocellus");
            capture(&recording, seconds.map_or(LIVE, Duration::from_secs))?;
            events::replay(&recording, RuleSet::new(), &mut each)?
        }
    };
    answer(&diff, args.json, out)?;
    match diff.different {
        0 => Ok(()),
        different => Err(format!("they differ on {different} of {} events", diff.events).into()),
    }
}

/// Records this host for a while.
fn capture(path: &Path, duration: Duration) -> Outcome {
    // This process goes on afterwards, and writes elsewhere.
    let load = || {
        let mut config = Config::load(None)?;
        config.privileges.landlock = false;
        Ok(config)
    };
    let config = load()?;
    crate::logging::start(config.log.level);
    let source = run::ConfigSource { path: None, load: Box::new(load) };
    let record = run::Record { path: path.to_owned(), max_bytes: RECORDING_BYTES_MAX };
    let (record, duration) = (Some(record), Some(duration));
    Ok(run::run(run::Options { config, source, record, duration })?)
}
