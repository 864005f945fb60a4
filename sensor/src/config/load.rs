//! Reads a configuration file and says where it is wrong.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Config, DEFAULT_PATH};
use crate::sink::SinkSettings;

/// A configuration file larger than this is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

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
    /// A value that a flag gave is out of range.
    #[error("{message}")]
    Flags { message: String },
}

impl Config {
    /// The configuration of a file; of [`DEFAULT_PATH`] when none is named; the defaults when that
    /// does not exist.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        match path {
            Some(path) => Config::read(path),
            None if Path::new(DEFAULT_PATH).exists() => Config::read(Path::new(DEFAULT_PATH)),
            None => Ok(Config::default()),
        }
    }

    fn read(path: &Path) -> Result<Config, ConfigError> {
        let read_error = |source| ConfigError::Read { path: path.to_owned(), source };
        let length = fs::metadata(path).map_err(read_error)?.len();
        if length > FILE_BYTES_MAX {
            return Err(ConfigError::TooLarge { path: path.to_owned() });
        }
        let text = fs::read_to_string(path).map_err(read_error)?;
        Config::parse(path, &text)
    }

    /// The configuration of a file's text; its path is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| invalid(path, text, &error))?;
        config.check().map_err(|problem| ConfigError::Invalid {
            path: path.to_owned(),
            line: line_of_key(text, &problem.key, problem.index).unwrap_or(1),
            message: problem.to_string(),
        })?;
        Ok(config)
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
fn line_of_key(text: &str, key: &str, index: usize) -> Option<usize> {
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
