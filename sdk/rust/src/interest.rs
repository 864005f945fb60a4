//! Which events a rule wants to see.

use std::ops::RangeInclusive;

#[cfg(not(target_arch = "wasm32"))]
use crate::Event;
use crate::{Field, Match};

/// Event kinds and tests that the sensor evaluates natively before it calls the rule. All tests
/// of an interest must pass.
///
/// ```
/// use ocellus_sdk::{Interest, fields};
///
/// let netcat_from_tmp = Interest::exec()
///     .one_of(fields::PROCESS_NAME, ["nc", "ncat"])
///     .prefix(fields::PROCESS_WORKING_DIRECTORY, ["/tmp", "/dev/shm"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub(crate) kinds: Vec<String>,
    pub(crate) terms: Vec<(Field, Test)>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Text(Match, Vec<String>),
    Range(RangeInclusive<u64>),
    Present,
}

impl Interest {
    /// Events of every kind.
    pub fn any() -> Self {
        Self::default()
    }

    /// Events of one of these kinds, for example `process.exec`.
    pub fn kinds(kinds: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { kinds: kinds.into_iter().map(Into::into).collect(), terms: Vec::new() }
    }

    /// Executions.
    pub fn exec() -> Self {
        Self::kinds(["process.exec"])
    }

    /// New processes.
    pub fn fork() -> Self {
        Self::kinds(["process.fork"])
    }

    /// Ends of processes.
    pub fn exit() -> Self {
        Self::kinds(["process.exit"])
    }

    /// The field is one of these texts. A field of several texts passes when one of them does,
    /// here and below.
    pub fn one_of(self, field: Field, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.texts(field, Match::OneOf, texts)
    }

    /// The field starts with one of these texts.
    pub fn prefix(self, field: Field, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.texts(field, Match::Prefix, texts)
    }

    /// The field ends with one of these texts.
    pub fn suffix(self, field: Field, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.texts(field, Match::Suffix, texts)
    }

    /// The field contains one of these texts.
    pub fn contains(self, field: Field, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.texts(field, Match::Contains, texts)
    }

    /// The number lies in the range.
    pub fn range(self, field: Field, range: RangeInclusive<u64>) -> Self {
        self.term(field, Test::Range(range))
    }

    /// The flag is set.
    pub fn flag(self, field: Field) -> Self {
        self.range(field, 1..=1)
    }

    /// The event has the field, whatever its value.
    pub fn present(self, field: Field) -> Self {
        self.term(field, Test::Present)
    }

    fn texts(
        self,
        field: Field,
        how: Match,
        texts: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        let texts = texts.into_iter().map(|text| text.as_ref().to_owned()).collect();
        self.term(field, Test::Text(how, texts))
    }

    fn term(mut self, field: Field, test: Test) -> Self {
        self.terms.push((field, test));
        self
    }

    /// What the sensor decides natively, decided here for native tests.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn wants(&self, event: &Event<'_>) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| event.has_kind(kind)))
            && self.terms.iter().all(|(field, test)| test.passes(event, *field))
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Test {
    fn passes(&self, event: &Event<'_>, field: Field) -> bool {
        match self {
            Test::Text(how, texts) => {
                event.texts(field).iter().any(|own| texts.iter().any(|text| how.compare(own, text)))
            }
            Test::Range(range) => event.number(field).is_some_and(|number| range.contains(&number)),
            Test::Present => event.number(field).is_some() || !event.texts(field).is_empty(),
        }
    }
}

#[cfg(any(feature = "batch", not(target_arch = "wasm32")))]
impl Match {
    /// Whether `own`, a text of the event, passes the comparison with `text`.
    pub(crate) fn compare(self, own: &str, text: &str) -> bool {
        match self {
            Match::OneOf => own == text,
            Match::Prefix => own.starts_with(text),
            Match::Suffix => own.ends_with(text),
            Match::Contains => own.contains(text),
        }
    }
}
