//! Where values come from: the file, the files of `conf.d` beside it, the environment. Each wins
//! over those before it, key by key, and it is known which one won.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::check::Problem;
use super::load::{ConfigError, line_of_key, read_text};
use super::schema::known_keys;
use super::{Config, DEFAULT_PATH, nearest};

/// Files beside the configuration file that are read after it, in the order of their names.
pub const FRAGMENTS_DIR: &str = "conf.d";

/// More fragments are a mistake.
const FRAGMENTS_MAX: usize = 256;

/// Variables of the environment begin with this: OCELLUS_AGGREGATE_HOLD_MS is `aggregate.hold_ms`.
const PREFIX: &str = "OCELLUS_";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File { path: PathBuf, line: usize },
    Variable(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => write!(f, "${name}"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A configuration with the origin of each value that is not a default, by `section.key`.
#[derive(Clone, Debug)]
pub struct Layered {
    pub config: Config,
    origins: BTreeMap<String, Origin>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
}

impl Layered {
    /// Reads the file, or [`DEFAULT_PATH`] when none is named and it exists, the fragments beside
    /// it, and the environment.
    pub fn load(path: Option<&Path>) -> Result<Layered, ConfigError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Layered::load_with(path, variables)
    }

    /// The same, with another environment.
    pub fn load_with(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Layered, ConfigError> {
        let files = files(path)?;
        let mut merged = Merged::default();
        for path in &files {
            merged.add_file(path)?;
        }
        let mut variables: Vec<_> = variables.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            merged.add_variable(&name, &value)?;
        }
        let Merged { table, origins, texts } = merged;
        let config = Value::Table(table).try_into::<Config>().map_err(|error| {
            let message = error.message().replace('\n', ", ");
            ConfigError::Together { message }
        })?;
        let layered = Layered { config, origins, files };
        layered.config.check().map_err(|problem| layered.error(&problem, &texts))?;
        Ok(layered)
    }

    /// Where the value of `section.key` comes from: a key of an output comes with all of them.
    pub fn origin(&self, key: &str) -> &Origin {
        let outer = |key: &str| key.rsplit_once('.').map(|(outer, _)| outer.to_owned());
        let keys = std::iter::successors(Some(key.to_owned()), |key| outer(key));
        keys.filter_map(|key| self.origins.get(&key)).next().unwrap_or(&Origin::Default)
    }

    /// A value that makes no sense, with where it stands. `texts` are those of the files.
    fn error(&self, problem: &Problem, texts: &[(PathBuf, String)]) -> ConfigError {
        let message = problem.to_string();
        let file = match self.origin(&problem.key) {
            Origin::Variable(name) => {
                return ConfigError::Variable { name: name.clone(), message };
            }
            Origin::File { path, .. } => texts.iter().find(|(other, _)| other == path),
            // A default is right by itself: it is the others that make it wrong.
            Origin::Default => texts.last(),
        };
        let Some((path, text)) = file else { return ConfigError::Flags { message } };
        let line = line_of_key(text, &problem.key, problem.index).unwrap_or(1);
        ConfigError::Invalid { path: path.clone(), line, message }
    }

    /// Every key that has a value, one line each, with where the value comes from.
    pub fn show(&self) -> String {
        let mut lines = Vec::new();
        for (key, value) in leaves(&table_of(&self.config)) {
            let origin = self.origin(&key).to_string();
            let shown = with_items(key, value).into_iter();
            lines.extend(shown.map(|(key, value)| (format!("{key} = {value}"), origin.clone())));
        }
        /// Values beyond this column push their origin away.
        const COLUMN_MAX: usize = 60;
        let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
        let width = width.min(COLUMN_MAX);
        lines.iter().map(|(line, origin)| format!("{line:<width$}  # {origin}\n")).collect()
    }
}

/// The files that make up a configuration and exist, in order.
pub(super) fn files(path: Option<&Path>) -> Result<Vec<PathBuf>, ConfigError> {
    let (main, must_exist) = match path {
        Some(path) => (path, true),
        None => (Path::new(DEFAULT_PATH), false),
    };
    let mut files = Vec::new();
    if must_exist || main.exists() {
        files.push(main.to_owned());
    }
    let dir = main.parent().unwrap_or(Path::new(".")).join(FRAGMENTS_DIR);
    if !dir.is_dir() {
        return Ok(files);
    }
    let read_error = |source| ConfigError::Read { path: dir.clone(), source };
    let mut fragments = Vec::new();
    for entry in fs::read_dir(&dir).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".toml") && !name.starts_with('.') {
            fragments.push(path);
        }
        if fragments.len() > FRAGMENTS_MAX {
            return Err(ConfigError::TooMany { path: dir });
        }
    }
    fragments.sort();
    files.extend(fragments);
    Ok(files)
}

#[derive(Default)]
struct Merged {
    table: Table,
    origins: BTreeMap<String, Origin>,
    texts: Vec<(PathBuf, String)>,
}

