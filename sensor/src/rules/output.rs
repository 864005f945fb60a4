//! Checks what `on-event` and `on-batch` answer. Output beyond a bound is a fault: nothing of it is
//! used.

use super::budget::{
    BATCH_EVENTS_MAX, HITS_MAX, MESSAGE_BYTES_MAX, SEVERITY_MAX, TAG_BYTES_MAX, TAGS_MAX,
};
use super::wit;

/// Whether the hits of a component with `rules` rules keep to the contract; if not, why.
pub(super) fn check(hits: &[wit::Hit], rules: usize) -> Result<(), String> {
    if hits.len() > HITS_MAX {
        return Err(format!("{} hits on one event; at most {HITS_MAX}", hits.len()));
    }
    hits.iter().try_for_each(|hit| check_hit(hit.rule, &hit.verdict, rules))
}

/// The same for hits on a batch of `events` events.
pub(super) fn check_batch(
    hits: &[wit::BatchHit],
    events: usize,
    rules: usize,
) -> Result<(), String> {
    let mut of_event = [0; BATCH_EVENTS_MAX];
    for hit in hits {
        let event = hit.event as usize;
        let Some(count) = of_event[..events].get_mut(event) else {
            return Err(format!("a hit on event {event} of a batch of {events}"));
        };
        *count += 1;
        if *count > HITS_MAX {
            return Err(format!("more than {HITS_MAX} hits on one event"));
        }
        check_hit(hit.rule, &hit.verdict, rules)?;
    }
    Ok(())
}

fn check_hit(rule: u32, verdict: &wit::Verdict, rules: usize) -> Result<(), String> {
    if rule as usize >= rules {
        return Err(format!("a hit of rule {rule}, but it has {rules}"));
    }
    match verdict {
        wit::Verdict::Drop => Ok(()),
        wit::Verdict::Tag(tags) => check_tags(tags),
        wit::Verdict::Alert(alert) => check_alert(alert),
    }
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

    #[test]
    fn hits_of_a_batch_name_its_events() {
        let hit = |event, rule| wit::BatchHit { event, rule, verdict: wit::Verdict::Drop };
        assert_eq!(check_batch(&[hit(0, 0), hit(63, 1)], 64, 2), Ok(()));
        assert!(check_batch(&[hit(2, 0)], 2, 1).unwrap_err().contains("event 2 of a batch of 2"));
        assert!(check_batch(&[hit(0, 1)], 2, 1).unwrap_err().contains("a hit of rule 1"));
        let many = vec![hit(1, 0); HITS_MAX];
        assert_eq!(check_batch(&many, 2, 1), Ok(()));
        let more = [many, vec![hit(1, 0)]].concat();
        assert!(check_batch(&more, 2, 1).unwrap_err().contains("more than 256 hits"));
    }
}
