//! A configuration that changes under a running sensor.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use toml::Value;

use super::Config;
use super::layers::{files, leaves, path_of, put, table_of};

/// The dotted keys whose values differ between two configurations, in order.
pub fn changed_keys(old: &Config, new: &Config) -> Vec<String> {
    let (old, new) = (leaves(&table_of(old)), leaves(&table_of(new)));
    let value = |of: &[(String, Value)], key: &str| {
        of.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = old.iter().chain(&new).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().filter(|key| value(&old, key) != value(&new, key)).cloned().collect()
}

/// The old configuration, with the values that the new one has for these keys.
pub fn take_over(old: &Config, new: &Config, keys: &[String]) -> Config {
    let mut table = table_of(old);
    let new = leaves(&table_of(new));
    for key in keys {
        match new.iter().find(|(other, _)| other == key) {
            Some((_, value)) => put(&mut table, key, value.clone()),
            None => remove(&mut table, key),
        }
    }
    match Value::Table(table).try_into() {
        Ok(config) => config,
        // Values of two configurations that are right by themselves.
        Err(error) => unreachable!("parts of configurations are a configuration: {error}"),
    }
}

fn remove(table: &mut toml::Table, key: &str) {
    let mut path = path_of(key);
    let Some(last) = path.pop() else { return };
    let mut table = table;
    for part in path {
        let Some(Value::Table(inner)) = table.get_mut(&part) else { return };
        table = inner;
    }
    table.remove(&last);
}

/// Tells when the files of a configuration have changed.
#[derive(Debug)]
pub struct Watch {
    path: Option<PathBuf>,
    /// As the files were when their change was last told.
    told: Vec<Stamp>,
    /// As they were at the last look.
    seen: Vec<Stamp>,
}

/// What tells two states of a file apart.
type Stamp = (PathBuf, u64, u64, i64, i64);

impl Watch {
    /// Of this file, or of the default one, and the fragments beside it.
    pub fn new(path: Option<&Path>) -> Watch {
        let mut watch = Watch { path: path.map(Path::to_owned), told: vec![], seen: vec![] };
        watch.seen = watch.look();
        watch.told.clone_from(&watch.seen);
        watch
    }

    /// True once for each change, when the files have stood still since the last call.
    pub fn has_changed(&mut self) -> bool {
        let now = self.look();
        let stands_still = now == self.seen;
        self.seen = now;
        if !stands_still || self.seen == self.told {
            return false;
        }
        self.told.clone_from(&self.seen);
        true
    }

    fn look(&self) -> Vec<Stamp> {
        let files = files(self.path.as_deref()).unwrap_or_default();
        let stamp = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            let (inode, size) = (metadata.ino(), metadata.size());
            Some((path, inode, size, metadata.ctime(), metadata.ctime_nsec()))
        };
        files.into_iter().filter_map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;

    fn parse(text: &str) -> Config {
        Config::parse(Path::new("x"), text).unwrap()
    }

    #[test]
    fn changes_are_named_and_can_be_taken_over_one_by_one() {
        let old = parse("[host]\nname = \"a\"\n[rules.component.\"x.y\"]\nmode = \"shadow\"\n");
        let new = parse("[log]\nlevel = \"debug\"\n[process]\nmax = 2000\n");
        let keys = changed_keys(&old, &new);
        assert_eq!(keys, ["host.name", "log.level", "process.max", "rules.component.\"x.y\".mode"]);
        let some = take_over(&old, &new, &keys[..2]);
        assert_eq!((some.host.name.as_ref(), some.log.level), (None, Level::Debug));
        assert_eq!(some.process.max, old.process.max);
        assert_eq!(changed_keys(&some, &new), keys[2..]);
        assert!(changed_keys(&old, &old).is_empty());
    }

    #[test]
    fn a_change_is_told_once_and_not_before_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("ocellus.toml");
        fs::write(&main, "").unwrap();
        let mut watch = Watch::new(Some(&main));
        assert!(!watch.has_changed());
        fs::write(&main, "# changed").unwrap();
        assert_eq!([(); 3].map(|()| watch.has_changed()), [false, true, false]);
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(dir.path().join("conf.d/a.toml"), "").unwrap();
        assert_eq!([(); 3].map(|()| watch.has_changed()), [false, true, false]);
        fs::remove_file(&main).unwrap();
        assert_eq!([(); 3].map(|()| watch.has_changed()), [false, true, false]);
    }
}
