//! Bounds on what a guest may allocate.

use wasmtime::ResourceLimiter;

use super::budget;

/// Counts the linear memory and the table elements of one store, over all core instances in it.
#[derive(Debug)]
pub(super) struct Limits {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    /// A growth was refused since the last [`Limits::take_refused`].
    refused: bool,
}

impl Limits {
    pub(super) fn new(memory_bytes_max: usize) -> Limits {
        Limits { memory_bytes: 0, memory_bytes_max, table_elements: 0, refused: false }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether the guest asked for more than it may have, and forget it.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    /// Account for a growth, or refuse it.
    fn grow(total: &mut usize, max: usize, current: usize, desired: usize) -> bool {
        let after = total.saturating_add(desired.saturating_sub(current));
        let allowed = after <= max;
        if allowed {
            *total = after;
        }
        allowed
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum wasmtime refuses the growth without asking again.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let max = self.memory_bytes_max;
        let allowed = Limits::grow(&mut self.memory_bytes, max, current, desired);
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let max = budget::TABLE_ELEMENTS;
        let allowed = Limits::grow(&mut self.table_elements, max, current, desired);
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        budget::INSTANCES
    }

    fn tables(&self) -> usize {
        budget::TABLES
    }

    fn memories(&self) -> usize {
        budget::MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_bound() {
        let mut limits = Limits::new(100);
        assert!(limits.memory_growing(0, 60, None).unwrap());
        assert!(!limits.memory_growing(0, 41, None).unwrap());
        assert!(limits.take_refused() && !limits.take_refused());
        assert!(limits.memory_growing(60, 100, None).unwrap());
        assert_eq!(limits.memory_bytes(), 100);
        assert!(!limits.memory_growing(100, usize::MAX, None).unwrap());
    }

    #[test]
    fn a_guests_own_maximum_is_not_a_fault() {
        let mut limits = Limits::new(100);
        assert!(!limits.memory_growing(10, 30, Some(20)).unwrap());
        assert!(!limits.take_refused());
    }
}
