//! A directory of rules, changed in the ways in which people and machines change files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use ocellus::rules::budget::Budget;
use ocellus::rules::{
    Change, Directory, DirectoryError, Loader, Metering, Mode, OperatorSettings, Permissions,
    Refusal, RuleEngine, RuleSet, RuleSettings, Settings, Watcher,
};
use ocellus_tests::guest::{Action, Guest};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A test that hangs is ended after this long.
const HANG: Duration = Duration::from_secs(60);

fn loader() -> Loader {
    Loader::new(RuleEngine::new(Metering::Fuel).unwrap())
}

fn wasm(id: &str) -> Vec<u8> {
    Guest::new(id).hits(&[(0, Action::tag(id))]).build()
}

fn directory() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Begin to write a file, or to write it anew.
fn create(path: &Path) -> fs::File {
    fs::File::options().write(true).create(true).truncate(true).mode(0o644).open(path).unwrap()
}

/// Write a file under another name and rename it, as package managers do.
fn put(directory: &Path, name: &str, bytes: &[u8]) {
    let unfinished = directory.join(".unfinished");
    create(&unfinished).write_all(bytes).unwrap();
    fs::rename(&unfinished, directory.join(name)).unwrap();
}

fn rule_of(change: &Change) -> String {
    match change {
        Change::Install(prepared) => format!("{}: {}", prepared.name(), prepared.rules()[0].id),
        Change::Remove { name } => format!("{name} removed"),
        Change::Refused { name, reason } => format!("{name} refused: {reason}"),
        Change::DirectoryLost(error) => format!("lost: {error}"),
        Change::DirectoryFound { .. } => "found".into(),
    }
}

/// A watched directory from which everything was loaded.
struct Watched {
    changes: mpsc::Receiver<Change>,
    watcher: Watcher,
    runtime: tokio::runtime::Runtime,
}

impl Watched {
    fn new(path: &Path) -> Watched {
        let mut directory = Directory::open(path).unwrap();
        directory.load_all(&loader()).unwrap();
        Watched::of(directory)
    }

    fn of(directory: Directory) -> Watched {
        // One place, so that a slow receiver holds up the thread.
        let (sender, changes) = mpsc::channel(1);
        let watcher = Watcher::start(directory, loader(), sender).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Watched { changes, watcher, runtime }
    }

    fn next(&mut self) -> Change {
        let changes = &mut self.changes;
        let next = async { tokio::time::timeout(HANG, changes.recv()).await };
        self.runtime.block_on(next).expect("a change comes").expect("the watcher lives")
    }

    /// The next change but for refusals of half a file, which come when its writer is slower than
    /// the watcher's patience.
    fn next_taken(&mut self) -> String {
        loop {
            let change = self.next();
            if !matches!(change, Change::Refused { .. }) {
                return rule_of(&change);
            }
        }
    }

    #[track_caller]
    fn expect(&mut self, expected: &str) {
        let change = self.next();
        assert!(rule_of(&change).starts_with(expected), "{}", rule_of(&change));
    }
}

#[test]
fn a_directory_is_loaded_in_order_with_each_refusal() {
    let directory = directory();
    let path = directory.path();
    put(path, "b.wasm", &wasm("second"));
    put(path, "a.wasm", &wasm("first"));
    put(path, "broken.wasm", b"\0asm\x0d\0");
    put(path, "sp ace.wasm", &wasm("space"));
    put(path, ".hidden.wasm", &wasm("hidden"));
    put(path, "notes.txt", b"");
    fs::create_dir(path.join("dir.wasm")).unwrap();
    chmod(&path.join("dir.wasm"), 0o755);
    let mut opened = Directory::open(path).unwrap();
    let changes = opened.load_all(&loader()).unwrap();
    let changes: Vec<_> = changes.iter().map(rule_of).collect();
    assert_eq!(changes[..2], ["a: first", "b: second"]);
    assert_eq!(changes[2], "broken refused: the file ends too early; it may be incomplete");
    assert!(changes[3].contains("dir.wasm is not a regular file"), "{}", changes[3]);
    assert!(changes[4].starts_with("sp ace refused: its file name is no name"), "{}", changes[4]);
    assert_eq!(changes.len(), 5);
    assert!(opened.load_all(&loader()).unwrap().is_empty(), "nothing changed");
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = directory();
    let error = |path: &Path| Directory::open(path).unwrap_err().to_string();
    assert!(error(&directory.path().join("none")).contains("none does not exist; create it"));
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(error(&file).contains("file is not a directory"));
    chmod(directory.path(), 0o777);
    assert!(error(directory.path()).contains("is not trusted: it can be written by others"));
}

