//! A sensor that runs for long, with storms of processes, a collector that comes and goes, and
//! reloads: what it holds must not grow.

use std::io::{Read as _, sink};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::load;
use crate::program::{Ended, Running};

/// In each minute, so long a storm, and quiet for the rest.
const STORM: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const WORKERS: usize = 2;
/// Minutes between two reloads.
const RELOAD_MINUTES: u64 = 5;
/// The collector ends each connection after so long, and is away as long again.
const CONNECTION: Duration = Duration::from_secs(45);

/// What the sensor holds at the end of a minute, when the storm is over.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub minute: u64,
    pub resident_kib: u64,
    pub descriptors: usize,
    /// Processes that the storms have executed so far.
    pub processes: u64,
}

/// Runs for so many minutes and tells each sample.
pub fn run(dir: &Path, rules: &Path, minutes: u64, mut tell: impl FnMut(Sample)) -> Ended {
    let collector = Collector::start();
    let outputs = format!(
        "[output.rotate]\nsize = \"4 MiB\"\nkeep_files = 2\n\
         [[output]]\ntype = \"tcp\"\naddress = \"127.0.0.1:{}\"\nwhen_full = \"drop-oldest\"\n\
         [output.spool]\ndir = {:?}\nmax_size = \"64 MiB\"\n",
        collector.port,
        dir.join("spool")
    );
    let rules = rules.to_str().expect("the path is UTF-8");
    let running = Running::start_with_outputs(dir, &outputs, &["--rules", rules]);
    let began = Instant::now();
    let mut processes = 0;
    for minute in 1..=minutes {
        let argument = |worker, count| format!("soak-{minute}-{worker}-{count}");
        processes += load::run(WORKERS, STORM, Duration::ZERO, argument);
        if minute.is_multiple_of(RELOAD_MINUTES) {
            running.signal(Signal::SIGHUP);
        }
        thread::sleep((MINUTE * minute as u32).saturating_sub(began.elapsed()));
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", running.pid()));
        tell(Sample {
            minute,
            resident_kib: load::resident_kib(running.pid()),
            descriptors: descriptors.expect("it runs").count(),
            processes,
        });
    }
    running.stop()
}

/// Takes what comes, and forgets it.
struct Collector {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let port = listener.local_addr().expect("it is bound").port();
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let began = Instant::now();
                while began.elapsed() < CONNECTION && !stopped.load(Ordering::Relaxed) {
                    // An error is a second without events.
                    if std::io::copy(&mut stream.by_ref().take(1 << 20), &mut sink())
                        .is_ok_and(|it| it == 0)
                    {
                        break;
                    }
                }
                drop(stream);
                let away = Instant::now();
                while away.elapsed() < CONNECTION && !stopped.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Collector { port, stop, thread: Some(thread) }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread where it waits for a connection.
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the collector does not panic");
        }
    }
}
