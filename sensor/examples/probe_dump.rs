//! Prints the records that the kernel probes make, as they come: `probe_dump COMMAND [ARGUMENT…]`
//! runs a command and ends with it; without one it goes on until it is interrupted. Before it,
//! `--no-fentry` and `--no-functions` leave out these ways to probe functions of the kernel, and
//! `--syscalls` permits probes of every system call.

use std::process::{Command, ExitCode};
use std::time::Duration;

use ocellus::backend::ebpf::Ebpf;
use ocellus::backend::{CaptureSettings, IdProbes};
use ocellus_ebpf::abi::{Kind, Record, SpanId};

/// Between two looks at the ring, which holds the records of seconds.
const PAUSE: Duration = Duration::from_millis(50);
/// Records taken at a time.
const BATCH: usize = 256;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe_dump: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut command: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    let mut has = |option: &str| {
        let found = command.first().is_some_and(|word| word == option);
        if found {
            command.remove(0);
        }
        found
    };
    let (no_fentry, no_functions) = (has("--no-fentry"), has("--no-functions"));
    let ids = if has("--syscalls") { IdProbes::Syscalls } else { IdProbes::On };
    let settings = CaptureSettings { env_max: 4096, ids, ..CaptureSettings::default() };
    let mut backend =
        Ebpf::open_without_functions(&settings, no_fentry || no_functions, no_functions)?;
    for probe in backend.probes() {
        println!("{probe}");
    }
    println!("processes: {}", backend.task_starts()?.len());
    if let Some((program, arguments)) = command.split_first() {
        let status = Command::new(program).args(arguments).status()?;
        drain(&mut backend);
        println!("command ended: {status}; lost: {}", backend.lost()?.total());
        return Ok(());
    }
    loop {
        drain(&mut backend);
        std::thread::sleep(PAUSE);
    }
}

fn drain(backend: &mut Ebpf) {
    while backend.drain(BATCH, show) == BATCH {}
}

fn show(bytes: &[u8]) {
    let parsed = match Record::parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return println!("{error}"),
    };
    let Record { head, task, file, .. } = parsed.record;
    let text = |id: SpanId| parsed.span(id).escape_ascii().to_string();
    println!(
        "{} {}: pid {} tid {} ppid {} pgid {} sid {} vpid {} uid {} euid {} comm {} start {} \
         parent start {} tty {}:{} caps {:x} {:x} {:x} {:x} {:x} flags {}",
        head.time_ns,
        parsed.kind.name(),
        task.pid,
        task.tid,
        task.ppid,
        task.pgid,
        task.sid,
        task.vpid,
        task.uid,
        task.euid,
        task.comm.trim_ascii_end().escape_ascii(),
        task.start_ns,
        task.parent_start_ns,
        task.tty_major,
        task.tty_minor,
        task.cap_effective,
        task.cap_permitted,
        task.cap_inheritable,
        task.cap_bounding,
        task.cap_ambient,
        head.flags,
    );
    match parsed.kind {
        Kind::Fork => println!("    cwd {} cgroup {}", text(SpanId::Cwd), text(SpanId::Cgroup)),
        Kind::Exit => println!("    status {:#x}", parsed.record.exit_status),
        Kind::Ids | Kind::Name | Kind::Pgid => println!(
            "    suid {} fsuid {} gid {} egid {} sgid {} fsgid {}",
            task.suid, task.fsuid, task.gid, task.egid, task.sgid, task.fsgid
        ),
        Kind::Exec | Kind::Existing => {
            println!(
                "    exe {} filename {} cwd {} cgroup {}\n    args {} {} env {} {}\n    {file:?}",
                text(SpanId::Exe),
                text(SpanId::Filename),
                text(SpanId::Cwd),
                text(SpanId::Cgroup),
                parsed.record.argc,
                text(SpanId::Args),
                parsed.record.envc,
                text(SpanId::Env),
            );
        }
    }
}
