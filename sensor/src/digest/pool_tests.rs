use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::bytesize::{ByteRate, ByteSize};
use crate::digest::open::identity;
use crate::input::FileId;

fn settings(threads: usize) -> HashSettings {
    let threads = NonZeroUsize::new(threads).expect("a test asks for some");
    HashSettings { threads, rate: ByteRate(0), ..HashSettings::default() }
}

fn request(path: &Path) -> HashRequest {
    let id = identity(&fs::metadata(path).expect("the file is there"));
    HashRequest { id, pid: 0, path: path.as_os_str().as_bytes().to_vec(), overlay: false }
}

fn numbered(inode: u64) -> HashRequest {
    let id = FileId { dev_major: 0, dev_minor: 0, inode, size: 0, mtime_ns: 0, ctime_ns: 0 };
    HashRequest { id, pid: 0, path: Vec::new(), overlay: false }
}

fn start(settings: HashSettings) -> (Pool, Receiver<HashResult>) {
    let (send, answers) = channel();
    let pool = Pool::start(settings, move |result| send.send(result).expect("the test listens"));
    (pool.expect("threads can be made"), answers)
}

/// A pool whose work is `work`: it gets the inode number of the request.
fn start_fake(
    threads: usize,
    bounds: Bounds,
    work: impl Fn(u64) + Send + Sync + 'static,
) -> (Pool, Receiver<HashResult>) {
    let (send, answers) = channel();
    let work = move |_: &Pace, job: &Job, _: &mut [u8]| {
        work(job.request.id.inode);
        HashResult::without_digests(job.request.id, HashStatus::Ok, None)
    };
    // A test may end before its last answer.
    let on_done = move |result| drop(send.send(result));
    let pace = Pace::new(ByteRate(0), 0);
    let pool = Pool::start_with(threads, bounds, pace, Box::new(work), Box::new(on_done));
    (pool.expect("threads can be made"), answers)
}

/// A gate at which fake work hangs until the test opens it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (is_open, opened) = &*self.0;
        let guard = is_open.lock().expect("nobody panics here");
        drop(opened.wait_while(guard, |is_open| !*is_open).expect("nobody panics here"));
    }

    fn open(&self) {
        *self.0.0.lock().expect("nobody panics here") = true;
        self.0.1.notify_all();
    }
}

fn wait_for(pool: &Pool, what: impl Fn(PoolStats) -> bool) {
    while !what(pool.stats()) {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_status_of_a_file() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).expect("the directory is ours");
        request(&path)
    };
    let good = file("good", b"test exe\n");
    let large = file("large", &[0; 17]);
    let gone = file("gone", b"");
    fs::remove_file(dir.path().join("gone")).expect("it is ours");
    let mut changed = file("changed", b"");
    changed.id.ctime_ns += 1;
    let mut broken = file("broken", b"");
    broken.path = vec![b'/'; 5_000];

    let (pool, answers) = start(HashSettings { max_file_size: ByteSize(16), ..settings(2) });
    let check = |request: HashRequest, expected: HashStatus| {
        let id = request.id;
        pool.submit(request).expect("there is room");
        let answer = answers.recv().expect("the pool lives");
        assert_eq!((answer.id, answer.status), (id, expected));
        answer
    };
    let answer = check(good, HashStatus::Ok);
    let sha1 = "44a36f2cd27e56794cd405ad8d44e82dba4c54fa";
    assert_eq!(answer.digests.sha1.as_deref(), Some(sha1));
    assert_eq!(answer.digests.sha512, None);
    let answer = check(large, HashStatus::TooLarge);
    assert_eq!(answer.digests, Default::default());
    check(gone, HashStatus::Gone);
    check(changed, HashStatus::Changed);
    let answer = check(broken, HashStatus::Error);
    assert!(answer.detail.is_some_and(|detail| detail.contains("File name too long")));
    let stats = PoolStats {
        accepted: 5,
        ok: 1,
        too_large: 1,
        gone: 1,
        changed: 1,
        failed: 1,
        read_bytes: 9,
        ..PoolStats::default()
    };
    assert_eq!(pool.stats(), stats);
}

