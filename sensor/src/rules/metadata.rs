//! What a rule says about itself, checked.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::interest::{INTERESTS_MAX, Interests};
use super::wit;

/// Longest rule id, in bytes: it becomes a label of metrics and a field of every alert.
pub const ID_BYTES_MAX: usize = 64;
/// Longest name and version of a rule, in bytes: one line on a screen.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest description and longest known false positive, in bytes: a paragraph.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Most ATT&CK techniques, and most known false positives, of one rule.
pub const LIST_MAX: usize = 32;
/// Most rules in one component: a generated set holds thousands.
pub const RULES_MAX: usize = 8192;

/// What a rule may do with an event, and see of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    pub tag: bool,
    pub alert: bool,
    pub drop: bool,
    /// See the environment of processes.
    pub environment: bool,
}

impl Permissions {
    pub const ALL: Permissions =
        Permissions { tag: true, alert: true, drop: true, environment: true };
    pub const NONE: Permissions =
        Permissions { tag: false, alert: false, drop: false, environment: false };
    /// All verdicts; what an operator grants who says nothing.
    pub const VERDICTS: Permissions = Permissions { environment: false, ..Permissions::ALL };

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Permissions) -> Permissions {
        Permissions {
            tag: self.tag && other.tag,
            alert: self.alert && other.alert,
            drop: self.drop && other.drop,
            environment: self.environment && other.environment,
        }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (self.tag, "tag"),
            (self.alert, "alert"),
            (self.drop, "drop"),
            (self.environment, "environment"),
        ];
        let names: Vec<_> = named.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        if names.is_empty() { f.write_str("nothing") } else { f.write_str(&names.join(", ")) }
    }
}

/// One rule of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleInfo {
    /// Stable name, unique on a host.
    pub id: Arc<str>,
    /// A short title.
    pub name: Arc<str>,
    pub description: Arc<str>,
    pub version: Arc<str>,
    /// ATT&CK technique ids.
    pub attack: Vec<Arc<str>>,
    pub false_positives: Vec<Arc<str>>,
    /// What the rule asks for; the operator may grant less.
    pub permissions: Permissions,
}

/// A rule of a component: who it is, and what it wants to see.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub info: Arc<RuleInfo>,
    pub interests: Interests,
}

/// Check the rules of a component and take them over. The error names the rule and says what is
/// wrong with it.
pub(super) fn check_rules(rules: Vec<wit::RuleInfo>) -> Result<Vec<Checked>, String> {
    if rules.is_empty() {
        return Err("it has no rule; metadata must list at least one".into());
    }
    if rules.len() > RULES_MAX {
        return Err(format!("it has {} rules; at most {RULES_MAX} are allowed", rules.len()));
    }
    let interests = rules.iter().map(|rule| rule.interests.len()).sum::<usize>();
    if interests > INTERESTS_MAX {
        return Err(format!("it has {interests} interests; at most {INTERESTS_MAX} are allowed"));
    }
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(rules.len());
    for (position, rule) in rules.into_iter().enumerate() {
        let rule = check_rule(position, rule)?;
        if !seen.insert(rule.info.id.clone()) {
            return Err(format!("two of its rules have the id `{}`", rule.info.id));
        }
        checked.push(rule);
    }
    Ok(checked)
}

