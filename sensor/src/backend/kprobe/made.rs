//! For tests: samples without a kernel.

use super::fields::{FieldId, Fields, Layout};
use super::tracefs::Format;

/// A sample that is made field by field.
#[derive(Default)]
pub(super) struct Made {
    format: Format,
    raw: Vec<u8>,
}

impl Made {
    pub(super) fn with(mut self, id: FieldId, bytes: &[u8]) -> Made {
        self.format.push((id.name().to_owned(), self.raw.len(), bytes.len()));
        self.raw.extend_from_slice(bytes);
        self
    }

    pub(super) fn long(self, id: FieldId, value: u64) -> Made {
        self.with(id, &value.to_ne_bytes())
    }

    pub(super) fn short(self, id: FieldId, value: u32) -> Made {
        self.with(id, &value.to_ne_bytes())
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Fields<'_>) -> T) -> T {
        let layout = Layout::new(&self.format);
        read(&Fields::new(&layout, &self.raw).expect("it is as long as its layout"))
    }
}
