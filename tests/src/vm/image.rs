//! What a guest holds when it boots.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{Architecture, Archive, kernels, output_of};

/// Where a guest has its shell and the usual commands.
const BUSYBOX: &str = "/bin/busybox";

const COMMANDS: &[&str] = &[
    "cat", "chmod", "cp", "dd", "dmesg", "echo", "env", "false", "grep", "head", "id", "insmod",
    "ip", "kill", "ln", "ls", "mkdir", "mount", "poweroff", "rm", "sed", "sh", "sleep", "su",
    "sync", "tail", "tar", "timeout", "touch", "true", "umount", "uname", "unshare", "wc",
];

const FOLDERS: &[&str] =
    &["/dev", "/proc", "/sys", "/tmp", "/run", "/root", "/mnt", "/out", "/var/tmp", "/var/cache"];

const INIT: &str = include_str!("init.sh");

/// The guest's first file system.
#[derive(Clone, Debug)]
pub struct Image {
    architecture: Architecture,
    archive: Archive,
}

impl Image {
    /// A shell, and what it takes to boot. An error says what is missing on this host.
    pub fn new(architecture: Architecture) -> io::Result<Image> {
        let mut archive = Archive::default();
        FOLDERS.iter().for_each(|folder| archive.folder(folder));
        let busybox = kernels::busybox(architecture)?;
        let busybox = fs::read(&busybox).map_err(|error| {
            let words = "install busybox-static, `.ci/setup kernels` does it";
            io::Error::new(error.kind(), format!("{}: {error}: {words}", busybox.display()))
        })?;
        archive.file(BUSYBOX, 0o755, &busybox);
        for command in COMMANDS {
            archive.link(format!("/bin/{command}"), "busybox");
        }
        archive.file("/init", 0o755, INIT.as_bytes());
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
        archive.file("/etc/passwd", 0o644, users.as_bytes());
        archive.file("/etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n");
        archive.file("/etc/machine-id", 0o644, b"0123456789abcdef0123456789abcdef\n");
        Ok(Image { architecture, archive })
    }

    /// Adds a program, without what only a debugger reads, and its libraries, where they are here.
    pub fn program(&mut self, path: &Path) -> io::Result<()> {
        if self.archive.has(path) {
            return Ok(());
        }
        let stripped = tempfile::NamedTempFile::new()?;
        output_of(
            Command::new(self.architecture.tool("strip")).arg("-o").arg(stripped.path()).arg(path),
        )?;
        self.archive.file(path, 0o755, &fs::read(stripped.path())?);
        for (guest, host) in self.architecture.libraries(path)? {
            if !self.archive.has(&guest) {
                self.archive.file(&guest, 0o755, &fs::read(&host)?);
            }
        }
        Ok(())
    }

    /// Adds a file, or a folder with all that is in it, where it is here.
    pub fn files(&mut self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            self.archive.file(path, 0o644, &fs::read(path)?);
            return Ok(());
        }
        self.archive.folder(path);
        for entry in fs::read_dir(path)? {
            self.files(&entry?.path())?;
        }
        Ok(())
    }

    pub fn folder(&mut self, path: &Path) {
        self.archive.folder(path);
    }

    /// The archive of all this, to which others may be appended.
    pub fn bytes(&self) -> Vec<u8> {
        self.archive.clone().finish()
    }
}
