//! What the observed processes do. Each role ends with the status in its description, or with 99.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::leader;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::fexecve;

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

pub fn play(arguments: &[String]) -> ExitCode {
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let paths: Vec<PathBuf> = arguments.iter().skip(1).map(PathBuf::from).collect();
    let path = |index: usize| paths.get(index).map_or(Path::new(""), PathBuf::as_path);
    let outcome = match name {
        "end" => Ok(ExitCode::from(7)),
        "ids" => ids(),
        "changes" => changes(path(0), path(1)),
        "wait" => wait(),
        "threads" => threads(),
        "thread-exec" => thread_exec(),
        "leader-ends" => leader_ends(),
        "memfd" => memfd(),
        "deleted" => deleted(path(0)),
        "chroot" => change_root(path(0), path(1)),
        "deep" => deep(path(0), path(1)),
        "cgroup" => cgroup(path(0)),
        other => Err(format!("no role {other}").into()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("role {name}: {error}");
        ExitCode::from(99)
    })
}

/// Becomes this program in the role `end`, which ends with 7.
fn become_end() -> Outcome {
    let program = std::env::current_exe()?;
    Err(Command::new(program).args(["role", "end"]).exec().into())
}

/// Takes another name, session, groups and users, in this order, then ends with 0.
fn ids() -> Outcome {
    fs::write("/proc/self/comm", "renamed")?;
    nix::unistd::setsid()?;
    let gid = |id: u32| nix::unistd::Gid::from_raw(2000 + id);
    nix::unistd::setresgid(gid(1), gid(2), gid(3))?;
    let uid = |id: u32| nix::unistd::Uid::from_raw(1000 + id);
    nix::unistd::setresuid(uid(1), uid(2), uid(3))?;
    Ok(ExitCode::SUCCESS)
}

/// Rounds of the role `changes` for one in which it changes its name as well. Processes that do
/// little else are preempted in the first probe and in both spares of a CPU at once.
pub const ROUNDS_PER_NAME: usize = 8;

/// Changes its user, its process group and now and then its name, each twice in a round, then ends
/// with 0. `group` is the number of a group of this session.
fn changes(rounds: &Path, group: &Path) -> Outcome {
    let rounds: usize = rounds.to_str().unwrap_or_default().parse()?;
    let group = nix::unistd::Pid::from_raw(group.to_str().unwrap_or_default().parse()?);
    let root = nix::unistd::Uid::from_raw(0);
    let other = nix::unistd::Uid::from_raw(1000);
    let this = nix::unistd::Pid::from_raw(0);
    // Opened by root, for what becomes another user.
    let mut name = File::options().write(true).open("/proc/self/comm")?;
    for round in 0..rounds {
        nix::unistd::setresuid(root, other, root)?;
        nix::unistd::setpgid(this, this)?;
        nix::unistd::setresuid(root, root, root)?;
        nix::unistd::setpgid(this, group)?;
        if round % ROUNDS_PER_NAME == 0 {
            name.write_all(b"one")?;
            name.write_all(b"another")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end of its input, then ends with 0.
fn wait() -> Outcome {
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs fifty threads, then ends with 0.
fn threads() -> Outcome {
    let threads: Vec<_> = (0..50).map(|_| std::thread::spawn(std::thread::yield_now)).collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread failed")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Executes in a thread that is not the leader.
fn thread_exec() -> Outcome {
    let thread = std::thread::spawn(|| become_end().map_err(|error| error.to_string()));
    Ok(thread.join().map_err(|_| "the thread failed")??)
}

/// Ends the leader with 4, later the whole group with 5.
fn leader_ends() -> Outcome {
    std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        std::process::exit(5);
    });
    leader::end_this_thread(4)
}

/// Executes this program from a file that is only in memory.
fn memfd() -> Outcome {
    let mut file = File::from(memfd_create("oc-live", MFdFlags::empty())?);
    file.write_all(&fs::read(std::env::current_exe()?)?)?;
    // Writable files cannot be executed: go on with a descriptor that only reads.
    let file_read =
        File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)))?;
    drop(file);
    execute(&file_read)
}

/// Executes `program` after its name is gone.
fn deleted(program: &Path) -> Outcome {
    let file = File::open(program)?;
    fs::remove_file(program)?;
    execute(&file)
}

/// Executes an open file in the role `end`.
fn execute(file: &File) -> Outcome {
    let arguments: Vec<CString> =
        ["end-by-descriptor", "role", "end"].map(|text| CString::new(text).expect("no NUL")).into();
    match fexecve(file, &arguments, &Vec::<CString>::new())? {}
}

/// Executes this program below another root, in a directory there.
fn change_root(root: &Path, dir: &Path) -> Outcome {
    let program = std::env::current_exe()?;
    std::os::unix::fs::chroot(root)?;
    std::env::set_current_dir(dir)?;
    Err(Command::new(program).args(["role", "end"]).exec().into())
}

/// Makes directories one below the other, named by the components of `names`, and executes there.
fn deep(start: &Path, names: &Path) -> Outcome {
    std::env::set_current_dir(start)?;
    for name in names {
        fs::create_dir(name)?;
        std::env::set_current_dir(name)?;
    }
    become_end()
}

/// Moves to a control group and executes there.
fn cgroup(group: &Path) -> Outcome {
    fs::write(group.join("cgroup.procs"), "0")?;
    become_end()
}
