//! `ocellus rules test`: a component against its fixtures, in the sensor's own host, with time
//! counted in fuel so that the same component costs the same everywhere.

mod check;
mod junit;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::events::{self, EventsError};
use super::fixture::{self, Baseline, Case, FixtureError, Fixtures};
use super::{ComponentError, open};
use crate::event::Event;
use crate::rules::trial::Trial;
use crate::rules::{InstallError, LoadError, Loader, Metering, Prepared, RuleSet};

pub use check::{InterestCheck, Proof, RuleCheck};
pub(crate) use check::{time_ns, title};
pub use junit::junit;

/// What to test, and against what.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A component, or the folder of a rule's source, which is built first.
    pub path: PathBuf,
    /// Files of fixtures, or folders of them; none: `tests/` in the rule's folder.
    pub fixtures: Vec<PathBuf>,
    /// Files of events in JSON, of which only is told what the rule says to them.
    pub events: Vec<PathBuf>,
    /// Recordings, in which the rule may alert `alerts_max` times.
    pub recordings: Vec<PathBuf>,
    pub alerts_max: u64,
    /// A file with what `configure` is given; it wins over the fixtures' own.
    pub config: Option<PathBuf>,
    /// Prove that the interests hide no event.
    pub check_interests: bool,
    /// Fuel that one event may take.
    pub fuel_max: Option<u64>,
}

/// Why there is no result at all.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error("the component cannot be started for {test}")]
    Start { test: String, source: LoadError },
    #[error("the component cannot be used")]
    Install(#[from] InstallError),
    #[error("cannot read {}", path.display())]
    Config { path: PathBuf, source: std::io::Error },
    #[error(
        "there is nothing to test: {} has no fixtures; write some (docs/rules.md says how), or \
         give --events or --recording", path.display()
    )]
    Nothing { path: PathBuf },
}

/// The result of one test.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The fixture file, without its extension; `recordings` and the like for others.
    pub group: String,
    pub name: String,
    /// What differs from what was expected; empty when it passed.
    pub failures: Vec<String>,
    /// What else is to be told.
    pub notes: Vec<String>,
    /// Fuel of each call.
    pub fuel: Vec<u64>,
}

/// The results of all tests of a component.
#[derive(Debug)]
pub struct Report {
    /// File name of the component, without its extension.
    pub component: String,
    pub rules: Vec<String>,
    pub outcomes: Vec<Outcome>,
    pub interests: Option<InterestCheck>,
    pub fuel_max: Option<u64>,
}

impl Report {
    pub fn failed(&self) -> usize {
        let outcomes = self.outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
        let interests = self.interests.as_ref().is_some_and(InterestCheck::hides);
        outcomes + usize::from(interests) + usize::from(self.fuel_exceeded().is_some())
    }

    /// Fuel of every call, in order of size.
    pub fn fuel(&self) -> Vec<u64> {
        let all = self.outcomes.iter().flat_map(|outcome| outcome.fuel.iter().copied());
        let mut fuel: Vec<u64> = all.collect();
        fuel.sort_unstable();
        fuel
    }

    /// The most that an event took, where that is more than is allowed.
    pub fn fuel_exceeded(&self) -> Option<u64> {
        let most = self.fuel().last().copied()?;
        self.fuel_max.filter(|max| most > *max).map(|_| most)
    }
}

/// Runs all tests.
pub fn test(options: &Options) -> Result<Report, TestError> {
    let files = fixture_files(options)?;
    let component = super::component(&options.path)?;
    let config = options.config.as_deref().map(read_config).transpose()?;
    let mut bench = Bench { loader: open(Metering::Fuel)?, component, config, prepared: None };
    let mut report = Report {
        component: bench.component.name.clone(),
        rules: Vec::new(),
        outcomes: Vec::new(),
        interests: options.check_interests.then(InterestCheck::default),
        fuel_max: options.fuel_max,
    };
    for file in &files {
        let fixtures = fixture::read(file)?;
        run_fixtures(file, &fixtures, &mut bench, &mut report)?;
    }
    bench.configure(None)?;
    report.rules = bench.rules();
    for path in &options.events {
        let events = events::from_json(path)?;
        report.outcomes.push(bench.look(path, &events)?);
        bench.check_interests(&events, report.interests.as_mut())?;
    }
    for path in &options.recordings {
        let baseline = Baseline { recording: path.clone(), alerts_max: options.alerts_max };
        run_baseline("recordings", path, &baseline, &mut bench, &mut report)?;
    }
    Ok(report)
}

fn read_config(path: &Path) -> Result<String, TestError> {
    std::fs::read_to_string(path)
        .map_err(|source| TestError::Config { path: path.to_owned(), source })
}

