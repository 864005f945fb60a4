//! What a kernel or a backend cannot give, each with its reason. A scenario that is listed here
//! must fail, and in this way: one that passes is a failure of the list.

use ocellus_tests::vm::{Architecture, Kernel, Series};

/// A scenario that some kernels cannot pass with a backend.
#[derive(Debug)]
pub struct Limit {
    pub backend: &'static str,
    pub scenario: &'static str,
    /// Kernels before this; none: all.
    pub before: Option<Series>,
    /// Part of what the scenario says when it fails, or of why it is unsupported.
    pub says: &'static str,
    pub reason: &'static str,
}

/// By kprobes, for all kernels.
const fn kprobe(scenario: &'static str, says: &'static str, reason: &'static str) -> Limit {
    Limit { backend: "kprobe", scenario, before: None, says, reason }
}

const NO_CHANGES: &str = "kprobes tell of no changes of ids, capabilities and names, nor of rights \
    that a file gave: they show with the next event of the process";

/// Something that a guest may be without, whatever the backend.
#[derive(Debug)]
pub struct Lack {
    /// Why a scenario is then unsupported, in its words.
    pub says: &'static str,
    pub reason: &'static str,
}

pub const NO_OVERLAY: Lack = Lack {
    says: "the kernel has no overlay",
    reason: "the distribution no longer has the modules of this kernel, and its overlay file \
        system is one",
};

pub const NO_32_BIT: Lack = Lack {
    says: "the compiler makes no 32-bit programs",
    reason: "the compiler for arm64 makes no 32-bit programs",
};

/// What a guest with this kernel is without.
pub fn lacks(kernel: &Kernel) -> Vec<Lack> {
    let overlay = (!kernel.has_overlay()).then_some(NO_OVERLAY);
    let programs = (kernel.architecture == Architecture::Arm64).then_some(NO_32_BIT);
    overlay.into_iter().chain(programs).collect()
}

pub const LIMITS: &[Limit] = &[
    kprobe(
        "sensor started after 200 processes",
        " is not told: ",
        "without eBPF, only /proc tells when a process started that ran before the sensor, in \
         ticks of 10 ms; its entity id is made of that, and named in ocellus.inferred",
    ),
    kprobe("argv[0] of a kernel thread", "left == right", NO_CHANGES),
    kprobe("set-uid and set-gid program", "ocellus.previous", NO_CHANGES),
    kprobe("set-gid program", "ocellus.secure_exec", NO_CHANGES),
    kprobe("file capabilities", "ocellus.secure_exec", NO_CHANGES),
    kprobe(
        "each of setuid, setreuid, setresuid, setfsuid and the same for groups",
        "left == right",
        NO_CHANGES,
    ),
    kprobe("ids, process group and name as they are already", "left == right", NO_CHANGES),
    kprobe("a thread's own credentials", "left == right", NO_CHANGES),
    kprobe("credentials of a process with 9 threads", "left == right", NO_CHANGES),
    kprobe("setsid, as a change", "left == right", NO_CHANGES),
    kprobe("setpgid, as a change", "left == right", NO_CHANGES),
    kprobe("capset", "left == right", NO_CHANGES),
    kprobe("PR_SET_NAME and /proc/self/comm", "left == right", NO_CHANGES),
    kprobe("daemon by two forks", "left == right", NO_CHANGES),
    kprobe("daemon adopted by a subreaper", "left == right", NO_CHANGES),
];

/// The limit of a scenario on a kernel, if there is one.
pub fn limit(backend: &str, scenario: &str, series: Series) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| {
        limit.backend == backend
            && limit.scenario == scenario
            && limit.before.is_none_or(|before| series < before)
    })
}
