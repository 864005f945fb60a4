//! Results for people.

use std::fmt;

use super::{InterestCheck, Outcome, Proof, Report, RuleCheck};
use crate::table::grouped;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.component, self.rules.join(", "))?;
        for group in self.outcomes.chunk_by(|a, b| a.group == b.group) {
            writeln!(f, "{}", group[0].group)?;
            for outcome in group {
                write!(f, "{outcome}")?;
            }
        }
        let fuel = self.fuel();
        if let (Some(most), Some(median)) = (fuel.last(), fuel.get(fuel.len() / 2)) {
            let limit = match self.fuel_max {
                Some(max) if *most > max => format!(", MORE than the {} allowed", grouped(max)),
                Some(max) => format!(", of {} allowed", grouped(max)),
                None => String::new(),
            };
            let (calls, median, most) = (fuel.len(), grouped(*median), grouped(*most));
            writeln!(f, "fuel for an event, {calls} calls: p50 {median}, max {most}{limit}")?;
        }
        if let Some(check) = &self.interests {
            write!(f, "{check}")?;
        }
        let failed = self.failed();
        let total = self.outcomes.len()
            + usize::from(self.interests.is_some())
            + usize::from(self.fuel_max.is_some());
        writeln!(f, "{} passed, {failed} failed", total - failed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.failures.is_empty() { "ok  " } else { "FAIL" };
        write!(f, "  {verdict}  {}", self.name)?;
        if let Some(most) = self.fuel.iter().max() {
            write!(f, "  ({} fuel)", grouped(*most))?;
        }
        writeln!(f)?;
        for line in self.failures.iter().chain(&self.notes) {
            writeln!(f, "        {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for InterestCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rule, check) in &self.rules {
            match self.rules.len() {
                1 => write!(f, "interests: {check}")?,
                _ => write!(f, "interests of {rule}: {check}")?,
            }
        }
        match self.hides() {
            false => Ok(()),
            true => writeln!(
                f,
                "Widen the interests, or, where they decide on purpose, let the rule check the \
                 same itself: that costs only for what comes through."
            ),
        }
    }
}

impl fmt::Display for RuleCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RuleCheck { events, left_out, hidden, hidden_count } = self;
        write!(f, "{events} events of its kinds, {left_out} left out, ")?;
        match self.proof() {
            Proof::Nothing => return writeln!(f, "none of which would have been a hit"),
            Proof::Decides => {
                return writeln!(
                    f,
                    "all of which would have been hits: the rule leaves the decision to its \
                     interests"
                );
            }
            Proof::Hides => {}
        }
        writeln!(f, "{hidden_count} HIDDEN on which it would have said something else:")?;
        for event in hidden {
            writeln!(f, "  {}", event.replace('\n', "\n  "))?;
        }
        match hidden_count - hidden.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}
