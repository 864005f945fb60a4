//! What is asked and answered.

use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::metrics::Report;

/// One request: a line of JSON such as `{"command":"status"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Everything that the sensor tells of itself.
    Status,
    /// Look at the rules directory now.
    RulesReload,
    /// Change the mode of a component, until the sensor is restarted or the component replaced.
    RulesMode { rule: String, mode: Wanted },
    /// Change which log lines are written, until the sensor is restarted.
    LogLevel { level: Level },
}

impl Request {
    /// It changes nothing.
    pub fn only_reads(&self) -> bool {
        matches!(self, Request::Status)
    }
}

/// What a component is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Its verdicts count. Ends a quarantine.
    Active,
    /// It sees events, and its verdicts change nothing.
    Shadow,
    /// It is not called.
    Off,
    /// It is left alone for the time of a first quarantine, as after repeated faults.
    Quarantine,
}

/// The answer: a line of JSON with one of these as its only key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Status(Box<Report>),
    /// It is done; this says what.
    Done(String),
    /// It is not done; this says why.
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_page_says() {
        let parse = serde_json::from_str::<Request>;
        assert_eq!(parse(r#"{"command":"status"}"#).unwrap(), Request::Status);
        let request = parse(r#"{"command":"rules_mode","rule":"a","mode":"shadow"}"#).unwrap();
        assert_eq!(request, Request::RulesMode { rule: "a".to_owned(), mode: Wanted::Shadow });
        assert!(!request.only_reads());
        let request = parse(r#"{"command":"log_level","level":"debug"}"#).unwrap();
        assert_eq!(request, Request::LogLevel { level: Level::Debug });
        for wrong in [r#"{}"#, r#"{"command":"stop"}"#, r#"{"command":"rules_mode","rule":"a"}"#] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
