//! User and group names, for the rim: the files at once, everything else (LDAP, SSSD) through the
//! name service, on a thread of its own, because it may take seconds to answer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use nix::unistd::{Gid, Group, Uid, User};

use crate::digest::open::identity;
use crate::input::{FileId, NameAnswers, Names};

/// Most that is read of a file, in bytes: a hundred thousand users. What is beyond is left to the
/// name service.
const FILE_MAX: u64 = 8 << 20;

/// Questions that wait for the name service at most. The machine asks for an id once, so only a
/// dead server fills this.
const QUESTIONS_MAX: usize = 64;

/// The files that hold the names of this host, and whether they have changed.
#[derive(Debug)]
pub struct NameFiles {
    passwd: PathBuf,
    group: PathBuf,
    seen: [Option<FileId>; 2],
}

impl Default for NameFiles {
    fn default() -> NameFiles {
        NameFiles::at("/etc/passwd", "/etc/group")
    }
}

impl NameFiles {
    pub fn at(passwd: impl Into<PathBuf>, group: impl Into<PathBuf>) -> NameFiles {
        NameFiles { passwd: passwd.into(), group: group.into(), seen: [None, None] }
    }

    /// Reads both files. One that cannot be read gives no names. Lines that are malformed are
    /// skipped; of two with the same id the first counts, as for getpwuid(3).
    pub fn load(&mut self) -> Names {
        // Before the reading: a change during it is seen by the next look.
        self.seen = self.look();
        Names { users: names(&read(&self.passwd)), groups: names(&read(&self.group)) }
    }

    /// Whether a file has changed, come or gone since the last [`NameFiles::load`].
    pub fn has_changed(&self) -> bool {
        self.look() != self.seen
    }

    fn look(&self) -> [Option<FileId>; 2] {
        let look = |path: &Path| fs::metadata(path).ok().as_ref().map(identity);
        [look(&self.passwd), look(&self.group)]
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could be read before an error counts as well.
    let _ = File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes));
    bytes
}

/// Names by id, of passwd(5) and group(5), which have both in the same place.
fn names(bytes: &[u8]) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let mut fields = line.trim().split(':');
        let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        // `+` and `-` include and exclude names of NIS.
        if name.is_empty() || name.starts_with(['#', '+', '-']) {
            continue;
        }
        if let Ok(id) = id.parse() {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// Asks the name service, one question at a time.
#[derive(Debug)]
pub struct Resolver {
    questions: SyncSender<Questions>,
}

#[derive(Debug)]
struct Questions {
    users: Vec<u32>,
    groups: Vec<u32>,
}

impl Resolver {
    /// Starts the thread. `on_answer` gets the answers on it. The thread ends when the resolver is
    /// dropped, once the name service lets go of it.
    pub fn start(on_answer: impl Fn(NameAnswers) + Send + 'static) -> io::Result<Resolver> {
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        thread::Builder::new()
            .name("ocellus-names".to_owned())
            .spawn(move || answer(&asked, on_answer))?;
        Ok(Resolver { questions })
    }

    /// Asks for the names of these ids. False when too many questions wait already: then nothing
    /// was asked. Never blocks.
    pub fn ask(
        &self,
        users: impl IntoIterator<Item = u32>,
        groups: impl IntoIterator<Item = u32>,
    ) -> bool {
        let questions =
            Questions { users: users.into_iter().collect(), groups: groups.into_iter().collect() };
        match self.questions.try_send(questions) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

fn answer(asked: &Receiver<Questions>, on_answer: impl Fn(NameAnswers)) {
    while let Ok(Questions { users, groups }) = asked.recv() {
        on_answer(NameAnswers {
            users: users.into_iter().map(|id| (id, user_name(id))).collect(),
            groups: groups.into_iter().map(|id| (id, group_name(id))).collect(),
        });
    }
}

/// An error counts as no name: name services report ids that they do not have in either way.
fn user_name(id: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(id)).ok().flatten().map(|user| user.name)
}

fn group_name(id: u32) -> Option<String> {
    Group::from_gid(Gid::from_raw(id)).ok().flatten().map(|group| group.name)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn files_with_all_that_people_put_into_them() {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\n# old:x:1:1::/:/bin/sh\n\n\
            toor:x:0:0::/root:/bin/sh\n  web:x:33:33:web:/var/www:/bin/false\r\n\
            bad\xff:x:5:5::/:\n+@netgroup::::::\n-:x:6:6::/:\n+nis:x:7:7::/:\nshort:x\n\
            no_id:x:abc:1::/:\nnegative:x:-1:1::/:\nhuge:x:4294967296:1::/:\n:x:8:8::/:\n\
            last:x:4294967294:9::/:/bin/sh";
        let expected: BTreeMap<u32, String> = [(0, "root"), (33, "web"), (u32::MAX - 1, "last")]
            .map(|(id, name)| (id, name.to_owned()))
            .into();
        assert_eq!(names(passwd), expected);
        let group: BTreeMap<u32, String> = [(27, "sudo".to_owned())].into();
        assert_eq!(names(b"sudo:x:27:alice,bob\nsudo2:x:27:\n"), group);
    }

    #[test]
    fn a_change_of_either_file_is_seen() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let (passwd, group) = (dir.path().join("passwd"), dir.path().join("group"));
        let mut files = NameFiles::at(&passwd, &group);
        assert_eq!(files.load(), Names::default());
        assert!(!files.has_changed());
        fs::write(&passwd, "a:x:1:1::/:\n").expect("the directory is ours");
        assert!(files.has_changed());
        assert_eq!(files.load().users[&1], "a");
        assert!(!files.has_changed());
        fs::write(&group, "g:x:1:\n").expect("the directory is ours");
        assert!(files.has_changed());
        assert_eq!(files.load().groups[&1], "g");
        // Editors put a new file in the place of the old one.
        let new = dir.path().join("new");
        fs::write(&new, "b:x:1:1::/:\n").expect("the directory is ours");
        fs::rename(&new, &passwd).expect("the directory is ours");
        assert!(files.has_changed());
        assert_eq!(files.load().users[&1], "b");
        fs::remove_file(&group).expect("it is ours");
        assert!(files.has_changed());
        assert!(files.load().groups.is_empty());
    }

    #[test]
    fn the_name_service_answers_also_for_nobody() {
        let (send, answers) = channel();
        let resolver = Resolver::start(move |answer| drop(send.send(answer)));
        let resolver = resolver.expect("a thread can be made");
        let nobody = 3_999_999_999;
        assert!(resolver.ask([0, nobody], [0, nobody]));
        let answer = answers.recv().expect("the thread lives");
        assert_eq!(answer.users[&0].as_deref(), Some("root"));
        assert_eq!(answer.users[&nobody], None);
        assert_eq!(answer.groups[&0].as_deref(), Some("root"));
        assert_eq!(answer.groups[&nobody], None);
        drop(resolver);
        assert!(answers.recv().is_err());
    }

    #[test]
    fn a_slow_name_service_blocks_nobody() {
        let (send, go_on) = sync_channel::<()>(0);
        // The answer hangs until the test ends.
        let resolver = Resolver::start(move |_| assert!(go_on.recv().is_err()));
        let resolver = resolver.expect("a thread can be made");
        let accepted = (0..2 * QUESTIONS_MAX as u32).filter(|id| resolver.ask([*id], [])).count();
        // The thread may have taken one out of the queue already.
        assert!((QUESTIONS_MAX..=QUESTIONS_MAX + 1).contains(&accepted), "{accepted}");
        drop(send);
    }
}
