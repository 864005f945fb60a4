//! Where every raw event went. One identity holds at any moment:
//! received = delivered + merged + dropped + lost + held.

use std::collections::BTreeMap;
use std::fmt;

use crate::raw::Kind;
use ocellus_ebpf::abi::KIND_COUNT;

/// Raw events by what became of them. An event that three raw events merged into counts as one
/// delivered (or dropped) and two merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Counters {
    /// By kind: what the backend handed over, what it said that it lost, and the sensor's own
    /// events (`sensor`).
    pub received: BTreeMap<String, u64>,
    /// Events that were handed to each output; what became of them there, the output's own counters
    /// say.
    pub delivered: u64,
    /// Raw events that are inside an event with others, or told nothing new.
    pub merged: u64,
    /// By rule.
    pub dropped: BTreeMap<String, u64>,
    /// By cause, then kind.
    pub lost: BTreeMap<String, BTreeMap<String, u64>>,
    /// Raw events in the queue.
    pub held: u64,
    #[serde(skip)]
    fast: Fast,
}

/// Counted for each raw event; folded into `received` when somebody looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fast {
    /// Indexed by kind.
    probed: [u64; KIND_COUNT],
    existing: u64,
}

impl Fast {
    fn iter(&self) -> impl Iterator<Item = (Kind, u64)> {
        let probed = Kind::PROBED.into_iter().map(|kind| (kind, self.probed[kind as usize]));
        probed.chain([(Kind::Existing, self.existing)])
    }
}

impl Counters {
    pub fn receive(&mut self, kind: Kind) {
        match self.fast.probed.get_mut(kind as usize) {
            Some(count) => *count += 1,
            None => self.fast.existing += 1,
        }
    }

    pub fn receive_named(&mut self, kind: &str, count: u64) {
        add(&mut self.received, kind, count);
    }

    pub fn drop_by(&mut self, rule: &str) {
        add(&mut self.dropped, rule, 1);
    }

    /// Raw events that never came, or could not be read: received and lost at once.
    pub fn lose(&mut self, cause: &str, kind: &str, count: u64) {
        self.receive_named(kind, count);
        add(self.lost.entry(cause.to_owned()).or_default(), kind, count);
    }

    /// These counters with all that is counted on the side, and what is held now.
    #[must_use]
    pub fn settled(&self, held: usize) -> Counters {
        let mut all = self.clone();
        let fast = std::mem::take(&mut all.fast);
        for (kind, count) in fast.iter().filter(|(_, count)| *count > 0) {
            add(&mut all.received, kind.name(), count);
        }
        all.held = held as u64;
        all
    }

    pub fn received_total(&self) -> u64 {
        let fast: u64 = self.fast.iter().map(|(_, count)| count).sum();
        self.received.values().sum::<u64>() + fast
    }

    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    pub fn lost_total(&self) -> u64 {
        self.lost.values().flat_map(BTreeMap::values).sum()
    }

    /// Received minus all that became of it: 0 unless there is a bug.
    pub fn unaccounted(&self) -> i128 {
        let known =
            self.delivered + self.merged + self.dropped_total() + self.lost_total() + self.held;
        i128::from(self.received_total()) - i128::from(known)
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    match counts.get_mut(name) {
        Some(known) => *known += count,
        None => {
            counts.insert(name.to_owned(), count);
        }
    }
}

impl fmt::Display for Counters {
    /// The totals that a run ends with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
        };
        writeln!(
            f,
            "received   {:>10}  {}",
            self.received_total(),
            list(&self.received).join(", ")
        )?;
        writeln!(f, "delivered  {:>10}", self.delivered)?;
        writeln!(f, "merged     {:>10}", self.merged)?;
        writeln!(f, "dropped    {:>10}  {}", self.dropped_total(), list(&self.dropped).join(", "))?;
        let lost: Vec<String> = self
            .lost
            .iter()
            .map(|(cause, kinds)| format!("{cause} ({})", list(kinds).join(", ")))
            .collect();
        writeln!(f, "lost       {:>10}  {}", self.lost_total(), lost.join(", "))?;
        write!(f, "held       {:>10}", self.held)?;
        match self.unaccounted() {
            0 => Ok(()),
            missing => write!(f, "\nUNACCOUNTED {missing}: this is a bug, please report it"),
        }
    }
}
