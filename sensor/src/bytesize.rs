//! Amounts of bytes as people write them: `100 MiB`, `200 MiB/s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units by their names in lower case, with what they are worth.
const UNITS: [(&str, u64); 10] = [
    ("b", 1),
    ("", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

/// Number of bytes. In text `100 MiB`, `1.5 GB` or a plain number; in TOML also an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Bytes per second. In text `200 MiB/s` or as [`ByteSize`]; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(pub u64);

/// A text that is no amount of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteSizeError {
    #[error("{text:?} is not a size: write a number and a unit, such as \"100 MiB\"")]
    Number { text: String },
    #[error("{text:?} has an unknown unit: use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB")]
    Unit { text: String },
    #[error("{text:?} is too large: the limit is {} bytes", i64::MAX)]
    TooLarge { text: String },
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<ByteSize, ByteSizeError> {
        let trimmed = text.trim();
        let after = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = trimmed.split_at(after.unwrap_or(trimmed.len()));
        let unit = unit.trim().to_ascii_lowercase();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        // Fifteen digits after the point are finer than one byte of the largest unit.
        if whole.is_empty() || fraction.is_empty() || fraction.len() > 15 || fraction.contains('.')
        {
            return Err(ByteSizeError::Number { text: text.to_owned() });
        }
        let Some((_, worth)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(ByteSizeError::Unit { text: text.to_owned() });
        };
        let too_large = || ByteSizeError::TooLarge { text: text.to_owned() };
        let worth = u128::from(*worth);
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let part: u64 = fraction.parse().map_err(|_| too_large())?;
        let part_bytes = u128::from(part) * worth / 10_u128.pow(fraction.len() as u32);
        let bytes = u128::from(whole) * worth + part_bytes;
        // TOML has no integers above i64::MAX.
        i64::try_from(bytes).map(|bytes| ByteSize(bytes as u64)).map_err(|_| too_large())
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that divides the size, so that reading it again gives the same size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, worth): &(_, u64)| self.0 != 0 && self.0.is_multiple_of(*worth));
        match exact {
            Some((unit, worth)) => write!(f, "{} {unit}", self.0 / worth),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl FromStr for ByteRate {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<ByteRate, ByteSizeError> {
        let size = text.trim().strip_suffix("/s").unwrap_or(text);
        size.parse().map(|ByteSize(bytes)| ByteRate(bytes))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

/// Reads an integer, or a text by `FromStr`.
struct Amount<T> {
    expected: &'static str,
    from_bytes: fn(u64) -> T,
}

impl<T: FromStr<Err = ByteSizeError>> Visitor<'_> for Amount<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<T, E> {
        Ok((self.from_bytes)(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<T, E> {
        let Ok(bytes) = u64::try_from(bytes) else {
            return Err(E::invalid_value(de::Unexpected::Signed(bytes), &self));
        };
        Ok((self.from_bytes)(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes, or a text such as \"100 MiB\"",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }],
        })
    }
}

impl JsonSchema for ByteRate {
    fn schema_name() -> Cow<'static, str> {
        "ByteRate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes per second, or a text such as \"200 MiB/s\"; 0 is no limit",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }],
        })
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        let expected = "a size such as \"100 MiB\" or a number of bytes";
        deserializer.deserialize_any(Amount { expected, from_bytes: ByteSize })
    }
}

impl<'de> Deserialize<'de> for ByteRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteRate, D::Error> {
        let expected = "a rate such as \"200 MiB/s\" or a number of bytes per second";
        deserializer.deserialize_any(Amount { expected, from_bytes: ByteRate })
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("100 MiB", 100 << 20),
            ("100MiB", 100 << 20),
            (" 100 mib ", 100 << 20),
            ("1 kB", 1_000),
            ("1 KB", 1_000),
            ("1 KiB", 1_024),
            ("1.5 GiB", 3 << 29),
            ("0.1 kB", 100),
            ("2 TB", 2_000_000_000_000),
            ("7 B", 7),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_why() {
        for text in ["", "MiB", ".5 MiB", "1. MiB", "1.2.3 B", "-1", "ten", "+1"] {
            let text = text.to_owned();
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError::Number { text }));
        }
        for text in ["1 M", "1 MiBB", "1 e", "1 MiB/s", "1 000"] {
            let text = text.to_owned();
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError::Unit { text }));
        }
        for text in ["9223372036854775808", "99999999 TiB", "99999999999999999999999"] {
            let text = text.to_owned();
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError::TooLarge { text }));
        }
    }

    #[test]
    fn shown_sizes_read_back_the_same() {
        for bytes in [0, 1, 1_000, 1_024, 1_536, 100 << 20, (1 << 40) + 1, i64::MAX as u64] {
            let shown = ByteSize(bytes).to_string();
            assert_eq!(shown.parse(), Ok(ByteSize(bytes)), "{shown}");
            let rate = ByteRate(bytes).to_string();
            assert_eq!(rate.parse(), Ok(ByteRate(bytes)), "{rate}");
        }
        assert_eq!(ByteSize(100 << 20).to_string(), "100 MiB");
        assert_eq!(ByteRate(200 << 20).to_string(), "200 MiB/s");
    }

    #[test]
    fn read_from_toml() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Table {
            size: ByteSize,
            rate: ByteRate,
        }
        let read = |text: &str| toml::from_str::<Table>(text);
        let table = Table { size: ByteSize(1 << 20), rate: ByteRate(2 << 20) };
        assert_eq!(read("size = 1048576\nrate = '2 MiB/s'"), Ok(table));
        let error = read("size = '1 XB'\nrate = 0").expect_err("no such unit").to_string();
        assert!(error.contains("unknown unit"), "{error}");
        let error = read("size = -1\nrate = 0").expect_err("negative").to_string();
        assert!(error.contains("a size such as"), "{error}");
        assert!(read("size = 1.5\nrate = 0").is_err());
    }
}
