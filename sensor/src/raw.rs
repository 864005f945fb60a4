//! Bytes of one kernel record → [`RawEvent`].
//!
//! Decoding is total: any bytes give a raw event or an error that is counted, never a panic.
//! Texts are made safe here, once: what is not UTF-8 is escaped and marked, and texts that repeat
//! (directories, cgroups, executables) share one allocation.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use ocellus_ebpf::abi::{self, Parsed, Record, SpanId};
pub use ocellus_ebpf::abi::{File, Kind, ParseError, Task};

use crate::event::Texts;
use crate::input::FileId;
use crate::redact::Redactor;

/// Texts that the decoder remembers, to share them. A power of two: the slot is a hash masked.
/// 2,048 covers the executables, directories and cgroups of a busy host; a miss costs one
/// allocation.
const INTERN_SLOTS: usize = 2_048;

/// Longest text worth remembering, in bytes: longer ones rarely repeat.
const INTERN_MAX_BYTES: usize = 256;

/// Flags of one text of a raw event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The process had more than this.
    pub truncated: bool,
    /// It has bytes that are not UTF-8, written `\xHH`, and its backslashes are doubled.
    pub escaped: bool,
    /// Secrets in it were replaced.
    pub redacted: bool,
    /// It is not what the kernel told at that moment, but what /proc told afterwards.
    pub inferred: bool,
}

/// A path or a list, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked<T> {
    pub value: T,
    pub marks: Marks,
}

/// What an exec, or the snapshot of a process, tells of its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Absolute path of the executable; none where the kernel could not say.
    pub exe: Option<Marked<Arc<str>>>,
    /// What was passed to exec.
    pub filename: Option<Marked<Arc<str>>>,
    pub args: Option<Marked<Texts>>,
    /// True number of arguments.
    pub argc: u32,
    /// True length of argv in bytes, each argument with its NUL.
    pub args_bytes: u32,
    pub env: Option<Marked<Texts>>,
    /// Identity and attributes of the executable; none where there is none (kernel threads).
    pub file: Option<File>,
    /// Path of the executable as the kernel had it, to open it.
    pub exe_bytes: Box<[u8]>,
}

impl Image {
    /// What identifies the executable's content.
    pub fn file_id(&self) -> Option<FileId> {
        self.file.map(|file| FileId {
            dev_major: file.dev_major,
            dev_minor: file.dev_minor,
            inode: file.inode,
            size: file.size,
            mtime_ns: file.mtime_ns,
            ctime_ns: file.ctime_ns,
        })
    }

    /// True number of arguments, or of those that were taken where the kernel told fewer.
    pub fn args_count(&self) -> u32 {
        self.argc.max(self.args.as_ref().map_or(0, |args| args.value.len() as u32))
    }
}

/// One kernel record, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEvent {
    pub kind: Kind,
    /// Boottime.
    pub time_ns: u64,
    /// `abi::F_*`.
    pub flags: u32,
    pub task: Task,
    pub comm: Arc<str>,
    /// `comm` has bytes that are not UTF-8.
    pub comm_escaped: bool,
    pub cwd: Option<Marked<Arc<str>>>,
    pub cgroup: Option<Marked<Arc<str>>>,
    /// Of exec and existing.
    pub image: Option<Arc<Image>>,
    /// As wait(2) has it; of exit.
    pub exit_status: u32,
}

impl RawEvent {
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & abi::F_KTHREAD != 0
    }
}

/// Decodes records and shares the texts that repeat.
#[derive(Debug)]
pub struct Decoder {
    slots: Box<[Option<Arc<str>>]>,
    redactor: Redactor,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new(Redactor::default())
    }
}

impl Decoder {
    /// Replaces what the redactor takes for a secret, in arguments and environments.
    pub fn new(redactor: Redactor) -> Decoder {
        Decoder { slots: vec![None; INTERN_SLOTS].into(), redactor }
    }

    /// Another redactor from now on.
    pub fn set_redactor(&mut self, redactor: Redactor) {
        self.redactor = redactor;
    }

    /// One record, as the ring hands it over.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Box<RawEvent>, ParseError> {
        let parsed = Record::parse(bytes)?;
        let record = &parsed.record;
        let (comm, comm_escaped) = self.text(until_nul(&record.task.comm));
        let has_image = matches!(parsed.kind, Kind::Exec | Kind::Existing);
        Ok(Box::new(RawEvent {
            kind: parsed.kind,
            time_ns: record.head.time_ns,
            flags: record.head.flags,
            task: record.task,
            comm,
            comm_escaped,
            cwd: self.path(&parsed, SpanId::Cwd),
            cgroup: self.path(&parsed, SpanId::Cgroup),
            image: has_image.then(|| Arc::new(self.image(&parsed))),
            exit_status: record.exit_status,
        }))
    }

    fn image(&mut self, parsed: &Parsed<'_>) -> Image {
        let record = &parsed.record;
        Image {
            exe: self.path(parsed, SpanId::Exe),
            filename: self.path(parsed, SpanId::Filename),
            args: self.list(parsed, SpanId::Args),
            argc: record.argc,
            args_bytes: record.span[SpanId::Args as usize].full,
            env: self.list(parsed, SpanId::Env),
            file: (record.file.inode != 0).then_some(record.file),
            exe_bytes: parsed.span(SpanId::Exe).into(),
        }
    }

    /// A NUL-separated span as a list. Empty elements are kept; a last one without its NUL was cut.
    fn list(&self, parsed: &Parsed<'_>, id: SpanId) -> Option<Marked<Texts>> {
        let bytes = parsed.span(id);
        if bytes.is_empty() {
            return None;
        }
        let inner = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        // All of the list is escaped when one element is, so that the mark holds for each.
        let (text, escaped) = escape(inner);
        let redacted = self.redactor.redact(&text);
        let value = redacted.as_deref().unwrap_or(&text).split('\0').collect();
        let marks = Marks { redacted: redacted.is_some(), ..marks(parsed, id, escaped) };
        Some(Marked { value, marks })
    }

    fn path(&mut self, parsed: &Parsed<'_>, id: SpanId) -> Option<Marked<Arc<str>>> {
        let bytes = parsed.span(id);
        if bytes.is_empty() {
            return None;
        }
        let (value, escaped) = self.text(bytes);
        Some(Marked { value, marks: marks(parsed, id, escaped) })
    }

    /// The bytes as a shared text, and whether they had to be escaped.
    fn text(&mut self, bytes: &[u8]) -> (Arc<str>, bool) {
        let (text, escaped) = escape(bytes);
        if text.len() > INTERN_MAX_BYTES {
            return (text.into(), escaped);
        }
        let slot = &mut self.slots[hash(text.as_bytes()) & (INTERN_SLOTS - 1)];
        match slot {
            Some(known) if **known == *text => (known.clone(), escaped),
            _ => (slot.insert(text.into()).clone(), escaped),
        }
    }
}

