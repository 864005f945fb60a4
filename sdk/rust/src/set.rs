//! Sets of texts that the sensor keeps for a rule.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::host;

/// How [`crate::Event::test`] compares a text of the event with the texts of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The text is one of them.
    OneOf,
    /// The text starts with one of them.
    Prefix,
    /// The text ends with one of them.
    Suffix,
    /// The text contains one of them.
    Contains,
}

/// Texts that are handed to the sensor once, the first time that they are used.
///
/// ```
/// use ocellus_sdk::Set;
///
/// static SHELLS: Set = Set::of(&["sh", "bash", "dash", "zsh"]);
/// ```
#[derive(Debug)]
pub struct Set {
    texts: Texts,
    number: AtomicU32,
}

#[derive(Debug)]
enum Texts {
    Fixed(&'static [&'static str]),
    Made(Vec<String>),
}

/// Not handed over yet.
const UNMADE: u32 = u32::MAX;
/// The sensor refused the set: too many sets or too much text.
const REFUSED: u32 = u32::MAX - 1;

impl Set {
    /// A set that is known when the rule is compiled; works in a `static`.
    pub const fn of(texts: &'static [&'static str]) -> Self {
        Self { texts: Texts::Fixed(texts), number: AtomicU32::new(UNMADE) }
    }

    /// A set that is made at run time, for example of a configuration. At most 64 sets of 4,096
    /// texts, and 256 KiB of text, for a component.
    pub fn new(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let texts = texts.into_iter().map(Into::into).collect();
        Self { texts: Texts::Made(texts), number: AtomicU32::new(UNMADE) }
    }

    /// Whether a text compares with one of the set.
    #[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
    pub(crate) fn matches(&self, how: Match, own: &str) -> bool {
        match &self.texts {
            Texts::Fixed(texts) => texts.iter().any(|text| how.compare(own, text)),
            Texts::Made(texts) => texts.iter().any(|text| how.compare(own, text)),
        }
    }

    /// The sensor's number for the set. None when it has refused the set, which is logged.
    pub(crate) fn number(&self) -> Option<u32> {
        match self.number.load(Ordering::Relaxed) {
            REFUSED => None,
            UNMADE => {
                let texts: Cow<'_, [String]> = match &self.texts {
                    Texts::Fixed(texts) => texts.iter().map(|text| (*text).to_owned()).collect(),
                    Texts::Made(texts) => Cow::Borrowed(texts),
                };
                match host::make_set(&texts) {
                    Ok(number) => {
                        self.number.store(number, Ordering::Relaxed);
                        Some(number)
                    }
                    Err(reason) => {
                        self.number.store(REFUSED, Ordering::Relaxed);
                        crate::error!("the sensor refused a set of texts: {reason}");
                        None
                    }
                }
            }
            number => Some(number),
        }
    }
}

impl Default for Set {
    /// The empty set, which nothing passes.
    fn default() -> Self {
        Self::of(&[])
    }
}
