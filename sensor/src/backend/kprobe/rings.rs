//! A probe's rings: one for each CPU.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::maker::Tells;
use super::perf::{PerfEvent, page_bytes};
use super::record::{Clock, attr};

/// The smallest rings: some dozen records of an exec, and of the smaller ones.
const EXEC_RING_BYTES_MIN: usize = 64 << 10;
const RING_BYTES_MIN: usize = 16 << 10;

/// The largest sample is one of an exec: texts of 320 bytes and some 50 numbers.
const SAMPLE_BYTES_MAX: usize = 2 << 10;

/// The CPUs that are online.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpus(Vec<u32>);

impl Cpus {
    pub(super) fn online() -> Cpus {
        let text = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        Cpus::parse(&text)
    }

    /// A list such as `0-3,8`. One that makes no sense is taken for that of a single CPU.
    fn parse(text: &str) -> Cpus {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
        };
        let cpus: Vec<u32> = text.trim().split(',').filter_map(range).flatten().collect();
        Cpus(if cpus.is_empty() { vec![0] } else { cpus })
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Tells {
    /// Bytes of a ring of this probe, when all rings of one CPU may have so many: an exec's records
    /// are thrice as long as the others.
    fn ring_share(self, ring_bytes: usize) -> usize {
        let (share, least) = match self {
            Tells::Exec => (ring_bytes / 2, EXEC_RING_BYTES_MIN),
            Tells::Fork | Tells::Exit => (ring_bytes / 4, RING_BYTES_MIN),
            // In addition: only old kernels have it.
            Tells::ExecName => (ring_bytes / 4, RING_BYTES_MIN),
        };
        let floor = 1 << share.max(1).ilog2();
        floor.max(least).max(page_bytes())
    }
}

impl Tells {
    /// After how many samples the reader is woken. At once by an exec: its process may end soon,
    /// and /proc has much to tell of it. The others are met by the backend's timer: waking costs
    /// more than writing them.
    fn wakeup_events(self) -> u32 {
        match self {
            Tells::Exec => 1,
            Tells::Fork | Tells::Exit | Tells::ExecName => 0,
        }
    }
}

/// The rings of one probe.
#[derive(Debug)]
pub(super) struct Rings {
    number: u64,
    data_bytes: usize,
    filter: Option<CString>,
    clock: Clock,
    wakeup_events: u32,
    rings: Vec<Ring>,
}

/// The ring of one CPU.
#[derive(Debug)]
pub(super) struct Ring {
    cpu: u32,
    event: PerfEvent,
    data_bytes: usize,
    tally: Tally,
}

/// What is known of the samples of a ring. The kernel tells what found no room only with the next
/// one that does, which may never come; how many there were it tells any time.
#[derive(Debug, Default)]
struct Tally {
    taken: u64,
    /// Told by the kernel or found by us.
    lost: u64,
    /// Of these, what the kernel will tell yet.
    lost_untold: u64,
    /// Whether the ring was so full that others may have found no room.
    was_full: bool,
    /// How many there had been when that was looked at, if the ring was emptied since.
    count: Option<u64>,
    was_emptied: bool,
}

impl Tally {
    /// The kernel tells that so many found no room. Those that nobody has counted yet.
    fn told(&mut self, lost: u64) -> u64 {
        let known = self.lost_untold.min(lost);
        self.lost_untold -= known;
        self.lost += lost - known;
        lost - known
    }

    /// Whether it takes a look at the count to know what was lost.
    fn wants_count(&self) -> bool {
        self.was_full && (self.count.is_none() || self.was_emptied)
    }

    /// How many there have been by now. Where none has come since the last look, what was not taken
    /// was lost: returns what nobody has counted yet.
    fn counted(&mut self, count: u64) -> u64 {
        self.was_emptied = false;
        if self.count.replace(count) != Some(count) {
            return 0;
        }
        self.was_full = false;
        self.count = None;
        let missing = count.saturating_sub(self.taken + self.lost);
        self.lost += missing;
        self.lost_untold += missing;
        missing
    }
}

impl Ring {
    /// Appends what the ring holds to `into`, and frees it in the ring.
    pub(super) fn take(&mut self, into: &mut Vec<u8>) {
        let begin = into.len();
        self.event.take(into);
        let taken = into.len() - begin;
        self.tally.was_emptied = true;
        self.tally.was_full |= taken + SAMPLE_BYTES_MAX > self.data_bytes;
    }

    /// A sample was taken.
    pub(super) fn note_sample(&mut self) {
        self.tally.taken += 1;
    }

    /// The ring says that so many samples found no room: how many of them are news.
    pub(super) fn note_lost(&mut self, count: u64) -> u64 {
        self.tally.told(count)
    }

    /// Samples that found no room, and of which the ring has not said so. It is to be asked now and
    /// then, between two looks at what the rings hold.
    pub(super) fn find_lost(&mut self) -> u64 {
        if !self.tally.wants_count() {
            return 0;
        }
        // Where the CPU has gone its events have ended, and the ring goes, too.
        self.event.count().map_or(0, |count| self.tally.counted(count))
    }
}

impl Rings {
    /// Opens the tracing event with this number on each CPU, stopped. All rings of one CPU may have
    /// `ring_bytes`.
    pub(super) fn open(
        number: u64,
        cpus: &Cpus,
        ring_bytes: usize,
        tells: Tells,
        filter: Option<&str>,
    ) -> Result<Rings, String> {
        let mut rings = Rings {
            number,
            data_bytes: tells.ring_share(ring_bytes),
            filter: filter.and_then(|filter| CString::new(filter).ok()),
            clock: Clock::Boot,
            wakeup_events: tells.wakeup_events(),
            rings: Vec::new(),
        };
        rings.follow(cpus).map_err(|error| format!("perf_event_open: {error}"))?;
        Ok(rings)
    }

