//! A set of texts, and the comparisons of a field with it that need no guest.

use rustc_hash::FxHashSet;

/// How a text is compared with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    OneOf,
    Prefix,
    Suffix,
    Contains,
}

/// Up to this many texts, comparing each is faster than hashing one.
const LINEAR_MAX: usize = 8;

/// A set of texts.
#[derive(Clone, Debug)]
pub struct TextSet {
    texts: Box<[Box<str>]>,
    /// How each of them begins.
    heads: Box<[Head]>,
    /// Filled when there are more than [`LINEAR_MAX`].
    hashed: FxHashSet<Box<str>>,
}

/// The first bytes of a text, up to eight: comparing those in one word tells most texts apart,
/// where comparing slices is a call each time.
#[derive(Clone, Copy, Debug)]
struct Head {
    word: u64,
    /// Which bits of the word are of the text.
    mask: u64,
}

impl Head {
    fn of(text: &str) -> Head {
        let len = text.len().min(8);
        let mask = if len == 8 { u64::MAX } else { (1 << (8 * len)) - 1 };
        Head { word: Head::word(text), mask }
    }

    fn word(text: &str) -> u64 {
        match text.as_bytes().first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => text.bytes().rev().fold(0, |word, byte| word << 8 | u64::from(byte)),
        }
    }

    /// Whether a text that begins with `word` may begin like this.
    fn begins(self, word: u64) -> bool {
        word & self.mask == self.word
    }
}

impl TextSet {
    pub fn new(texts: Vec<String>) -> TextSet {
        let texts: Box<[Box<str>]> = texts.into_iter().map(String::into_boxed_str).collect();
        let hashed = if texts.len() > LINEAR_MAX {
            texts.iter().cloned().collect()
        } else {
            FxHashSet::default()
        };
        let heads = texts.iter().map(|text| Head::of(text)).collect();
        TextSet { texts, heads, hashed }
    }

    /// The texts, in the order given.
    pub fn texts(&self) -> &[Box<str>] {
        &self.texts
    }

    /// Whether a text compares with one of the set.
    pub fn matches(&self, how: Match, text: &str) -> bool {
        match how {
            Match::OneOf if self.hashed.is_empty() => self.texts.iter().any(|one| **one == *text),
            Match::OneOf => self.hashed.contains(text),
            Match::Prefix => {
                let word = Head::word(text);
                let mut known = self.texts.iter().zip(&self.heads);
                known.any(|(one, head)| head.begins(word) && text.starts_with(&**one))
            }
            Match::Suffix => self.texts.iter().any(|one| text.ends_with(&**one)),
            Match::Contains => self.texts.iter().any(|one| text.contains(&**one)),
        }
    }
}

impl PartialEq for TextSet {
    fn eq(&self, other: &TextSet) -> bool {
        self.texts == other.texts
    }
}

impl Eq for TextSet {}

impl std::hash::Hash for TextSet {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.texts.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> TextSet {
        TextSet::new(texts.iter().map(|text| text.to_string()).collect())
    }

    #[test]
    fn each_comparison_does_what_it_says() {
        let set = set(&["/tmp/", ".sh"]);
        assert!(set.matches(Match::OneOf, ".sh") && !set.matches(Match::OneOf, "a.sh"));
        assert!(set.matches(Match::Prefix, "/tmp/a") && !set.matches(Match::Prefix, "a/tmp/"));
        assert!(set.matches(Match::Suffix, "a.sh") && !set.matches(Match::Suffix, "a.sh."));
        assert!(set.matches(Match::Contains, "a.sh.") && !set.matches(Match::Contains, "/tmp"));
    }

    #[test]
    fn a_prefix_is_compared_beyond_its_first_word() {
        let set = set(&["/var/tmp/a", "/dev/shm", "é", "\0"]);
        for (text, begins) in [
            ("/var/tmp/ab", true),
            ("/var/tmp/a", true),
            ("/var/tmp/", false),
            ("/var/tmp/b", false),
            ("/dev/shm", true),
            ("/dev/sh", false),
            ("éa", true),
            ("è", false),
            // A text that is too short is filled up with zeros.
            ("", false),
            ("\0", true),
        ] {
            assert_eq!(set.matches(Match::Prefix, text), begins, "{text:?}");
        }
    }

    #[test]
    fn small_and_large_sets_agree() {
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let large = TextSet::new(many.clone());
        for text in many.iter().map(String::as_str).chain(["100", "", "-1"]) {
            let small = many.iter().any(|one| one == text);
            assert_eq!(large.matches(Match::OneOf, text), small, "{text}");
        }
        assert!(!set(&[]).matches(Match::Contains, "a"));
    }
}
