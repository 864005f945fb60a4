//! `ocellus rules check` and `ocellus rules inspect`: what a component is, needs and wants.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{Component, ComponentError};
use crate::error_chain::ErrorChain;
use crate::rules::world::{self, World};
use crate::rules::{LoadError, Loader, Permissions, Prepared, RuleInfo, world::differences};

/// All that a component says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    pub file: String,
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub digest: String,
    /// Who signed it, and whether the configuration trusts them; none for a source.
    pub signature: Option<String>,
    #[serde(flatten)]
    pub world: World,
    /// The world of the contract that it implements: `rule` or `batch-rule`.
    pub contract_world: &'static str,
    /// It hands its memory to its next version.
    pub carries_state: bool,
    pub rules: Vec<Rule>,
    /// Linear memory after `configure`.
    pub memory_bytes: u64,
}

/// One rule of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    pub id: String,
    pub name: String,
    pub description: String,
    pub version: String,
    pub attack: Vec<String>,
    pub false_positives: Vec<String>,
    pub permissions: Permissions,
    /// When it is called, each in words; none: for every event.
    pub interests: Vec<String>,
}

/// Loads a component as the sensor would, and tells what it is.
pub fn inspect(
    component: &Component,
    loader: &Loader,
    config: &str,
) -> Result<Inspection, ComponentError> {
    let prepared = component.load(loader, config)?;
    Ok(Inspection::of(component, &prepared))
}

/// Why a component is refused, in full: where its types differ, the lines of the contract too.
pub fn explain(component: &Component, error: &ComponentError) -> String {
    let mut text = ErrorChain(error).to_string();
    if let ComponentError::Load { source: LoadError::OtherTypes(_), .. } = error {
        for difference in differences(&component.wasm) {
            text.push_str(&format!("\n  {difference}"));
        }
    }
    text
}

impl Inspection {
    fn of(component: &Component, prepared: &Prepared) -> Inspection {
        Inspection {
            file: component.path.display().to_string(),
            bytes: component.wasm.len() as u64,
            digest: prepared.digest().to_owned(),
            signature: None,
            world: world::describe(&component.wasm).unwrap_or_default(),
            contract_world: prepared.world_name(),
            carries_state: prepared.carries_state(),
            rules: prepared
                .rules()
                .iter()
                .zip(prepared.interests_in_words())
                .map(|(rule, interests)| Rule::of(rule, interests))
                .collect(),
            memory_bytes: prepared.memory_bytes() as u64,
        }
    }

    /// Version of the contract that it imports; none when it imports nothing of it.
    fn contract(&self) -> Option<&str> {
        let mut imports = self.world.imports.iter();
        imports
            .find_map(|import| import.strip_prefix("ocellus:rule/")?.split_once('@'))
            .map(|it| it.1)
    }

    /// A few lines: what a reviewer needs to know first.
    pub fn summary(&self) -> String {
        const RULES_MAX: usize = 20;
        let (bytes, memory) = (kib(self.bytes), kib(self.memory_bytes));
        let contract = self.contract().unwrap_or("of no version");
        let world = self.contract_world;
        let mut text =
            format!("{}: {bytes}, contract {contract}, world {world}, holds {memory}\n", self.file);
        for rule in self.rules.iter().take(RULES_MAX) {
            text.push_str(&format!("  {rule}\n"));
            text.push_str(&rule.called());
        }
        if self.rules.len() > RULES_MAX {
            text.push_str(&format!("  and {} more rules\n", self.rules.len() - RULES_MAX));
        }
        text
    }
}

impl Rule {
    fn of(info: &RuleInfo, interests: Vec<String>) -> Rule {
        let texts = |list: &[std::sync::Arc<str>]| list.iter().map(ToString::to_string).collect();
        Rule {
            id: info.id.to_string(),
            name: info.name.to_string(),
            description: info.description.to_string(),
            version: info.version.to_string(),
            attack: texts(&info.attack),
            false_positives: texts(&info.false_positives),
            permissions: info.permissions,
            interests,
        }
    }

    fn called(&self) -> String {
        const SHOWN_MAX: usize = 12;
        if self.interests.is_empty() {
            return "    called for every event: interests would keep most of them away\n".into();
        }
        let mut text = String::new();
        for interest in self.interests.iter().take(SHOWN_MAX) {
            text.push_str(&format!("    called for {interest}\n"));
        }
        if self.interests.len() > SHOWN_MAX {
            text.push_str(&format!("    and {} more\n", self.interests.len() - SHOWN_MAX));
        }
        text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.escape_debug();
        let wants = in_words(self.permissions);
        write!(f, "{} {version}: {}; {wants}", self.id, self.name.escape_debug())?;
        match self.attack.as_slice() {
            [] => Ok(()),
            attack => write!(f, "; {}", attack.join(", ")),
        }
    }
}

/// What a rule asks to be allowed, as a reviewer should read it.
fn in_words(permissions: Permissions) -> String {
    let wants = [
        (permissions.alert, "raise alerts"),
        (permissions.tag, "add tags"),
        (permissions.drop, "DROP EVENTS"),
        (permissions.environment, "see the ENVIRONMENT of processes"),
    ];
    let wants: Vec<&str> = wants.iter().filter(|(has, _)| *has).map(|(_, what)| *what).collect();
    match wants.as_slice() {
        [] => "wants to do nothing".into(),
        [one] => format!("wants to {one}"),
        [first @ .., last] => format!("wants to {} and {last}", first.join(", ")),
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "file      {}", self.file)?;
        writeln!(f, "size      {} bytes", self.bytes)?;
        writeln!(f, "sha256    {}", self.digest)?;
        if let Some(signature) = &self.signature {
            writeln!(f, "signature {signature}")?;
        }
        writeln!(f, "memory    {} after it was configured", kib(self.memory_bytes))?;
        for import in &self.world.imports {
            writeln!(f, "imports   {import}")?;
        }
        for export in &self.world.exports {
            writeln!(f, "exports   {export}")?;
        }
        let carries = if self.carries_state { ", hands its memory on" } else { "" };
        writeln!(f, "world     {}{carries}", self.contract_world)?;
        for rule in &self.rules {
            writeln!(f, "\nrule      {} {}", rule.id, rule.version.escape_debug())?;
            writeln!(f, "name      {}", rule.name.escape_debug())?;
            if !rule.description.is_empty() {
                writeln!(f, "detects   {}", rule.description.escape_debug())?;
            }
            if !rule.attack.is_empty() {
                writeln!(f, "attack    {}", rule.attack.join(", "))?;
            }
            for known in &rule.false_positives {
                writeln!(f, "false     {}", known.escape_debug())?;
            }
            for interest in &rule.interests {
                writeln!(f, "called    for {interest}")?;
            }
            if rule.interests.is_empty() {
                writeln!(f, "called    for every event")?;
            }
            writeln!(f, "{}", in_words(rule.permissions).replacen("wants to", "wants     to", 1))?;
        }
        Ok(())
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// The components of a folder, in order of their names; or the one of a file.
pub fn files(path: &Path) -> Result<Vec<std::path::PathBuf>, ComponentError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read_error = |source| ComponentError::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(read_error)? {
        let file = entry.map_err(read_error)?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_words() {
        assert_eq!(in_words(Permissions::NONE), "wants to do nothing");
        assert_eq!(
            in_words(Permissions::ALL),
            "wants to raise alerts, add tags, DROP EVENTS and see the ENVIRONMENT of processes"
        );
        let tag = Permissions { tag: true, ..Permissions::NONE };
        assert_eq!(in_words(tag), "wants to add tags");
    }
}