    /// Opens rings of CPUs that have come, and gives up those of CPUs that have gone. Returns
    /// whether there are new ones, which are stopped.
    pub(super) fn follow(&mut self, cpus: &Cpus) -> io::Result<bool> {
        self.rings.retain(|ring| cpus.0.contains(&ring.cpu));
        let before = self.rings.len();
        for cpu in &cpus.0 {
            if self.rings.iter().any(|ring| ring.cpu == *cpu) {
                continue;
            }
            match self.open_on(*cpu) {
                Ok(event) => {
                    let (cpu, data_bytes) = (*cpu, self.data_bytes);
                    self.rings.push(Ring { cpu, event, data_bytes, tally: Tally::default() });
                }
                // It went offline just now.
                Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.rings.len() > before)
    }

    fn open_on(&mut self, cpu: u32) -> io::Result<PerfEvent> {
        let open = |clock| {
            PerfEvent::open(&attr(self.number, clock, self.wakeup_events), cpu, self.data_bytes)
        };
        let event = match open(self.clock) {
            Err(error)
                if error.kind() == io::ErrorKind::InvalidInput && self.clock == Clock::Boot =>
            {
                let event = open(Clock::Monotonic)?;
                self.clock = Clock::Monotonic;
                event
            }
            opened => opened?,
        };
        if let Some(filter) = &self.filter
            && let Err(error) = event.set_filter(filter)
        {
            // Then what it would have held back is thrown away here.
            tracing::debug!(%error, ?filter, "the kernel does not take a filter");
        }
        Ok(event)
    }

    /// Starts all of them, and makes the epoll readable when one has something.
    pub(super) fn start(&self, epoll: &Epoll) -> io::Result<()> {
        for Ring { cpu, event, .. } in &self.rings {
            let interest = EpollEvent::new(EpollFlags::EPOLLIN, (*cpu).into());
            match epoll.add(event.as_fd(), interest) {
                Ok(()) | Err(Errno::EEXIST) => event.enable()?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ring> {
        self.rings.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(Cpus::parse("0-3,8,10-11\n").0, [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(Cpus::parse("0\n").0, [0]);
        assert_eq!(Cpus::parse("").0, [0]);
        assert_eq!(Cpus::parse("x-y,4").0, [4]);
        assert!(Cpus::online().count() > 0);
    }

    /// A ring in which samples gather while nobody takes them.
    struct Kernel {
        tally: Tally,
        count: u64,
        untold: u64,
        lost: u64,
    }

    impl Kernel {
        fn full() -> Kernel {
            let tally = Tally { was_full: true, taken: 10, ..Tally::default() };
            Kernel { tally, count: 10, untold: 0, lost: 0 }
        }

        fn lose(&mut self, samples: u64) {
            self.count += samples;
            self.untold += samples;
            self.lost += samples;
        }

        /// One that finds room again tells what was lost before it.
        fn write(&mut self) -> u64 {
            self.count += 1;
            self.tally.taken += 1;
            self.tally.told(std::mem::take(&mut self.untold))
        }

        fn look(&mut self) -> u64 {
            let found = if self.tally.wants_count() { self.tally.counted(self.count) } else { 0 };
            self.tally.was_emptied = true;
            found
        }
    }

    #[test]
    fn what_was_lost_is_counted_once_told_or_not() {
        // No sample comes after those that were lost.
        let mut kernel = Kernel::full();
        kernel.lose(7);
        assert_eq!([kernel.look(), kernel.look(), kernel.look()], [0, 7, 0]);
        // One comes later after all, and tells of them and of others.
        kernel.lose(2);
        assert_eq!(kernel.write(), 2);
        assert_eq!(kernel.tally.lost, kernel.lost);
        // One comes before anybody looks twice.
        let mut kernel = Kernel::full();
        kernel.lose(7);
        assert_eq!([kernel.look(), kernel.write()], [0, 7]);
        assert_eq!([kernel.look(), kernel.look(), kernel.look()], [0, 0, 0]);
        assert_eq!(kernel.tally.lost, kernel.lost);
        assert!(!kernel.tally.wants_count());
        // What the ring still holds is not lost.
        let mut tally = Tally { was_full: true, ..Tally::default() };
        assert_eq!((tally.counted(5), tally.wants_count()), (0, false));
    }

    #[test]
    fn shares_are_powers_of_two_and_never_too_small() {
        for ring_bytes in [0, 1, 100_000, 4 << 20, 512 << 20] {
            for tells in [Tells::Fork, Tells::Exec, Tells::Exit, Tells::ExecName] {
                let share = tells.ring_share(ring_bytes);
                assert!(share.is_power_of_two() && share >= RING_BYTES_MIN, "{tells:?}: {share}");
                assert!(share <= ring_bytes / 2 || share <= EXEC_RING_BYTES_MIN);
            }
        }
        assert_eq!(Tells::Exec.ring_share(4 << 20), 2 << 20);
    }
}
