//! Several digests in one reading.

use std::io::{self, Read};
use std::ops::ControlFlow;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::digest::{Algorithm, hex};
use crate::input::Digests;

/// Bytes read at a time. Each digest passes over them once more, so they must stay in the cache of
/// a core; large enough that the price of a read does not count.
pub const CHUNK_BYTES: usize = 128 << 10;

/// The SHA-512 of several parts one after the other, as lower-case hexadecimal digits.
pub fn sha512_hex(parts: &[&[u8]]) -> String {
    let mut digest = Sha512::new();
    parts.iter().for_each(|part| digest.update(part));
    hex(&digest.finalize())
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Takes all the digests that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

impl Hasher {
    /// A hasher for these digests; one that is named twice is taken once.
    pub fn new(algorithms: &[Algorithm]) -> Hasher {
        let mut hasher = Hasher::default();
        for algorithm in algorithms {
            match algorithm {
                Algorithm::Md5 => hasher.md5 = Some(Md5::new()),
                Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
                Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
                Algorithm::Sha384 => hasher.sha384 = Some(Sha384::new()),
                Algorithm::Sha512 => hasher.sha512 = Some(Sha512::new()),
            }
        }
        hasher
    }

    pub fn update(&mut self, bytes: &[u8]) {
        update(&mut self.md5, bytes);
        update(&mut self.sha1, bytes);
        update(&mut self.sha256, bytes);
        update(&mut self.sha384, bytes);
        update(&mut self.sha512, bytes);
    }

    pub fn finish(self) -> Digests {
        Digests {
            md5: finish(self.md5),
            sha1: finish(self.sha1),
            sha256: finish(self.sha256),
            sha384: finish(self.sha384),
            sha512: finish(self.sha512),
        }
    }
}

fn update(digest: &mut Option<impl Digest>, bytes: &[u8]) {
    if let Some(digest) = digest {
        digest.update(bytes);
    }
}

fn finish(digest: Option<impl Digest>) -> Option<String> {
    Some(hex(&digest?.finalize()))
}

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the file has another size than it had")]
    Size,
    #[error("reading was stopped")]
    Stopped,
}

/// Reads a file of `size_bytes` to its end through `buffer`. `pace` is told the bytes of each
/// chunk; it may wait, or stop the reading.
pub fn hash(
    file: &mut impl Read,
    size_bytes: u64,
    mut hasher: Hasher,
    buffer: &mut [u8],
    mut pace: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Digests, ReadError> {
    let mut read_bytes = 0;
    loop {
        let len = match file.read(buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        read_bytes += len as u64;
        // A file that grows as fast as it is read would have no end.
        if read_bytes > size_bytes {
            return Err(ReadError::Size);
        }
        hasher.update(&buffer[..len]);
        if pace(len).is_break() {
            return Err(ReadError::Stopped);
        }
    }
    if read_bytes == size_bytes { Ok(hasher.finish()) } else { Err(ReadError::Size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Algorithm; 5] =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    fn digests(algorithms: &[Algorithm], bytes: &[u8], chunk_bytes: usize) -> Digests {
        let mut buffer = vec![0; chunk_bytes];
        let pace = |_| ControlFlow::Continue(());
        hash(&mut &bytes[..], bytes.len() as u64, Hasher::new(algorithms), &mut buffer, pace)
            .expect("a slice can be read")
    }

    /// RFC 1321, FIPS 180-4 and their like: the digests of `abc`.
    #[test]
    fn published_digests() {
        let abc = digests(&ALL, b"abc", 2);
        assert_eq!(abc.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(abc.sha1.as_deref(), Some("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert_eq!(
            abc.sha256.as_deref(),
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert_eq!(
            abc.sha384.as_deref(),
            Some(
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7"
            )
        );
        assert_eq!(
            abc.sha512.as_deref(),
            Some(
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            )
        );
    }

    /// The vector of auditbeat's tests.
    #[test]
    fn the_peers_digests() {
        let exe = digests(&[Algorithm::Md5, Algorithm::Sha1], b"test exe\n", 64);
        assert_eq!(exe.md5.as_deref(), Some("1d7572082f6b0d18a393d618285d7100"));
        assert_eq!(exe.sha1.as_deref(), Some("44a36f2cd27e56794cd405ad8d44e82dba4c54fa"));
    }

    #[test]
    fn only_what_was_asked_for_and_whatever_the_chunks() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|number| number as u8).collect();
        let whole = digests(&ALL, &bytes, CHUNK_BYTES);
        for chunk_bytes in [1, 63, 64, 65, 4_096] {
            assert_eq!(digests(&ALL, &bytes, chunk_bytes), whole, "{chunk_bytes}");
        }
        let one = digests(&[Algorithm::Sha1, Algorithm::Sha1], &bytes, 64);
        assert_eq!(one, Digests { sha1: whole.sha1, ..Digests::default() });
        assert_eq!(digests(&[], &bytes, 64), Digests::default());
    }

    #[test]
    fn a_file_that_grows_or_shrinks_is_noticed() {
        let mut buffer = [0; 4];
        let go_on = |_| ControlFlow::Continue(());
        for size_bytes in [0, 9, 11] {
            let read = &mut &[1_u8; 10][..];
            let result = hash(read, size_bytes, Hasher::new(&ALL), &mut buffer, go_on);
            assert!(matches!(result, Err(ReadError::Size)), "{size_bytes}");
        }
        let endless = &mut io::repeat(0);
        let result = hash(endless, 10, Hasher::new(&ALL), &mut buffer, go_on);
        assert!(matches!(result, Err(ReadError::Size)));
    }

    #[test]
    fn reading_can_be_stopped_and_fail() {
        let mut buffer = [0; 4];
        let mut chunks = Vec::new();
        let stop_third = |len| {
            chunks.push(len);
            if chunks.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut file = &[1_u8; 10][..];
        let result = hash(&mut file, 10, Hasher::new(&ALL), &mut buffer, stop_third);
        assert!(matches!(result, Err(ReadError::Stopped)));
        assert_eq!(chunks, [4, 4, 2]);

        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let go_on = |_| ControlFlow::Continue(());
        let result = hash(&mut Broken, 10, Hasher::new(&ALL), &mut buffer, go_on);
        assert!(matches!(result, Err(ReadError::Io(_))));
    }
}
