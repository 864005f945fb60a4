//! Secrets in arguments and environments, replaced before anything keeps, judges or writes them.
//!
//! A pattern is a regular expression over the arguments of a process, or its environment, joined
//! by NULs. What its groups match is replaced; all that it matches, when it has no group. The
//! engine takes time linear in the text, whatever the pattern.

use std::fmt;
use std::ops::Range;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Memory that one compiled pattern may take: ample for any that a person writes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Patterns of the operator's own, at most.
pub const PATTERNS_MAX: usize = 256;

/// Where secrets commonly stand.
pub const DEFAULTS: [&str; 7] = [
    // --password=SECRET, --api-key SECRET
    concat!(
        r"(?i)(?:^|\x00)--?[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[-_]?key|",
        r"access[-_]?key|private[-_]?key)(?:=([^\x00]+)|\x00([^\x00-][^\x00]*))",
    ),
    // DB_PASSWORD=SECRET, as an argument or a variable
    concat!(
        r"(?i)(?:^|\x00)[a-z0-9_]*(?:password|passwd|secret|token|api_?key|access_?key|",
        r"private_?key|credentials?)[a-z0-9_]*=([^\x00]+)",
    ),
    // https://user:SECRET@host
    r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@\x00]*:([^\s/@\x00]+)@",
    // Authorization: Bearer SECRET
    r#"(?i)authorization:\s*(?:bearer|basic|token)\s+([^\s\x00"']+)"#,
    // mysql -pSECRET, sshpass -p SECRET
    concat!(
        r"(?:^|[/\x00])(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|sshpass)\x00",
        r"(?:[^\x00]*\x00)*?-p\x00?([^\x00]+)",
    ),
    // curl -u user:SECRET
    r"(?:^|[/\x00])curl\x00(?:[^\x00]*\x00)*?(?:-u\x00?|--user[=\x00])[^\x00:]*:([^\x00]+)",
    // Keys that are known by their form: GitHub, GitLab, Slack, AWS, Stripe, JSON web tokens.
    concat!(
        r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|",
        r"xox[abprs]-[A-Za-z0-9-]{10,}|A[KS]IA[0-9A-Z]{16}|sk_live_[A-Za-z0-9]{16,}|",
        r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+)",
    ),
];

/// A pattern that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} is not understood: {message}")]
pub struct PatternError {
    pub pattern: String,
    pub message: String,
}

/// Patterns, compiled.
#[derive(Clone, Default)]
pub struct Redactor {
    /// All of them, to find out in one pass which match.
    set: RegexSet,
    each: Vec<Regex>,
}

impl PartialEq for Redactor {
    fn eq(&self, other: &Redactor) -> bool {
        self.set.patterns() == other.set.patterns()
    }
}

impl Eq for Redactor {}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.set.patterns()).finish()
    }
}

impl Redactor {
    pub fn new<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<Redactor, PatternError> {
        let mut each = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
            each.push(compiled.map_err(|error| PatternError {
                pattern: pattern.to_owned(),
                // The engine draws an arrow below the pattern; the last line says what is wrong.
                message: error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
            })?);
        }
        let set = RegexSetBuilder::new(each.iter().map(Regex::as_str))
            .size_limit(PATTERN_BYTES_MAX * each.len().max(1))
            .build()
            .map_err(|error| PatternError {
                pattern: "all together".to_owned(),
                message: error.to_string(),
            })?;
        Ok(Redactor { set, each })
    }

    /// The text without its secrets; none when it has none. NULs stay where they are.
    pub fn redact(&self, text: &str) -> Option<String> {
        if self.each.is_empty() {
            return None;
        }
        let mut secrets: Vec<Range<usize>> = Vec::new();
        for index in self.set.matches(text) {
            for found in self.each[index].captures_iter(text) {
                let groups = found.iter().skip(1).flatten().map(|group| group.range());
                let before = secrets.len();
                secrets.extend(groups.filter(|range| !range.is_empty()));
                if let Some(whole) = found.get(0).filter(|_| found.len() == 1) {
                    secrets.extend((!whole.is_empty()).then(|| whole.range()));
                }
                debug_assert!(secrets.len() >= before);
            }
        }
        if secrets.is_empty() {
            return None;
        }
        secrets.sort_by_key(|range| range.start);
        Some(without(text, &secrets))
    }
}

