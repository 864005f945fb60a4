//! Where the events of a trial come from: JSON that somebody wrote or the sensor put out, and
//! recordings.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::read_event::{self, EventError};
use crate::config::Config;
use crate::event::Event;
use crate::recording::RecordingError;
use crate::rules::RuleSet;
use crate::run;

/// Largest file of events in JSON, in bytes. It is held in memory; more than that is a recording's
/// business.
const JSON_BYTES_MAX: u64 = 256 << 20;

/// Events of a recording that are held at once, for what looks at them again and again. With all
/// their fields they take some 300 MiB.
pub const KEPT_MAX: usize = 100_000;

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{} has more than {} MiB; record events with `ocellus record`, and use that",
        path.display(),
        JSON_BYTES_MAX >> 20
    )]
    TooLarge { path: PathBuf },
    #[error("{}:{line}: it is no JSON", path.display())]
    Json { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{}:{line}", path.display())]
    Event { path: PathBuf, line: usize, source: EventError },
    #[error("{} holds no event", path.display())]
    None { path: PathBuf },
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

/// The events of a file: one JSON object, a list of them, or one a line.
pub fn from_json(path: &Path) -> Result<Vec<Arc<Event>>, EventsError> {
    let read_error = |source| EventsError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(read_error)?.len() > JSON_BYTES_MAX {
        return Err(EventsError::TooLarge { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(read_error)?;
    let event = |line: usize, json: &Json| match read_event::event(json) {
        Ok(event) => Ok(Arc::new(event)),
        Err(source) => Err(EventsError::Event { path: path.to_owned(), line, source }),
    };
    let mut events = Vec::new();
    let mut documents = serde_json::Deserializer::from_str(&text).into_iter::<Json>();
    loop {
        let rest = &text[documents.byte_offset()..];
        let start = text.len() - rest.trim_start().len();
        let line = text[..start].matches('\n').count() + 1;
        match documents.next() {
            None => break,
            Some(Ok(Json::Array(items))) => {
                for item in &items {
                    events.push(event(line, item)?);
                }
            }
            Some(Ok(json)) => events.push(event(line, &json)?),
            Some(Err(source)) => {
                let line = source.line().max(1);
                return Err(EventsError::Json { path: path.to_owned(), line, source });
            }
        }
    }
    if events.is_empty() {
        return Err(EventsError::None { path: path.to_owned() });
    }
    Ok(events)
}

/// The events that a recording makes, with what the rules in `set` say to them. `each` gets them in
/// order, and ends the replay by false. A recording that is damaged at its end is an error.
pub fn replay(
    path: &Path,
    set: RuleSet,
    each: impl FnMut(Arc<Event>) -> bool,
) -> Result<RuleSet, EventsError> {
    let settings = run::machine_settings(&Config::default());
    let replayed = crate::replay::replay(path, &settings, set, each)?;
    match replayed.damage {
        Some(damage) => Err(damage.into()),
        None => Ok(replayed.sensor.rules),
    }
}

/// The first events of a recording, unjudged, at most [`KEPT_MAX`].
pub fn from_recording(path: &Path) -> Result<Vec<Arc<Event>>, EventsError> {
    let mut events = Vec::new();
    replay(path, RuleSet::new(), |event| {
        events.push(event);
        events.len() < KEPT_MAX
    })?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::encode;

    fn read(text: &str) -> Result<Vec<Arc<Event>>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.json");
        fs::write(&path, text).unwrap();
        from_json(&path).map_err(|error| {
            crate::error_chain::ErrorChain(&error)
                .to_string()
                .replace(&path.display().to_string(), "events.json")
        })
    }

    #[test]
    fn an_object_a_list_and_lines_are_the_same() {
        let one = r#"{"process.name":"a"}"#;
        let events = read(&format!("{one}\n\n{one}\n")).unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(read(&format!("[{one},{one}]")).unwrap(), events);
        assert_eq!(read("{\n  \"process\": {\n \"name\": \"a\"}}").unwrap(), events[..1]);
    }

    #[test]
    fn the_line_that_is_wrong_is_named() {
        let good = r#"{"process.name":"a"}"#;
        let error = read(&format!("{good}\n{{\"process.nam\":\"a\"}}\n")).unwrap_err();
        assert!(error.starts_with("events.json:2: there is no field `process.nam`;"), "{error}");
        assert_eq!(error.matches("there is no field").count(), 1, "{error}");
        let error = read(&format!("{good}\n{{\n\"a\" b")).unwrap_err();
        assert!(error.starts_with("events.json:3: it is no JSON"), "{error}");
        assert_eq!(read("\n").unwrap_err(), "events.json holds no event");
    }

    /// Every event of the shipped recording survives the way through JSON.
    #[test]
    fn the_sample_is_read_back_equal() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sample.ocellus");
        let events = from_recording(Path::new(path)).unwrap();
        assert!(events.len() > 50);
        for written in events {
            let mut line = Vec::new();
            encode::json(&written, &mut line);
            let read = read_event::event(&serde_json::from_slice(&line).unwrap()).unwrap();
            assert_eq!(read.kinds, written.kinds);
            let mut again = Vec::new();
            encode::json(&read, &mut again);
            assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(line).unwrap());
        }
    }
}
