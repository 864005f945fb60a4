//! How fast files may be read, all threads together.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::bytesize::ByteRate;

/// How long a thread that waits for its turn to read sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// The pace of a pool of threads.
#[derive(Debug)]
pub struct Pace {
    bucket: Mutex<Bucket>,
    started: Instant,
    read_bytes: AtomicU64,
    is_stopped: AtomicBool,
}

impl Pace {
    /// Reading at `rate`, after a burst of `burst_bytes`. A rate of 0 is no limit.
    pub fn new(rate: ByteRate, burst_bytes: u64) -> Pace {
        Pace {
            bucket: Mutex::new(Bucket::new(rate, burst_bytes)),
            started: Instant::now(),
            read_bytes: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Waits until a chunk that was read is paid for. Breaks when that is not before `deadline`,
    /// or when the pool stops.
    pub fn keep(&self, chunk_bytes: usize, deadline: Instant) -> ControlFlow<()> {
        self.read_bytes.fetch_add(chunk_bytes as u64, Ordering::Relaxed);
        let now = Instant::now();
        let now_ns = now.duration_since(self.started).as_nanos() as u64;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = Duration::from_nanos(bucket.take(chunk_bytes as u64, now_ns));
        drop(bucket);
        let until = now + wait;
        if until >= deadline {
            return ControlFlow::Break(());
        }
        loop {
            if self.is_stopped() {
                return ControlFlow::Break(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            thread::sleep(left.min(NAP));
        }
    }

    /// Lets no thread go on.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }
}

/// A token bucket that holds times instead of tokens: when the last of what was taken will have
/// been paid for.
#[derive(Debug)]
struct Bucket {
    bytes_per_second: u64,
    /// How far the payment may lie in the future before anybody waits.
    burst_ns: u64,
    paid_ns: u64,
}

impl Bucket {
    /// A bucket that fills at `rate` and holds `burst_bytes`. A rate of 0 is no limit.
    fn new(rate: ByteRate, burst_bytes: u64) -> Bucket {
        let ByteRate(bytes_per_second) = rate;
        let mut bucket = Bucket { bytes_per_second, burst_ns: 0, paid_ns: 0 };
        bucket.burst_ns = bucket.price_ns(burst_bytes);
        bucket
    }

    /// Takes `bytes` at `now_ns`, and says how long to wait before going on, in ns.
    fn take(&mut self, bytes: u64, now_ns: u64) -> u64 {
        let price_ns = self.price_ns(bytes);
        self.paid_ns = self.paid_ns.max(now_ns).saturating_add(price_ns);
        self.paid_ns.saturating_sub(now_ns.saturating_add(self.burst_ns))
    }

    fn price_ns(&self, bytes: u64) -> u64 {
        let ns = u128::from(bytes) * 1_000_000_000;
        let price_ns = ns.checked_div(u128::from(self.bytes_per_second)).unwrap_or(0);
        u64::try_from(price_ns).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(ByteRate(100), 50);
        assert_eq!(bucket.take(50, 0), 0);
        assert_eq!(bucket.take(100, 0), SECOND_NS);
        assert_eq!(bucket.take(10, SECOND_NS), SECOND_NS / 10);
        // Long idle: the bucket is full again, and no fuller.
        assert_eq!(bucket.take(50, 100 * SECOND_NS), 0);
        assert_eq!(bucket.take(50, 100 * SECOND_NS), SECOND_NS / 2);
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let mut bucket = Bucket::new(ByteRate(0), 0);
        assert_eq!(bucket.take(u64::MAX, 0), 0);
        assert_eq!(bucket.take(u64::MAX, 0), 0);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut bucket = Bucket::new(ByteRate(1), u64::MAX);
        assert_eq!(bucket.take(u64::MAX, 0), 0);
        assert_eq!(bucket.take(u64::MAX, u64::MAX), 0);
        let mut bucket = Bucket::new(ByteRate(1), 0);
        assert_eq!(bucket.take(u64::MAX, 0), u64::MAX);
    }
}
