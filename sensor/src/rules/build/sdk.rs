//! The SDKs, so that users need no checkout. A project may bring its own copy in the folder
//! `ocellus`, as those of `ocellus rules new` do: then it is built with that.

use std::path::{Path, PathBuf};

use super::BuildError;
use super::tools::Scratch;

/// Path inside the SDK, and content.
pub(crate) type File = (&'static str, &'static str);

include!(concat!(env!("OUT_DIR"), "/sdks.rs"));

/// The folder of a project that holds its own copy.
pub(crate) const OWN: &str = "ocellus";

/// The files of a language's SDK; none when the language has none here.
pub(crate) fn files(language: &str) -> &'static [File] {
    let sdk = SDKS.iter().find(|(name, _)| *name == language);
    sdk.map_or(&[], |(_, files)| files)
}

/// The folder of the SDK: the project's own copy, else one in `scratch`, in a folder `ocellus`.
pub(super) fn folder(
    language: &str,
    project: &Path,
    scratch: &Scratch,
) -> Result<PathBuf, BuildError> {
    let own = project.join(OWN);
    if own.is_dir() {
        return Ok(own);
    }
    for (name, text) in files(language) {
        scratch.write(&format!("{OWN}/{name}"), text)?;
    }
    Ok(scratch.path().join(OWN))
}
