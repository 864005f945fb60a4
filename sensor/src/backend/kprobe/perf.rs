//! perf events and the memory that they share with the kernel: all that needs unsafe code.
#![allow(
    unsafe_code,
    reason = "perf_event_open(2) and its ring in shared memory have no safe form"
)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::unistd::{SysconfVar, sysconf};

/// Where struct perf_event_mmap_page has the ring's counters (linux/perf_event.h).
const DATA_HEAD_OFFSET: usize = 1024;
const DATA_TAIL_OFFSET: usize = 1032;

/// PERF_FLAG_FD_CLOEXEC, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_FILTER.
const FLAG_CLOEXEC: libc::c_ulong = 8;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_SET_FILTER: libc::c_ulong = 0x4008_2406;

/// Bytes of struct perf_event_attr up to `clockid`: PERF_ATTR_SIZE_VER3, since Linux 4.1.
pub(super) const ATTR_BYTES: usize = 96;

/// A perf event on one CPU and its ring.
#[derive(Debug)]
pub(super) struct PerfEvent {
    // Dropped in this order: the mapping holds a reference to the event.
    ring: Mapping,
    fd: OwnedFd,
}

/// The ring's pages: one of counters, then the data, a power of two in size.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    page_bytes: usize,
    data_bytes: usize,
}

impl PerfEvent {
    /// Opens an event of every process on `cpu`, stopped, with a ring of `data_bytes`: a power of
    /// two of at least a page. `attr` is a struct perf_event_attr.
    pub(super) fn open(
        attr: &[u8; ATTR_BYTES],
        cpu: u32,
        data_bytes: usize,
    ) -> io::Result<PerfEvent> {
        let (any_process, no_group): (libc::pid_t, libc::c_int) = (-1, -1);
        // SAFETY: the kernel reads as many bytes of `attr` as its second word says and writes that
        // word at most; `attr` has ATTR_BYTES of them, which `record::attr` puts there, and the
        // kernel refuses sizes that it does not know without reading more.
        let fd = unsafe {
            let mut attr = *attr;
            libc::syscall(
                libc::SYS_perf_event_open,
                attr.as_mut_ptr(),
                any_process,
                cpu as libc::c_int,
                no_group,
                FLAG_CLOEXEC,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let ring = Mapping::new(&fd, data_bytes)?;
        Ok(PerfEvent { ring, fd })
    }

    /// Lets the kernel discard what does not match, before it is written.
    pub(super) fn set_filter(&self, filter: &CStr) -> io::Result<()> {
        // SAFETY: the kernel reads a text that ends with NUL, and keeps no reference to it.
        check(unsafe { libc::ioctl(self.fd.as_raw_fd(), IOC_SET_FILTER as _, filter.as_ptr()) })
    }

    pub(super) fn enable(&self) -> io::Result<()> {
        // SAFETY: this request takes a plain number.
        check(unsafe { libc::ioctl(self.fd.as_raw_fd(), IOC_ENABLE as _, 0) })
    }

    /// Appends what the ring holds to `into`, and frees it in the ring.
    pub(super) fn take(&mut self, into: &mut Vec<u8>) {
        self.ring.take(into);
    }

    /// How often the event has happened since it was enabled, whether or not the ring had room.
    /// This interrupts its CPU.
    pub(super) fn count(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        match nix::unistd::read(&self.fd, &mut bytes)? {
            8 => Ok(u64::from_ne_bytes(bytes)),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl AsFd for PerfEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Size of a page of memory, which is the smallest ring.
pub(super) fn page_bytes() -> usize {
    let bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(4096)
}

impl Mapping {
    fn new(fd: &OwnedFd, data_bytes: usize) -> io::Result<Mapping> {
        let page_bytes = page_bytes();
        if !data_bytes.is_power_of_two() || data_bytes < page_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let all_bytes = page_bytes + data_bytes;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: no address is asked for, so no memory of ours is replaced. The kernel refuses a
        // size that does not fit, and maps all of it otherwise.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                all_bytes,
                protection,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, page_bytes, data_bytes })
    }

    fn counter(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: both offsets are within the first page, which is mapped as long as `self` is, and
        // aligned to eight bytes. Kernel and we only access these words whole.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    fn take(&mut self, into: &mut Vec<u8>) {
        // What the kernel wrote before it moved the head is visible after this load.
        let head = self.counter(DATA_HEAD_OFFSET).load(Ordering::Acquire);
        let tail_counter = self.counter(DATA_TAIL_OFFSET);
        // Only we write it.
        let tail = tail_counter.load(Ordering::Relaxed);
        let filled = head.wrapping_sub(tail) as usize;
        if filled <= self.data_bytes {
            let begin = tail as usize & (self.data_bytes - 1);
            let first = filled.min(self.data_bytes - begin);
            into.extend_from_slice(self.data(begin, first));
            into.extend_from_slice(self.data(0, filled - first));
        }
        // All reads of the data come before the kernel may write there again.
        tail_counter.store(head, Ordering::Release);
    }

    /// Bytes of the data that lie between tail and head.
    fn data(&self, begin: usize, len: usize) -> &[u8] {
        assert!(begin <= self.data_bytes && len <= self.data_bytes - begin, "outside of the ring");
        // SAFETY: the range is within the mapping. The kernel does not write between tail and head:
        // the mapping is writable, so it never overwrites what was not taken.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(self.page_bytes + begin), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, and no reference into it outlives `self`. It cannot
        // fail for a mapping that exists.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.page_bytes + self.data_bytes);
        }
    }
}
