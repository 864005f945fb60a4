//! What becomes of files that were rotated: they are compressed, and the oldest removed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;

use super::date::Date;
use super::settings::{Compression, RotateSettings};

/// What a compressed file's name ends in.
const SUFFIX: &str = "gz";
/// What it ends in meanwhile.
const PARTIAL: &str = "partial";

/// A thread that looks after the rotated files of one output.
#[derive(Debug)]
pub(super) struct Archive {
    wake: SyncSender<()>,
}

impl Archive {
    pub(super) fn start(path: &Path, settings: &RotateSettings) -> io::Result<Archive> {
        // One wish is enough: the thread looks at all files each time.
        let (wake, wishes) = sync_channel(1);
        let keeper = Keeper { path: path.to_owned(), settings: settings.clone() };
        std::thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || keeper.run(&wishes))?;
        let archive = Archive { wake };
        archive.wake();
        Ok(archive)
    }

    /// A file was rotated.
    pub(super) fn wake(&self) {
        // A full channel holds the wish already.
        let _ = self.wake.try_send(());
    }
}

/// The name of a file that is put aside now: the file's own and the time, to the millisecond, so
/// that names sort by age. Later by milliseconds where there is such a file.
pub(super) fn rotated_name(path: &Path, now: SystemTime) -> PathBuf {
    let mut time = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    loop {
        let date = Date::new(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let stamp = date.as_str()[..23].replace(['-', ':'], "");
        let name = with_suffix(path, &format!("{stamp}Z"));
        if !name.exists() && !with_suffix(&name, SUFFIX).exists() {
            return name;
        }
        time += Duration::from_millis(1);
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it == extension)
}

struct Keeper {
    path: PathBuf,
    settings: RotateSettings,
}

impl Keeper {
    fn run(&self, wishes: &Receiver<()>) {
        while wishes.recv().is_ok() {
            if let Err(error) = self.tidy() {
                tracing::error!(%error, path = %self.path.display(), "cannot tidy rotated files");
            }
        }
    }

    /// Compresses what is not compressed yet and removes what is beyond the limits.
    fn tidy(&self) -> io::Result<()> {
        // Before compressing too: what is removed anyway need not be compressed, and a full disk
        // gets room.
        self.remove_oldest()?;
        let (partial, whole): (Vec<_>, Vec<_>) =
            self.rotated()?.into_iter().partition(|path| has_extension(path, PARTIAL));
        for path in partial {
            fs::remove_file(&path)?;
        }
        for path in whole.iter().filter(|path| !has_extension(path, SUFFIX)) {
            self.compress(path)?;
        }
        self.remove_oldest()
    }

    fn compress(&self, path: &Path) -> io::Result<()> {
        if self.settings.compression == Compression::None {
            return Ok(());
        }
        let compressed = with_suffix(path, SUFFIX);
        let partial = with_suffix(&compressed, PARTIAL);
        let mut source = File::open(path)?;
        let mut options = OpenOptions::new();
        let target = options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let mut encoder = GzEncoder::new(target, flate2::Compression::default());
        io::copy(&mut source, &mut encoder)?;
        let target = encoder.finish()?;
        target.sync_all()?;
        fs::rename(&partial, &compressed)?;
        fs::remove_file(path)
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let RotateSettings { keep_files, keep_bytes, .. } = self.settings;
        let (mut files, mut bytes) = (0, 0);
        for path in self.rotated()?.into_iter().rev() {
            files += 1;
            bytes += path.metadata()?.len();
            if (keep_files > 0 && files > keep_files) || (keep_bytes > 0 && bytes > keep_bytes) {
                fs::remove_file(&path)?;
                tracing::info!(path = %path.display(), "removed an old output file");
            }
        }
        Ok(())
    }

    /// The rotated files, the oldest first.
    fn rotated(&self) -> io::Result<Vec<PathBuf>> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let own = self.path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let rest = name.to_str().and_then(|it| it.strip_prefix(own)?.strip_prefix('.'));
            if rest.is_some_and(is_stamp) {
                paths.push(directory.join(name));
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// The rest of a name is a time as [`rotated_name`] writes it, and perhaps what compressed it.
fn is_stamp(rest: &str) -> bool {
    const PATTERN: &[u8] = b"00000000T000000.000Z";
    let bytes = rest.as_bytes();
    let fits = |(byte, pattern): (&u8, &u8)| match pattern {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    bytes.len() >= PATTERN.len()
        && bytes.iter().zip(PATTERN).all(fits)
        && ["", ".gz", ".gz.partial"].contains(&&rest[PATTERN.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    fn keeper(path: &Path, settings: RotateSettings) -> Keeper {
        Keeper { path: path.to_owned(), settings }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn names_sort_by_time_and_never_meet() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("e.ndjson");
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_772_366_400_007);
        let first = rotated_name(&path, now);
        assert_eq!(first.file_name().unwrap(), "e.ndjson.20260301T120000.007Z");
        fs::write(with_suffix(&first, "gz"), "").unwrap();
        let second = rotated_name(&path, now);
        assert_eq!(second.file_name().unwrap(), "e.ndjson.20260301T120000.008Z");
        assert!(is_stamp("20260301T120000.007Z.gz") && !is_stamp("20260301T120000.007Z.bak"));
        assert!(!is_stamp("1") && !is_stamp("zst"));
    }

    #[test]
    fn the_oldest_are_removed_and_others_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("e");
        for second in 0..6 {
            fs::write(
                directory.path().join(format!("e.2026030{second}T120000.000Z")),
                "0123456789",
            )
            .unwrap();
        }
        for other in ["e", "e.1", "e.old", "f.20260301T120000.000Z"] {
            fs::write(directory.path().join(other), "").unwrap();
        }
        let keep_files = RotateSettings { keep_files: 4, ..RotateSettings::default() };
        keeper(&path, keep_files).tidy().unwrap();
        assert_eq!(names(directory.path()).len(), 8);
        let keep_bytes = RotateSettings { keep_bytes: 25, ..RotateSettings::default() };
        keeper(&path, keep_bytes).tidy().unwrap();
        let left = names(directory.path());
        let expected = ["e", "e.1", "e.20260304T120000.000Z", "e.20260305T120000.000Z", "e.old"];
        assert_eq!(left[..5], expected);
        assert_eq!(left.len(), 6);
    }

    #[test]
    fn files_are_compressed_and_leftovers_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("e");
        let text = "an event\n".repeat(1000);
        fs::write(directory.path().join("e.20260301T120000.000Z"), &text).unwrap();
        fs::write(directory.path().join("e.20260301T120000.000Z.gz.partial"), "half").unwrap();
        let settings =
            RotateSettings { compression: Compression::Gzip, ..RotateSettings::default() };
        keeper(&path, settings).tidy().unwrap();
        let name = "e.20260301T120000.000Z.gz";
        assert_eq!(names(directory.path()), [name]);
        let file = File::open(directory.path().join(name)).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut back = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
    }
}