/// The fixture files that are named, or those that stand beside the rule.
fn fixture_files(options: &Options) -> Result<Vec<PathBuf>, TestError> {
    let mut files = Vec::new();
    for path in &options.fixtures {
        if path.is_dir() {
            files.extend(fixture::files(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if options.fixtures.is_empty() && options.path.is_dir() {
        files = fixture::files(&options.path.join("tests"))?;
    }
    let none = files.is_empty() && options.events.is_empty() && options.recordings.is_empty();
    // What is not there at all is told by whoever reads it.
    if none && options.path.exists() {
        return Err(TestError::Nothing { path: options.path.clone() });
    }
    Ok(files)
}

fn run_fixtures(
    file: &Path,
    fixtures: &Fixtures,
    bench: &mut Bench,
    report: &mut Report,
) -> Result<(), TestError> {
    bench.configure(fixtures.config.as_ref())?;
    let group = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let fuel_max = fixtures.limits.fuel_max;
    for (position, case) in fixtures.tests.iter().enumerate() {
        let mut outcome = bench.case(case).map_err(|error| match error {
            CaseError::Case(detail) => {
                let name = match case.name.as_str() {
                    "" => (position + 1).to_string(),
                    name => name.to_owned(),
                };
                TestError::Fixture(FixtureError::Test { path: file.to_owned(), name, detail })
            }
            CaseError::Test(error) => error,
        })?;
        outcome.group.clone_from(&group);
        if let (Some(max), Some(most)) = (fuel_max, outcome.fuel.iter().max())
            && *most > max
        {
            outcome.failures.push(format!("it took {most} fuel, more than the {max} allowed"));
        }
        report.outcomes.push(outcome);
        let events: Vec<_> = case.steps().unwrap_or_default();
        let events: Vec<_> = events.into_iter().map(|step| step.event).collect();
        bench.check_interests(&events, report.interests.as_mut())?;
    }
    for baseline in &fixtures.baselines {
        let folder = file.parent().unwrap_or(Path::new("."));
        let path = folder.join(&baseline.recording);
        run_baseline(&group, &path, baseline, bench, report)?;
    }
    Ok(())
}

fn run_baseline(
    group: &str,
    path: &Path,
    baseline: &Baseline,
    bench: &mut Bench,
    report: &mut Report,
) -> Result<(), TestError> {
    let mut outcome = bench.baseline(path, baseline.alerts_max, report.interests.as_mut())?;
    outcome.group = group.to_owned();
    report.outcomes.push(outcome);
    Ok(())
}

/// A component that can be started anew for each test.
pub(super) struct Bench {
    loader: Loader,
    component: super::Component,
    /// Given by the user; wins over what fixtures say.
    config: Option<String>,
    prepared: Option<(String, Prepared)>,
}

/// Why a case has no result.
enum CaseError {
    /// The case is wrong.
    Case(String),
    Test(TestError),
}

impl Bench {
    /// Configure the component as a file of fixtures says, unless the user said otherwise.
    fn configure(&mut self, own: Option<&toml::Table>) -> Result<(), TestError> {
        let config = match (&self.config, own) {
            (Some(config), _) => config.clone(),
            (None, Some(table)) => table.to_string(),
            (None, None) => String::new(),
        };
        if self.prepared.as_ref().is_none_or(|(with, _)| *with != config) {
            let prepared = self.component.load(&self.loader, &config)?;
            self.prepared = Some((config, prepared));
        }
        Ok(())
    }

    fn prepared(&self) -> &Prepared {
        &self.prepared.as_ref().expect("it is configured before each use").1
    }

    fn rules(&self) -> Vec<String> {
        let rules = self.prepared().rules().iter();
        rules.map(|rule| format!("{} {}", rule.id, rule.version)).collect()
    }

    /// A fresh instance, as after a start of the sensor.
    fn trial(&self, test: &str) -> Result<Trial, TestError> {
        let prepared = self
            .prepared()
            .fresh()
            .map_err(|source| TestError::Start { test: test.to_owned(), source })?;
        Ok(Trial::new(prepared)?)
    }

    /// One test of a fixture file.
    fn case(&self, case: &Case) -> Result<Outcome, CaseError> {
        let steps = case.steps().map_err(CaseError::Case)?;
        if case.name.is_empty() {
            return Err(CaseError::Case("it has no name".into()));
        }
        let mut trial = self.trial(&case.name).map_err(CaseError::Test)?;
        let mut outcome = Outcome::new(&case.name);
        for (position, step) in steps.iter().enumerate() {
            let asked = trial.judge(&step.event, step.time_ns);
            outcome.add_fuel(&asked);
            let why_not = |rule: &str| self.prepared().misses_of(rule, &step.event);
            let differences = check::differences(&step.expected, &asked, why_not);
            let prefix = match steps.len() {
                1 => String::new(),
                _ => format!("step {}: ", position + 1),
            };
            outcome.failures.extend(differences.iter().map(|it| format!("{prefix}{it}")));
        }
        Ok(outcome)
    }

    /// What the rule says to events, without an opinion.
    fn look(&self, path: &Path, events: &[Arc<Event>]) -> Result<Outcome, TestError> {
        let mut outcome = Outcome::new(&path.display().to_string());
        "events".clone_into(&mut outcome.group);
        let mut trial = self.trial(&outcome.name)?;
        for (position, event) in events.iter().enumerate() {
            let asked = trial.judge(event, check::time_ns(event));
            outcome.add_fuel(&asked);
            let said = check::lines(&asked);
            let title = check::title(event);
            match said.as_slice() {
                [] if asked.called => {
                    outcome.notes.push(format!("{}. {title}: passes", position + 1));
                }
                [] => {
                    outcome.notes.push(format!("{}. {title}: not called", position + 1));
                    let misses = self.prepared().misses(event).into_iter();
                    outcome.notes.extend(misses.map(|why| format!("   {why}")));
                }
                said => {
                    outcome.notes.push(format!("{}. {title}", position + 1));
                    outcome.notes.extend(said.iter().map(|line| format!("   {line}")));
                }
            }
            outcome.failures.extend(check::broken(&asked));
        }
        Ok(outcome)
    }

    /// A recording of ordinary work; it may be long, so nothing of it is kept.
    fn baseline(
        &self,
        path: &Path,
        alerts_max: u64,
        mut check: Option<&mut InterestCheck>,
    ) -> Result<Outcome, TestError> {
        /// Alerts that are named; the others are counted.
        const NAMED_MAX: usize = 20;
        let mut outcome = Outcome::new(&format!("baseline {}", path.display()));
        let mut trial = self.trial(&outcome.name)?;
        let mut pair = self.pair()?;
        let (mut count, mut total, mut named) = (0, 0, Vec::new());
        events::replay(path, RuleSet::new(), |event| {
            let asked = trial.judge(&event, check::time_ns(&event));
            outcome.add_fuel(&asked);
            let room = NAMED_MAX.saturating_sub(outcome.failures.len());
            outcome.failures.extend(check::broken(&asked).into_iter().take(room));
            let alerts = check::alerts(&asked);
            count += alerts.len() as u64;
            let room = NAMED_MAX - named.len();
            named.extend(alerts.into_iter().take(room));
            total += 1;
            if let Some(check) = &mut check {
                check.compare(self.prepared(), &event, &mut pair.0, &mut pair.1);
            }
            true
        })?;
        if count > alerts_max {
            outcome.failures.push(format!(
                "{count} alerts in {total} events, more than the {alerts_max} allowed:"
            ));
            let more = count - named.len() as u64;
            outcome.failures.extend(named.into_iter().map(|alert| format!("  {alert}")));
            if more > 0 {
                outcome.failures.push(format!("  and {more} more"));
            }
        } else {
            outcome.notes.push(format!(
                "{count} alerts in {total} events, of which it saw {}",
                outcome.fuel.len()
            ));
        }
        Ok(outcome)
    }

    /// Ask about the same events with and without the interests' terms.
    fn check_interests(
        &self,
        events: &[Arc<Event>],
        check: Option<&mut InterestCheck>,
    ) -> Result<(), TestError> {
        let Some(check) = check else { return Ok(()) };
        let (mut with, mut without) = self.pair()?;
        for event in events {
            check.compare(self.prepared(), event, &mut with, &mut without);
        }
        Ok(())
    }

    /// Two fresh instances, of which the second is called whatever its terms say.
    fn pair(&self) -> Result<(Trial, Trial), TestError> {
        let fresh = || {
            self.prepared()
                .fresh()
                .map_err(|source| TestError::Start { test: "its interests".into(), source })
        };
        Ok((Trial::new(fresh()?)?, Trial::new(fresh()?.without_terms())?))
    }
}

impl Outcome {
    fn new(name: &str) -> Outcome {
        Outcome {
            group: String::new(),
            name: name.to_owned(),
            failures: Vec::new(),
            notes: Vec::new(),
            fuel: Vec::new(),
        }
    }

    fn add_fuel(&mut self, asked: &crate::rules::trial::Asked) {
        if asked.called {
            self.fuel.push(asked.fuel);
        }
    }
}
