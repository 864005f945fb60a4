//! Made-up histories of processes, from a seed: what the simulation feeds the machine, and what it
//! knows to be true about it.

use std::collections::BTreeMap;

use ocellus_ebpf::abi::Kind;

use crate::workload::Proc;

/// Small and fast generator of numbers (SplitMix64, public domain by Sebastiano Vigna): the same
/// seed gives the same history on every machine.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// What one process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Fork,
    Exec,
    Exit,
    /// Took another user, group, set of capabilities or session.
    Ids,
    /// A further thread of it did the same as the one before: no news.
    SameIds,
    Name,
    Pgid,
    /// Nothing: a look at /proc found it.
    Seen,
    /// It is a kernel thread that a look at /proc found.
    KernelThread,
}

impl Deed {
    /// The kind of the raw event.
    pub fn kind(self) -> Kind {
        match self {
            Deed::Fork => Kind::Fork,
            Deed::Exec => Kind::Exec,
            Deed::Exit => Kind::Exit,
            Deed::Ids | Deed::SameIds => Kind::Ids,
            Deed::Name => Kind::Name,
            Deed::Pgid => Kind::Pgid,
            Deed::Seen | Deed::KernelThread => Kind::Existing,
        }
    }
}

/// One raw event, and the truth about it.
#[derive(Clone, Debug)]
pub struct Happening {
    pub time_ns: u64,
    /// The process after the deed.
    pub process: Proc,
    pub deed: Deed,
    /// Executable after the deed.
    pub exe: String,
    /// Name after the deed.
    pub comm: String,
    pub bytes: Vec<u8>,
}

/// Pids to choose from: few, so that they are reused all the time.
const PIDS: u64 = 60;

/// A kernel thread's pid, which no process gets.
const KERNEL_THREAD_PID: u32 = 1_000;

#[derive(Clone, Debug)]
struct Living {
    process: Proc,
    exe: String,
    comm: String,
    execs: u32,
}

impl Living {
    fn happening(&self, time_ns: u64, deed: Deed, bytes: Vec<u8>) -> Happening {
        let (exe, comm) = (self.exe.clone(), self.comm.clone());
        Happening { time_ns, process: self.process, deed, exe, comm, bytes }
    }
}

/// A history of `count` raw events or one more, in the order in which the kernel saw them.
pub fn history(rng: &mut Rng, count: usize) -> Vec<Happening> {
    let (exe, comm) = ("/sbin/init".to_owned(), "init".to_owned());
    let init = Living { process: Proc::INIT, exe, comm, execs: 0 };
    let mut now_ns = 1_000_000_000;
    let mut all = vec![
        init.happening(now_ns, Deed::Seen, init.process.existing(now_ns, &init.exe)),
        kernel_thread(now_ns),
    ];
    let mut living: BTreeMap<u32, Living> = [(1, init)].into();
    while all.len() < count {
        now_ns += 1 + rng.below(3_000_000);
        let pids: Vec<u32> = living.keys().copied().collect();
        let pid = pids[rng.below(pids.len() as u64) as usize];
        match rng.below(16) {
            0..5 => all.extend(fork(rng, &mut living, pid, now_ns)),
            5..8 => all.extend(exec(&mut living, pid, now_ns)),
            8..13 => all.extend(exit(rng, &mut living, pid, now_ns)),
            13..15 => all.extend(change(rng, &mut living, pid, now_ns)),
            _ => all.extend(seen(&living, pid, now_ns)),
        }
    }
    all
}

fn kernel_thread(now_ns: u64) -> Happening {
    let process = Proc { pid: KERNEL_THREAD_PID, start_ns: 20, ..Proc::INIT };
    let comm = "kworker/0:0".to_owned();
    let bytes = process.kernel_thread(now_ns, &comm);
    let (deed, exe) = (Deed::KernelThread, String::new());
    Happening { time_ns: now_ns, process, deed, exe, comm, bytes }
}

