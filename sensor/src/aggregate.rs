//! Which raw events of one process merge into one event.
//!
//! The policy is data: a table from the first raw event's kind to the kinds that may follow it.
//! The default is quark's matrix (peers: quark, section "aggregation"): the oldest raw event
//! leads, and followers of the same process join in order of time until the first refusal.

use ocellus_ebpf::abi::KIND_COUNT;

use crate::raw::Kind;

/// May a raw event join a run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// No, and the run ends before it.
    Never,
    /// Unless one of its kind has joined already.
    Once,
    /// The same, and not after a change of ids, which it would hide.
    OnceBeforeIds,
    Many,
    /// It is of another class: an event of its own, and the run goes on after it.
    Apart,
}

use Join::{Apart, Many, Never, Once, OnceBeforeIds};

/// Rows: kind of the leader. Columns: kind of the follower. Order: fork, exec, exit, id change,
/// name change, change of the process group, existing.
type Matrix = [[Join; KIND_COUNT]; KIND_COUNT];

const _: () = assert!(Kind::PROBED.len() + 1 == KIND_COUNT, "one row for each kind, and existing");

/// A short process's fork, exec and exit are one event. A second exec never merges, and nothing
/// joins an exit. Changes of the process group, which shells make of every job and which quark does
/// not know, are as those of the name.
const FULL: Matrix = [
    [Never, OnceBeforeIds, Once, Many, Many, Many, Apart],
    [Never, Never, Once, Never, Many, Many, Apart],
    [Never, Never, Never, Never, Never, Never, Apart],
    [Never, Never, Never, Many, Never, Never, Apart],
    [Never, Never, Once, Never, Many, Many, Apart],
    [Never, Never, Once, Never, Many, Many, Apart],
    [Never, Never, Never, Never, Never, Never, Never],
];

/// All that a process does is one event, up to its end.
const WHOLE: Matrix = [
    [Never, Many, Once, Many, Many, Many, Apart],
    [Never, Many, Once, Many, Many, Many, Apart],
    [Never, Never, Never, Never, Never, Never, Apart],
    [Never, Many, Once, Many, Many, Many, Apart],
    [Never, Many, Once, Many, Many, Many, Apart],
    [Never, Many, Once, Many, Many, Many, Apart],
    [Never, Never, Never, Never, Never, Never, Never],
];

/// Each raw event is an event.
const MINIMAL: Matrix = [[Never; KIND_COUNT]; KIND_COUNT];

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
    /// All that a process does within the hold time is one event, however often it executes.
    Whole,
}

impl Policy {
    fn matrix(self) -> &'static Matrix {
        match self {
            Policy::Full => &FULL,
            Policy::Minimal => &MINIMAL,
            Policy::Whole => &WHOLE,
        }
    }
}

/// The kinds that a run has so far.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    row: &'static [Join; KIND_COUNT],
    /// One bit for each kind that joined the leader.
    kinds: u8,
}

impl Joined {
    /// A run of its leader alone.
    pub fn leader(policy: Policy, leader: Kind) -> Joined {
        Joined { row: &policy.matrix()[index(leader)], kinds: 0 }
    }

    /// Whether the next raw event of the process joins: `Many` if so, else `Never` or `Apart`.
    pub fn join(&mut self, next: Kind) -> Join {
        let has = |kind: Kind| self.kinds & (1 << index(kind)) != 0;
        match self.row[index(next)] {
            Once if has(next) => return Never,
            OnceBeforeIds if has(next) || has(Kind::Ids) => return Never,
            refusal @ (Never | Apart) => return refusal,
            Once | OnceBeforeIds | Many => {}
        }
        self.kinds |= 1 << index(next);
        Many
    }
}

