//! What is known of files by their identity, and which are being read right now.
//!
//! Part of the machine: it reads no clock and no file. Two files that agree in their [`FileId`]
//! have the same bytes, so a path that names another file tomorrow never gets yesterday's digests.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::digest::{FILE_DEADLINE, QUEUE_MAX};
use crate::input::{FileId, HashResult, HashStatus};

/// How long nobody tries again a file that could not be reached. Trying is cheap, and another
/// process may hold the file, so this only dampens storms.
const RETRY_UNREACHED_NS: u64 = 1_000_000_000;

/// How long nobody tries again a file that could not be read, or not in time. The pool may still
/// be at it for as long.
const RETRY_UNREAD_NS: u64 = FILE_DEADLINE.as_nanos() as u64;

/// Requests on their way at most: as many as the pool holds, and again as many that it has yet to
/// be told of.
const IN_FLIGHT_MAX: usize = 2 * QUEUE_MAX;

/// What the cache says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The answer, good or bad.
    Hit(Arc<HashResult>),
    /// It has been asked for; the answer comes with [`Cache::finish`] or [`Cache::expire`].
    InFlight,
    /// To be asked for, then told to [`Cache::began`].
    Miss,
}

/// What the cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CacheStats {
    /// Look-ups answered at once.
    pub hits: u64,
    /// Look-ups that joined a request on its way.
    pub joined: u64,
    /// Look-ups that led to a new request.
    pub misses: u64,
    /// Answers pushed out by newer ones.
    pub evicted: u64,
    /// Requests given up because the answer did not come in time.
    pub timed_out: u64,
    /// Look-ups that were refused because too many requests are on their way.
    pub refused: u64,
}

/// A bounded table of answers, and the requests on their way.
#[derive(Debug)]
pub struct Cache {
    answers: LruCache<FileId, Answer, FxBuildHasher>,
    /// When each request on its way began.
    began: FxHashMap<FileId, u64>,
    /// The same in the order in which they began. Entries of finished requests stay until their
    /// time comes.
    order: VecDeque<(u64, FileId)>,
    wait_ns: u64,
    stats: CacheStats,
}

#[derive(Debug)]
struct Answer {
    result: Arc<HashResult>,
    /// When to try again; none for answers that stay true.
    retry_ns: Option<u64>,
}

impl Cache {
    /// A cache of `entries` answers whose requests are given up after `wait_ns`.
    pub fn new(entries: NonZeroUsize, wait_ns: u64) -> Cache {
        Cache {
            answers: LruCache::with_hasher(entries, FxBuildHasher),
            began: FxHashMap::default(),
            order: VecDeque::new(),
            wait_ns,
            stats: CacheStats::default(),
        }
    }

    /// What is known of the file at `now_ns`.
    pub fn lookup(&mut self, id: &FileId, now_ns: u64) -> Lookup {
        if let Some(answer) = self.answers.get(id) {
            if answer.retry_ns.is_none_or(|retry_ns| now_ns < retry_ns) {
                self.stats.hits += 1;
                return Lookup::Hit(Arc::clone(&answer.result));
            }
            self.answers.pop(id);
        }
        match self.began.get(id) {
            Some(began_ns) if now_ns.saturating_sub(*began_ns) < self.wait_ns => {
                self.stats.joined += 1;
                Lookup::InFlight
            }
            Some(_) => {
                self.stats.hits += 1;
                Lookup::Hit(self.give_up(*id, now_ns))
            }
            None if self.began.len() >= IN_FLIGHT_MAX => {
                self.stats.refused += 1;
                let detail = Some("too many files wait to be hashed".to_owned());
                let refused = HashResult::without_digests(*id, HashStatus::Timeout, detail);
                Lookup::Hit(Arc::new(refused))
            }
            None => {
                self.stats.misses += 1;
                Lookup::Miss
            }
        }
    }

    /// The file has been asked for. A second request for the same file keeps the first one's time.
    pub fn began(&mut self, id: FileId, now_ns: u64) {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.began.entry(id) {
            vacant.insert(now_ns);
            if self.order.len() >= 2 * IN_FLIGHT_MAX {
                self.order.retain(|(began_ns, id)| self.began.get(id) == Some(began_ns));
            }
            self.order.push_back((now_ns, id));
        }
    }

    /// The answer has come; also for a request that was given up, and for one that the pool
    /// refused. Digests are never forgotten for a later answer without.
    pub fn finish(&mut self, result: HashResult, now_ns: u64) -> Arc<HashResult> {
        self.began.remove(&result.id);
        self.remember(result, now_ns)
    }

