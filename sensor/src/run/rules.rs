//! temporary
use std::path::Path;
use tokio::sync::mpsc;
use crate::rules::{RuleSet, Prepared};
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct RulesError;
pub enum Change { Install(Prepared) }
impl std::fmt::Debug for Change { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("c") } }
pub(crate) struct Rules;
impl Rules {
    pub(crate) fn start(_dir: &Path, _c: &crate::config::Rules, _s: mpsc::Sender<super::Message>) -> Result<Rules, RulesError> { Ok(Rules) }
    pub(crate) fn take_first(&mut self) -> Vec<Change> { Vec::new() }
    pub(crate) fn rescan(&self) {}
}
pub(crate) fn apply(_c: Change, _s: &mut RuleSet) -> (&'static str, String, String) { ("x", String::new(), String::new()) }