fn fork(
    rng: &mut Rng,
    living: &mut BTreeMap<u32, Living>,
    parent: u32,
    now_ns: u64,
) -> Option<Happening> {
    let pid = 2 + rng.below(PIDS) as u32;
    if living.contains_key(&pid) {
        return None;
    }
    let parent = living[&parent].clone();
    let process = parent.process.child(pid, now_ns);
    let child = Living { process, execs: 0, ..parent };
    let bytes = process.fork(now_ns, &child.comm);
    let happening = child.happening(now_ns, Deed::Fork, bytes);
    living.insert(pid, child);
    Some(happening)
}

fn exec(living: &mut BTreeMap<u32, Living>, pid: u32, now_ns: u64) -> Option<Happening> {
    let one = living.get_mut(&pid).filter(|_| pid != 1)?;
    one.execs += 1;
    // The path names the process: no other one may ever show it, but for those that it forks.
    one.exe = format!("/bin/{pid}-{}-{}", one.process.start_ns, one.execs);
    one.comm = comm(&one.exe).to_owned();
    let bytes = one.process.exec(now_ns, &one.exe, &[&one.exe, "argument"]);
    Some(one.happening(now_ns, Deed::Exec, bytes))
}

fn exit(
    rng: &mut Rng,
    living: &mut BTreeMap<u32, Living>,
    pid: u32,
    now_ns: u64,
) -> Option<Happening> {
    if pid == 1 {
        return None;
    }
    let one = living.remove(&pid)?;
    for child in living.values_mut().filter(|child| child.process.ppid == pid) {
        let Proc { pid: ppid, start_ns: parent_start_ns, .. } = Proc::INIT;
        child.process = Proc { ppid, parent_start_ns, ..child.process };
    }
    let status = rng.below(3) as u32;
    let bytes = one.process.exit(now_ns, &one.comm, status);
    Some(one.happening(now_ns, Deed::Exit, bytes))
}

/// Something of the process becomes another, which no process had before; or it has become so
/// already.
fn change(
    rng: &mut Rng,
    living: &mut BTreeMap<u32, Living>,
    pid: u32,
    now_ns: u64,
) -> Option<Happening> {
    let one = living.get_mut(&pid)?;
    let new = now_ns as u32;
    let deed = match rng.below(8) {
        0 => {
            one.process.euid = new;
            Deed::Ids
        }
        1 => {
            one.process.egid = new;
            Deed::Ids
        }
        2 => {
            one.process.cap_effective = now_ns % (1 << 40);
            Deed::Ids
        }
        3 => {
            (one.process.sid, one.process.pgid) = (pid, pid);
            one.process.euid = new;
            Deed::Ids
        }
        4 => Deed::SameIds,
        5 => {
            one.process.pgid = new;
            Deed::Pgid
        }
        _ => {
            one.comm = format!("n{new}");
            Deed::Name
        }
    };
    let bytes = match deed {
        Deed::Name => one.process.renamed(now_ns, &one.comm),
        Deed::Pgid => one.process.moved(now_ns, &one.comm),
        Deed::SameIds => one.process.changed_by(pid + 1, now_ns, &one.comm),
        _ => one.process.changed(now_ns, &one.comm),
    };
    Some(one.happening(now_ns, deed, bytes))
}

fn seen(living: &BTreeMap<u32, Living>, pid: u32, now_ns: u64) -> Option<Happening> {
    let one = living.get(&pid)?;
    let bytes = one.process.existing_as(now_ns, &one.exe, &one.comm);
    Some(one.happening(now_ns, Deed::Seen, bytes))
}

/// The name that an exec gives: the file's, as far as the kernel keeps it.
fn comm(exe: &str) -> &str {
    const COMM_BYTES_MAX: usize = 15;
    let name = exe.rsplit('/').next().unwrap_or(exe);
    &name[..name.len().min(COMM_BYTES_MAX)]
}
