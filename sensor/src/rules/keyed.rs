//! What a component keeps beyond one event: keys with values that end, bounded in number and size.

use std::time::Duration;

use lru::LruCache;
use rustc_hash::FxBuildHasher;

/// Longest key, in bytes: an entity id with a prefix takes 40, a path with one rarely more than
/// 200.
pub const KEY_BYTES_MAX: usize = 256;
/// Longest value, in bytes. A list of a thousand entity ids; what is larger belongs into several
/// keys.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Entries of one component by default: a counter for each user, container and process tree of a
/// busy host for some minutes.
pub const ENTRIES: usize = 16_384;
/// Keys and values of one component together by default, in bytes, with [`ENTRY_BYTES`] for each.
pub const BYTES: usize = 4 << 20;
/// Most that an operator may give to a component, entries and bytes.
pub const ENTRIES_MAX: usize = 1 << 20;
pub const BYTES_MAX: usize = 256 << 20;
/// What an entry costs beside its key and value: its place in the list and in the hash table.
pub const ENTRY_BYTES: usize = 96;

/// How much a component may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateBudget {
    /// Keys.
    pub entries: usize,
    /// Keys and values together, in bytes, with [`ENTRY_BYTES`] for each.
    pub bytes: usize,
}

impl Default for StateBudget {
    fn default() -> StateBudget {
        StateBudget { entries: ENTRIES, bytes: BYTES }
    }
}

/// What happened to a component's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StateCounters {
    /// Entries that made room for others before their time was over.
    pub evicted: u64,
    /// Entries found to be over when they were looked at.
    pub expired: u64,
    /// Keys and values that were refused because they are too long.
    pub refused: u64,
}

/// The state of one component.
pub struct Keyed {
    entries: LruCache<Box<str>, Entry, FxBuildHasher>,
    budget: StateBudget,
    bytes: usize,
    /// The newest time that an event had, in ns. Time does not go back here: a late event ends
    /// nothing anew.
    now_ns: u64,
    pub counters: StateCounters,
}

struct Entry {
    value: Box<[u8]>,
    /// In the time of events; none stays as long as there is room.
    ends_ns: Option<u64>,
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed")
            .field("entries", &self.entries.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Keyed {
    pub fn new(budget: StateBudget) -> Keyed {
        Keyed {
            entries: LruCache::unbounded_with_hasher(FxBuildHasher),
            budget,
            bytes: 0,
            now_ns: 0,
            counters: StateCounters::default(),
        }
    }

    /// Entries that are kept, those included whose time is over but that nobody looked at since.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// What they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Change how much may be kept; what is too much goes.
    pub fn set_budget(&mut self, budget: StateBudget) {
        self.budget = budget;
        self.make_room(0);
    }

    /// The time of the event that is judged, in ns since the epoch.
    pub fn set_time(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
    }

    pub fn get(&mut self, key: &str) -> Option<&[u8]> {
        self.forget_if_over(key);
        self.entries.get(key).map(|entry| &*entry.value)
    }

    pub fn set(&mut self, key: &str, value: &[u8], ttl_ms: u64) -> Result<(), String> {
        self.check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            self.counters.refused += 1;
            let len = value.len();
            return Err(format!("the value has {len} bytes; at most {VALUE_BYTES_MAX}"));
        }
        self.put(key, value, self.end_of(ttl_ms));
        Ok(())
    }

    pub fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.pop(key) {
            self.bytes -= cost(key, &entry.value);
        }
    }

    pub fn add(&mut self, key: &str, amount: u64, ttl_ms: u64) -> Result<u64, String> {
        self.check_key(key)?;
        self.forget_if_over(key);
        if let Some(entry) = self.entries.get_mut(key)
            && let Ok(bytes) = <&mut [u8; 8]>::try_from(&mut *entry.value)
        {
            let sum = u64::from_le_bytes(*bytes).saturating_add(amount);
            *bytes = sum.to_le_bytes();
            return Ok(sum);
        }
        self.put(key, &amount.to_le_bytes(), self.end_of(ttl_ms));
        Ok(amount)
    }

    fn check_key(&mut self, key: &str) -> Result<(), String> {
        if key.len() <= KEY_BYTES_MAX {
            return Ok(());
        }
        self.counters.refused += 1;
        Err(format!("the key has {} bytes; at most {KEY_BYTES_MAX}", key.len()))
    }

    fn end_of(&self, ttl_ms: u64) -> Option<u64> {
        let ttl_ns = Duration::from_millis(ttl_ms).as_nanos();
        let ttl_ns = u64::try_from(ttl_ns).unwrap_or(u64::MAX);
        (ttl_ms > 0).then(|| self.now_ns.saturating_add(ttl_ns))
    }

