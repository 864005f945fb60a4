//! Threads that hash files beside the event path.
//!
//! Nothing here ever blocks who asks: a full queue refuses, and each request that was accepted is
//! answered exactly once, at the latest when its deadline passes. A supervisor thread sees to
//! that: a thread that hangs in a read (a dead file server) is written off and replaced, a bounded
//! number of times; it takes up work again when its read returns.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::digest::file::hash_file;
use crate::digest::hasher::CHUNK_BYTES;
use crate::digest::pace::Pace;
use crate::digest::{FILE_DEADLINE, HashSettings, QUEUE_MAX};
use crate::input::{FileId, HashRequest, HashResult, HashStatus};

/// Threads that may hang at a time. Each costs a stack and nothing else; with more, the file
/// server is dead for all, and the pool runs with the threads that are left.
const HUNG_MAX: usize = 8;

/// How low the threads stand below everything else: the largest nice value.
const NICE: i32 = 19;

/// What the pool has done so far, and what it is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PoolStats {
    /// Requests taken.
    pub accepted: u64,
    /// Requests refused because the queue was full.
    pub refused: u64,
    /// Answers by their status.
    pub ok: u64,
    pub changed: u64,
    pub gone: u64,
    pub too_large: u64,
    pub timed_out: u64,
    pub failed: u64,
    /// Bytes read from files.
    pub read_bytes: u64,
    /// Threads written off because they hung in a read.
    pub hung: u64,
    /// Requests that wait for a thread now.
    pub queued: usize,
    /// Requests that a thread works on now.
    pub running: usize,
    /// Threads that hang now.
    pub hanging: usize,
}

impl PoolStats {
    fn count(&mut self, status: HashStatus) {
        match status {
            HashStatus::Ok => self.ok += 1,
            HashStatus::Changed => self.changed += 1,
            HashStatus::Gone => self.gone += 1,
            HashStatus::TooLarge => self.too_large += 1,
            HashStatus::Timeout => self.timed_out += 1,
            HashStatus::Error => self.failed += 1,
            // Nothing is asked of a pool that is switched off.
            HashStatus::Off => {}
        }
    }
}

/// The bounds of a pool; constants outside of tests.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    queue_max: usize,
    hung_max: usize,
    deadline: Duration,
}

const BOUNDS: Bounds = Bounds { queue_max: QUEUE_MAX, hung_max: HUNG_MAX, deadline: FILE_DEADLINE };

/// A request that was accepted.
#[derive(Debug)]
struct Job {
    number: u64,
    request: HashRequest,
    deadline: Instant,
}

/// What a thread works on, as the supervisor sees it.
#[derive(Debug)]
struct Running {
    number: u64,
    id: FileId,
    deadline: Instant,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Job>,
    running: Vec<Running>,
    /// Threads that work or wait for work.
    workers: usize,
    /// Threads whose request was answered without them.
    hanging: usize,
    next_number: u64,
    stats: PoolStats,
}

/// Does the work of one request.
type Work = dyn Fn(&Pace, &Job, &mut [u8]) -> HashResult + Send + Sync;

struct Shared {
    state: Mutex<State>,
    /// There is work, or the pool stops.
    work_came: Condvar,
    /// A deadline came up, or the pool stops.
    deadline_came: Condvar,
    threads: usize,
    bounds: Bounds,
    pace: Pace,
    work: Box<Work>,
    on_done: Box<dyn Fn(HashResult) + Send + Sync>,
}

/// The pool. Dropping it stops its threads after the chunk that each is reading; what is queued
/// is not answered then.
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// Starts the threads. `on_done` gets the answers, on threads of the pool; it must not block.
    /// Fails when no thread can be made.
    pub fn start(
        settings: HashSettings,
        on_done: impl Fn(HashResult) + Send + Sync + 'static,
    ) -> io::Result<Pool> {
        let pace = Pace::new(settings.rate, settings.max_file_size.0);
        let threads = settings.threads.get();
        let work = move |pace: &Pace, job: &Job, buffer: &mut [u8]| {
            hash_file(&settings, pace, &job.request, job.deadline, buffer)
        };
        Pool::start_with(threads, BOUNDS, pace, Box::new(work), Box::new(on_done))
    }

    fn start_with(
        threads: usize,
        bounds: Bounds,
        pace: Pace,
        work: Box<Work>,
        on_done: Box<dyn Fn(HashResult) + Send + Sync>,
    ) -> io::Result<Pool> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work_came: Condvar::new(),
            deadline_came: Condvar::new(),
            threads,
            bounds,
            pace,
            work,
            on_done,
        });
        let pool = Pool { shared };
        let mut state = pool.shared.lock();
        while state.workers < threads {
            pool.shared.spawn_worker(&mut state)?;
        }
        drop(state);
        let shared = Arc::clone(&pool.shared);
        thread::Builder::new()
            .name("ocellus-hash-watch".to_owned())
            .spawn(move || shared.supervise())?;
        Ok(pool)
    }

    /// Asks for the digests of a file; gives the request back when too many wait already. Never
    /// blocks.
    pub fn submit(&self, request: HashRequest) -> Result<(), HashRequest> {
        let mut state = self.shared.lock();
        if state.queue.len() >= self.shared.bounds.queue_max {
            state.stats.refused += 1;
            return Err(request);
        }
        let number = state.next_number;
        state.next_number += 1;
        state.stats.accepted += 1;
        let deadline = Instant::now() + self.shared.bounds.deadline;
        // With other requests under way the supervisor already sleeps towards a nearer deadline.
        let is_first = state.queue.is_empty() && state.running.is_empty();
        state.queue.push_back(Job { number, request, deadline });
        drop(state);
        self.shared.work_came.notify_one();
        if is_first {
            self.shared.deadline_came.notify_one();
        }
        Ok(())
    }

    pub fn stats(&self) -> PoolStats {
        let state = self.shared.lock();
        PoolStats {
            read_bytes: self.shared.pace.read_bytes(),
            queued: state.queue.len(),
            running: state.running.len(),
            hanging: state.hanging,
            ..state.stats
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.shared.lock();
        self.shared.pace.stop();
        drop(state);
        // Threads that hang cannot be waited for, so none is.
        self.shared.work_came.notify_all();
        self.shared.deadline_came.notify_all();
    }
}

