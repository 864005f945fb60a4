//! Reads packed events; `wit/packed.wit` has the layout.

/// Stands for a field that the event does not have.
const ABSENT: u64 = u64::MAX;

/// One event of a batch: its row of words and those of its texts, and its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    /// Words of the row that are columns.
    pub columns: u32,
    pub words: &'a [u64],
    pub text: &'a str,
}

impl<'a> Packed<'a> {
    /// Whether the batch has a column; one that was asked for too late it has not.
    #[inline]
    pub fn has(&self, column: u32) -> bool {
        column < self.columns
    }

    #[inline]
    pub fn number(&self, column: u32) -> Option<u64> {
        self.words.get(column as usize).copied().filter(|word| *word != ABSENT)
    }

    #[inline]
    pub fn text(&self, column: u32) -> Option<&'a str> {
        self.referred(self.number(column)?)
    }

    #[inline]
    pub fn texts(&self, column: u32) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let range = self.number(column).map(parts).unwrap_or_default();
        let (Packed { text, words, .. }, (count, start)) = (*self, range);
        let words = words.get(start..start + count).unwrap_or_default();
        words.iter().map(move |word| refer(text, *word).unwrap_or_default())
    }

    #[inline]
    fn referred(&self, word: u64) -> Option<&'a str> {
        refer(self.text, word)
    }
}

/// The text that a word stands for.
#[inline]
fn refer(text: &str, word: u64) -> Option<&str> {
    let (len, start) = parts(word);
    text.get(start..start + len)
}

/// A length and a start, or two positions.
#[inline]
pub(crate) fn parts(word: u64) -> (usize, usize) {
    ((word >> 32) as usize, (word & 0xffff_ffff) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_read_from_its_words() {
        let text = |len: u64, start: u64| len << 32 | start;
        // Columns: a number, a text, two texts, an absent one; then the words of the two texts.
        let words = [7, text(2, 0), text(2, 4), ABSENT, text(1, 2), text(0, 3)];
        let packed = Packed { columns: 4, words: &words, text: "abc" };
        assert_eq!(packed.number(0), Some(7));
        assert_eq!(packed.text(1), Some("ab"));
        assert_eq!(packed.texts(2).collect::<Vec<_>>(), ["c", ""]);
        assert_eq!((packed.number(3), packed.text(3), packed.texts(3).len()), (None, None, 0));
        assert!(packed.has(3) && !packed.has(4));
    }

    #[test]
    fn words_that_lead_nowhere_are_no_texts() {
        let packed = Packed { columns: 1, words: &[9 << 32], text: "abc" };
        assert_eq!(packed.text(0), None);
        assert_eq!(packed.texts(0).len(), 0);
        assert_eq!(packed.number(9), None);
    }
}