impl Merged {
    fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = read_text(path)?;
        // Alone first, since then an error has a line. A fragment may leave out what another has.
        match Config::parse_unchecked(path, &text) {
            Err(ConfigError::Invalid { message, .. }) if message.contains("missing field") => {}
            other => drop(other?),
        }
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let message = error.message().to_owned();
            ConfigError::Invalid { path: path.to_owned(), line: 1, message }
        })?;
        // `[output]` is the only one of its file, and takes the place of others like `[[output]]`.
        if let Some(output) = table.get_mut("output").filter(|output| output.is_table()) {
            *output = Value::Array(vec![output.clone()]);
        }
        for (key, _) in leaves(&table) {
            let line = line_of_key(&text, &key, 0).unwrap_or(1);
            self.replace_origin(&key, Origin::File { path: path.to_owned(), line });
        }
        merge(&mut self.table, table);
        self.texts.push((path.to_owned(), text));
        Ok(())
    }

    /// Takes a variable that names a key. One that names a section, but none of its keys, is a
    /// mistake; others are somebody else's, such as those that Kubernetes sets for a service.
    fn add_variable(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(()) };
        let wanted = rest.to_lowercase();
        let keys = known_keys();
        let Some(key) = keys.iter().find(|key| key.replace('.', "_") == wanted) else {
            let is_section = keys.iter().any(|key| {
                let section = key.split('.').next().unwrap_or_default();
                wanted.strip_prefix(section).is_some_and(|rest| rest.starts_with('_'))
            });
            if !is_section {
                return Ok(());
            }
            let names: Vec<String> = keys
                .iter()
                .map(|key| format!("{PREFIX}{}", key.replace('.', "_").to_uppercase()))
                .collect();
            let near = nearest(name, names.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let message = format!("there is no such key{near}");
            return Err(ConfigError::Variable { name: name.to_owned(), message });
        };
        let parsed = format!("v = {text}").parse::<Table>().ok();
        let parsed = parsed.and_then(|mut table| table.remove("v"));
        let as_text = Value::String(text.to_owned());
        let candidates = parsed.into_iter().chain([as_text]);
        let mut problem = None;
        for value in candidates {
            let mut alone = Table::new();
            put(&mut alone, key, value);
            match Value::Table(alone.clone()).try_into::<Config>() {
                Ok(_) => {
                    merge(&mut self.table, alone);
                    self.replace_origin(key, Origin::Variable(name.to_owned()));
                    return Ok(());
                }
                Err(error) => {
                    problem.get_or_insert_with(|| error.message().replace('\n', ", "));
                }
            }
        }
        let message = format!("{key}: {}", problem.unwrap_or_default());
        Err(ConfigError::Variable { name: name.to_owned(), message })
    }

    /// A value takes the place of what stood under its key, and below.
    fn replace_origin(&mut self, key: &str, origin: Origin) {
        let below = format!("{key}.");
        self.origins.retain(|other, _| !other.starts_with(&below));
        self.origins.insert(key.to_owned(), origin);
    }
}

/// Puts the values of one table into another: tables are merged, all else is replaced.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// Puts a value under `a.b.c`.
pub(super) fn put(table: &mut Table, key: &str, value: Value) {
    let mut path = path_of(key);
    let Some(last) = path.pop() else { return };
    let mut table = table;
    for part in path {
        let inner = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = inner else { return };
        table = inner;
    }
    table.insert(last, value);
}

/// The parts of a dotted key; those in quotes may hold dots.
pub fn path_of(key: &str) -> Vec<String> {
    let mut path = Vec::new();
    let mut inner = format!("{key} = 0").parse::<Table>().ok();
    while let Some((part, value)) = inner.and_then(|table| table.into_iter().next()) {
        path.push(part);
        inner = match value {
            Value::Table(table) => Some(table),
            _ => None,
        };
    }
    path
}

/// Every value that is not a table, with its dotted key, in the order of the file.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (part, value) in table {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let part = match part.chars().all(plain) && !part.is_empty() {
            true => part.clone(),
            false => Value::String(part.clone()).to_string(),
        };
        match value {
            Value::Table(inner) => {
                let inner = leaves(inner).into_iter();
                all.extend(inner.map(|(rest, value)| (format!("{part}.{rest}"), value)));
            }
            value => all.push((part, value.clone())),
        }
    }
    all
}

/// A value by its key; of a list of tables, each value of each table, with the table's number.
fn with_items(key: String, value: Value) -> Vec<(String, Value)> {
    let Value::Array(items) = &value else { return vec![(key, value)] };
    let tables: Option<Vec<&Table>> = items.iter().map(Value::as_table).collect();
    match tables {
        Some(tables) if !tables.is_empty() => {
            let of_table = |(index, table): (usize, &&Table)| {
                let inner = leaves(table).into_iter();
                let inner = inner.map(|(rest, value)| (format!("{key}[{index}].{rest}"), value));
                inner.collect::<Vec<_>>()
            };
            tables.iter().enumerate().flat_map(of_table).collect()
        }
        _ => vec![(key, value)],
    }
}

/// The configuration as a table.
pub(super) fn table_of(config: &Config) -> Table {
    match Table::try_from(config) {
        Ok(table) => table,
        Err(error) => unreachable!("a configuration is a table: {error}"),
    }
}

#[cfg(test)]
mod tests;
