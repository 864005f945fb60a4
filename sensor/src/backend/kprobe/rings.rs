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
    events: Vec<(u32, PerfEvent)>,
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
            events: Vec::new(),
        };
        rings.follow(cpus).map_err(|error| format!("perf_event_open: {error}"))?;
        Ok(rings)
    }

    /// Opens rings of CPUs that have come, and gives up those of CPUs that have gone. Returns
    /// whether there are new ones, which are stopped.
    pub(super) fn follow(&mut self, cpus: &Cpus) -> io::Result<bool> {
        self.events.retain(|(cpu, _)| cpus.0.contains(cpu));
        let before = self.events.len();
        for cpu in &cpus.0 {
            if self.events.iter().any(|(other, _)| other == cpu) {
                continue;
            }
            match self.open_on(*cpu) {
                Ok(event) => self.events.push((*cpu, event)),
                // It went offline just now.
                Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.events.len() > before)
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
        for (cpu, event) in &self.events {
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

    pub(super) fn events(&mut self) -> impl Iterator<Item = &mut PerfEvent> {
        self.events.iter_mut().map(|(_, event)| event)
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
