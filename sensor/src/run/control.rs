//! What the loop answers to operators.

use std::time::Duration;

use super::Rim;
use super::rules::Rules;
use crate::control::{Answer, Ask, Request, Wanted};
use crate::fleet::FleetStatus;
use crate::host::boottime_ns;
use crate::metrics::{self, Hashing, Health, Report, State, Usage};
use crate::rules::Mode;

/// How long a loss, or a drop of an output, counts as a problem.
const MEMORY: Duration = Duration::from_secs(300);

impl Rim {
    pub(super) fn answer(&mut self, ask: Ask) {
        let answer = match ask.request {
            Request::Status => Answer::Status(Box::new(self.report())),
            Request::RulesReload => self.reload_rules(),
            Request::RulesMode { rule, mode } => self.set_mode(&rule, mode),
            Request::LogLevel { level } => match crate::logging::set_level(level) {
                Ok(()) => {
                    tracing::info!("the log level is {} now", level.as_str());
                    Answer::Done(format!("the log level is {} now", level.as_str()))
                }
                Err(why) => Answer::Error(why),
            },
        };
        // A client that has gone needs no answer.
        let _ = ask.answer.send(answer);
    }

    fn reload_rules(&self) -> Answer {
        match &self.rules {
            Some(rules) => {
                rules.rescan();
                Answer::Done(
                    "the rules directories are being read; the log says what changes".into(),
                )
            }
            None => Answer::Error("no rules are configured (`rules.dir`, `rules.nats`)".into()),
        }
    }

    fn set_mode(&mut self, rule: &str, wanted: Wanted) -> Answer {
        let rules = &mut self.sensor.rules;
        let Some(component) = rules.component_of(rule).cloned() else {
            return Answer::Error(format!(
                "there is no component and no rule `{rule}`; `ocellus rules list` shows them"
            ));
        };
        let is_component = *component == *rule;
        let (mode, word) = match wanted {
            Wanted::Active => (Mode::Active, "active"),
            Wanted::Shadow => (Mode::Shadow, "in shadow mode"),
            Wanted::Off => (Mode::Off, "switched off"),
            Wanted::Quarantine if is_component => {
                rules.quarantine(&component, boottime_ns());
                return self.mode_is_set("component", rule, &component, "in quarantine");
            }
            Wanted::Quarantine => {
                return Answer::Error(format!(
                    "a quarantine is of a whole component: `ocellus rules mode {component} \
                     quarantine`, or `ocellus rules mode {rule} off` for this rule alone"
                ));
            }
        };
        if !is_component {
            rules.set_rule_mode(rule, mode);
            return self.mode_is_set("rule", rule, &component, word);
        }
        if wanted == Wanted::Active {
            rules.release(&component);
        }
        rules.set_mode_of_all(&component, mode);
        self.mode_is_set("component", rule, &component, word)
    }

    fn mode_is_set(&mut self, what: &str, name: &str, component: &str, word: &str) -> Answer {
        let message = format!("the {what} `{name}` is {word} now, as an operator asked");
        tracing::info!("{message}");
        self.say_rules("rule_mode", Some(component), message.clone());
        Answer::Done(message)
    }

    /// Everything that the sensor tells of itself.
    pub(super) fn report(&self) -> Report {
        let mut report = Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            backend: self.source.backend().to_owned(),
            log_level: crate::logging::level(),
            health: Health::default(),
            probes: self.source.probes(),
            events: self.sensor.counters(),
            queue_pressed: self.sensor.is_pressed(),
            processes: metrics::Processes {
                known: self.sensor.table().len(),
                snapshots: self.snapshots,
                stats: self.sensor.table_stats(),
            },
            hashing: self.hashing(),
            rules: metrics::Rules {
                dir: self.config.rules.dir.as_ref().map(|dir| dir.display().to_string()),
                fleet: self.rules.as_ref().and_then(Rules::fleet),
                generation: self.sensor.rules.generation(),
                events_dropped_before: self.sensor.rules.events_dropped_before(),
                changes: self.rules_changed,
                refused: self.rules_refused,
                components: self.sensor.rules.stats(),
            },
            outputs: self.output_reports(),
            self_test: self.self_test.as_ref().map(|it| it.report()).unwrap_or_default(),
            control: self.control.as_ref().map(|it| it.stats()).unwrap_or_default(),
            privileges: self.privileges.clone(),
            usage: Usage::read(),
        };
        report.health = self.health(&report);
        report
    }

    fn hashing(&self) -> Option<Hashing> {
        let cache = self.sensor.hash_stats()?;
        let pool = self.pool.as_ref().map(|pool| pool.stats()).unwrap_or_default();
        Some(Hashing { cache, pool })
    }

    fn health(&self, report: &Report) -> Health {
        let mut health = Health::default();
        if !self.ready {
            return health;
        }
        health.state = State::Healthy;
        if let Some(problem) = &report.self_test.problem {
            health.add(State::Failing, format!("the delivery self-test failed: {problem}"));
        }
        for probe in report.probes.iter().filter(|probe| !probe.attached) {
            let problem = format!("the probe {} is not attached: {}", probe.name, probe.detail);
            health.add(State::Degraded, problem);
        }
        if self.last_loss.is_some_and(|last| last.elapsed() < MEMORY) {
            let problem = "events were lost in the last five minutes; `lost` below has the causes";
            health.add(State::Degraded, problem.to_owned());
        }
        if let Some(problem) = report.rules.fleet.as_ref().and_then(FleetStatus::trouble) {
            health.add(State::Degraded, problem);
        }
        for component in &report.rules.components {
            if component.quarantined_until_ns.is_some() {
                let problem = format!("the component {} is in quarantine", component.name);
                health.add(State::Degraded, problem);
            }
        }
        if self.last_drop.is_some_and(|last| last.elapsed() < MEMORY) {
            let dropped = report.outputs.iter().filter(|output| output.stats.dropped_total() > 0);
            for output in dropped {
                let problem = format!("the output {} dropped events lately", output.name);
                health.add(State::Degraded, problem);
            }
        }
        health
    }

    /// The outputs as they are now.
    pub(super) fn output_reports(&self) -> Vec<metrics::Output> {
        self.outputs.as_ref().map(metrics::Output::all).unwrap_or_default()
    }
}
