//! Checks what `on-event` answers. Output beyond a bound is a fault: nothing of it is used.

use super::budget::{HITS_MAX, MESSAGE_BYTES_MAX, SEVERITY_MAX, TAG_BYTES_MAX, TAGS_MAX};
use super::wit;

/// Whether the hits of a component with `rules` rules keep to the contract; if not, why.
pub(super) fn check(hits: &[wit::Hit], rules: usize) -> Result<(), String> {
    if hits.len() > HITS_MAX {
        return Err(format!("{} hits on one event; at most {HITS_MAX}", hits.len()));
    }
    for hit in hits {
        if hit.rule as usize >= rules {
            return Err(format!("a hit of rule {}, but it has {rules}", hit.rule));
        }
        match &hit.verdict {
            wit::Verdict::Drop => {}
            wit::Verdict::Tag(tags) => check_tags(tags)?,
            wit::Verdict::Alert(alert) => check_alert(alert)?,
        }
    }
    Ok(())
}

fn check_alert(alert: &wit::Alert) -> Result<(), String> {
    if alert.severity > SEVERITY_MAX {
        return Err(format!("severity {}; at most {SEVERITY_MAX}", alert.severity));
    }
    if alert.message.len() > MESSAGE_BYTES_MAX {
        let len = alert.message.len();
        return Err(format!("a message of {len} bytes; at most {MESSAGE_BYTES_MAX}"));
    }
    check_tags(&alert.tags)
}

fn check_tags(tags: &[String]) -> Result<(), String> {
    if tags.len() > TAGS_MAX {
        return Err(format!("{} tags in one hit; at most {TAGS_MAX}", tags.len()));
    }
    match tags.iter().find(|tag| tag.is_empty() || tag.len() > TAG_BYTES_MAX) {
        Some(tag) if tag.is_empty() => Err("an empty tag".into()),
        Some(tag) => Err(format!("a tag of {} bytes; at most {TAG_BYTES_MAX}", tag.len())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(tags: Vec<String>) -> wit::Hit {
        wit::Hit { rule: 0, verdict: wit::Verdict::Tag(tags) }
    }

    fn alert(severity: u8, message: String) -> wit::Hit {
        let alert = wit::Alert { severity, message, tags: vec!["a".into()] };
        wit::Hit { rule: 0, verdict: wit::Verdict::Alert(alert) }
    }

    #[test]
    fn the_bounds_themselves_pass() {
        let full = tag(vec!["t".repeat(TAG_BYTES_MAX); TAGS_MAX]);
        assert_eq!(check(&vec![full; HITS_MAX], 1), Ok(()));
        assert_eq!(check(&[alert(100, "m".repeat(MESSAGE_BYTES_MAX))], 1), Ok(()));
    }

    #[test]
    fn one_more_does_not() {
        let refused = |hit: wit::Hit| check(&[hit], 1).unwrap_err();
        assert!(check(&vec![tag(vec![]); HITS_MAX + 1], 1).unwrap_err().contains("257 hits"));
        assert!(refused(tag(vec!["t".into(); TAGS_MAX + 1])).contains("33 tags"));
        assert!(refused(tag(vec!["t".repeat(TAG_BYTES_MAX + 1)])).contains("129 bytes"));
        assert!(refused(tag(vec![String::new()])).contains("empty tag"));
        assert!(refused(alert(101, String::new())).contains("severity 101"));
        assert!(refused(alert(1, "m".repeat(MESSAGE_BYTES_MAX + 1))).contains("4097 bytes"));
        let stranger = wit::Hit { rule: 1, verdict: wit::Verdict::Drop };
        assert!(refused(stranger).contains("a hit of rule 1, but it has 1"));
    }
}
