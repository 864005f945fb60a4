//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

/// A number of bytes: `4096`, `"4 KiB"`, `"100 MiB"`, `"1 GB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 10] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("B", 1),
];

impl Size {
    pub const fn kib(count: u64) -> Size {
        Size(count << 10)
    }

    pub const fn mib(count: u64) -> Size {
        Size(count << 20)
    }

    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary =
            UNITS.iter().take(3).find(|(_, factor)| self.0 >= *factor && self.0 % factor == 0);
        match binary {
            Some((unit, factor)) => write!(f, "{} {unit}", self.0 / factor),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// Not a size.
#[derive(Debug, thiserror::Error)]
#[error("expected a size such as 4096, \"64 KiB\" or \"100 MiB\"")]
pub struct NotASize;

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Size, NotASize> {
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let factor = match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => return Err(NotASize),
        };
        let number: u64 = digits.trim_end().parse().map_err(|_| NotASize)?;
        number.checked_mul(factor).map(Size).ok_or(NotASize)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 4096, \"64 KiB\" or \"100 MiB\"")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Size, E> {
        let invalid = |_| E::invalid_value(Unexpected::Signed(number), &self);
        u64::try_from(number).map(Size).map_err(invalid)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Size, E> {
        Ok(Size(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// `false`, or a size.
pub(super) mod or_off {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        size: &Option<Size>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match size {
            Some(size) => size.serialize(serializer),
            None => serializer.serialize_bool(false),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Size>, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum SizeOrSwitch {
            Switch(bool),
            Size(Size),
        }
        match SizeOrSwitch::deserialize(deserializer) {
            Ok(SizeOrSwitch::Switch(false)) => Ok(None),
            Ok(SizeOrSwitch::Size(size)) => Ok(Some(size)),
            Ok(SizeOrSwitch::Switch(true)) | Err(_) => {
                Err(D::Error::custom("expected `false`, or a size such as \"4 KiB\""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let size = |text: &str| text.parse::<Size>().ok().map(Size::bytes);
        assert_eq!(size("4096"), Some(4096));
        assert_eq!(size("64 KiB"), Some(65_536));
        assert_eq!(size("64kib"), Some(65_536));
        assert_eq!(size("1 MB"), Some(1_000_000));
        assert_eq!(size("2G"), Some(2 << 30));
        for wrong in ["", "MiB", "-1", "1.5 MiB", "1 XiB", "99999999999 GiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_size_is_written_in_the_largest_unit_that_divides_it() {
        assert_eq!(Size::mib(100).to_string(), "100 MiB");
        assert_eq!(Size::mib(1024).to_string(), "1 GiB");
        assert_eq!(Size(1500).to_string(), "1500 B");
        assert_eq!(Size(0).to_string(), "0 B");
    }
}
