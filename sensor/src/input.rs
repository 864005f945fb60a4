//! What goes into the machine. A recording is a list of these with the time at which each went in,
//! which is why a replay gives the same events to the byte.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One thing that the rim tells the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input<'a> {
    /// Who this host is. First in every recording; again when it changes.
    Host(HostInfo),
    /// What to add to boottime to get wall time, in ns. First with the host, then after each step.
    Clock { wall_offset_ns: i64 },
    /// All user and group names known, in place of those before.
    Names(Names),
    /// Answers for ids that the machine asked for: names, or none where there is no such id.
    MoreNames(NameAnswers),
    /// One kernel record, as laid out in `ebpf/bpf/abi.h`; or a running process in the same form,
    /// read from /proc.
    Raw(#[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>),
    /// All running processes have gone in as raw events of kind existing. Those that live by the
    /// table and were not among them are gone.
    SnapshotEnd { began_ns: u64 },
    /// Raw events that the backend lost since the last report.
    Lost(Lost),
    /// A hash that the machine asked for.
    Hash(HashResult),
    /// What a runtime's files say about a container that the machine asked for.
    Container(ContainerAnswer),
    /// Nothing but the time has changed.
    Tick,
}

/// Who this host is; absent parts could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// /etc/machine-id.
    pub id: Option<String>,
    /// /proc/sys/kernel/random/boot_id.
    pub boot_id: Option<String>,
    pub hostname: Option<String>,
    /// Name that the configuration gives the host, in place of the host name.
    pub name: Option<String>,
    /// `machine` of uname(2), for example `x86_64`.
    pub architecture: Option<String>,
    /// `release` of uname(2).
    pub kernel: Option<String>,
    /// NAME, VERSION_ID, PRETTY_NAME, ID and the first of ID_LIKE of os-release(5).
    pub os_name: Option<String>,
    pub os_version: Option<String>,
    pub os_full: Option<String>,
    pub os_platform: Option<String>,
    pub os_family: Option<String>,
    /// Process id of the sensor itself, to mark its own events; 0 when it watches another host.
    pub sensor_pid: u32,
}

/// User and group names by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    pub users: BTreeMap<u32, String>,
    pub groups: BTreeMap<u32, String>,
}

/// Names of ids that [`Names`] did not hold; none means that nobody has the id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAnswers {
    pub users: BTreeMap<u32, Option<String>>,
    pub groups: BTreeMap<u32, Option<String>>,
}

/// Raw events that never arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Name of the cause, for example `ring_full`.
    pub cause: String,
    /// Kind of the raw events, for example `exec`; `unknown` where the kernel does not say.
    pub kind: String,
    pub count: u64,
}

/// Identity of a file's content, as the kernel gave it at exec. Two files that agree in all of it
/// have the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    pub dev_major: u32,
    pub dev_minor: u32,
    pub inode: u64,
    pub size: u64,
    /// Nanoseconds since the epoch.
    pub mtime_ns: u64,
    pub ctime_ns: u64,
}

/// What the machine asks of the hash pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashRequest {
    pub id: FileId,
    /// A process that runs the file: the way to it through /proc, while it lives.
    pub pid: u32,
    /// Path in the root of that process, as bytes.
    pub path: Vec<u8>,
    /// The file is on an overlay, whose device numbers differ between the kernel and stat(2).
    pub overlay: bool,
}

/// What came of hashing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashStatus {
    Ok,
    /// The file is no longer the one that was executed.
    Changed,
    /// It cannot be reached any more.
    Gone,
    /// It is larger than `hash.max_file_size`.
    TooLarge,
    /// It did not come in time.
    Timeout,
    /// Reading failed.
    Error,
    /// Hashing is switched off.
    Off,
}

impl HashStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            HashStatus::Ok => "ok",
            HashStatus::Changed => "changed",
            HashStatus::Gone => "gone",
            HashStatus::TooLarge => "too_large",
            HashStatus::Timeout => "timeout",
            HashStatus::Error => "error",
            HashStatus::Off => "off",
        }
    }
}

/// Digests of one file, lower-case hex; those that are not configured are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    pub md5: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
    pub sha384: Option<String>,
    pub sha512: Option<String>,
}

/// Answer to a [`HashRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashResult {
    pub id: FileId,
    pub status: HashStatus,
    pub digests: Digests,
    /// What went wrong, for `error.message`.
    pub detail: Option<String>,
}

/// A container about which the machine wants to know more than its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRequest {
    pub id: Arc<str>,
    /// None where the cgroup path does not say.
    pub runtime: Option<&'static str>,
}

/// Answer to a [`ContainerRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerAnswer {
    pub id: String,
    /// None where no file tells of it.
    pub about: Option<ContainerInfo>,
}

/// What a runtime's files say about a container; absent parts they do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerInfo {
    pub name: Option<String>,
    /// The image as it was asked for, for example `docker.io/library/nginx:1.25`.
    pub image: Option<String>,
    /// Of Kubernetes.
    pub namespace: Option<String>,
    /// Name and uid of the pod.
    pub pod: Option<String>,
    pub pod_uid: Option<String>,
}
