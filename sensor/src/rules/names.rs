//! What to tell an author who misspelt the name of a field or of an event kind.

use crate::event::{Field, Kinds};

/// A longer name than this is no misspelling of ours, and comparing it would cost.
const NAME_BYTES_MAX: usize = 80;

/// The field of an ECS name.
pub fn field(name: &str) -> Result<Field, String> {
    Field::by_name(name).ok_or_else(|| {
        let known = Field::all().map(Field::name);
        format!("there is no field {}{}", quoted(name), suggestion(name, known))
    })
}

/// The event kind of a name.
pub fn kind(name: &str) -> Result<Kinds, String> {
    Kinds::by_name(name).ok_or_else(|| {
        let known = Kinds::NAMES.iter().map(|(_, name)| *name);
        format!("there is no event kind {}{}", quoted(name), suggestion(name, known))
    })
}

/// A name that a guest gave, short and without control characters.
fn quoted(name: &str) -> String {
    let short: String = name.chars().take(NAME_BYTES_MAX).flat_map(char::escape_debug).collect();
    let cut = if short.len() < name.len() { "…" } else { "" };
    format!("`{short}{cut}`")
}

fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    if name.len() > NAME_BYTES_MAX {
        return String::new();
    }
    // Beyond half of its letters a name is another one.
    let far = name.len() / 2;
    let nearest = known.map(|known| (distance(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= far => format!("; did you mean `{known}`?"),
        _ => String::new(),
    }
}

/// Insertions, deletions and replacements of bytes that turn one name into the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, byte_b) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte_a != byte_b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_gets_the_nearest() {
        assert_eq!(field("process.executable"), Ok(Field::PROCESS_EXECUTABLE));
        assert_eq!(
            field("process.executeable").unwrap_err(),
            "there is no field `process.executeable`; did you mean `process.executable`?"
        );
        assert_eq!(
            kind("process.exek").unwrap_err(),
            "there is no event kind `process.exek`; did you mean `process.exec`?"
        );
        assert_eq!(field("zzz").unwrap_err(), "there is no field `zzz`");
        assert_eq!(field("").unwrap_err(), "there is no field ``");
    }

    #[test]
    fn a_hostile_name_stays_short() {
        let error = field(&"é\n".repeat(100_000)).unwrap_err();
        assert!(error.len() < 400 && !error.contains('\n'), "{error}");
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
