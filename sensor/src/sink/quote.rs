//! Text from strangers, made safe to look at. A process chooses its arguments, and with them it can
//! move the cursor of a terminal, change its title or turn the reading direction around.

use std::fmt::Write as _;

/// A character that a terminal or a viewer obeys instead of showing it: controls, line separators
/// and the marks of the bidirectional algorithm.
pub fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// The text, with deceptive characters escaped.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(c, &mut out));
    out
}

/// One word of a command line, as one would type it into a shell to get the same argument.
pub fn shell_word(text: &str) -> String {
    const SAFE: &[u8] = b"_@%+=:,./-";
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || SAFE.contains(&byte);
    if !text.is_empty() && text.bytes().all(is_safe) {
        return text.to_owned();
    }
    if !text.chars().any(is_deceptive) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str("$'");
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        push_visible(c, &mut out);
    }
    out.push('\'');
    out
}

/// In the words of bash's `$'…'`.
fn push_visible(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{1b}' => out.push_str("\\e"),
        c if is_deceptive(c) => {
            write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes it");
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(shell_word("/usr/bin/curl"), "/usr/bin/curl");
        assert_eq!(shell_word("--data=a,b"), "--data=a,b");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("a\n'b"), r"$'a\n\'b'");
        assert_eq!(shell_word("\u{202e}x\u{1b}[1m"), r"$'\u202ex\e[1m'");
    }

    #[test]
    fn nothing_deceptive_is_left() {
        for c in '\0'..=char::MAX {
            assert!(!visible(&c.to_string()).chars().any(is_deceptive), "{c:?}");
        }
        assert_eq!(visible("a\tb\u{200f}"), "a\\tb\\u200f");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_the_same_word(text in "[^\0]{0,40}") {
            // Without a UTF-8 locale, bash cannot write what `\u` means.
            let script = format!("LC_ALL=C.UTF-8; printf %s {}", shell_word(&text));
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }
}
