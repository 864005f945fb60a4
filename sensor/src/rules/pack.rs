//! Packs events for components of the world `batch-rule`, each event once for all of them.
//!
//! The layout is that of `wit/packed.wit`. What only some components may see is packed a second
//! time, with it, for those.

use std::ops::Range;
use std::sync::Arc;

use super::budget::BATCH_BYTES;
use super::columns::Columns;
use super::wit;
use crate::event::{Event, Field, Value};

/// Stands for a value that the event does not have.
pub const ABSENT: u64 = u64::MAX;

/// Packed events of one call of [`RuleSet::judge_all`](super::RuleSet::judge_all), and the batch
/// that is made of them for a component.
#[derive(Debug, Default)]
pub(super) struct Packer {
    columns: Vec<Field>,
    open: Arena,
    /// With the environment of processes.
    with_environment: Arena,
    batch: Arc<wit::Batch>,
    /// Positions of the batch's events.
    shown: Vec<u32>,
    /// What the batch was made of, and whether with the environment: the next component may want
    /// the same.
    made_of: Vec<wit::Candidate>,
    made_with: Option<bool>,
}

/// Events, packed one after another.
#[derive(Debug, Default)]
struct Arena {
    rows: Vec<Option<Row>>,
    words: Vec<u64>,
    text: String,
}

/// Where an event is in an arena.
#[derive(Clone, Debug)]
struct Row {
    words: Range<usize>,
    text: Range<usize>,
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for wit::Batch {
    fn default() -> wit::Batch {
        wit::Batch {
            columns: 0,
            events: Vec::new(),
            candidates: Vec::new(),
            words: Vec::new(),
            text: String::new(),
        }
    }
}

impl Packer {
    /// Forget the events before, and take over new columns.
    pub fn begin(&mut self, columns: &Columns, events: usize) {
        columns.update(&mut self.columns);
        self.made_with = None;
        for arena in [&mut self.open, &mut self.with_environment] {
            arena.rows.clear();
            arena.rows.resize(events, None);
            arena.words.clear();
            arena.text.clear();
        }
    }

    /// Make a batch of the first of `wanted`, which are in order of events. Gives it, the positions
    /// of its events, and how many of `wanted` are in it: it ends before an event with which it
    /// would have more than [`BATCH_BYTES`], so that large events cannot overflow a guest.
    pub fn gather(
        &mut self,
        events: &[Arc<Event>],
        wanted: &[wit::Candidate],
        environment: bool,
    ) -> (&Arc<wit::Batch>, &[u32], usize) {
        if self.made_with == Some(environment) && self.made_of == wanted {
            return (&self.batch, &self.shown, self.batch.candidates.len());
        }
        self.made_of.clear();
        self.made_of.extend_from_slice(wanted);
        self.made_with = Some(environment);
        let Packer { columns, open, with_environment, batch, shown, .. } = self;
        let arena = if environment { with_environment } else { open };
        if Arc::get_mut(batch).is_none() {
            *batch = Arc::default();
        }
        let whole = Arc::get_mut(batch).expect("it was just made, or has one owner");
        whole.columns = columns.len() as u32;
        whole.events.clear();
        whole.candidates.clear();
        whole.words.clear();
        whole.text.clear();
        shown.clear();
        for candidate in wanted {
            let event = candidate.event;
            if shown.last() != Some(&event) {
                let row = arena.row(columns, &events[event as usize], event, environment);
                let bytes = whole.text.len() + row.text.len();
                let bytes = bytes + 8 * (whole.words.len() + row.words.len());
                if bytes > BATCH_BYTES && !shown.is_empty() {
                    break;
                }
                whole.events.push(word(whole.words.len(), whole.text.len()));
                whole.words.extend_from_slice(&arena.words[row.words]);
                whole.text.push_str(&arena.text[row.text]);
                shown.push(event);
            }
            whole.candidates.push(word(shown.len() - 1, candidate.rule as usize));
        }
        let taken = whole.candidates.len();
        (batch, shown, taken)
    }
}

impl Arena {
    /// Where the event is; packs it the first time.
    fn row(&mut self, columns: &[Field], event: &Event, position: u32, environment: bool) -> Row {
        if let Some(row) = &self.rows[position as usize] {
            return row.clone();
        }
        let (words, text) = (self.words.len(), self.text.len());
        self.words.resize(words + columns.len(), ABSENT);
        for (column, field) in columns.iter().enumerate() {
            if *field == Field::PROCESS_ENV_VARS && !environment {
                continue;
            }
            let word = match event.get(*field) {
                Value::Absent => continue,
                Value::Text(value) => self.push(text, value),
                Value::Static(value) => self.push(text, value),
                Value::Texts(values) => {
                    let start = self.words.len() - words;
                    for value in values.iter() {
                        let word = self.push(text, value);
                        self.words.push(word);
                    }
                    word(values.len(), start)
                }
                number => number.number().unwrap_or(ABSENT),
            };
            self.words[words + column] = word;
        }
        let row = Row { words: words..self.words.len(), text: text..self.text.len() };
        self.rows[position as usize] = Some(row.clone());
        row
    }

