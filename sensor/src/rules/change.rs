//! A change of the rules on its way into force, and what is said about it.

use std::path::PathBuf;

use super::directory::{DirectoryError, Refusal};
use super::load::{Mode, Prepared};
use super::set::RuleSet;

/// A change of the rules, to be applied between two events.
#[derive(Debug)]
pub enum Change {
    /// A component is new, or has a new version or configuration.
    Install(Box<Prepared>),
    /// A component's file is gone.
    Remove { name: String },
    /// A component's file is new or changed, but cannot be used. What was in force stays.
    Refused { name: String, reason: Refusal },
    /// The directory cannot be read any more. What is in force stays.
    DirectoryLost(DirectoryError),
    /// The directory is back; its changes follow.
    DirectoryFound { path: PathBuf },
}

/// What became of a change, in one line: for the log, and for an event of kind `sensor.rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened, as `event.action` has it: `rule_loaded`, `rule_replaced`, `rule_removed`,
    /// `rule_refused`, `rules_lost` or `rules_found`.
    pub action: &'static str,
    /// The component that it is about; none when it is about the directory.
    pub component: Option<String>,
    /// The change did not come into force.
    pub refused: bool,
    pub message: String,
}

impl Notice {
    /// Write the line to the log.
    pub fn log(&self) {
        if self.refused {
            tracing::warn!("{}", self.message);
        } else {
            tracing::info!("{}", self.message);
        }
    }
}

impl RuleSet {
    /// Put a change into force.
    pub fn apply(&mut self, change: Change) -> Notice {
        match change {
            Change::Install(prepared) => self.apply_install(*prepared),
            Change::Remove { name } => {
                let message = if self.remove(&name) {
                    format!("the component `{name}` is removed; its rules are out of force")
                } else {
                    format!("the file of the component `{name}`, which was not in force, is gone")
                };
                Notice { action: "rule_removed", component: Some(name), refused: false, message }
            }
            Change::Refused { name, reason } => self.refused(name, &reason),
            Change::DirectoryLost(error) => Notice {
                action: "rules_lost",
                component: None,
                refused: true,
                message: format!("{error}; the rules that are in force stay in force"),
            },
            Change::DirectoryFound { path } => Notice {
                action: "rules_found",
                component: None,
                refused: false,
                message: format!("the rules directory {} is back", path.display()),
            },
        }
    }

    fn apply_install(&mut self, prepared: Prepared) -> Notice {
        let name = prepared.name().to_owned();
        let rules = listed(&prepared);
        let voucher = match &prepared.voucher {
            Some(voucher) => format!(", {voucher}"),
            None => String::new(),
        };
        let mode = match prepared.mode() {
            Mode::Active => "",
            Mode::Shadow => ", in shadow mode",
            Mode::Off => ", switched off",
        };
        let (action, verb) = if self.contains(&name) {
            ("rule_replaced", "has a new version")
        } else {
            ("rule_loaded", "is loaded")
        };
        if let Err(error) = self.install(prepared) {
            return self.refused(name, &error);
        }
        let generation = self.generation();
        let message = format!(
            "the component `{name}` {verb}{mode}{voucher}: {rules} (generation {generation})"
        );
        Notice { action, component: Some(name), refused: false, message }
    }

    fn refused(&self, name: String, reason: &dyn std::fmt::Display) -> Notice {
        let outcome = if self.contains(&name) {
            "the version before it stays in force"
        } else {
            "none of its rules is in force"
        };
        let message = format!("the component `{name}` is refused: {reason}; {outcome}");
        Notice { action: "rule_refused", component: Some(name), refused: true, message }
    }
}

/// The rules of a component, as many as fit into a line.
fn listed(prepared: &Prepared) -> String {
    const SHOWN_MAX: usize = 8;
    let rules = prepared.rules();
    let shown = rules.iter().take(SHOWN_MAX).map(|rule| {
        // The version is the guest's own text.
        format!("{} {}", rule.id, rule.version.escape_debug())
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if rules.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", rules.len() - SHOWN_MAX));
    }
    text
}
