//! The system calls that a sensor makes once its probes are attached.
//!
//! A list of what is allowed, not of what is forbidden: what nobody thought of is then closed, and
//! so is what the next kernel brings. A call that is not listed fails with ENOSYS, as on a kernel
//! that has not got it, since libraries know how to go on after that.
//!
//! The list holds what strace(1) saw a sensor make with rules, outputs of each type, SIGHUP and
//! rotation, what libc makes in its place on other versions, and what name services need.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule,
};

/// Calls that are allowed whatever their arguments.
#[rustfmt::skip]
const CALLS: &[i64] = &[
    // Files and directories.
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64,
    libc::SYS_pwrite64, libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_openat, libc::SYS_openat2,
    libc::SYS_close, libc::SYS_close_range, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_lseek, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_ftruncate, libc::SYS_fallocate,
    libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_unlinkat, libc::SYS_mkdirat,
    libc::SYS_linkat, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat,
    libc::SYS_utimensat, libc::SYS_getdents64, libc::SYS_readlinkat, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_getcwd, libc::SYS_flock, libc::SYS_fcntl, libc::SYS_fadvise64,
    libc::SYS_readahead, libc::SYS_sync_file_range, libc::SYS_copy_file_range, libc::SYS_sendfile,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_umask, libc::SYS_dup, libc::SYS_dup3,
    libc::SYS_pipe2, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Memory.
    libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect, libc::SYS_madvise, libc::SYS_mremap,
    libc::SYS_brk, libc::SYS_mincore, libc::SYS_membarrier, libc::SYS_mlock, libc::SYS_munlock,
    // Instances of a rule share the memory that it starts with; nothing of it can be executed.
    libc::SYS_memfd_create,
    // Threads and their end.
    libc::SYS_clone, libc::SYS_clone3, libc::SYS_futex, libc::SYS_set_robust_list,
    libc::SYS_get_robust_list, libc::SYS_rseq, libc::SYS_set_tid_address, libc::SYS_gettid,
    libc::SYS_exit, libc::SYS_exit_group, libc::SYS_sched_yield, libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity, libc::SYS_sched_getparam, libc::SYS_sched_getscheduler,
    libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_tgkill, libc::SYS_restart_syscall,
    libc::SYS_wait4, libc::SYS_waitid,
    // Signals.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack, libc::SYS_signalfd4,
    // Time.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep, libc::SYS_gettimeofday, libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime,
    // Waiting.
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2,
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_eventfd2,
    // Sockets. `listen` is not among them: no port is opened after the start. `bind` is, for the
    // netlink socket of getaddrinfo(3).
    libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_bind, libc::SYS_accept,
    libc::SYS_accept4, libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg, libc::SYS_recvfrom,
    libc::SYS_recvmsg, libc::SYS_recvmmsg, libc::SYS_shutdown, libc::SYS_getsockname,
    libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt,
    // Who we are and what there is.
    libc::SYS_getpid, libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid,
    libc::SYS_getegid, libc::SYS_getresuid, libc::SYS_getresgid, libc::SYS_getgroups,
    libc::SYS_getsid, libc::SYS_getpgid, libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_prlimit64,
    libc::SYS_getrusage, libc::SYS_getrandom, libc::SYS_getcpu,
    // Giving up more.
    libc::SYS_capget, libc::SYS_capset, libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self,
];

/// Calls of the same meaning that only this architecture has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD_CALLS: &[i64] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink,
    libc::SYS_mkdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_chmod, libc::SYS_dup2,
    libc::SYS_pipe, libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_wait, libc::SYS_getdents,
    libc::SYS_time, libc::SYS_getrlimit, libc::SYS_getpgrp, libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[i64] = &[];

/// Of bpf(2): to read counters, and to run the iterator that lists processes. Not to load, not to
/// write.
const BPF_COMMANDS: [u64; 5] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    15, // BPF_OBJ_GET_INFO_BY_FD
    28, // BPF_LINK_CREATE
    33, // BPF_ITER_CREATE
    34, // BPF_LINK_DETACH
];

/// Of prctl(2): names of threads and of memory, and giving up more.
const PRCTL_OPTIONS: [i32; 7] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_CAPBSET_READ,
    libc::PR_CAPBSET_DROP,
    libc::PR_CAP_AMBIENT,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_SET_VMA,
];

/// Of ioctl(2): all but typing into a terminal.
const TERMINAL_INPUT: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// How many calls there are in the list.
pub(super) fn calls_count() -> usize {
    CALLS.len() + OLD_CALLS.len() + 3
}

/// Puts the filter into force for the calling thread and those that it starts.
pub(super) fn apply() -> Result<(), Error> {
    seccompiler::apply_filter(&program()?)
}

fn program() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().chain(OLD_CALLS).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_bpf, BPF_COMMANDS.map(equals).into_iter().collect::<Result<_, _>>()?);
    let options = PRCTL_OPTIONS.map(|option| equals(option as u64));
    rules.insert(libc::SYS_prctl, options.into_iter().collect::<Result<_, _>>()?);
    let no_input = TERMINAL_INPUT.map(|request| condition(1, SeccompCmpOp::Ne, request));
    let no_input = no_input.into_iter().collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(no_input)?]);
    let refuse = SeccompAction::Errno(libc::ENOSYS as u32);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?.try_into()
}

/// Runs something on a thread of its own that can open no file, for code that would read what is
/// not needed. Where the filter cannot be applied, the thread may open files after all.
///
/// An error means that no thread could be started.
pub fn without_files<T: Send>(run: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    let confined = || {
        let _ = refuse_opening().map(|program| seccompiler::apply_filter(&program));
        run()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, confined)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn refuse_opening() -> Result<BpfProgram, BackendError> {
    #[cfg(target_arch = "x86_64")]
    const OPENING: &[i64] = &[libc::SYS_openat, libc::SYS_openat2, libc::SYS_open];
    #[cfg(not(target_arch = "x86_64"))]
    const OPENING: &[i64] = &[libc::SYS_openat, libc::SYS_openat2];
    let rules = OPENING.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EACCES as u32);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// The first argument is this.
fn equals(value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(0, SeccompCmpOp::Eq, value)?])
}

fn condition(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_is_to_open_no_file_cannot() {
        let open = || std::fs::read("/proc/self/stat");
        let refused = without_files(open).expect("it can be started").expect_err("it is refused");
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        open().expect("everybody else can");
    }

    #[test]
    fn the_filter_compiles_and_names_no_call_twice() {
        assert!(!program().unwrap().is_empty());
        let mut all: Vec<i64> = CALLS.iter().chain(OLD_CALLS).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for forbidden in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_listen,
            libc::SYS_mount,
            libc::SYS_setuid,
            libc::SYS_init_module,
            libc::SYS_kill,
            libc::SYS_perf_event_open,
            libc::SYS_io_uring_setup,
        ] {
            assert!(!all.contains(&forbidden), "{forbidden}");
        }
    }
}
