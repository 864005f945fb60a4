//! One boot of a guest.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Architecture, Archive, Image, Kernel, output_of};

/// Room for what a guest leaves. Only what is used of it is on this host's disk.
const OUT_BYTES: u64 = 1 << 30;

/// Lines of the console that an error quotes.
const LINES_SHOWN: usize = 30;

/// What to boot, and what it is to do.
#[derive(Clone, Debug)]
pub struct Boot<'a> {
    pub kernel: &'a Kernel,
    pub image: &'a Image,
    /// A shell script.
    pub task: &'a str,
    /// Files for this boot only, with their paths in the guest.
    pub files: &'a [(&'a str, Vec<u8>)],
    /// Parameters for the kernel.
    pub parameters: &'a str,
    pub memory_mib: u32,
    /// One CPU whose time is the number of instructions, a nanosecond each, instead of two that are
    /// as fast as this host lets them.
    pub counted: bool,
    pub time_limit: Duration,
}

/// What a guest did.
#[derive(Debug)]
pub struct Ran {
    /// All that it wrote to its console.
    pub console: String,
    out: TempDir,
}

impl Ran {
    /// A file that it left in `/out`, as text; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.bytes(name)).into_owned()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.out.path().join("files").join(name)
    }
}

impl Boot<'_> {
    /// Boots it and waits until it has powered off. An error quotes the end of its console.
    pub fn run(&self) -> io::Result<Ran> {
        let out = tempfile::Builder::new().prefix("ocellus-guest-").tempdir()?;
        let (initrd, disk) = (out.path().join("initrd"), out.path().join("disk"));
        fs::write(&initrd, self.initrd()?)?;
        File::create(&disk)?.set_len(OUT_BYTES)?;
        let mut child = self.command(&initrd, &disk).spawn().map_err(|error| {
            let (qemu, ..) = self.kernel.architecture.machine();
            let words = "`.ci/setup kernels` or `.ci/setup arm64` installs it";
            io::Error::new(error.kind(), format!("{qemu}: {error}: {words}"))
        })?;
        let console = self.follow(&mut child)?;
        if !console.contains("guest: done") {
            return Err(io::Error::other(format!("the guest ended early:\n{}", tail(&console))));
        }
        let files = out.path().join("files");
        fs::create_dir(&files)?;
        output_of(Command::new("tar").arg("-xf").arg(&disk).arg("-C").arg(&files))?;
        fs::remove_file(&initrd)?;
        fs::remove_file(&disk)?;
        Ok(Ran { console, out })
    }

    fn initrd(&self) -> io::Result<Vec<u8>> {
        let mut own = Archive::default();
        own.file("/task", 0o644, self.task.as_bytes());
        own.file("/overlay.ko", 0o644, &fs::read(self.kernel.overlay_module())?);
        for (path, content) in self.files {
            own.file(path, 0o644, content);
        }
        Ok([self.image.bytes(), own.finish()].concat())
    }

    fn command(&self, initrd: &Path, disk: &Path) -> Command {
        let cpus: &[&str] = match self.counted {
            true => &["-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0,sleep=off"],
            false => &["-accel", "tcg,thread=multi,tb-size=512", "-smp", "2"],
        };
        let (qemu, machine, _) = self.kernel.architecture.machine();
        let mut command = Command::new(qemu);
        command
            .args(machine)
            .args(["-cpu", "max", "-nodefaults", "-no-reboot", "-display", "none"])
            .args(["-net", "none", "-serial", "stdio", "-device", "nvme,drive=out,serial=out"])
            .args(cpus)
            .args(["-m", &self.memory_mib.to_string()])
            .arg("-kernel")
            .arg(self.kernel.image())
            .arg("-initrd")
            .arg(initrd)
            .arg("-drive")
            .arg(format!("file={},if=none,format=raw,id=out", disk.display()))
            .args(["-append", &format!("{} {}", self.parameters_of_all(), self.parameters)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        command
    }

    /// The command line of every kernel.
    ///
    /// Linux does not trust the emulated CPU's counter by itself and takes the HPET, whose readers
    /// may get what another CPU read some ms ago: with it, no order of events could be asserted.
    /// Where instructions are counted, the clock stays as it is for others that were measured so.
    fn parameters_of_all(&self) -> String {
        let (_, _, console) = self.kernel.architecture.machine();
        let clock = match self.kernel.architecture {
            Architecture::Amd64 if !self.counted => " tsc=reliable clocksource=tsc",
            Architecture::Amd64 | Architecture::Arm64 => "",
        };
        format!("{console} quiet panic=-1{clock}")
    }

    /// Reads the console until its end, and tells how far the guest is.
    fn follow(&self, child: &mut Child) -> io::Result<String> {
        let lines = lines_of(child);
        let began = Instant::now();
        let mut console = String::new();
        loop {
            let left = self.time_limit.saturating_sub(began.elapsed());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(words) = line.strip_prefix("guest: ") {
                        println!("  {:>4} s  {words}", began.elapsed().as_secs());
                    }
                    console.push_str(&line);
                    console.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    child.wait()?;
                    let limit = self.time_limit.as_secs();
                    let words = format!("no end in {limit} s:\n{}", tail(&console));
                    return Err(io::Error::other(words));
                }
            }
        }
        child.wait()?;
        Ok(console)
    }
}

/// The lines of a guest's console, as they come.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let stdout = child.stdout.take().expect("it is piped");
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The end of a console.
fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}
