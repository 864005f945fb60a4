//! What goes wrong around outputs, under load, with numbered processes: nothing that was accepted
//! is lost, nothing blocks the ring, memory stays bounded, and each drop is counted by its cause.
//! As root, on the running kernel. The figures that these tests print are those of docs/outputs.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use ocellus_tests::load::peak_kib;
use ocellus_tests::program::{Ended, Running, field, need_root};
use ocellus_tests::receivers::bulk::{Behaviour, Bulk};
use ocellus_tests::receivers::lines::Lines;
use ocellus_tests::receivers::nats::{Nats, STREAM};
use ocellus_tests::receivers::{Load, free_port, wait_for};
use serde_json::Value;
use tempfile::TempDir;

/// Memory that a sensor may take in the worst of these cases: the ring, the table, the queues of
/// two outputs at their default size, and what is on its way.
const PEAK_KIB_MAX: u64 = 512 << 10;

/// What one test has: a directory, numbered processes, and the machine for itself, as each test's
/// load would fill the small disks and buffers of the others.
struct Scene {
    dir: TempDir,
    load: Load,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    fn new() -> Scene {
        static ALONE: Mutex<()> = Mutex::new(());
        need_root();
        // A test that failed leaves nothing behind that the next one needs.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::Builder::new().prefix("ocellus-faults-").tempdir();
        Scene { dir: dir.expect("there is room"), load: Load::default(), _alone: alone }
    }
}

fn spool(dir: &Path, sizes: &str) -> String {
    format!("[output.spool]\ndir = {:?}\n{sizes}\n", dir.join("spool"))
}

const LARGE: &str = "max_size = \"64 MiB\"\nsegment_size = \"1 MiB\"";
const SMALL: &str = "max_size = \"1 MiB\"\nsegment_size = \"256 KiB\"";

/// Executes the numbers on a thread, while `meanwhile` sees how far it has come.
fn under_load(load: &Load, count: u64, meanwhile: impl FnOnce(&dyn Fn(u64))) {
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..count {
                load.execute(number..number + 1);
                done.store(number + 1, Ordering::Relaxed);
            }
        });
        meanwhile(&|number| {
            wait_for("load", || (done.load(Ordering::Relaxed) >= number).then_some(()))
        });
    });
}

/// The sensor's own file has all of them: the ring was never blocked.
fn wait_for_file(load: &Load, running: &Running, count: u64) {
    wait_for("events in the file", || {
        load.received(&running.events()).missing(0..count).is_empty().then_some(())
    });
}

fn assert_sound(ended: &Ended, name: &str) {
    ended.assert_balanced();
    assert_eq!(ended.lost(), 0, "{}", ended.log);
    eprintln!("{name}: {}", ended.output_line(name));
}

