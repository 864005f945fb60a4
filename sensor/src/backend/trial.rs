//! Whether probes tell what is true: a process is started, and what they say of it is compared with
//! what is known of it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use ocellus_ebpf::abi::{F_ARGS_FAULT, Kind, Record, SpanId, Task};

use crate::process::TICK_NS;
use crate::snapshot::text::{self, Stat};

/// How long records may be on their way. Ample on a busy machine; reached only on failure.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// Our own program, told to do nothing of note.
const PROGRAM: &str = "/proc/self/exe";
const ARGUMENT: &str = "--version";

/// What is known of the process.
struct Known {
    pid: u32,
    ppid: u32,
    pgid: u32,
    sid: u32,
    start_ticks: u64,
    comm: String,
}

/// Starts a process, and takes records by `drain` until each of `kinds` has told of it. An error is
/// what is wrong in the words of a sentence's end.
pub(super) fn trial(
    kinds: &[Kind],
    mut drain: impl FnMut(&mut dyn FnMut(&[u8])),
) -> Result<(), String> {
    let kinds: Vec<Kind> = [Kind::Fork, Kind::Exec, Kind::Exit]
        .into_iter()
        .filter(|kind| kinds.contains(kind))
        .collect();
    let mut child = Command::new(PROGRAM)
        .arg(ARGUMENT)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("no process can be started for a trial: {error}"))?;
    let known = know(&child);
    let told = known.and_then(|known| compare(&known, &kinds, &mut drain));
    // It has ended; what is left of it goes.
    let _ = child.wait();
    told
}

/// What /proc says of a child that has ended and was not waited for.
fn know(child: &Child) -> Result<Known, String> {
    let pid = child.id();
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    let unknown = |why: &dyn std::fmt::Display| format!("nothing is known of our process: {why}");
    waitid(Id::Pid(Pid::from_raw(pid as i32)), ended).map_err(|errno| unknown(&errno))?;
    let stat = fs::read(format!("/proc/{pid}/stat")).map_err(|error| unknown(&error))?;
    Known::of(pid, &stat).ok_or_else(|| unknown(&String::from_utf8_lossy(&stat)))
}

impl Known {
    /// `stat` is /proc/PID/stat.
    fn of(pid: u32, stat: &[u8]) -> Option<Known> {
        let Stat { comm, ppid, pgid, sid, start_ticks, .. } = text::stat(stat)?;
        let comm = String::from_utf8_lossy(comm).into_owned();
        Some(Known { pid, ppid, pgid, sid, start_ticks, comm })
    }
}

fn compare(
    known: &Known,
    kinds: &[Kind],
    drain: &mut impl FnMut(&mut dyn FnMut(&[u8])),
) -> Result<(), String> {
    let began = Instant::now();
    let mut missing = kinds.to_vec();
    let mut wrong = None;
    while !missing.is_empty() && wrong.is_none() {
        let mut each = |bytes: &[u8]| {
            let Ok(parsed) = Record::parse(bytes) else {
                wrong.get_or_insert_with(|| "a record is malformed".to_owned());
                return;
            };
            if !is_of(known, &parsed.record.task) || !missing.contains(&parsed.kind) {
                return;
            }
            missing.retain(|kind| *kind != parsed.kind);
            let args = parsed.spans[SpanId::Args as usize];
            let is_faulty = parsed.record.head.flags & F_ARGS_FAULT != 0;
            let args = (parsed.kind == Kind::Exec && !is_faulty).then_some(args);
            if let Err(what) = hold(known, &parsed.record.task, args) {
                wrong.get_or_insert(format!("the probe for {} says {what}", parsed.kind.name()));
            }
        };
        drain(&mut each);
        if began.elapsed() >= PATIENCE {
            break;
        }
        sleep(LOOK);
    }
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let names: Vec<&str> = missing.iter().map(|kind| kind.name()).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(format!("no {} was told of a process of ours", names.join(" and no "))),
    }
}

/// In a pid namespace, our number for the process is not the kernel's.
fn is_of(known: &Known, task: &Task) -> bool {
    task.pid == known.pid || task.vpid == known.pid
}

fn hold(known: &Known, task: &Task, args: Option<&[u8]>) -> Result<(), String> {
    let start_ticks = task.start_ns / TICK_NS;
    if start_ticks.abs_diff(known.start_ticks) > 1 {
        let (told, right) = (start_ticks, known.start_ticks);
        return Err(format!("that it started at tick {told}, and it was {right}"));
    }
    // Numbers of others are not ours in a pid namespace.
    if task.pid == known.pid {
        let pairs = [
            ("parent", task.ppid, known.ppid),
            ("process group", task.pgid, known.pgid),
            ("session", task.sid, known.sid),
        ];
        for (what, told, right) in pairs {
            if told != right {
                return Err(format!("that its {what} is {told}, and it was {right}"));
            }
        }
    }
    let Some(args) = args else { return Ok(()) };
    let comm = String::from_utf8_lossy(&task.comm);
    let comm = comm.trim_end_matches('\0');
    if comm != known.comm {
        return Err(format!("that it was called {comm:?}, and it was {:?}", known.comm));
    }
    if args != format!("{PROGRAM}\0{ARGUMENT}\0").as_bytes() {
        let told = String::from_utf8_lossy(args);
        return Err(format!("that its arguments were {told:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] = b"7 (a) b) S 5 6 4 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1234 9 9\n";

    fn task() -> Task {
        let mut task = Task { pid: 7, ppid: 5, pgid: 6, sid: 4, ..Task::default() };
        task.start_ns = 12_345_678_901;
        task.comm[..4].copy_from_slice(b"a) b");
        task
    }

    #[test]
    fn what_is_true_holds() {
        let known = Known::of(7, STAT).expect("it is a line of stat");
        assert_eq!(hold(&known, &task(), Some(b"/proc/self/exe\0--version\0")), Ok(()));
        assert_eq!(hold(&known, &task(), None), Ok(()));
        // In a pid namespace.
        let outside = Task { pid: 70_007, vpid: 7, ppid: 70_005, ..task() };
        assert!(is_of(&known, &outside));
        assert_eq!(hold(&known, &outside, None), Ok(()));
    }

    #[test]
    fn what_is_not_is_named() {
        let known = Known::of(7, STAT).expect("it is a line of stat");
        let says = |task: Task, args: &[u8]| hold(&known, &task, Some(args)).unwrap_err();
        let good = b"/proc/self/exe\0--version\0";
        assert!(says(Task { start_ns: 0, ..task() }, good).contains("1234"));
        assert!(says(Task { ppid: 9, ..task() }, good).contains("parent is 9, and it was 5"));
        assert!(says(Task { comm: [0; 16], ..task() }, good).contains("called"));
        assert!(says(task(), b"x").contains("arguments"));
    }

    #[test]
    fn who_tells_nothing_is_named_and_rubbish_is_refused() {
        let child = trial(&[], |_| {});
        assert_eq!(child, Ok(()));
        let rubbish = trial(&[Kind::Exec], |each| each(b"rubbish"));
        assert_eq!(rubbish, Err("a record is malformed".to_owned()));
    }
}
