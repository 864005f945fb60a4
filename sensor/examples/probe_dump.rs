//! Prints the records that the kernel probes make, as they come: `probe_dump COMMAND [ARGUMENT…]`
//! runs a command and ends with it; without one it goes on until it is interrupted.

use std::process::{Command, ExitCode};
use std::time::Duration;

use ocellus::backend::CaptureSettings;
use ocellus::backend::ebpf::Ebpf;
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

fn run(command: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    let settings = CaptureSettings { env_max: 4096, ..CaptureSettings::default() };
    let mut backend = Ebpf::open(&settings)?;
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