    fn forget_if_over(&mut self, key: &str) {
        let over = |entry: &Entry| entry.ends_ns.is_some_and(|ends_ns| ends_ns <= self.now_ns);
        if self.entries.peek(key).is_some_and(over) {
            self.counters.expired += 1;
            self.remove(key);
        }
    }

    fn put(&mut self, key: &str, value: &[u8], ends_ns: Option<u64>) {
        self.remove(key);
        let cost = cost(key, value);
        self.make_room(cost);
        if self.entries.len() < self.budget.entries && self.bytes + cost <= self.budget.bytes {
            self.entries.put(key.into(), Entry { value: value.into(), ends_ns });
            self.bytes += cost;
        } else {
            self.counters.evicted += 1;
        }
    }

    /// Let go of what was not used for the longest time until `cost` more bytes and one more entry
    /// fit.
    fn make_room(&mut self, cost: usize) {
        let extra = usize::from(cost > 0);
        while self.entries.len() + extra > self.budget.entries
            || self.bytes + cost > self.budget.bytes
        {
            let Some((key, entry)) = self.entries.pop_lru() else { return };
            self.bytes -= self::cost(&key, &entry.value);
            match entry.ends_ns {
                Some(ends_ns) if ends_ns <= self.now_ns => self.counters.expired += 1,
                _ => self.counters.evicted += 1,
            }
        }
    }
}

fn cost(key: &str, value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn keyed(entries: usize, bytes: usize) -> Keyed {
        Keyed::new(StateBudget { entries, bytes })
    }

    #[test]
    fn values_end_with_the_time_of_events() {
        let mut keyed = keyed(10, BYTES);
        keyed.set_time(SECOND_NS);
        keyed.set("a", b"1", 1000).unwrap();
        keyed.set("b", b"2", 0).unwrap();
        keyed.set_time(2 * SECOND_NS - 1);
        assert_eq!(keyed.get("a"), Some(&b"1"[..]));
        keyed.set_time(2 * SECOND_NS);
        assert_eq!((keyed.get("a").is_none(), keyed.counters.expired), (true, 1));
        keyed.set_time(0);
        assert_eq!(keyed.get("a"), None, "time does not go back");
        assert_eq!(keyed.get("b"), Some(&b"2"[..]));
        keyed.remove("b");
        assert_eq!((keyed.entries(), keyed.bytes()), (0, 0));
    }

    #[test]
    fn a_counter_ends_after_its_first_addition() {
        let mut keyed = keyed(10, BYTES);
        assert_eq!(keyed.add("n", 2, 1000), Ok(2));
        keyed.set_time(SECOND_NS - 1);
        assert_eq!(keyed.add("n", 3, 1000), Ok(5));
        assert_eq!(keyed.get("n"), Some(&5u64.to_le_bytes()[..]));
        keyed.set_time(SECOND_NS);
        assert_eq!(keyed.add("n", 1, 1000), Ok(1));
        assert_eq!(keyed.add("n", u64::MAX, 0), Ok(u64::MAX));
        keyed.set("n", b"text", 0).unwrap();
        assert_eq!(keyed.add("n", 7, 0), Ok(7));
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_makes_room() {
        let mut keyed = keyed(2, BYTES);
        keyed.set("a", b"", 0).unwrap();
        keyed.set("b", b"", 0).unwrap();
        keyed.get("a");
        keyed.set("c", b"", 0).unwrap();
        assert_eq!((keyed.get("b").is_none(), keyed.counters.evicted), (true, 1));
        assert!(keyed.get("a").is_some() && keyed.get("c").is_some());
        keyed.set_budget(StateBudget { entries: 1, bytes: BYTES });
        assert_eq!((keyed.entries(), keyed.counters.evicted), (1, 2));
        keyed.set_budget(StateBudget { entries: 0, bytes: 0 });
        keyed.set("d", b"", 0).unwrap();
        assert_eq!((keyed.entries(), keyed.bytes()), (0, 0));
    }

    #[test]
    fn bytes_are_bounded() {
        let mut keyed = keyed(ENTRIES, 10 * (ENTRY_BYTES + 2 + 100));
        for key in 10..99 {
            keyed.set(&key.to_string(), &[0; 100], 0).unwrap();
        }
        assert_eq!((keyed.entries(), keyed.counters.evicted), (10, 79));
        assert!(keyed.set("k", &vec![0; VALUE_BYTES_MAX + 1], 0).is_err());
        assert!(keyed.set(&"k".repeat(KEY_BYTES_MAX + 1), b"", 0).is_err());
        assert!(keyed.add(&"k".repeat(KEY_BYTES_MAX + 1), 1, 0).is_err());
        assert_eq!(keyed.counters.refused, 3);
    }
}
