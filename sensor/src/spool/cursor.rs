//! How far the records of a spool are delivered.
//!
//! Two slots are written in turn, so that a write which is cut short leaves the other one. A cursor
//! that is behind, after a power cut for example, means that some records are delivered again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::CRC32C;

const SLOT_BYTES: usize = 20;
/// Far apart, so that the slots do not share a sector.
const SLOT_DISTANCE: u64 = 4_096;

#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    generation: u64,
}

impl Cursor {
    /// Opens or creates the cursor; with it, the number of the first record that is not delivered.
    pub(super) fn open(path: &Path) -> io::Result<(Cursor, u64)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        let bytes = SLOT_DISTANCE + SLOT_BYTES as u64;
        if file.metadata()?.len() < bytes {
            // The disk gives the room for both slots now, and not when it is full. Where it is full
            // now, it is tried again with each write.
            let _ = file.write_all_at(&vec![0; bytes as usize], 0);
        }
        let slots = [0, 1].map(|slot| read(&file, slot));
        let (generation, next) = slots.into_iter().flatten().max().unwrap_or((0, 0));
        Ok((Cursor { file, generation }, next))
    }

    pub(super) fn write(&mut self, next: u64) -> io::Result<()> {
        let generation = self.generation + 1;
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&generation.to_le_bytes());
        slot[8..16].copy_from_slice(&next.to_le_bytes());
        let checksum = CRC32C.checksum(&slot[..16]);
        slot[16..].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&slot, generation % 2 * SLOT_DISTANCE)?;
        self.generation = generation;
        Ok(())
    }
}

/// Generation and number of a slot; none when nothing whole is there.
fn read(file: &File, slot: u64) -> Option<(u64, u64)> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, slot * SLOT_DISTANCE).ok()?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
    let checksum = u32::from_le_bytes(std::array::from_fn(|index| bytes[16 + index]));
    (CRC32C.checksum(&bytes[..16]) == checksum).then(|| (number(0), number(8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_is_cut_short_leaves_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        assert_eq!(Cursor::open(&path).unwrap().1, 0);
        for number in 1..=10 {
            let (mut cursor, next) = Cursor::open(&path).unwrap();
            assert_eq!(next, number - 1);
            cursor.write(number).unwrap();
            // The next write goes into the other slot; whatever it leaves there, this one counts.
            let other = (cursor.generation + 1) % 2 * SLOT_DISTANCE;
            for byte in 0..SLOT_BYTES as u64 {
                cursor.file.write_all_at(&[0xa5], other + byte).unwrap();
                assert_eq!(Cursor::open(&path).unwrap().1, number);
            }
        }
    }
}
