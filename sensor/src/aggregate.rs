//! Which raw events of one process merge into one event.
//!
//! The policy is data: a table from the first raw event's kind to the kinds that may follow it.
//! The default is quark's matrix (peers: quark, section "aggregation"): the oldest raw event
//! leads, and followers of the same process join in order of time until the first refusal.

use crate::raw::Kind;

/// May a raw event join a run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    Never,
    /// Unless one of its kind has joined already.
    Once,
}

/// Rows: kind of the leader. Columns: kind of the follower. Order: fork, exec, exit, existing.
type Matrix = [[Join; KINDS]; KINDS];

const KINDS: usize = 4;

use Join::{Never, Once};

/// A short process's fork, exec and exit are one event. A second exec never merges, and nothing
/// joins an exit.
const FULL: Matrix = [
    [Never, Once, Once, Never],
    [Never, Never, Once, Never],
    [Never, Never, Never, Never],
    [Never, Never, Never, Never],
];

/// Each raw event is an event.
const MINIMAL: Matrix = [[Never; KINDS]; KINDS];

/// How much to merge.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// fork + exec + exit of one process within the hold time are one event.
    #[default]
    Full,
    /// Each raw event is an event of its own.
    Minimal,
}

impl Policy {
    fn matrix(self) -> &'static Matrix {
        match self {
            Policy::Full => &FULL,
            Policy::Minimal => &MINIMAL,
        }
    }

    /// Whether `next` joins a run that `leader` leads and `joined` have joined.
    pub fn joins(self, leader: Kind, joined: &[Kind], next: Kind) -> bool {
        match self.matrix()[index(leader)][index(next)] {
            Never => false,
            Once => !joined.contains(&next),
        }
    }
}

fn index(kind: Kind) -> usize {
    match kind {
        Kind::Fork => 0,
        Kind::Exec => 1,
        Kind::Exit => 2,
        Kind::Existing => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of a stream of one process, all within the hold time, written as in the oracle:
    /// F fork, X exec, E exit.
    fn runs(policy: Policy, stream: &str) -> String {
        let kinds: Vec<Kind> = stream
            .split(' ')
            .map(|letter| match letter {
                "F" => Kind::Fork,
                "X" => Kind::Exec,
                "E" => Kind::Exit,
                other => panic!("no kind {other}"),
            })
            .collect();
        let letter = |kind: &Kind| match kind {
            Kind::Fork => "F",
            Kind::Exec => "X",
            Kind::Exit => "E",
            Kind::Existing => "S",
        };
        let mut out = String::new();
        let mut rest = kinds.as_slice();
        while let Some((leader, after)) = rest.split_first() {
            let mut joined = 0;
            while joined < after.len() && policy.joins(*leader, &after[..joined], after[joined]) {
                joined += 1;
            }
            let run: Vec<_> = rest[..=joined].iter().map(letter).collect();
            out.push_str(&format!("[{}]", run.join("+")));
            rest = &after[joined..];
        }
        out
    }

    #[test]
    fn the_oracles_cases_of_fork_exec_and_exit() {
        for (stream, expected) in [
            ("F X E", "[F+X+E]"),
            ("F X X E", "[F+X][X+E]"),
            ("F E", "[F+E]"),
            ("F X", "[F+X]"),
            ("X E", "[X+E]"),
            ("X X", "[X][X]"),
            ("E E", "[E][E]"),
            ("F X E E", "[F+X+E][E]"),
            ("F X E F X E", "[F+X+E][F+X+E]"),
            ("E F", "[E][F]"),
        ] {
            assert_eq!(runs(Policy::Full, stream), expected, "{stream}");
        }
    }

    #[test]
    fn minimal_merges_nothing() {
        assert_eq!(runs(Policy::Minimal, "F X E"), "[F][X][E]");
    }
}