#[test]
fn changes_say_in_one_line_what_became_of_them() {
    let directory = directory();
    let path = directory.path();
    let mut opened = Directory::open(path).unwrap();
    let mut set = RuleSet::new();
    let mut apply = |opened: &mut Directory| {
        let changes = opened.load_all(&loader()).unwrap();
        changes.into_iter().map(|change| set.apply(change).message).collect::<Vec<_>>().join("|")
    };
    put(path, "a.wasm", &wasm("one"));
    assert_eq!(apply(&mut opened), "the component `a` is loaded: one 1.0.0 (generation 1)");
    put(path, "a.wasm", &wasm("two"));
    assert_eq!(apply(&mut opened), "the component `a` has a new version: two 1.0.0 (generation 2)");
    put(path, "a.wasm", b"no");
    assert_eq!(
        apply(&mut opened),
        "the component `a` is refused: it is not WebAssembly; the version before it stays in force"
    );
    put(path, "b.wasm", &wasm("two"));
    assert_eq!(
        apply(&mut opened),
        "the component `b` is refused: its rule `two` has the same id as one of the component `a`; \
         none of its rules is in force"
    );
    fs::remove_file(path.join("a.wasm")).unwrap();
    assert_eq!(apply(&mut opened), "the component `a` is removed; its rules are out of force");
}

#[test]
fn a_component_is_taken_replaced_configured_and_removed() {
    let directory = directory();
    let path = directory.path();
    put(path, "a.wasm", &wasm("before"));
    let mut watched = Watched::new(path);
    put(path, "b.wasm", &wasm("renamed"));
    watched.expect("b: renamed");
    create(&path.join("c.wasm")).write_all(&wasm("written")).unwrap();
    watched.expect("c: written");
    put(path, "b.wasm", &wasm("again"));
    watched.expect("b: again");
    put(path, "b.toml", b"shells = ['sh']");
    watched.expect("b: again");
    fs::remove_file(path.join("b.toml")).unwrap();
    watched.expect("b: again");
    fs::remove_file(path.join("b.wasm")).unwrap();
    watched.expect("b removed");
    fs::rename(path.join("a.wasm"), path.join("d.wasm")).unwrap();
    watched.expect("a removed");
    watched.expect("d: before");
}

#[test]
fn what_changed_before_the_watch_began_is_found() {
    let directory = directory();
    let mut watched = Watched::new(directory.path());
    put(directory.path(), "a.wasm", &wasm("rule"));
    watched.expect("a: rule");
    drop(watched);
    let opened = Directory::open(directory.path()).unwrap();
    // Nothing was loaded from this one, so that the first look finds all of it.
    let (sender, mut changes) = mpsc::channel(1);
    let _watcher = Watcher::start(opened, loader(), sender).unwrap();
    assert_eq!(rule_of(&changes.blocking_recv().unwrap()), "a: rule");
}

#[test]
fn a_file_that_is_still_written_does_not_replace_anything() {
    let directory = directory();
    let path = directory.path();
    put(path, "a.wasm", &wasm("old"));
    let mut watched = Watched::new(path);
    let new = wasm("new");
    let (half, rest) = new.split_at(new.len() / 2);
    let mut file = create(&path.join("a.wasm"));
    file.write_all(half).unwrap();
    // What is complete does not wait for what is not.
    put(path, "b.wasm", &wasm("other"));
    assert_eq!(watched.next_taken(), "b: other");
    file.write_all(rest).unwrap();
    drop(file);
    assert_eq!(watched.next_taken(), "a: new");
}