impl Shared {
    /// No code that can panic runs under this lock, so poison says nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn_worker(self: &Arc<Shared>, state: &mut State) -> io::Result<()> {
        let shared = Arc::clone(self);
        thread::Builder::new().name("ocellus-hash".to_owned()).spawn(move || shared.work())?;
        state.workers += 1;
        Ok(())
    }

    /// The life of a worker.
    fn work(&self) {
        lower_priority();
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Some(job) = self.next_job() {
            let result = (self.work)(&self.pace, &job, &mut buffer);
            if !self.finish(job.number, result) {
                return;
            }
        }
    }

    /// Waits for work; none when the pool stops.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if self.pace.is_stopped() {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                let Job { number, deadline, .. } = job;
                state.running.push(Running { number, id: job.request.id, deadline });
                return Some(job);
            }
            state = self.work_came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers, unless the supervisor already did. False when the thread is one too many.
    fn finish(&self, number: u64, result: HashResult) -> bool {
        let mut state = self.lock();
        let Some(index) = state.running.iter().position(|running| running.number == number) else {
            state.hanging -= 1;
            let is_needed = state.workers < self.threads;
            state.workers += usize::from(is_needed);
            return is_needed;
        };
        state.running.swap_remove(index);
        state.stats.count(result.status);
        drop(state);
        if !self.pace.is_stopped() {
            (self.on_done)(result);
        }
        true
    }

    /// The life of the supervisor: answers what is overdue and replaces who hangs.
    fn supervise(self: &Arc<Shared>) {
        let mut state = self.lock();
        while !self.pace.is_stopped() {
            let now = Instant::now();
            let overdue = self.write_off(&mut state, now);
            if !overdue.is_empty() {
                drop(state);
                overdue.into_iter().for_each(&self.on_done);
                state = self.lock();
                continue;
            }
            let queued = state.queue.front().map(|job| job.deadline);
            let running = state.running.iter().map(|running| running.deadline);
            let next = running.chain(queued).min();
            let wait = next.map_or(Duration::MAX, |next| next.saturating_duration_since(now));
            let waited = self.deadline_came.wait_timeout(state, wait);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes everything overdue out of the state: the answers to give.
    fn write_off(self: &Arc<Shared>, state: &mut State, now: Instant) -> Vec<HashResult> {
        let mut overdue = Vec::new();
        for running in state.running.extract_if(.., |running| running.deadline <= now) {
            overdue.push((running.id, "the file could not be read in time"));
        }
        let hung = overdue.len();
        // Requests that wait have deadlines in the order of the queue.
        while state.queue.front().is_some_and(|job| job.deadline <= now) {
            let job = state.queue.pop_front();
            overdue.extend(job.map(|job| (job.request.id, "no thread was free in time")));
        }
        state.stats.hung += hung as u64;
        state.stats.timed_out += overdue.len() as u64;
        state.workers -= hung;
        state.hanging += hung;
        while state.workers < self.threads
            && state.hanging <= self.bounds.hung_max
            && self.spawn_worker(state).is_ok()
        {}
        let timeout = |(id, detail): (_, &str)| {
            HashResult::without_digests(id, HashStatus::Timeout, Some(detail.to_owned()))
        };
        overdue.into_iter().map(timeout).collect()
    }
}

/// Lets everything else on the machine go first. Nothing is lost where that is not possible.
fn lower_priority() {
    // On Linux this is of the calling thread alone.
    let _ = rustix::process::nice(NICE);
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
