//! Several texts as one value.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Texts that are encoded again and again keep their encoded form up to this size: the arguments of
/// a parent are in the events of all its children, and few are longer.
const ENCODED_MAX_BYTES: usize = 4_096;

/// Room to collect texts in before their length is known: nearly all need no more.
const EXPECTED_BYTES: usize = 512;
const EXPECTED_COUNT: usize = 16;

/// Several texts in three allocations, shared between events.
#[derive(Clone)]
pub struct Texts(Arc<Packed>);

struct Packed {
    text: Box<str>,
    /// Where each text ends in `text`.
    ends: Box<[u32]>,
    was_encoded: AtomicBool,
    encoded: OnceLock<Box<[u8]>>,
}

impl Texts {
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Length of all texts together.
    pub fn bytes(&self) -> usize {
        self.0.text.len()
    }

    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.0.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.0.ends[index - 1] as usize };
        Some(&self.0.text[start..end])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.0.ends.iter().map(move |&end| {
            let text = &self.0.text[start..end as usize];
            start = end as usize;
            text
        })
    }

    /// What is held of them, as text and encoded.
    pub fn held_bytes(&self) -> usize {
        let encoded = self.0.encoded.get().map_or(0, |it| it.len());
        self.bytes() + self.len() * size_of::<u32>() + encoded
    }

    /// The texts joined by a space.
    pub fn joined(&self) -> String {
        let mut joined = String::with_capacity(self.0.text.len() + self.len());
        for (index, text) in self.iter().enumerate() {
            if index > 0 {
                joined.push(' ');
            }
            joined.push_str(text);
        }
        joined
    }

    /// Appends what `encode` appends for these texts. From the second time on that is kept, so it
    /// must always be the same: there is one caller, the writer of JSON.
    pub fn encode(&self, out: &mut Vec<u8>, encode: impl FnOnce(&Texts, &mut Vec<u8>)) {
        if let Some(encoded) = self.0.encoded.get() {
            out.extend_from_slice(encoded);
            return;
        }
        let start = out.len();
        encode(self, out);
        let encoded = &out[start..];
        let again = self.0.was_encoded.swap(true, Ordering::Relaxed);
        if again && encoded.len() <= ENCODED_MAX_BYTES {
            self.0.encoded.get_or_init(|| encoded.into());
        }
    }
}

impl<S: AsRef<str>> FromIterator<S> for Texts {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Texts {
        let mut text = String::with_capacity(EXPECTED_BYTES);
        let mut ends = Vec::with_capacity(EXPECTED_COUNT);
        for one in texts {
            text.push_str(one.as_ref());
            ends.push(text.len() as u32);
        }
        Texts(Arc::new(Packed {
            text: text.into(),
            ends: ends.into(),
            was_encoded: AtomicBool::new(false),
            encoded: OnceLock::new(),
        }))
    }
}

impl PartialEq for Texts {
    #[inline]
    fn eq(&self, other: &Texts) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.ends == other.0.ends && self.0.text == other.0.text)
    }
}

impl Eq for Texts {}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_twice_is_not_encoded_again() {
        let texts: Texts = ["a", "b"].iter().collect();
        let mut calls = 0;
        for _ in 0..4 {
            let mut out = b"x".to_vec();
            texts.clone().encode(&mut out, |texts, out| {
                calls += 1;
                out.extend_from_slice(texts.joined().as_bytes());
            });
            assert_eq!(out, b"xa b");
        }
        assert_eq!(calls, 2);
    }

    #[test]
    fn long_ones_are_not_kept() {
        let texts: Texts = ["a".repeat(ENCODED_MAX_BYTES + 1)].iter().collect();
        let mut calls = 0;
        for _ in 0..4 {
            texts.encode(&mut Vec::new(), |texts, out| {
                calls += 1;
                out.extend_from_slice(texts.joined().as_bytes());
            });
        }
        assert_eq!(calls, 4);
    }
}
