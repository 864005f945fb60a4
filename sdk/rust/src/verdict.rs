//! What a rule wants done with an event.

/// Severity of an alert that is worth knowing, on its own not worth a look.
pub const LOW: u8 = 21;
/// Severity of an alert that someone should look at when there is time.
pub const MEDIUM: u8 = 47;
/// Severity of an alert that someone should look at today.
pub const HIGH: u8 = 73;
/// Severity of an alert that someone should look at now.
pub const CRITICAL: u8 = 99;

/// What a rule wants done with the event. To let it pass needs none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Add these tags.
    Tag(Vec<String>),
    /// Mark the event as an alert.
    Alert(Alert),
    /// Do not deliver the event.
    Drop,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// 0 to 100; [`LOW`], [`MEDIUM`], [`HIGH`] and [`CRITICAL`] are the usual steps.
    pub severity: u8,
    /// One line that says what happened.
    pub message: String,
    /// Added to the event's tags.
    pub tags: Vec<String>,
}

/// Longest message of an alert, in bytes. Longer ones are cut here: a command line may have
/// megabytes, and the sensor takes an answer that is too long for a fault of the rule.
const MESSAGE_BYTES: usize = 1024;

/// Mark the event as an alert. `severity` is 0 to 100, what is above counts as 100; `message` is
/// one line that says what happened, and is cut at 1,024 bytes.
pub fn alert(severity: u8, message: impl Into<String>) -> Verdict {
    let mut message: String = message.into();
    if message.len() > MESSAGE_BYTES {
        let end =
            (0..=MESSAGE_BYTES - '…'.len_utf8()).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(end.unwrap_or(0));
        message.push('…');
    }
    Verdict::Alert(Alert { severity: severity.min(100), message, tags: Vec::new() })
}

/// Add a tag to the event.
pub fn tag(tag: impl Into<String>) -> Verdict {
    Verdict::Tag(vec![tag.into()])
}

/// Do not deliver the event. The rule must ask for this: [`crate::RuleInfo::asks_to_drop`].
pub fn drop_event() -> Verdict {
    Verdict::Drop
}

impl Verdict {
    /// Add one more tag. A dropped event has none.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        match &mut self {
            Verdict::Tag(tags) => tags.push(tag.into()),
            Verdict::Alert(alert) => alert.tags.push(tag.into()),
            Verdict::Drop => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        let Verdict::Alert(cut) = alert(255, "ü".repeat(MESSAGE_BYTES)) else {
            panic!("no alert")
        };
        assert_eq!(cut.severity, 100);
        assert!(cut.message.len() <= MESSAGE_BYTES && cut.message.ends_with("ü…"));
        let Verdict::Alert(whole) = alert(LOW, "x".repeat(MESSAGE_BYTES)) else { panic!("none") };
        assert_eq!(whole.message.len(), MESSAGE_BYTES);
    }

    #[test]
    fn tags_are_added_to_alerts_and_tags_but_not_to_drops() {
        assert_eq!(tag("a").with_tag("b"), Verdict::Tag(vec!["a".into(), "b".into()]));
        let Verdict::Alert(alert) = alert(LOW, "m").with_tag("a") else { panic!("no alert") };
        assert_eq!(alert.tags, ["a"]);
        assert_eq!(drop_event().with_tag("a"), Verdict::Drop);
    }
}