#[test]
fn a_full_queue_refuses_and_nothing_is_answered_twice() {
    let gate = Gate::default();
    let bounds = Bounds { queue_max: 3, ..BOUNDS };
    let work = gate.clone();
    let (pool, answers) = start_fake(1, bounds, move |_| work.pass());
    pool.submit(numbered(0)).expect("there is room");
    wait_for(&pool, |stats| stats.running == 1);
    for inode in 1..=3 {
        pool.submit(numbered(inode)).expect("there is room");
    }
    assert_eq!(pool.submit(numbered(4)), Err(numbered(4)));
    assert_eq!((pool.stats().queued, pool.stats().refused), (3, 1));
    gate.open();
    let inodes: Vec<u64> = answers.iter().take(4).map(|answer| answer.id.inode).collect();
    assert_eq!(inodes, [0, 1, 2, 3]);
    wait_for(&pool, |stats| stats.running == 0);
    assert_eq!((pool.stats().accepted, pool.stats().ok), (4, 4));
    drop(pool);
    assert_eq!(answers.iter().count(), 0);
}

#[test]
fn a_thread_that_hangs_is_replaced_and_comes_back() {
    let gate = Gate::default();
    let bounds = Bounds { deadline: Duration::from_millis(20), ..BOUNDS };
    let work = gate.clone();
    // Odd ones hang, as on a dead file server.
    let (pool, answers) = start_fake(1, bounds, move |inode| {
        if inode % 2 == 1 {
            work.pass();
        }
    });
    let ask = |inode| {
        pool.submit(numbered(inode)).expect("there is room");
        let answer = answers.recv().expect("the pool lives");
        assert_eq!(answer.id.inode, inode);
        answer.status
    };
    // On a busy machine the thread may come too late to hang, or to answer in time.
    while pool.stats().hung == 0 {
        assert_eq!(ask(1), HashStatus::Timeout);
    }
    while ask(2) != HashStatus::Ok {}
    assert!(pool.stats().hanging >= 1);
    gate.open();
    wait_for(&pool, |stats| stats.hanging == 0);
    assert_eq!(pool.shared.lock().workers, 1);
}

#[test]
fn hanging_threads_are_bounded_and_the_queue_still_answers() {
    let gate = Gate::default();
    let bounds = Bounds { deadline: Duration::from_millis(10), hung_max: 2, ..BOUNDS };
    let work = gate.clone();
    let (pool, answers) = start_fake(1, bounds, move |_| work.pass());
    for inode in 0..10 {
        pool.submit(numbered(inode)).expect("there is room");
        let answer = answers.recv().expect("the pool lives");
        assert_eq!((answer.id.inode, answer.status), (inode, HashStatus::Timeout));
    }
    let stats = pool.stats();
    assert!(stats.hanging <= bounds.hung_max + 1, "{stats:?}");
    assert_eq!((stats.timed_out, stats.hung), (10, stats.hanging as u64));
    gate.open();
    wait_for(&pool, |stats| stats.hanging == 0);
    assert_eq!(pool.shared.lock().workers, 1);
}

#[test]
fn a_rate_that_leaves_no_time_gives_up_at_once() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("slow");
    fs::write(&path, vec![0; 4 * CHUNK_BYTES]).expect("the directory is ours");
    // The burst is the largest file, so it takes two files to be slowed down.
    let size = ByteSize(4 * CHUNK_BYTES as u64);
    let (pool, answers) =
        start(HashSettings { rate: ByteRate(1), max_file_size: size, ..settings(1) });
    pool.submit(request(&path)).expect("there is room");
    assert_eq!(answers.recv().expect("the pool lives").status, HashStatus::Ok);
    pool.submit(request(&path)).expect("there is room");
    let answer = answers.recv().expect("the pool lives");
    assert_eq!(answer.status, HashStatus::Timeout);
    assert!(answer.detail.is_some_and(|detail| detail.contains("hash.rate")));
    let read_bytes = 5 * CHUNK_BYTES as u64;
    assert_eq!((pool.stats().timed_out, pool.stats().read_bytes), (1, read_bytes));
}

#[test]
fn threads_give_way_to_everything_else() {
    let (send, nice) = channel();
    let _pool = start_fake(1, BOUNDS, move |_| {
        let stat = fs::read_to_string("/proc/thread-self/stat").expect("the thread runs");
        let (_, fields) = stat.rsplit_once(") ").expect("the form of stat");
        send.send(fields.split(' ').nth(16).map(str::to_owned)).expect("the test listens");
    });
    _pool.0.submit(numbered(1)).expect("there is room");
    assert_eq!(nice.recv().expect("the work is done"), Some("19".to_owned()));
}