#[test]
fn a_broken_file_is_refused_once_and_taken_when_it_is_whole() {
    let directory = directory();
    let path = directory.path();
    let whole = wasm("whole");
    let mut watched = Watched::new(path);
    put(path, "a.wasm", &whole[..whole.len() / 2]);
    watched.expect("a refused");
    put(path, "a.wasm", &whole);
    watched.expect("a: whole");
}

#[test]
fn a_file_that_is_replaced_a_hundred_times_in_a_second_is_taken_a_few_times() {
    let directory = directory();
    let path = directory.path();
    let mut watched = Watched::new(path);
    for number in 0..100 {
        put(path, "a.wasm", &wasm(&format!("version-{number}")));
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut taken = 0;
    loop {
        let change = rule_of(&watched.next());
        taken += 1;
        if change == "a: version-99" {
            break;
        }
        assert!(change.starts_with("a: version-"), "{change}");
    }
    assert!(taken < 50, "taken {taken} times");
}

#[test]
fn many_components_that_appear_together_are_all_taken() {
    let directory = directory();
    let mut watched = Watched::new(directory.path());
    for number in 0..30 {
        put(directory.path(), &format!("rule-{number}.wasm"), &wasm(&format!("rule-{number}")));
    }
    let mut taken = BTreeMap::new();
    while taken.len() < 30 {
        let change = watched.next();
        let Change::Install(prepared) = change else { panic!("{}", rule_of(&change)) };
        *taken.entry(prepared.name().to_owned()).or_insert(0) += 1;
    }
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
}

#[test]
fn a_directory_that_goes_away_is_taken_up_again() {
    let parent = directory();
    let path = parent.path().join("rules");
    fs::create_dir(&path).unwrap();
    chmod(&path, 0o755);
    put(&path, "a.wasm", &wasm("before"));
    let mut watched = Watched::new(&path);
    fs::rename(&path, parent.path().join("elsewhere")).unwrap();
    watched.watcher.rescan();
    watched.expect("lost: the rules directory");
    fs::create_dir(&path).unwrap();
    chmod(&path, 0o755);
    put(&path, "a.wasm", &wasm("after"));
    watched.watcher.rescan();
    watched.expect("found");
    watched.expect("a: after");
    // It is watched as before.
    put(&path, "b.wasm", &wasm("again"));
    watched.expect("b: again");
}

#[test]
fn what_others_can_write_is_refused_until_they_cannot() {
    let directory = directory();
    let path = directory.path();
    let mut watched = Watched::new(path);
    let file = path.join("a.wasm");
    let unfinished = path.join(".unfinished");
    fs::write(&unfinished, wasm("rule")).unwrap();
    chmod(&unfinished, 0o666);
    fs::rename(&unfinished, &file).unwrap();
    let change = watched.next();
    let untrusted = matches!(change, Change::Refused { reason: Refusal::Untrusted { .. }, .. });
    assert!(untrusted && rule_of(&change).contains("(mode 0666); `chmod go-w` it"));
    chmod(&file, 0o644);
    watched.expect("a: rule");
    // The directory itself.
    chmod(path, 0o777);
    watched.watcher.rescan();
    let lost = watched.next();
    let untrusted = matches!(lost, Change::DirectoryLost(DirectoryError::Untrusted { .. }));
    assert!(untrusted, "{}", rule_of(&lost));
}

#[test]
fn what_belongs_to_another_user_is_for_trials_only() {
    assert!(nix::unistd::geteuid().is_root(), "this test changes owners: run it as root");
    let directory = directory();
    let path = directory.path();
    put(path, "a.wasm", &wasm("mine"));
    put(path, "b.wasm", &wasm("theirs"));
    std::os::unix::fs::chown(path.join("b.wasm"), Some(65_534), None).unwrap();
    let load = |mut directory: Directory| -> Vec<String> {
        directory.load_all(&loader()).unwrap().iter().map(rule_of).collect()
    };
    let loaded = load(Directory::open(path).unwrap());
    assert_eq!(loaded[0], "a: mine");
    assert!(loaded[1].contains("b.wasm is not trusted: it belongs to user 65534"), "{loaded:?}");
    std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
    let error = Directory::open(path).unwrap_err().to_string();
    assert!(error.contains("is not trusted: it belongs to user 65534"), "{error}");
    assert_eq!(load(Directory::open_of_anybody(path).unwrap()), ["a: mine", "b: theirs"]);
}

#[test]
fn links_are_followed_and_checked() {
    let (directory, elsewhere) = (directory(), directory());
    put(elsewhere.path(), "target", &wasm("linked"));
    symlink(elsewhere.path().join("target"), directory.path().join("a.wasm")).unwrap();
    symlink(elsewhere.path().join("nowhere"), directory.path().join("b.wasm")).unwrap();
    let mut opened = Directory::open(directory.path()).unwrap();
    let changes = opened.load_all(&loader()).unwrap();
    assert_eq!(changes.iter().map(rule_of).collect::<Vec<_>>(), ["a: linked"]);
    chmod(&elsewhere.path().join("target"), 0o666);
    let changes = opened.load_all(&loader()).unwrap();
    assert!(rule_of(&changes[0]).contains("is not trusted"), "{}", rule_of(&changes[0]));
}

#[test]
fn the_configuration_is_checked_as_well() {
    let directory = directory();
    put(directory.path(), "a.wasm", &wasm("a"));
    put(directory.path(), "b.wasm", &wasm("b"));
    put(directory.path(), "a.toml", b"\xff");
    put(directory.path(), "b.toml", &vec![b'#'; (64 << 10) + 1]);
    let changes = Directory::open(directory.path()).unwrap().load_all(&loader()).unwrap();
    let changes: Vec<_> = changes.iter().map(rule_of).collect();
    assert!(changes[0].contains("a.toml is not UTF-8 text"), "{}", changes[0]);
    assert!(changes[1].contains("its configuration has more than 64 KiB"), "{}", changes[1]);
}

#[test]
fn other_settings_replace_what_they_are_about_and_nothing_else() {
    let directory = directory();
    put(directory.path(), "a.wasm", &wasm("first"));
    put(directory.path(), "b.wasm", &wasm("second"));
    let mut opened = Directory::open(directory.path()).unwrap();
    let mut set = RuleSet::new();
    for change in opened.load_all(&loader()).unwrap() {
        set.apply(change);
    }
    let mut watched = Watched::of(opened);
    let generation = set.generation();
    let may_tag = Permissions { tag: true, ..Permissions::NONE };
    let own = RuleSettings { mode: Some(Mode::Shadow), permissions: Some(may_tag) };
    let mut settings = OperatorSettings::default();
    settings.rules.insert("first".into(), own);
    settings.rules.insert("nobody".into(), own);
    watched.watcher.configure(settings.clone());
    let change = watched.next();
    assert_eq!(rule_of(&change), "a: first");
    set.apply(change);
    let slower = Budget { time_ms: 20, ..Budget::default() };
    settings.components.insert("b".into(), Settings { budget: slower, ..Settings::default() });
    watched.watcher.configure(settings.clone());
    let change = watched.next();
    assert_eq!(rule_of(&change), "b: second");
    set.apply(change);
    assert_eq!(set.generation(), generation + 2);

    // A mode takes nothing to be loaded.
    let was = settings.clone();
    settings.components.insert("b".into(), Settings { mode: Mode::Off, ..was.components["b"] });
    set.change_modes(&was, settings.into());
    let modes: Vec<Mode> = set.stats().iter().map(|component| component.rules[0].mode).collect();
    assert_eq!(modes, [Mode::Shadow, Mode::Off]);
}

#[test]
fn the_thread_ends_with_its_watcher() {
    let directory = directory();
    let mut watched = Watched::new(directory.path());
    let Watched { watcher, .. } = watched;
    drop(watcher);
    // The sender goes with the thread.
    assert!(watched.changes.blocking_recv().is_none());
}