    /// Gives up the requests that have waited too long: their answers, in the order in which they
    /// began. Those who waited go on without digests; a late answer serves the next execution.
    pub fn expire(&mut self, now_ns: u64) -> Vec<Arc<HashResult>> {
        let mut given_up = Vec::new();
        while let Some((began_ns, id)) = self.order.front().copied() {
            let is_on_its_way = self.began.get(&id) == Some(&began_ns);
            if is_on_its_way && now_ns.saturating_sub(began_ns) < self.wait_ns {
                break;
            }
            self.order.pop_front();
            if is_on_its_way {
                given_up.push(self.give_up(id, now_ns));
            }
        }
        given_up
    }

    /// When [`Cache::expire`] has something to do; none while nothing is on its way.
    pub fn next_expiry_ns(&self) -> Option<u64> {
        let (began_ns, _) = self.order.iter().find(|(ns, id)| self.began.get(id) == Some(ns))?;
        Some(began_ns.saturating_add(self.wait_ns))
    }

    /// Number of requests on their way.
    pub fn in_flight(&self) -> usize {
        self.began.len()
    }

    /// Number of answers held.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    pub fn stats(&self) -> CacheStats {
        self.stats
    }

    fn give_up(&mut self, id: FileId, now_ns: u64) -> Arc<HashResult> {
        self.began.remove(&id);
        self.stats.timed_out += 1;
        self.remember(HashResult::without_digests(id, HashStatus::Timeout, None), now_ns)
    }

    fn remember(&mut self, result: HashResult, now_ns: u64) -> Arc<HashResult> {
        let id = result.id;
        if result.status != HashStatus::Ok
            && let Some(known) = self.answers.peek(&id)
            && known.result.status == HashStatus::Ok
        {
            return Arc::clone(&known.result);
        }
        let retry_after_ns = match result.status {
            // The identity holds size and content, so these do not change.
            HashStatus::Ok | HashStatus::TooLarge | HashStatus::Off => None,
            HashStatus::Changed | HashStatus::Gone => Some(RETRY_UNREACHED_NS),
            HashStatus::Timeout | HashStatus::Error => Some(RETRY_UNREAD_NS),
        };
        let retry_ns = retry_after_ns.map(|after_ns| now_ns.saturating_add(after_ns));
        let result = Arc::new(result);
        let answer = Answer { result: Arc::clone(&result), retry_ns };
        if self.answers.push(id, answer).is_some_and(|(pushed_out, _)| pushed_out != id) {
            self.stats.evicted += 1;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Digests;

    const WAIT_NS: u64 = 1_000;

    fn id(inode: u64) -> FileId {
        FileId { dev_major: 8, dev_minor: 1, inode, size: 10, mtime_ns: 1, ctime_ns: 2 }
    }

    fn answer(inode: u64, status: HashStatus) -> HashResult {
        HashResult::without_digests(id(inode), status, None)
    }

    fn cache(entries: usize) -> Cache {
        Cache::new(NonZeroUsize::new(entries).expect("a test asks for some"), WAIT_NS)
    }

    fn status(lookup: Lookup) -> Option<HashStatus> {
        match lookup {
            Lookup::Hit(result) => Some(result.status),
            Lookup::InFlight | Lookup::Miss => None,
        }
    }

    #[test]
    fn two_executions_share_one_request() {
        let mut cache = cache(8);
        assert_eq!(cache.lookup(&id(1), 0), Lookup::Miss);
        cache.began(id(1), 0);
        assert_eq!(cache.lookup(&id(1), 5), Lookup::InFlight);
        assert_eq!(cache.next_expiry_ns(), Some(WAIT_NS));
        let digests = Digests { sha1: Some("aa".into()), ..Digests::default() };
        let result = HashResult { digests, ..answer(1, HashStatus::Ok) };
        let shared = cache.finish(result.clone(), 6);
        assert_eq!(*shared, result);
        assert_eq!(cache.lookup(&id(1), u64::MAX), Lookup::Hit(shared));
        assert_eq!((cache.in_flight(), cache.next_expiry_ns()), (0, None));
        let stats = CacheStats { hits: 1, joined: 1, misses: 1, ..CacheStats::default() };
        assert_eq!(cache.stats(), stats);
    }

    #[test]
    fn each_part_of_the_identity_counts() {
        let mut cache = cache(8);
        cache.finish(answer(1, HashStatus::Ok), 0);
        for other in [
            FileId { dev_major: 9, ..id(1) },
            FileId { dev_minor: 9, ..id(1) },
            FileId { inode: 9, ..id(1) },
            FileId { size: 9, ..id(1) },
            FileId { mtime_ns: 9, ..id(1) },
            FileId { ctime_ns: 9, ..id(1) },
        ] {
            assert_eq!(cache.lookup(&other, 0), Lookup::Miss, "{other:?}");
        }
    }

    #[test]
    fn bad_answers_are_kept_for_a_while() {
        let forever = u64::MAX;
        for (kept, until_ns) in [
            (HashStatus::Gone, RETRY_UNREACHED_NS),
            (HashStatus::Changed, RETRY_UNREACHED_NS),
            (HashStatus::Error, RETRY_UNREAD_NS),
            (HashStatus::Timeout, RETRY_UNREAD_NS),
            (HashStatus::TooLarge, forever),
            (HashStatus::Ok, forever),
        ] {
            let mut cache = cache(8);
            cache.finish(answer(1, kept), 0);
            assert_eq!(status(cache.lookup(&id(1), until_ns - 1)), Some(kept));
            if until_ns < forever {
                assert_eq!(cache.lookup(&id(1), until_ns), Lookup::Miss, "{kept:?}");
                assert!(cache.is_empty(), "{kept:?}");
            }
        }
    }

    #[test]
    fn requests_are_given_up_in_their_order() {
        let mut cache = cache(8);
        cache.began(id(1), 0);
        cache.began(id(2), 10);
        cache.began(id(3), 20);
        cache.finish(answer(2, HashStatus::Ok), 15);
        assert_eq!(cache.expire(WAIT_NS - 1), []);
        let inodes = |given_up: Vec<Arc<HashResult>>| -> Vec<u64> {
            given_up.iter().map(|result| result.id.inode).collect()
        };
        assert_eq!(inodes(cache.expire(WAIT_NS)), [1]);
        assert_eq!(cache.next_expiry_ns(), Some(WAIT_NS + 20));
        assert_eq!(inodes(cache.expire(WAIT_NS + 20)), [3]);
        assert_eq!(status(cache.lookup(&id(3), WAIT_NS + 21)), Some(HashStatus::Timeout));
        assert_eq!((cache.in_flight(), cache.order.len()), (0, 0));
        assert_eq!(cache.stats().timed_out, 2);
    }

    #[test]
    fn a_lookup_gives_up_what_is_overdue() {
        let mut cache = cache(8);
        cache.began(id(1), 0);
        assert_eq!(status(cache.lookup(&id(1), WAIT_NS)), Some(HashStatus::Timeout));
        assert_eq!(cache.expire(WAIT_NS), []);
        assert_eq!(cache.stats().timed_out, 1);
    }

    #[test]
    fn a_late_answer_serves_the_next_execution() {
        let mut cache = cache(8);
        cache.began(id(1), 0);
        assert_eq!(cache.expire(WAIT_NS).len(), 1);
        cache.finish(answer(1, HashStatus::Ok), 2 * WAIT_NS);
        assert_eq!(status(cache.lookup(&id(1), 3 * WAIT_NS)), Some(HashStatus::Ok));
        cache.finish(answer(1, HashStatus::Gone), 4 * WAIT_NS);
        assert_eq!(status(cache.lookup(&id(1), 5 * WAIT_NS)), Some(HashStatus::Ok));
    }

    #[test]
    fn asking_twice_keeps_the_first_time_and_one_entry() {
        let mut cache = cache(8);
        cache.began(id(1), 0);
        cache.began(id(1), 500);
        assert_eq!(cache.order.len(), 1);
        cache.finish(answer(1, HashStatus::Gone), 600);
        cache.began(id(1), 700);
        assert_eq!(cache.next_expiry_ns(), Some(700 + WAIT_NS));
        assert_eq!(cache.expire(WAIT_NS), []);
        assert_eq!(cache.expire(700 + WAIT_NS).len(), 1);
    }

    #[test]
    fn requests_on_their_way_are_bounded() {
        let mut cache = cache(8);
        for inode in 0..5 * IN_FLIGHT_MAX as u64 {
            cache.began(id(inode), 0);
            if inode % 3 != 0 {
                cache.finish(answer(inode, HashStatus::Ok), 0);
            }
            assert!(cache.order.len() <= 2 * IN_FLIGHT_MAX);
            if cache.in_flight() == IN_FLIGHT_MAX {
                let new = id(u64::MAX);
                assert_eq!(status(cache.lookup(&new, 0)), Some(HashStatus::Timeout));
                assert_eq!(cache.stats().refused, 1);
                cache.finish(answer(inode, HashStatus::Ok), 0);
                assert_eq!(cache.lookup(&new, 0), Lookup::Miss);
                return;
            }
        }
        panic!("the bound was never reached");
    }

    #[test]
    fn the_least_recently_used_answer_goes() {
        let mut cache = cache(2);
        cache.finish(answer(1, HashStatus::Ok), 0);
        cache.finish(answer(2, HashStatus::Ok), 0);
        cache.lookup(&id(1), 0);
        cache.finish(answer(3, HashStatus::Ok), 0);
        assert_eq!(cache.lookup(&id(2), 0), Lookup::Miss);
        assert_eq!(status(cache.lookup(&id(1), 0)), Some(HashStatus::Ok));
        assert_eq!((cache.len(), cache.stats().evicted), (2, 1));
        cache.finish(answer(3, HashStatus::Ok), 0);
        assert_eq!(cache.stats().evicted, 1);
    }
}
