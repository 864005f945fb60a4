//! Made-up histories of processes, from a seed: what the simulation feeds the machine, and what it
//! knows to be true about it.

use std::collections::BTreeMap;

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
}

/// One raw event, and the truth about it.
#[derive(Clone, Debug)]
pub struct Happening {
    pub time_ns: u64,
    pub process: Proc,
    pub deed: Deed,
    /// Executable after the deed.
    pub exe: String,
    pub bytes: Vec<u8>,
}

/// Pids to choose from: few, so that they are reused all the time.
const PIDS: u64 = 60;

#[derive(Clone, Debug)]
struct Living {
    process: Proc,
    exe: String,
    execs: u32,
}

/// A history of `count` raw events, in the order in which the kernel saw them.
pub fn history(rng: &mut Rng, count: usize) -> Vec<Happening> {
    let init = Living { process: Proc::INIT, exe: "/sbin/init".to_owned(), execs: 0 };
    let mut living: BTreeMap<u32, Living> = [(1, init)].into();
    let mut now_ns = 1_000_000_000;
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        now_ns += 1 + rng.below(3_000_000);
        let pids: Vec<u32> = living.keys().copied().collect();
        let pid = pids[rng.below(pids.len() as u64) as usize];
        match rng.below(10) {
            0..4 => all.extend(fork(rng, &mut living, pid, now_ns)),
            4..6 => all.extend(exec(&mut living, pid, now_ns)),
            _ => all.extend(exit(rng, &mut living, pid, now_ns)),
        }
    }
    all
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
    let exe = parent.exe;
    let bytes = process.fork(now_ns, comm(&exe));
    living.insert(pid, Living { process, exe: exe.clone(), execs: 0 });
    Some(Happening { time_ns: now_ns, process, deed: Deed::Fork, exe, bytes })
}

fn exec(living: &mut BTreeMap<u32, Living>, pid: u32, now_ns: u64) -> Option<Happening> {
    let one = living.get_mut(&pid).filter(|_| pid != 1)?;
    one.execs += 1;
    // The path names the process: no other one may ever show it, but for those that it forks.
    one.exe = format!("/bin/{pid}-{}-{}", one.process.start_ns, one.execs);
    let bytes = one.process.exec(now_ns, &one.exe, &[&one.exe, "argument"]);
    let (process, exe) = (one.process, one.exe.clone());
    Some(Happening { time_ns: now_ns, process, deed: Deed::Exec, exe, bytes })
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
        let Proc { pid, start_ns, .. } = child.process;
        child.process = Proc::INIT.child(pid, start_ns);
    }
    let status = rng.below(3) as u32;
    let bytes = one.process.exit(now_ns, comm(&one.exe), status);
    Some(Happening { time_ns: now_ns, process: one.process, deed: Deed::Exit, exe: one.exe, bytes })
}

fn comm(exe: &str) -> &str {
    exe.rsplit('/').next().unwrap_or(exe)
}