fn index(kind: Kind) -> usize {
    match kind {
        Kind::Fork => 0,
        Kind::Exec => 1,
        Kind::Exit => 2,
        Kind::Ids => 3,
        Kind::Name => 4,
        Kind::Pgid => 5,
        Kind::Existing => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: [(&str, Kind); 7] = [
        ("F", Kind::Fork),
        ("X", Kind::Exec),
        ("E", Kind::Exit),
        ("I", Kind::Ids),
        ("C", Kind::Name),
        ("G", Kind::Pgid),
        ("S", Kind::Existing),
    ];

    /// Runs of a stream of one process, all within the hold time, written as in the oracle.
    fn runs(policy: Policy, stream: &str) -> String {
        let of = |word: &str| LETTERS.iter().find(|(letter, _)| *letter == word);
        let mut waiting: Vec<&(&str, Kind)> =
            stream.split(' ').map(|word| of(word).expect("a letter of the table")).collect();
        let mut out = String::new();
        while !waiting.is_empty() {
            let (leader, kind) = *waiting.remove(0);
            let mut joined = Joined::leader(policy, kind);
            let mut run = vec![leader];
            let mut at = 0;
            while let Some((_, kind)) = waiting.get(at) {
                match joined.join(*kind) {
                    Many => run.push(waiting.remove(at).0),
                    Apart => at += 1,
                    _ => break,
                }
            }
            out.push_str(&format!("[{}]", run.join("+")));
        }
        out
    }

    /// One test for each case: its name is the case.
    macro_rules! oracle {
        ($($name:ident: $policy:ident, $stream:literal => $runs:literal;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(runs(Policy::$policy, $stream), $runs);
            }
        )*};
    }

    // The worked cases of the oracle. Its exec connector, a second record of an exec by the kprobe
    // backend, is none here: that backend makes one record of both.
    oracle! {
        fork_exec_exit: Full, "F X E" => "[F+X+E]";
        fork_exec_exec_exit: Full, "F X X E" => "[F+X][X+E]";
        fork_exit: Full, "F E" => "[F+E]";
        fork_exec: Full, "F X" => "[F+X]";
        fork_exec_ids_exit: Full, "F X I E" => "[F+X+I+E]";
        fork_ids_exec_exit: Full, "F I X E" => "[F+I][X+E]";
        exec_ids_exit: Full, "X I E" => "[X][I][E]";
        exec_ids: Full, "X I" => "[X][I]";
        ids_exec_exit: Full, "I X E" => "[I][X+E]";
        ids_exit: Full, "I E" => "[I][E]";
        ids_ids_exec_ids_exit: Full, "I I X I E" => "[I+I][X][I][E]";
        fork_exec_names_exit: Full, "F X C C C E" => "[F+X+C+C+C+E]";
        fork_name_exec_exit: Full, "F C X E" => "[F+C+X+E]";
        fork_name_exit: Full, "F C E" => "[F+C+E]";
        name_exec_exit: Full, "C X E" => "[C][X+E]";
        exec_names_exit: Full, "X C C E" => "[X+C+C+E]";
        names_exit: Full, "C C E" => "[C+C+E]";
        name_ids: Full, "C I" => "[C][I]";
        ids_name: Full, "I C" => "[I][C]";
        exec_exit: Full, "X E" => "[X+E]";
        exec_exec: Full, "X X" => "[X][X]";
        exit_exit: Full, "E E" => "[E][E]";
        fork_exec_exit_exit: Full, "F X E E" => "[F+X+E][E]";
        reuse_of_a_pid: Full, "F X E F X E" => "[F+X+E][F+X+E]";
        exit_fork: Full, "E F" => "[E][F]";
        fork_ids_ids_exit: Full, "F I I E" => "[F+I+I+E]";
    }

    // Where we are better: what belongs to another class does not break a run.
    oracle! {
        another_class_in_between: Full, "F S X E" => "[F+X+E][S]";
        another_class_before_the_end: Full, "F X S E" => "[F+X+E][S]";
        another_class_between_ids: Full, "I S I" => "[I+I][S]";
    }

    // What the oracle does not know.
    oracle! {
        job_of_a_shell: Full, "F G X E" => "[F+G+X+E]";
        exec_and_process_group: Full, "X G E" => "[X+G+E]";
        process_group_and_ids: Full, "G I" => "[G][I]";
        process_group_and_name: Full, "G C E" => "[G+C+E]";
        minimal: Minimal, "F I X C G S E" => "[F][I][X][C][G][S][E]";
        whole: Whole, "F I X C S G X I E E" => "[F+I+X+C+G+X+I+E][S][E]";
        whole_of_an_old_process: Whole, "X X I X E F" => "[X+X+I+X+E][F]";
    }
}
