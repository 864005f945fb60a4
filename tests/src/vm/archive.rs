//! A cpio archive in the format "newc", as the kernel unpacks it into its first root file system.

use std::collections::BTreeSet;
use std::path::Path;

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";

/// File types, as in `st_mode`.
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// An archive in the making. Archives that follow one another are one to the kernel.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    /// Adds a file, with the folders above it. `path` is absolute; the first of a name stays.
    pub fn file(&mut self, path: impl AsRef<Path>, permissions: u32, content: &[u8]) {
        self.entry(path.as_ref(), FILE | permissions, content);
    }

    pub fn folder(&mut self, path: impl AsRef<Path>) {
        self.entry(path.as_ref(), FOLDER | 0o755, &[]);
    }

    pub fn link(&mut self, path: impl AsRef<Path>, target: &str) {
        self.entry(path.as_ref(), LINK | 0o777, target.as_bytes());
    }

    /// Whether there is an entry of this path.
    pub fn has(&self, path: &Path) -> bool {
        self.names.contains(&name(path))
    }

    /// The archive with its end.
    pub fn finish(mut self) -> Vec<u8> {
        self.put(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &Path, mode: u32, content: &[u8]) {
        let above = path.parent().filter(|above| !name(above).is_empty());
        if let Some(above) = above.filter(|above| !self.has(above)) {
            self.folder(above);
        }
        let name = name(path);
        if self.names.insert(name.clone()) {
            self.put(&name, mode, content);
        }
    }

    fn put(&mut self, name: &str, mode: u32, content: &[u8]) {
        let inode = self.names.len() as u32;
        let (links, owner, time, device) = (1, 0, 0, 0);
        let (bytes, name_bytes, checksum) = (content.len() as u32, name.len() as u32 + 1, 0);
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for field in [
            inode, mode, owner, owner, links, time, bytes, device, device, device, device,
            name_bytes, checksum,
        ] {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    /// Each part begins at a multiple of four.
    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Names in an archive have no slash before them.
fn name(path: &Path) -> String {
    let path = path.to_str().expect("paths of ours are UTF-8");
    path.trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and sizes, read from the headers.
    fn list(bytes: &[u8]) -> Vec<(String, usize)> {
        let (mut at, mut entries) = (0, Vec::new());
        while at < bytes.len() {
            let header = std::str::from_utf8(&bytes[at..at + 110]).unwrap();
            assert!(header.starts_with(MAGIC), "{header}");
            let number = |index: usize| {
                let digits = &header[6 + index * 8..14 + index * 8];
                usize::from_str_radix(digits, 16).unwrap()
            };
            let (size, name_bytes) = (number(6), number(11));
            let name = std::str::from_utf8(&bytes[at + 110..at + 109 + name_bytes]).unwrap();
            entries.push((name.to_owned(), size));
            at = (at + 110 + name_bytes).next_multiple_of(4) + size.next_multiple_of(4);
        }
        entries
    }

    #[test]
    fn folders_come_before_what_they_hold_and_nothing_twice() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", 0o755, b"12345");
        archive.file("/a/b/c", 0o755, b"other");
        archive.link("/a/l", "b/c");
        archive.folder("/a");
        assert!(archive.has(Path::new("/a/b")));
        let names = [("a", 0), ("a/b", 0), ("a/b/c", 5), ("a/l", 3), (TRAILER, 0)];
        let expected = names.map(|(name, size)| (name.to_owned(), size));
        assert_eq!(list(&archive.finish()), expected);
    }
}
