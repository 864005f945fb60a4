//! Reads a configuration file and says where it is wrong.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Config, Layered};
use crate::rules::{Untrusted, check_trust};
use crate::sink::SinkSettings;

/// A configuration file larger than this is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The bit of a directory in which only the owner of a file can replace it.
const STICKY: u32 = 0o1000;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the configuration file {path} is larger than a mebibyte")]
    TooLarge { path: PathBuf },
    /// The text is not TOML, or a key or a value is none of ours.
    #[error("{}:{line}: {message}", .path.display())]
    Invalid { path: PathBuf, line: usize, message: String },
    /// Others could have written it.
    #[error("the configuration in {} is not used: {why}", .path.display())]
    Untrusted { path: PathBuf, why: Untrusted },
    #[error("there are too many files in {}", .path.display())]
    TooMany { path: PathBuf },
    /// A variable of the environment names no key, or its value is none.
    #[error("the environment's {name}: {message}")]
    Variable { name: String, message: String },
    /// Each file is right, but what they make together is not.
    #[error("the configuration files do not fit together: {message}")]
    Together { message: String },
    /// A value that a flag gave is out of range.
    #[error("{message}")]
    Flags { message: String },
}

impl Config {
    /// The configuration of a file, or of [`DEFAULT_PATH`](super::DEFAULT_PATH) when none is named
    /// and it exists; with the fragments beside it and the environment over it.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        Layered::load(path).map(|layered| layered.config)
    }

    /// The configuration of a file's text; its path is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let config = Config::parse_unchecked(path, text)?;
        config.check().map_err(|problem| ConfigError::Invalid {
            path: path.to_owned(),
            line: line_of_key(text, &problem.key, problem.index).unwrap_or(1),
            message: problem.to_string(),
        })?;
        Ok(config)
    }

    /// The same, without a look at whether the values make sense together.
    pub(super) fn parse_unchecked(path: &Path, text: &str) -> Result<Config, ConfigError> {
        toml::from_str(text).map_err(|error| invalid(path, text, &error))
    }

    /// What each output is to do.
    pub fn outputs(&self) -> Result<Vec<SinkSettings>, ConfigError> {
        self.sinks().map_err(|problem| ConfigError::Flags { message: problem.to_string() })
    }

    /// Checks the values once more, after flags have changed some.
    pub fn check_flags(&self) -> Result<(), ConfigError> {
        self.check().map_err(|problem| ConfigError::Flags { message: problem.to_string() })
    }
}

/// Reads a file that only the right people can have written.
pub(super) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let read_error = |source| ConfigError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir_metadata = fs::metadata(dir).map_err(read_error)?;
    let untrusted = |path: &Path, why| ConfigError::Untrusted { path: path.to_owned(), why };
    check_trust(&metadata).map_err(|why| untrusted(path, why))?;
    // In a sticky directory, such as /tmp, others cannot replace what is ours.
    if dir_metadata.mode() & STICKY == 0 {
        check_trust(&dir_metadata).map_err(|why| untrusted(dir, why))?;
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(read_error)?;
    Ok(text)
}

fn invalid(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let line = line_at(text, span.start);
    let message = match unknown_name(error.message()) {
        Some((name, known)) => unknown_message(text, &span, name, &known),
        None => {
            let key = key_at(text, span.start).map_or(String::new(), |key| format!("{key}: "));
            format!("{key}{}", error.message().replace('\n', ", "))
        }
    };
    ConfigError::Invalid { path: path.to_owned(), line, message }
}

/// What serde did not know and what it would have known, out of its message.
fn unknown_name(message: &str) -> Option<(&str, Vec<&str>)> {
    let is_unknown =
        message.starts_with("unknown field ") || message.starts_with("unknown variant ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let name = quoted.next().filter(|_| is_unknown)?;
    Some((name, quoted.collect()))
}

fn unknown_message(text: &str, span: &Range<usize>, name: &str, known: &[&str]) -> String {
    let key = key_at(text, span.start).unwrap_or_default();
    let is_key = key == name || key.ends_with(&format!(".{name}"));
    let what = if is_key {
        format!("there is no key `{key}`")
    } else {
        format!("{key}: `{name}` is not known")
    };
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("{what}; did you mean `{near}`?"),
        None => format!("{what}; there are {}", known.join(", ")),
    }
}

/// The name that is most like another, if one is like it at all.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this, two names have next to nothing in common.
    const SIMILARITY_MIN: f64 = 0.75;
    known
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

fn line_at(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// `section.key` of the line at a byte.
fn key_at(text: &str, at: usize) -> Option<String> {
    let number = line_at(text, at);
    let mut section = String::new();
    for line in text.lines().take(number) {
        if let Some(name) = header(line) {
            section = name.to_owned();
        }
    }
    let line = text.lines().nth(number - 1)?;
    if header(line).is_some() {
        return Some(section);
    }
    let key = line.split_once('=')?.0.trim();
    Some(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") })
}

/// The line on which `section.key` is set, or else its section: of several `[[section]]`, the one
/// with this index.
pub(super) fn line_of_key(text: &str, key: &str, index: usize) -> Option<usize> {
    let outermost = key.split('.').next().unwrap_or(key);
    let mut offset = 0;
    let mut section_line = None;
    let mut sections = 0;
    for (number, line) in text.lines().enumerate() {
        let name = header(line);
        if name == Some(outermost) && line.trim().starts_with("[[") {
            sections += 1;
        }
        if sections.max(1) == index + 1 {
            let at = key_at(text, offset);
            if at.as_deref() == Some(key) {
                return Some(number + 1);
            }
            let is_section = |name: &str| name == key || key.starts_with(&format!("{name}."));
            if name.is_some_and(is_section) {
                section_line = Some(number + 1);
            }
        }
        offset += line.len() + 1;
    }
    section_line
}

/// The name in `[name]` or `[[name]]`.
fn header(line: &str) -> Option<&str> {
    let line = line.split('#').next()?.trim();
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let of_several = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    Some(of_several.unwrap_or(inner).trim())
}

#[cfg(test)]
mod tests;
