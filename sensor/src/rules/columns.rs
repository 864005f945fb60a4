//! Columns of packed events: the fields that some component asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::Field;

/// Most columns, for all components together. Each costs every packed event a word; fields beyond
/// are read through getters.
pub const COLUMNS_MAX: usize = 96;
/// Most columns that one component may ask for, so that none uses them up for the others.
pub const COLUMNS_ASKED_MAX: usize = 48;

/// A list of fields that only grows: instances remember positions in it. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns(Arc<Mutex<Vec<Field>>>);

impl Columns {
    /// The column of a field. None when there are no more. `asked` counts what one component asked
    /// for beyond what was there.
    pub(super) fn of(&self, field: Field, asked: &mut usize) -> Option<u32> {
        let mut fields = self.lock();
        let position = match fields.iter().position(|known| *known == field) {
            Some(position) => position,
            None if fields.len() >= COLUMNS_MAX || *asked >= COLUMNS_ASKED_MAX => return None,
            None => {
                *asked += 1;
                fields.push(field);
                fields.len() - 1
            }
        };
        Some(position as u32)
    }

    /// Take over what was added since `known` was last brought up to date.
    pub(super) fn update(&self, known: &mut Vec<Field>) {
        let fields = self.lock();
        known.extend_from_slice(fields.get(known.len()..).unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Field>> {
        // A list that only grows is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_one_column() {
        let columns = Columns::default();
        let mut asked = 0;
        assert_eq!(columns.of(Field::PROCESS_PID, &mut asked), Some(0));
        assert_eq!(columns.of(Field::PROCESS_NAME, &mut asked), Some(1));
        assert_eq!(columns.clone().of(Field::PROCESS_PID, &mut asked), Some(0));
        assert_eq!(asked, 2);
        let mut known = vec![Field::PROCESS_PID];
        columns.update(&mut known);
        assert_eq!(known, [Field::PROCESS_PID, Field::PROCESS_NAME]);
    }

    #[test]
    fn columns_are_bounded_for_one_and_for_all() {
        let columns = Columns::default();
        for (component, given) in [(0, 48), (1, 48), (2, 0)] {
            let mut asked = 0;
            let fields = Field::all().skip(component * COLUMNS_ASKED_MAX);
            let found = fields.filter(|field| columns.of(*field, &mut asked).is_some());
            assert_eq!(found.count(), given, "{component}");
        }
    }
}
