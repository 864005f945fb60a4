//! The format of a segment: a header, then records, each with its length and checksum.
//!
//! ```text
//! segment = "OCSPOOL1" first:u64 crc32c(first):u32 record*
//! record  = length:u32 crc32c(length, payload):u32 payload
//! ```
//!
//! Numbers are little-endian. A segment is called after the number of its first record, so that how
//! many records it holds is known from the name of the next one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::CRC32C;

const MAGIC: &[u8; 8] = b"OCSPOOL1";
pub(super) const HEADER_BYTES: u64 = 20;
const FRAME_BYTES: usize = 8;
/// A record larger than this is refused: the largest event, of which every text has its longest
/// form in JSON, is a fifth of it.
pub const RECORD_BYTES_MAX: usize = 4 << 20;

/// Appends a record whose payload `write` appends. Gives the length of the payload.
pub fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    write(out);
    let length = out.len() - start - FRAME_BYTES;
    let length_bytes = (length as u32).to_le_bytes();
    let checksum = checksum(length_bytes, &out[start + FRAME_BYTES..]);
    out[start..start + 4].copy_from_slice(&length_bytes);
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    length
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(&length);
    digest.update(payload);
    digest.finalize()
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    Record {
        payload: &'a [u8],
        bytes: usize,
    },
    /// A record whose checksum is wrong.
    Damaged {
        bytes: usize,
    },
    /// The record is longer than what is there: so many bytes are needed.
    Cut {
        bytes: usize,
    },
    /// No record begins like this.
    Broken,
}

pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((frame, rest)) = bytes.split_first_chunk::<FRAME_BYTES>() else {
        return Parsed::Cut { bytes: FRAME_BYTES };
    };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *frame;
    let length_bytes = [l0, l1, l2, l3];
    let length = u32::from_le_bytes(length_bytes) as usize;
    if length == 0 || length > RECORD_BYTES_MAX {
        return Parsed::Broken;
    }
    let bytes = FRAME_BYTES + length;
    match rest.get(..length) {
        None => Parsed::Cut { bytes },
        Some(payload)
            if checksum(length_bytes, payload) == u32::from_le_bytes([c0, c1, c2, c3]) =>
        {
            Parsed::Record { payload, bytes }
        }
        Some(_) => Parsed::Damaged { bytes },
    }
}

pub(super) fn name(first: u64) -> String {
    format!("{first:020}.spool")
}

/// The first record's number, if this is the name of a segment.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".spool")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(name(first))
}

pub(super) fn create(dir: &Path, first: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path(dir, first))?;
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&CRC32C.checksum(&first.to_le_bytes()).to_le_bytes());
    if let Err(error) = file.write_all_at(&header, 0) {
        // A full disk: leave no file behind that says nothing.
        std::fs::remove_file(path(dir, first))?;
        return Err(error);
    }
    Ok(file)
}

/// The file of a segment, and whether its header is right.
pub(super) fn open(dir: &Path, first: u64) -> io::Result<(File, bool)> {
    let file = File::open(path(dir, first))?;
    let mut header = [0; HEADER_BYTES as usize];
    let right = match file.read_exact_at(&mut header, 0) {
        Ok(()) => {
            header[..8] == MAGIC[..]
                && header[8..16] == first.to_le_bytes()
                && header[16..] == CRC32C.checksum(&first.to_le_bytes()).to_le_bytes()
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    Ok((file, right))
}

/// What a look through a segment that was written last found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Records, damaged ones among them.
    pub records: u64,
    /// Where the last of them ends; what follows was never accepted.
    pub end: u64,
    /// Bytes behind that end.
    pub torn_bytes: u64,
}

/// Looks through the bytes of a whole segment. What a crash leaves behind, the beginning of a
/// record or zeros, is torn; anything else that is no record counts as one that is damaged.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let header = HEADER_BYTES as usize;
    if bytes.len() < header {
        return Scan { records: 0, end: 0, torn_bytes: bytes.len() as u64 };
    }
    let mut at = header;
    let mut records = 0;
    while at < bytes.len() {
        match parse(&bytes[at..]) {
            Parsed::Record { bytes, .. } | Parsed::Damaged { bytes } => {
                at += bytes;
                records += 1;
            }
            Parsed::Broken if bytes[at..].iter().any(|byte| *byte != 0) => {
                records += 1;
                at = bytes.len();
            }
            Parsed::Broken | Parsed::Cut { .. } => break,
        }
    }
    Scan { records, end: at as u64, torn_bytes: (bytes.len() - at) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(frame(&mut out, |out| out.extend_from_slice(payload)), payload.len());
        out
    }

    proptest::proptest! {
        #[test]
        fn any_payload_comes_back_and_any_changed_bit_is_found(
            payload in proptest::collection::vec(0u8.., 1..300),
            at: proptest::sample::Index,
            bit in 0u8..8,
        ) {
            let mut bytes = framed(&payload);
            let length = bytes.len();
            let expected = Parsed::Record { payload: &payload, bytes: length };
            proptest::prop_assert_eq!(parse(&bytes), expected);
            for cut in 0..length {
                let is_cut = matches!(parse(&bytes[..cut]), Parsed::Cut { .. });
                proptest::prop_assert!(is_cut, "{cut} of {length} bytes");
            }
            bytes[at.index(length)] ^= 1 << bit;
            let is_record = matches!(parse(&bytes), Parsed::Record { .. });
            proptest::prop_assert!(!is_record);
        }
    }

    #[test]
    fn names_are_numbers_and_sort_by_them() {
        assert_eq!(name(7), "00000000000000000007.spool");
        assert_eq!(first_of(&name(u64::MAX)), Some(u64::MAX));
        for other in ["cursor", "7.spool", "00000000000000000007.spool.corrupt"] {
            assert_eq!(first_of(other), None, "{other}");
        }
    }

    #[test]
    fn zeros_at_the_end_are_torn_and_rubbish_is_damage() {
        let mut bytes = vec![1; HEADER_BYTES as usize];
        bytes.extend(framed(b"one"));
        let end = bytes.len() as u64;
        bytes.extend([0; 100]);
        assert_eq!(scan(&bytes), Scan { records: 1, end, torn_bytes: 100 });
        *bytes.last_mut().unwrap() = 1;
        let end = bytes.len() as u64;
        assert_eq!(scan(&bytes), Scan { records: 2, end, torn_bytes: 0 });
    }
}
