//! `false`, or a path: for what has a default place and can be switched off.

use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// Both, as the file has them.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(super) enum PathOrSwitch {
    Switch(bool),
    Path(PathBuf),
}

pub(super) fn serialize<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => path.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    match PathOrSwitch::deserialize(deserializer) {
        Ok(PathOrSwitch::Switch(false)) => Ok(None),
        Ok(PathOrSwitch::Path(path)) if path.as_os_str().is_empty() => {
            Err(D::Error::custom("expected `false`, or a path"))
        }
        Ok(PathOrSwitch::Path(path)) => Ok(Some(path)),
        Ok(PathOrSwitch::Switch(true)) | Err(_) => {
            Err(D::Error::custom("expected `false`, or a path"))
        }
    }
}