fn hash(bytes: &[u8]) -> usize {
    use std::hash::Hasher as _;
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(bytes);
    // The low bits of an Fx hash are its weak ones.
    (hasher.finish() >> 20) as usize
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn marks(parsed: &Parsed<'_>, id: SpanId, escaped: bool) -> Marks {
    let inferred = parsed.record.head.flags & abi::f_inferred(id) != 0;
    Marks { truncated: parsed.truncated(id), escaped, redacted: false, inferred }
}

/// The bytes as they are when they are UTF-8, else escaped.
fn escape(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (Cow::Owned(escape_all(bytes)), true),
    }
}

/// Invalid bytes as `\xHH`, backslashes doubled: nothing is lost, and it can be undone.
fn escape_all(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive('\\') {
            out.push_str(part);
            if part.ends_with('\\') {
                out.push('\\');
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes it");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec_record(args: &[u8]) -> Vec<u8> {
        let mut record = Record::default();
        record.head.kind = Kind::Exec as u16;
        record.task.comm[..3].copy_from_slice(b"ls\0");
        record.argc = 9;
        record.file.inode = 5;
        record.encode([b"/bin/ls", b"ls", b"/tmp/\xff\\x", b"/", args, b""])
    }

    fn args_of(args: &[u8]) -> Marked<Texts> {
        let raw = Decoder::default().decode(&exec_record(args)).expect("it is a record");
        raw.image.expect("exec has an image").args.clone().expect("there are arguments")
    }

    #[test]
    fn arguments_keep_empty_ones() {
        let args = args_of(b"ls\0\0-l\0\0");
        assert_eq!(args.value.iter().collect::<Vec<_>>(), ["ls", "", "-l", ""]);
        assert_eq!(args.marks, Marks::default());
        assert_eq!(args_of(b"\0").value.iter().collect::<Vec<_>>(), [""]);
        assert_eq!(args_of(b"cu\0t").value.iter().collect::<Vec<_>>(), ["cu", "t"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_marked_and_lossless() {
        let args = args_of(b"a\xfe\0b\\c\0");
        assert_eq!(args.value.iter().collect::<Vec<_>>(), ["a\\xfe", "b\\\\c"]);
        assert!(args.marks.escaped);
        let raw = Decoder::default().decode(&exec_record(b"ls\0")).expect("it is a record");
        let cwd = raw.cwd.expect("there is a directory");
        assert_eq!(&*cwd.value, "/tmp/\\xff\\\\x");
        assert!(cwd.marks.escaped);
    }

    #[test]
    fn spans_that_the_kernel_did_not_hand_over_are_marked() {
        let mut record = Record::default();
        record.head.kind = Kind::Exec as u16;
        record.head.flags = abi::f_inferred(SpanId::Cwd) | abi::f_inferred(SpanId::Args);
        let bytes = record.encode([b"/bin/ls", b"ls", b"/tmp", b"/", b"ls\0", b""]);
        let raw = Decoder::default().decode(&bytes).expect("it is a record");
        let image = raw.image.expect("exec has an image");
        let inferred = |marks: Marks| marks.inferred;
        assert!(raw.cwd.is_some_and(|cwd| inferred(cwd.marks)));
        assert!(image.args.as_ref().is_some_and(|args| inferred(args.marks)));
        assert!(image.exe.as_ref().is_some_and(|exe| !inferred(exe.marks)));
    }

    #[test]
    fn repeated_texts_share_their_memory() {
        let mut decoder = Decoder::default();
        let first = decoder.decode(&exec_record(b"ls\0")).expect("it is a record");
        let second = decoder.decode(&exec_record(b"ls\0")).expect("it is a record");
        let exe = |raw: RawEvent| raw.image.expect("image").exe.clone().expect("path").value;
        assert!(Arc::ptr_eq(&exe(*first), &exe(*second)));
    }

    #[test]
    fn rubbish_is_an_error() {
        assert!(Decoder::default().decode(b"").is_err());
        assert!(Decoder::default().decode(&[0xff; 400]).is_err());
    }
}
