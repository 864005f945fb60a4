//! What the scenarios said in a guest.

use ocellus_tests::vm::Series;

use crate::limits::{self, Lack};
use crate::outcome::{Outcome, Tried};

/// The fewest scenarios that a whole run has. Fewer were told where it broke off.
const SCENARIOS_MIN: usize = 60;

/// Reads the log of a run of `backend` on a kernel, in a guest that is without some things.
pub fn read(log: &str, backend: &str, series: Series, lacks: &[Lack]) -> Vec<Tried> {
    let mut all: Vec<Tried> = log
        .lines()
        .filter_map(|line| line.strip_prefix("scenario ")?.split_once(" ... "))
        .map(|(name, word)| {
            let said = if let Some(reason) = word.strip_prefix("unsupported here: ") {
                match lacks.iter().find(|lack| lack.says == reason) {
                    Some(lack) => Said::Limited(lack.reason.to_owned()),
                    None => Said::Unsupported(reason.to_owned()),
                }
            } else if let Some(reason) = word.strip_prefix("ok, within a limit: ") {
                Said::Limited(reason.to_owned())
            } else if word == "ok" {
                Said::Ok
            } else {
                Said::Failed(message(log, name))
            };
            Tried { name: name.to_owned(), outcome: judge(said, backend, name, series) }
        })
        .collect();
    let is_whole = log.contains("\nscenario result: ") && all.len() >= SCENARIOS_MIN;
    if !is_whole {
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        let words = format!("the run broke off after {} scenarios:\n{end}", all.len());
        all.push(Tried { name: "all of them".to_owned(), outcome: Outcome::Fails(words) });
    }
    all
}

enum Said {
    Ok,
    /// It asked for no more than what the backend can give.
    Limited(String),
    Unsupported(String),
    Failed(String),
}

/// What the scenario said, held against the limits.
fn judge(said: Said, backend: &str, name: &str, series: Series) -> Outcome {
    let limit = limits::limit(backend, name, series);
    match (said, limit) {
        (Said::Ok, None) => Outcome::Holds,
        (Said::Limited(reason), None) => Outcome::Limited(reason),
        (Said::Ok | Said::Limited(_), Some(limit)) => {
            Outcome::Fails(format!("it passes, and was said not to: {}", limit.reason))
        }
        (Said::Failed(words) | Said::Unsupported(words), Some(limit)) => {
            if words.contains(limit.says) {
                Outcome::Limited(limit.reason.to_owned())
            } else {
                Outcome::Fails(format!("it fails in another way than was said:\n{words}"))
            }
        }
        (Said::Unsupported(words), None) => {
            Outcome::Fails(format!("it is unsupported, and no limit says so: {words}"))
        }
        (Said::Failed(words), None) => Outcome::Fails(words),
    }
}

/// What a scenario that failed said: the block under its name.
fn message(log: &str, name: &str) -> String {
    let head = format!("\n---- {name} ----\n");
    let Some((_, rest)) = log.split_once(&head) else { return "it said nothing".to_owned() };
    let ends = ["\n---- ", "\nscenario result: "];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    rest[..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\nrunning 4 scenarios\nscenario a b ... ok\nscenario c ... FAILED\n\
        scenario d ... unsupported here: no way\n\
        scenario e ... ok, within a limit: late\n\n---- c ----\nwhat\nwent wrong\n\n\
        scenario result: FAILED. 1 passed\n";

    #[test]
    fn each_line_is_an_outcome_and_a_failure_has_its_words() {
        let tried = read(LOG, "ebpf", Series(6, 1), &[]);
        let outcomes: Vec<_> = tried.iter().map(|one| (&one.name[..], &one.outcome)).collect();
        assert_eq!(outcomes[0], ("a b", &Outcome::Holds));
        assert_eq!(outcomes[1], ("c", &Outcome::Fails("what\nwent wrong".to_owned())));
        assert!(outcomes[2].1.fails(), "what is unsupported must be a limit");
        assert_eq!(outcomes[3], ("e", &Outcome::Limited("late".to_owned())));
        assert_eq!(outcomes[4].0, "all of them");
    }

    #[test]
    fn what_a_guest_is_without_is_a_limit_there() {
        for lack in [limits::NO_OVERLAY, limits::NO_32_BIT] {
            let log = format!("scenario a ... unsupported here: {}\n", lack.says);
            let outcome = |lacks| read(&log, "ebpf", Series(7, 1), lacks).swap_remove(0).outcome;
            assert!(outcome(&[]).fails());
            let limited = Outcome::Limited(lack.reason.to_owned());
            assert_eq!(outcome(&[lack]), limited);
        }
    }

    #[test]
    fn a_log_that_breaks_off_is_a_failure() {
        let tried = read("scenario a ... ok\nKilled\n", "ebpf", Series(6, 1), &[]);
        assert!(matches!(&tried[1].outcome, Outcome::Fails(words) if words.contains("Killed")));
    }
}