    /// Add a text; gives the word that stands for it.
    fn push(&mut self, event_text: usize, text: &str) -> u64 {
        let start = self.text.len() - event_text;
        self.text.push_str(text);
        word(text.len(), start)
    }
}

/// Two numbers in one word. A batch holds far less than 4 GiB.
fn word(high: usize, low: usize) -> u64 {
    (high as u64) << 32 | low as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> Arc<Event> {
        let mut event = Event::default();
        event.set_text(Field::PROCESS_NAME, name);
        event.set_number(Field::PROCESS_PID, 7u64);
        event.set(Field::PROCESS_ARGS, Value::Texts([name, "-i"].into_iter().collect()));
        event.set(Field::PROCESS_ENV_VARS, Value::Texts(["KEY=secret"].into_iter().collect()));
        Arc::new(event)
    }

    fn packer(events: usize) -> Packer {
        let (columns, mut asked) = (Columns::default(), 0);
        for field in [
            Field::PROCESS_ARGS,
            Field::PROCESS_NAME,
            Field::PROCESS_PID,
            Field::PROCESS_END,
            Field::PROCESS_ENV_VARS,
        ] {
            columns.of(field, &mut asked);
        }
        let mut packer = Packer::default();
        packer.begin(&columns, events);
        packer
    }

    fn candidate(event: u32, rule: u32) -> wit::Candidate {
        wit::Candidate { event, rule }
    }

    fn parts(word: u64) -> (usize, usize) {
        ((word >> 32) as usize, (word & 0xffff_ffff) as usize)
    }

    fn text(batch: &wit::Batch, event: usize, word: u64) -> &str {
        let (len, start) = parts(word);
        let start = parts(batch.events[event]).1 + start;
        &batch.text[start..start + len]
    }

    #[test]
    fn a_batch_holds_what_is_wanted_and_each_event_once() {
        let events = [event("a"), event("bb"), event("ccc")];
        let mut packer = packer(3);
        let wanted = [candidate(0, 1), candidate(2, 0), candidate(2, 5)];
        let (batch, shown, taken) = packer.gather(&events, &wanted, false);
        assert_eq!((shown, taken, batch.columns), (&[0, 2][..], 3, 5));
        let candidates: Vec<_> = batch.candidates.iter().copied().map(parts).collect();
        assert_eq!(candidates, [(0, 1), (1, 0), (1, 5)]);
        let row = &batch.words[parts(batch.events[1]).0..];
        assert_eq!(text(batch, 1, row[1]), "ccc");
        assert_eq!((row[2], row[3]), (7, ABSENT));
        let (count, start) = parts(row[0]);
        let args: Vec<_> = row[start..start + count].iter().map(|w| text(batch, 1, *w)).collect();
        assert_eq!(args, ["ccc", "-i"]);
    }

    #[test]
    fn who_wants_the_same_gets_the_same_batch() {
        let events = [event("a"), event("bb")];
        let mut packer = packer(2);
        let wanted = [candidate(0, 0), candidate(1, 0)];
        let batch = |packer: &mut Packer, wanted: &[wit::Candidate], environment| {
            Arc::as_ptr(packer.gather(&events, wanted, environment).0)
        };
        let first = packer.gather(&events, &wanted, false).0.clone();
        assert_eq!(batch(&mut packer, &wanted, false), Arc::as_ptr(&first));
        assert_ne!(batch(&mut packer, &wanted[1..], false), Arc::as_ptr(&first));
        assert_eq!(packer.gather(&events, &wanted, true).0.words.len(), first.words.len() + 2);
        let columns = Columns::default();
        packer.begin(&columns, 2);
        assert_eq!(packer.gather(&[event("c"), event("d")], &wanted, false).0.text, "c-icd-id");
    }

    #[test]
    fn the_environment_is_in_no_batch_but_of_those_who_may_see_it() {
        let events = [event("a")];
        let mut packer = packer(1);
        let (batch, ..) = packer.gather(&events, &[candidate(0, 0)], false);
        assert!(batch.words[4] == ABSENT && !batch.text.contains("secret"));
        let (batch, ..) = packer.gather(&events, &[candidate(0, 0)], true);
        assert!(batch.words[4] != ABSENT && batch.text.contains("KEY=secret"));
        let (batch, ..) = packer.gather(&events, &[candidate(0, 0)], false);
        assert!(batch.words[4] == ABSENT && !batch.text.contains("secret"));
    }

    #[test]
    fn large_events_come_in_batches_of_their_own() {
        let large = "x".repeat(BATCH_BYTES);
        let events = [event("a"), event(&large), event("b"), event("c")];
        let mut packer = packer(4);
        let wanted: Vec<_> = (0..4).map(|event| candidate(event, 0)).collect();
        let mut rest = &wanted[..];
        let mut sizes = vec![];
        while !rest.is_empty() {
            let (_, shown, taken) = packer.gather(&events, rest, false);
            sizes.push(shown.len());
            rest = &rest[taken..];
        }
        assert_eq!(sizes, [1, 1, 2]);
    }
}
