//! `false`, or a size: for what is off unless a size is given.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::bytesize::ByteSize;

/// Both, as the file has them.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(super) enum SizeOrSwitch {
    Switch(bool),
    Size(ByteSize),
}

pub(super) fn serialize<S: Serializer>(
    size: &Option<ByteSize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match size {
        Some(size) => size.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ByteSize>, D::Error> {
    match SizeOrSwitch::deserialize(deserializer) {
        Ok(SizeOrSwitch::Switch(false)) => Ok(None),
        Ok(SizeOrSwitch::Size(size)) => Ok(Some(size)),
        Ok(SizeOrSwitch::Switch(true)) | Err(_) => {
            Err(D::Error::custom("expected `false`, or a size such as \"4 KiB\""))
        }
    }
}
