//! `ocellus rules explain`: what each rule says to an event, and why it was not called.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::said::{Said, said};
use super::testing::{time_ns, title};
use super::{Component, ComponentError, component, inspect};
use crate::error_chain::ErrorChain;
use crate::event::Event;
use crate::rules::Loader;
use crate::rules::trial::Trial;

/// What the rules of a folder make of some events.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub events: Vec<EventAnswer>,
    /// Components that cannot be used, with the reason.
    pub refused: Vec<String>,
}

/// What they make of one event.
#[derive(Clone, Debug, Serialize)]
pub struct EventAnswer {
    pub event: String,
    pub components: Vec<Answer>,
}

/// What one component makes of it.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    pub component: String,
    pub called: bool,
    pub said: Vec<Said>,
    /// For each interest, why it does not want the event.
    pub not_called: Vec<String>,
}

/// Asks each component of `path`, a folder or a file, about the events, in order.
pub fn explain(
    events: &[Arc<Event>],
    path: &Path,
    loader: &Loader,
) -> Result<Explanation, ComponentError> {
    let mut explanation = Explanation { events: Vec::new(), refused: Vec::new() };
    for event in events {
        explanation.events.push(EventAnswer { event: title(event), components: Vec::new() });
    }
    for file in inspect::files(path)? {
        let component = component(&file)?;
        match ask(&component, events, loader) {
            Ok(answers) => {
                for (event, answer) in explanation.events.iter_mut().zip(answers) {
                    event.components.push(answer);
                }
            }
            Err(error) => explanation.refused.push(ErrorChain(&error).to_string()),
        }
    }
    Ok(explanation)
}

fn ask(
    component: &Component,
    events: &[Arc<Event>],
    loader: &Loader,
) -> Result<Vec<Answer>, ComponentError> {
    let config = config_of(&component.path)?;
    let prepared = component.load(loader, &config)?;
    let misses: Vec<Vec<String>> = events.iter().map(|event| prepared.misses(event)).collect();
    let Ok(mut trial) = Trial::new(prepared) else { return Ok(Vec::new()) };
    let answers = events.iter().zip(misses).map(|(event, not_called)| {
        let asked = trial.judge(event, time_ns(event));
        Answer {
            component: component.name.clone(),
            called: asked.called,
            said: said(&asked.verdict),
            not_called,
        }
    });
    Ok(answers.collect())
}

/// `NAME.toml` beside `NAME.wasm`, as the sensor takes it.
pub(crate) fn config_of(component: &Path) -> Result<String, ComponentError> {
    let path = component.with_extension("toml");
    match std::fs::read_to_string(&path) {
        Ok(config) => Ok(config),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ComponentError::Read { path, source }),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, event) in self.events.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            write!(f, "{event}")?;
        }
        for refused in &self.refused {
            writeln!(f, "refused: {refused}")?;
        }
        Ok(())
    }
}

impl fmt::Display for EventAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.event)?;
        // Those that said something first: that is what one looks for.
        let mut answers: Vec<&Answer> = self.components.iter().collect();
        answers.sort_by_key(|answer| (answer.said.is_empty(), !answer.called));
        for answer in answers {
            write!(f, "{answer}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for said in &self.said {
            writeln!(f, "  {said}")?;
        }
        if !self.said.is_empty() {
            return Ok(());
        }
        if self.called {
            return writeln!(f, "  {}: called, lets it pass", self.component);
        }
        writeln!(f, "  {}: not called", self.component)?;
        for why in &self.not_called {
            writeln!(f, "      {why}")?;
        }
        Ok(())
    }
}