/// The text with these ranges, which are in order and may overlap, replaced.
fn without(text: &str, secrets: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in secrets {
        if range.end <= at {
            continue;
        }
        if range.start >= at {
            out.push_str(&text[at..range.start]);
            hide(&text[range.clone()], &mut out);
        } else {
            // The end of one that was hidden already: only what separates arguments is new.
            text[at..range.end].matches('\0').for_each(|nul| out.push_str(nul));
        }
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The mark in place of each part between NULs.
fn hide(secret: &str, out: &mut String) {
    for (index, part) in secret.split('\0').enumerate() {
        if index > 0 {
            out.push('\0');
        }
        if !part.is_empty() {
            out.push_str(REDACTED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Redactor {
        Redactor::new(DEFAULTS).expect("they are regular expressions")
    }

    fn redact(args: &[&str]) -> Vec<String> {
        let text = args.join("\0");
        let redacted = defaults().redact(&text).unwrap_or(text);
        redacted.split('\0').map(str::to_owned).collect()
    }

    #[test]
    fn common_secrets_are_found() {
        for (args, expected) in [
            (&["x", "--password=hunter2"][..], &["x", "--password=[redacted]"][..]),
            (&["x", "--db-password", "hunter2", "y"], &["x", "--db-password", "[redacted]", "y"]),
            (&["x", "-api_key", "k"], &["x", "-api_key", "[redacted]"]),
            (&["env", "DB_PASSWORD=a b", "x"], &["env", "DB_PASSWORD=[redacted]", "x"]),
            (
                &["PATH=/bin", "AWS_SECRET_ACCESS_KEY=abc/+=", "HOME=/"],
                &["PATH=/bin", "AWS_SECRET_ACCESS_KEY=[redacted]", "HOME=/"],
            ),
            (
                &["git", "clone", "https://me:s3cret@host/x.git"],
                &["git", "clone", "https://me:[redacted]@host/x.git"],
            ),
            (
                &["curl", "-H", "Authorization: Bearer abc.def", "https://x"],
                &["curl", "-H", "Authorization: Bearer [redacted]", "https://x"],
            ),
            (
                &["/usr/bin/mysql", "-u", "a", "-psecret"],
                &["/usr/bin/mysql", "-u", "a", "-p[redacted]"],
            ),
            (&["sshpass", "-p", "secret", "ssh"], &["sshpass", "-p", "[redacted]", "ssh"]),
            (&["curl", "-u", "me:pw", "x"], &["curl", "-u", "me:[redacted]", "x"]),
            (&["echo", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"], &["echo", "[redacted]"]),
        ] {
            assert_eq!(redact(args), expected, "{args:?}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for args in [
            &["ls", "-l", "/etc/passwd"][..],
            &["docker", "run", "-u", "1000:1000", "x"],
            &["psql", "--password", "--host", "x"],
            &["vim", "token.rs", "secret-garden.txt"],
            &["curl", "https://host:8080/x@y"],
            &["ssh", "-p", "22", "host"],
            &["", ""],
        ] {
            assert_eq!(redact(args), args);
        }
    }

    #[test]
    fn groups_or_the_whole_match_are_replaced_and_arguments_are_kept_apart() {
        let redact = |pattern: &str, text: &str| Redactor::new([pattern]).unwrap().redact(text);
        assert_eq!(redact("b+", "abbc").as_deref(), Some("a[redacted]c"));
        assert_eq!(redact("a(b)(c)?", "abd").as_deref(), Some("a[redacted]d"));
        assert_eq!(redact("(?s)x.*", "x\0y\0").as_deref(), Some("[redacted]\0[redacted]\0"));
        assert_eq!(redact("q", "abc"), None);
        let two = Redactor::new(["abc", "bcd"]).unwrap();
        assert_eq!(two.redact("xabcdy").as_deref(), Some("x[redacted]y"));
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = Redactor::new(["ok", "(open"]).unwrap_err();
        assert_eq!(error.pattern, "(open");
        assert!(error.message.contains("unclosed group"), "{error}");
        assert!(Redactor::new(["(?:a{1000}){1000}"]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_keeps_its_number_of_arguments(text in "[a-z=:/@\\x00-]{0,64}") {
            let redactor = Redactor::new(DEFAULTS.iter().copied().chain(["[a-f\\x00]+"])).unwrap();
            let count = |text: &str| text.matches('\0').count();
            if let Some(redacted) = redactor.redact(&text) {
                proptest::prop_assert_eq!(count(&text), count(&redacted));
            }
        }
    }
}