#[test]
fn a_broker_that_is_killed_and_started_again_gets_every_event_once() {
    const COUNT: u64 = 400;
    let Scene { dir, load, _alone } = Scene::new();
    let mut nats = Nats::start(dir.path());
    let outputs = format!(
        "[[output]]\ntype = \"nats\"\nurl = \"{}\"\ncreate_stream = \"{STREAM}\"\n{}",
        nats.url(),
        spool(dir.path(), LARGE)
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    under_load(&load, COUNT, |reached| {
        for number in [50, 150, 250] {
            reached(number);
            nats.kill();
            reached(number + 50);
            nats.start_again();
        }
    });
    wait_for_file(&load, &running, COUNT);
    let events = wait_for("all events", || {
        let events = nats.events();
        load.received(&events).missing(0..COUNT).is_empty().then_some(events)
    });
    let ended = running.stop();
    assert_sound(&ended, "nats");
    assert_eq!(ended.output_count("nats", "dropped"), 0);
    assert_eq!(ended.output_count("nats", "waiting"), 0);
    assert!(ended.output_count("nats", "failures") > 0);
    assert_eq!(load.received(&events).repeated(), 0);
}

#[test]
fn a_collector_that_is_killed_and_started_again_gets_every_event() {
    const COUNT: u64 = 400;
    let Scene { dir, load, _alone } = Scene::new();
    let port = free_port();
    let outputs = format!(
        "[[output]]\ntype = \"elasticsearch\"\nurl = \"http://127.0.0.1:{port}\"\n{}",
        spool(dir.path(), LARGE)
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    let mut documents = Vec::new();
    under_load(&load, COUNT, |reached| {
        for number in [100, 200, 300] {
            let es = Bulk::start(port, Behaviour { mute_every: Some(5), ..Behaviour::default() });
            reached(number);
            documents.extend(es.stop());
            reached(number + 50);
        }
    });
    wait_for_file(&load, &running, COUNT);
    let es = Bulk::start(port, Behaviour::default());
    wait_for("all events", || {
        let all = [documents.clone(), es.documents()].concat();
        load.received(&all).missing(0..COUNT).is_empty().then_some(())
    });
    let ended = running.stop();
    documents.extend(es.stop());
    assert_sound(&ended, "elasticsearch");
    assert_eq!(ended.output_count("elasticsearch", "dropped"), 0);
    assert_eq!(ended.output_count("elasticsearch", "waiting"), 0);
    // A collector that forgets what it had gets some twice, under the id that the file has, too. On
    // a busy machine, a process may be more than one event.
    let of_load = |events: &'_ [Value]| -> BTreeSet<String> {
        let events = events.iter().filter(|event| load.number(event).is_some());
        ids(events).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(of_load(&documents), of_load(&ended.events));
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Value>) -> BTreeSet<&'a str> {
    events.into_iter().filter_map(|event| field(event, "event.id").as_str()).collect()
}

#[test]
fn a_sensor_that_is_killed_delivers_what_it_had_accepted_when_it_is_back() {
    const COUNT: u64 = 300;
    let Scene { dir, load, _alone } = Scene::new();
    let port = free_port();
    let outputs = format!(
        "[[output]]\ntype = \"elasticsearch\"\nurl = \"http://127.0.0.1:{port}\"\n{}",
        spool(dir.path(), LARGE)
    );
    // Half of the time the collector is there, and half of the time it is not.
    let es = Bulk::start(port, Behaviour::default());
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    let mut first = Vec::new();
    let mut killed = None;
    under_load(&load, COUNT, |reached| {
        reached(100);
        first = es.stop();
        reached(200);
        killed = Some(running.kill());
    });
    let killed = killed.expect("it was killed");
    let es = Bulk::start(port, Behaviour::default());
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    let found: u64 = running
        .log()
        .lines()
        .find_map(|line| {
            let (start, _) = line.split_once(" events of an earlier run are in the spool")?;
            start.rsplit(' ').next()?.parse().ok()
        })
        .expect("some events were accepted and not delivered");
    load.execute(1_000..1_001);
    wait_for("the new event", || {
        load.received(&es.documents()).0.contains_key(&1_000).then_some(())
    });
    let ended = running.stop();
    let second = es.stop();
    assert_sound(&ended, "elasticsearch");
    assert_eq!(ended.output_count("elasticsearch", "found"), found);
    assert_eq!(ended.output_count("elasticsearch", "dropped"), 0);
    // What the spool had is what was delivered, and it goes on where the first run had stopped.
    let own = ids(&ended.events[killed.events.len()..]);
    let earlier = second
        .iter()
        .filter(|event| !own.contains(field(event, "event.id").as_str().unwrap_or_default()));
    let earlier: Vec<&Value> = earlier.collect();
    assert_eq!(earlier.len() as u64, found);
    let all: BTreeSet<u64> = first.iter().chain(earlier).filter_map(|it| load.number(it)).collect();
    let last = all.last().copied().expect("there are some");
    assert!(last >= 100, "only {last} processes were accepted");
    assert!(all.iter().copied().eq(0..=last), "there are holes: {all:?}");
    eprintln!("killed after {last} processes: {found} events were in the spool, none was lost");
}

/// A file system of its own, of this size.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf, size: &str) -> Disk {
        std::fs::create_dir(&path).expect("the directory is writable");
        let options = format!("size={size},mode=0700");
        mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some(&*options))
            .expect("root may mount");
        Disk(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk_drops_whole_events_by_name_and_goes_on_when_there_is_room() {
    const COUNT: u64 = 400;
    const FILE_DISK_BYTES: usize = 256 << 10;
    let Scene { dir, load, _alone } = Scene::new();
    let disk = Disk::mount(dir.path().join("spool-disk"), "768k");
    let file_disk = Disk::mount(dir.path().join("file-disk"), &FILE_DISK_BYTES.to_string());
    let port = free_port();
    let path = file_disk.0.join("full.ndjson");
    let outputs = format!(
        "[[output]]\ntype = \"elasticsearch\"\nurl = \"http://127.0.0.1:{port}\"\n{}\
         [[output]]\ntype = \"file\"\npath = {path:?}\n",
        spool(&disk.0, LARGE)
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    load.execute(0..COUNT);
    wait_for_file(&load, &running, COUNT);
    running.wait_for_log("cannot write the spool");
    running.wait_for_log("cannot write events");
    let before = std::fs::read(&path).expect("it is there");
    // Room is made: the collector is there, and the file is emptied.
    let empty = || {
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.set_len(0)).expect("it is ours");
    };
    empty();
    let es = Bulk::start(port, Behaviour::default());
    wait_for("room in the spool", || (!es.documents().is_empty()).then_some(()));
    let mut next = COUNT;
    wait_for("new events", || {
        load.execute(next..next + 1);
        next += 1;
        let has_new =
            |events: &[Value]| events.iter().filter_map(|it| load.number(it)).any(|it| it >= COUNT);
        let file = std::fs::read(&path).expect("it is there");
        if file.len() > FILE_DISK_BYTES / 2 {
            // What else happens on this host must not fill it before our event comes.
            empty();
        }
        // The rest of the event that the full disk cut comes first.
        let start = file.iter().position(|byte| *byte == b'\n').map_or(file.len(), |at| at + 1);
        let file = ocellus_tests::program::parse(&file[start..]);
        (has_new(&es.documents()) && has_new(&file)).then_some(())
    });
    let ended = running.stop();
    let documents = es.stop();
    assert_sound(&ended, "elasticsearch");
    assert_sound(&ended, "file");
    let dropped = ended.output_count("elasticsearch", "spool_failed");
    assert!(dropped > 0 && dropped == ended.output_count("elasticsearch", "dropped"));
    assert_eq!(ended.output_count("elasticsearch", "delivered"), documents.len() as u64);
    assert!(ended.output_count("file", "write_failed") > 0);
    // Up to the last one, all that is in the file is whole.
    assert!(!ocellus_tests::program::parse(&before).is_empty());
}

#[test]
fn a_reader_that_stops_costs_only_its_own_events() {
    const COUNT: u64 = 1_500;
    let Scene { dir, load, _alone } = Scene::new();
    let (port, socket) = (free_port(), dir.path().join("socket"));
    let (tcp, unix) = (Lines::tcp(port), Lines::unix(&socket));
    tcp.pause();
    unix.pause();
    let outputs = format!(
        "[[output]]\ntype = \"tcp\"\naddress = \"127.0.0.1:{port}\"\nwhen_full = \"drop-oldest\"\n\
         {}[[output]]\ntype = \"unix\"\npath = {socket:?}\nqueue_events = 64\n",
        spool(dir.path(), SMALL)
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    // More than the buffers of a connection hold.
    load.execute_with(0..COUNT, &"x".repeat(12 << 10));
    wait_for_file(&load, &running, COUNT);
    let peak_kib = peak_kib(running.pid());
    tcp.go_on();
    unix.go_on();
    load.execute(COUNT..COUNT + 1);
    let last = |events: Vec<Value>| load.received(&events).0.contains_key(&COUNT).then_some(());
    wait_for("the last event over TCP", || last(tcp.events()));
    wait_for("the last event at the socket", || last(unix.events()));
    let ended = running.stop();
    assert_sound(&ended, "tcp");
    assert_sound(&ended, "unix");
    for (name, cause, events) in
        [("tcp", "spool_full", tcp.kill()), ("unix", "queue_full", unix.kill())]
    {
        let line = ended.output_line(name);
        let dropped = ended.output_count(name, cause);
        assert!(dropped > 0 && dropped == ended.output_count(name, "dropped"), "{line}");
        assert_eq!(ended.output_count(name, "waiting"), 0, "{line}");
        assert_eq!(ended.output_count(name, "delivered"), events.len() as u64, "{line}");
    }
    eprintln!("stopped readers: {COUNT} events of 12 KiB, at most {peak_kib} KiB of memory");
    assert!(peak_kib < PEAK_KIB_MAX, "{peak_kib} KiB");
}

/// Two sensors with one spool would deliver each other's events.
#[test]
fn a_spool_in_use_is_named() {
    let Scene { dir, load: _, _alone } = Scene::new();
    let outputs = format!(
        "[[output]]\ntype = \"tcp\"\naddress = \"127.0.0.1:{}\"\n{}",
        free_port(),
        spool(dir.path(), LARGE)
    );
    let running = Running::start_with_outputs(dir.path(), &outputs, &[]);
    let second = Command::new(ocellus_tests::program::ocellus())
        .args(["run", "--config"])
        .arg(dir.path().join("ocellus.toml"))
        .output()
        .expect("the program starts");
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{message}");
    let expected = "cannot write events: output tcp: the spool ";
    assert!(message.contains(expected) && message.contains("in use"), "{message}");
    running.stop().assert_balanced();
}
