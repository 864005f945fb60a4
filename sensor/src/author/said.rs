//! What rules said about one event, as a list that can be shown and compared.

use std::fmt;

use serde::Serialize;

use crate::verdict::Verdict;

/// One rule's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    pub rule: String,
    #[serde(flatten)]
    pub what: What,
}

/// What the verdict is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum What {
    Alert {
        severity: u8,
        message: String,
        tags: Vec<String>,
    },
    Tag {
        tags: Vec<String>,
    },
    Drop,
    /// The component failed: no verdict, and the event passes.
    Fault {
        cause: String,
    },
}

impl What {
    /// The name that fixtures use.
    pub fn name(&self) -> &'static str {
        match self {
            What::Alert { .. } => "alert",
            What::Tag { .. } => "tag",
            What::Drop => "drop",
            What::Fault { .. } => "fault",
        }
    }

    pub fn tags(&self) -> &[String] {
        match self {
            What::Alert { tags, .. } | What::Tag { tags } => tags,
            What::Drop | What::Fault { .. } => &[],
        }
    }

    pub fn is_alert(&self) -> bool {
        matches!(self, What::Alert { .. })
    }
}

/// All that was said: alerts, tags, a drop, faults, each in the order of the rules.
pub fn said(verdict: &Verdict) -> Vec<Said> {
    let alerts = verdict.alerts.iter().map(|alert| Said {
        rule: alert.rule.id.to_string(),
        what: What::Alert {
            severity: alert.severity,
            message: alert.message.clone(),
            tags: alert.tags.clone(),
        },
    });
    let tags = verdict.taggings.iter().map(|tagging| Said {
        rule: tagging.rule.id.to_string(),
        what: What::Tag { tags: tagging.tags.clone() },
    });
    let drop =
        verdict.dropped_by.iter().map(|rule| Said { rule: rule.id.to_string(), what: What::Drop });
    let faults = verdict.faults.iter().map(|fault| Said {
        rule: fault.component.to_string(),
        what: What::Fault { cause: format!("{}: {}", fault.cause, fault.detail) },
    });
    alerts.chain(tags).chain(drop).chain(faults).collect()
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Alert { severity, message, tags } => {
                write!(f, "{}: alert {severity} {message:?}{}", self.rule, Tags(tags))
            }
            What::Tag { tags } => write!(f, "{}: tag{}", self.rule, Tags(tags)),
            What::Drop => write!(f, "{}: drop", self.rule),
            What::Fault { cause } => write!(f, "{}: FAULT, it {cause}", self.rule),
        }
    }
}

struct Tags<'a>(&'a [String]);

impl fmt::Display for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            tags => write!(f, " {tags:?}"),
        }
    }
}