fn check_rule(position: usize, rule: wit::RuleInfo) -> Result<Checked, String> {
    check_id(&rule.id).map_err(|why| {
        let id: String = rule.id.chars().take(ID_BYTES_MAX).collect();
        format!("rule {position} has the id {id:?}, {why}")
    })?;
    let id = rule.id;
    let bounded = |what: &str, text: &str, bytes_max: usize| {
        if text.len() <= bytes_max {
            return Ok(());
        }
        Err(format!("rule `{id}`: its {what} has {} bytes; at most {bytes_max}", text.len()))
    };
    bounded("name", &rule.name, NAME_BYTES_MAX)?;
    bounded("version", &rule.version, NAME_BYTES_MAX)?;
    bounded("description", &rule.description, DESCRIPTION_BYTES_MAX)?;
    for (what, list) in [("attack", &rule.attack), ("false-positives", &rule.false_positives)] {
        if list.len() > LIST_MAX {
            let len = list.len();
            return Err(format!("rule `{id}`: {what} has {len} entries; at most {LIST_MAX}"));
        }
        for text in list {
            bounded(what, text, DESCRIPTION_BYTES_MAX)?;
        }
    }
    if let Some(wrong) = rule.attack.iter().find(|technique| !is_technique(technique)) {
        let wrong: String = wrong.chars().take(ID_BYTES_MAX).collect();
        return Err(format!(
            "rule `{id}`: {wrong:?} is not an ATT&CK technique id such as T1059 or T1059.004"
        ));
    }
    let interests =
        Interests::compile(rule.interests).map_err(|why| format!("rule `{id}`: {why}"))?;
    let info = RuleInfo {
        id: id.into(),
        name: rule.name.into(),
        description: rule.description.into(),
        version: rule.version.into(),
        attack: rule.attack.into_iter().map(Arc::from).collect(),
        false_positives: rule.false_positives.into_iter().map(Arc::from).collect(),
        permissions: Permissions {
            tag: rule.permissions.contains(wit::Permissions::TAG),
            alert: rule.permissions.contains(wit::Permissions::ALERT),
            drop: rule.permissions.contains(wit::Permissions::DROP),
            environment: rule.permissions.contains(wit::Permissions::ENVIRONMENT),
        },
    };
    Ok(Checked { info: Arc::new(info), interests })
}

fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("which is empty");
    }
    if id.len() > ID_BYTES_MAX {
        return Err("which is longer than 64 bytes");
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !id.bytes().all(allowed) {
        return Err("which has other characters than a to z, 0 to 9 and `-`");
    }
    Ok(())
}

/// `T` and four digits, perhaps with a dot and three more.
fn is_technique(text: &str) -> bool {
    let digits = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = text.strip_prefix('T') else { return false };
    match number.split_once('.') {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => digits(number, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str) -> wit::RuleInfo {
        wit::RuleInfo {
            id: id.into(),
            name: "A rule".into(),
            description: "It detects".into(),
            version: "1.0.0".into(),
            attack: vec!["T1059.004".into()],
            false_positives: vec![],
            permissions: wit::Permissions::TAG | wit::Permissions::DROP,
            interests: vec![],
        }
    }

    #[test]
    fn a_good_rule_is_taken_over() {
        let rules = check_rules(vec![rule("shell-1")]).unwrap();
        assert_eq!(&*rules[0].info.id, "shell-1");
        assert_eq!(rules[0].info.permissions.to_string(), "tag, drop");
    }

    #[test]
    fn bad_metadata_is_named() {
        let refused = |rules| check_rules(rules).unwrap_err();
        assert!(refused(vec![]).contains("no rule"));
        assert!(refused(vec![rule("a"), rule("a")]).contains("two of its rules have the id `a`"));
        assert!(refused(vec![rule("")]).contains("rule 0 has the id \"\", which is empty"));
        assert!(refused(vec![rule("A")]).contains("other characters"));
        assert!(refused(vec![rule("a\n")]).contains("other characters"));
        assert!(refused(vec![rule(&"a".repeat(65))]).contains("longer than 64 bytes"));
        let long = wit::RuleInfo { name: "n".repeat(257), ..rule("a") };
        assert!(refused(vec![long]).contains("its name has 257 bytes; at most 256"));
        let attack = wit::RuleInfo { attack: vec!["T10".into()], ..rule("a") };
        assert!(refused(vec![attack]).contains("\"T10\" is not an ATT&CK technique id"));
        let all = wit::Interest { kinds: vec![], terms: vec![] };
        let many = wit::RuleInfo { interests: vec![all; INTERESTS_MAX + 1], ..rule("a") };
        assert!(refused(vec![many]).contains("4097 interests; at most 4096"));
        let unknown = wit::Interest { kinds: vec!["process.exek".into()], terms: vec![] };
        let unknown = wit::RuleInfo { interests: vec![unknown], ..rule("a") };
        assert!(refused(vec![unknown]).starts_with("rule `a`: interest 0: there is no event kind"));
    }

    #[test]
    fn technique_ids_have_one_form() {
        assert!(is_technique("T1059") && is_technique("T1059.004"));
        for wrong in ["", "T", "1059", "T105", "T10590", "T1059.", "T1059.4", "T1059.0040", "TA001"]
        {
            assert!(!is_technique(wrong), "{wrong}");
        }
    }
}
