//! Compact JSON that is also safe to look at: beside what JSON must escape, it escapes what makes a
//! terminal or a log viewer show something else than what is there.

use std::sync::LazyLock;

use super::date::Date;
use super::quote;
use crate::event::{Event, FIELDS, Texts, Value};

/// What stands before the value of a field.
struct Opening {
    /// Objects around the field.
    depth: usize,
    /// How many of these are also around the field before it in the table.
    shared: usize,
    /// The keys and braces down to the value, by how many of the objects are open already.
    keys: Vec<String>,
}

/// By field. The table is sorted by the segments of the names, so that what belongs to an object
/// is in one piece.
static OPENINGS: LazyLock<Vec<Opening>> = LazyLock::new(|| {
    let before = std::iter::once(&[][..]).chain(FIELDS.iter().map(|info| info.path));
    before.zip(FIELDS.iter()).map(|(before, info)| Opening::new(before, info.path)).collect()
});

impl Opening {
    fn new(before: &[&str], path: &[&str]) -> Opening {
        let depth = path.len() - 1;
        let same = before.iter().zip(path).take_while(|(a, b)| a == b).count();
        let key = |segment: &&str| format!("\"{segment}\":");
        let keys = (0..=depth).map(|open| path[open..].iter().map(key).collect::<Vec<_>>());
        Opening { depth, shared: same.min(depth), keys: keys.map(|it| it.join("{")).collect() }
    }
}

/// Writes events as objects.
///
/// Most of an event says what the event before it said, too: the host, the users, the parent. So
/// the last document is kept, and what is equal in the next one is copied from it. Which bytes a
/// field has depends on its value and on which present field stands before it, and on nothing else.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The values of the last event, by field; none before the first one.
    values: Vec<Value>,
    /// The last document, without the braces that end it.
    document: Vec<u8>,
    /// Where the bytes of each field end in it. A field that is absent has none.
    ends: Vec<usize>,
    /// Fields whose values are others, and the document in the making; kept for their memory.
    changed: Vec<usize>,
    next: Vec<u8>,
}

impl Writer {
    /// Appends the event as an object.
    pub(super) fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        let values = event.values();
        if self.values.is_empty() {
            // As after an event without fields.
            self.values.resize(values.len(), Value::Absent);
            self.document.push(b'{');
            self.ends.resize(values.len(), self.document.len());
        }
        let pairs = values.iter().zip(&self.values).enumerate();
        let changed = pairs.filter(|(_, (new, old))| !new.is_same(old)).map(|(index, _)| index);
        self.changed.clear();
        self.changed.extend(changed);
        self.next.clear();
        self.next.push(b'{');
        let mut copied = Copied { fields: 0, end: self.next.len() };
        let mut next_changed = 0;
        // A field before which another one stands than before, or none.
        let mut moved = None;
        loop {
            let index = match (self.changed.get(next_changed), moved) {
                (Some(&changed), Some(moved)) if moved < changed => moved,
                (Some(&changed), _) => changed,
                (None, Some(moved)) => moved,
                (None, None) => break,
            };
            next_changed += usize::from(self.changed.get(next_changed) == Some(&index));
            self.copy(&mut copied, index);
            let (value, old) = (&values[index], &mut self.values[index]);
            let is_present = !matches!(value, Value::Absent);
            if is_present {
                field(last_present(&values[..index]), index, value, &mut self.next);
            }
            if is_present == matches!(old, Value::Absent) {
                let after = values[index + 1..].iter();
                let next_present = after.take_while(|it| matches!(it, Value::Absent)).count();
                moved = Some(index + 1 + next_present).filter(|moved| *moved < values.len());
            } else if moved == Some(index) {
                moved = None;
            }
            old.clone_from(value);
            copied = Copied { fields: index + 1, end: self.ends[index] };
            self.ends[index] = self.next.len();
        }
        self.copy(&mut copied, values.len());
        std::mem::swap(&mut self.document, &mut self.next);
        out.extend_from_slice(&self.document);
        close(last_present(values).map_or(0, |last| OPENINGS[last].depth) + 1, out);
    }

    /// Takes the fields before this one over as they are.
    fn copy(&mut self, copied: &mut Copied, until: usize) {
        let ends = &mut self.ends[copied.fields..until];
        let Some(end) = ends.last().copied() else { return };
        let (from, to) = (copied.end, self.next.len());
        self.next.extend_from_slice(&self.document[from..end]);
        if from != to {
            ends.iter_mut().for_each(|end| *end = *end - from + to);
        }
        *copied = Copied { fields: until, end };
    }
}

/// How much of the last document is dealt with.
struct Copied {
    fields: usize,
    /// Where the last of these ends in it.
    end: usize,
}

fn last_present(values: &[Value]) -> Option<usize> {
    values.iter().rposition(|value| !matches!(value, Value::Absent))
}

/// Appends a field that comes after another one, or is the first: what ends the objects around that
/// one, what begins those around this one, and the value.
fn field(last: Option<usize>, index: usize, value: &Value, out: &mut Vec<u8>) {
    let mut shared = 0;
    if let Some(last) = last {
        let depth = OPENINGS[last].depth;
        let between = OPENINGS[last + 1..=index].iter().map(|opening| opening.shared);
        shared = between.fold(depth, usize::min);
        close(depth - shared, out);
        out.push(b',');
    }
    out.extend_from_slice(OPENINGS[index].keys[shared].as_bytes());
    self::value(value, out);
}

fn close(count: usize, out: &mut Vec<u8>) {
    for _ in 0..count {
        out.push(b'}');
    }
}

fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Absent => out.extend_from_slice(b"null"),
        Value::Text(it) => text(it, out),
        Value::Static(it) => text(it, out),
        Value::Texts(it) => it.encode(out, texts),
        Value::Number(it) => number(*it, out),
        Value::Flag(true) => out.extend_from_slice(b"true"),
        Value::Flag(false) => out.extend_from_slice(b"false"),
        Value::Time(ns) => {
            out.push(b'"');
            out.extend_from_slice(Date::new(*ns).as_bytes());
            out.push(b'"');
        }
    }
}

fn texts(texts: &Texts, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, it) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(it, out);
    }
    out.push(b']');
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escaped(text, out);
    }
    out.push(b'"');
}

/// Nothing in the text is escaped. Looks at every byte without a branch, so that the compiler can
/// look at many at once.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| {
        plain & (b' '..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
    })
}

fn escaped(text: &str, out: &mut Vec<u8>) {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        if c != '"' && c != '\\' && !quote::is_deceptive(c) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + c.len_utf8();
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // All of them are in the Basic Multilingual Plane, so four digits do.
            c => unicode_escape(c as u16, out),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
}

fn unicode_escape(code: u16, out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(DIGITS[usize::from(code >> shift & 15)]);
    }
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    /// Digits of the largest number.
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back_and_none_deceives() {
        for c in '\0'..=char::MAX {
            let mut out = Vec::new();
            let original = format!("a{c}");
            text(&original, &mut out);
            let json = std::str::from_utf8(&out).unwrap();
            assert!(!json.chars().any(quote::is_deceptive), "{c:?}");
            assert_eq!(serde_json::from_str::<String>(json).unwrap(), original);
        }
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for it in [0, 9, 10, 4_294_967_296, u64::MAX] {
            let mut out = Vec::new();
            number(it, &mut out);
            assert_eq!(out, it.to_string().as_bytes());
        }
    }
}
