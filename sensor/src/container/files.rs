//! Name and image of a container, from the files that its runtime keeps; no daemon is asked.
//!
//! For the rim: a thread of its own reads them, since a disk may hang. The files belong to root,
//! but what they say is chosen by whoever starts containers: sizes are bounded, and what does not
//! fit the format counts as nothing.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use nix::fcntl::OFlag;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::is_id;
use crate::input::{ContainerAnswer, ContainerInfo, ContainerRequest};

/// Bytes of a file at most: the list of a thousand containers of podman takes 2 MiB.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Bytes of a text at most; a longer one is nobody's name. The longest real ones are references to
/// images, of some 400 bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// Namespaces of one containerd at most; there are two or three.
const NAMESPACES_MAX: usize = 32;

/// Requests that wait at most. The machine asks once for each container, so only a disk that hangs
/// fills this; it asks again later.
const REQUESTS_MAX: usize = 256;

/// Where docker keeps `containers/ID/config.v2.json`, unless its own configuration says otherwise:
/// `data-root` of dockerd(8), and where Ubuntu's snap has it.
const DOCKER_ROOTS: [&str; 2] = ["var/lib/docker", "var/snap/docker/common/var-lib-docker"];

/// Where dockerd(8) is configured.
const DOCKER_CONFIG: &str = "etc/docker/daemon.json";

/// `state` of containerd-config.toml(5): its own, that of k3s and RKE2, and that of MicroK8s.
const CONTAINERD_STATES: [&str; 3] =
    ["run/containerd", "run/k3s/containerd", "var/snap/microk8s/common/run/containerd"];

/// Below it, `NAMESPACE/ID/config.json`: the bundles of running containers (containerd, runtime
/// v2).
const CONTAINERD_TASKS: &str = "io.containerd.runtime.v2.task";

/// `runroot` and `graphroot` of containers-storage.conf(5), which CRI-O and podman share.
const STORAGE_ROOTS: [&str; 2] = ["run/containers/storage", "var/lib/containers/storage"];

/// Storage drivers by their directory below a storage root.
const STORAGE_DRIVERS: [&str; 2] = ["overlay-containers", "vfs-containers"];

/// Lists of containers that the storage library keeps; those that end with their process are in
/// the second.
const STORAGE_LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// Answers on a thread of its own.
#[derive(Debug)]
pub struct Reader {
    requests: SyncSender<ContainerRequest>,
}

impl Reader {
    /// Starts the thread, which looks for the runtimes' files below `root`. `on_answer` gets the
    /// answers on it. The thread ends when the reader is dropped.
    pub fn start(
        root: PathBuf,
        on_answer: impl Fn(ContainerAnswer) + Send + 'static,
    ) -> io::Result<Reader> {
        let (requests, asked): (_, Receiver<ContainerRequest>) = sync_channel(REQUESTS_MAX);
        thread::Builder::new().name("ocellus-containers".to_owned()).spawn(move || {
            while let Ok(request) = asked.recv() {
                let about = look_up(&root, &request);
                on_answer(ContainerAnswer { id: request.id.as_ref().to_owned(), about });
            }
        })?;
        Ok(Reader { requests })
    }

    /// Asks, unless too many requests wait already: the machine asks again then. Never blocks.
    pub fn ask(&self, request: ContainerRequest) {
        drop(self.requests.try_send(request));
    }
}

/// What the files below `root` say about a container.
pub fn look_up(root: &Path, request: &ContainerRequest) -> Option<ContainerInfo> {
    let id = &*request.id;
    // Only digits: no id leads out of a directory.
    if !is_id(id) {
        return None;
    }
    match request.runtime {
        Some("docker") => docker(root, id),
        Some("containerd") => containerd(root, id),
        Some("cri-o") => cri_o(root, id),
        Some("podman") => podman(root, id),
        _ => containerd(root, id)
            .or_else(|| docker(root, id))
            .or_else(|| cri_o(root, id))
            .or_else(|| podman(root, id)),
    }
}

/// Of daemon.json, see `dockerd` in Docker's reference.
#[derive(Deserialize)]
struct DockerDaemon {
    #[serde(rename = "data-root")]
    data_root: PathBuf,
}

/// Of config.v2.json: `Container` of moby's daemon/container/container.go.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerContainer {
    name: Option<String>,
    config: DockerConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

fn docker(root: &Path, id: &str) -> Option<ContainerInfo> {
    let configured = read::<DockerDaemon>(&root.join(DOCKER_CONFIG)).map(|daemon| daemon.data_root);
    let configured = configured.as_deref().map(|path| path.strip_prefix("/").unwrap_or(path));
    let roots = configured.into_iter().chain(DOCKER_ROOTS.iter().map(Path::new));
    let container: DockerContainer = roots
        .map(|docker| root.join(docker).join("containers").join(id).join("config.v2.json"))
        .find_map(|path| read(&path))?;
    let labels = Labels(container.config.labels.unwrap_or_default());
    let name = container.name.map(|name| name.trim_start_matches('/').to_owned());
    Some(ContainerInfo {
        // The name that the kubelet gives docker is `k8s_NAME_POD_…`.
        name: labels.get("io.kubernetes.container.name").or(name.and_then(sound)),
        image: container.config.image.and_then(sound),
        ..labels.pod()
    })
}

/// Of config.json: `Spec` of the OCI runtime specification.
#[derive(Deserialize)]
struct Bundle {
    annotations: Option<BTreeMap<String, String>>,
}

/// Annotations of containerd's CRI plug-in (pkg/cri/annotations) and of nerdctl (pkg/labels).
fn containerd(root: &Path, id: &str) -> Option<ContainerInfo> {
    let bundle: Bundle = CONTAINERD_STATES
        .iter()
        .flat_map(|state| namespaces(&root.join(state).join(CONTAINERD_TASKS)))
        .find_map(|namespace| read(&namespace.join(id).join("config.json")))?;
    let notes = Labels(bundle.annotations.unwrap_or_default());
    let cri = |key: &str| notes.get(&format!("io.kubernetes.cri.{key}"));
    let info = ContainerInfo {
        name: cri("container-name").or_else(|| notes.get("nerdctl/name")),
        image: cri("image-name"),
        namespace: cri("sandbox-namespace"),
        pod: cri("sandbox-name"),
        pod_uid: cri("sandbox-uid"),
    };
    // Docker's containers are here as well, with nothing said about them.
    (info != ContainerInfo::default()).then_some(info)
}

fn namespaces(tasks: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(tasks).into_iter().flatten().flatten();
    entries.take(NAMESPACES_MAX).map(|entry| entry.path()).collect()
}

/// Annotations of CRI-O (pkg/annotations) and of the kubelet, which CRI-O passes on.
fn cri_o(root: &Path, id: &str) -> Option<ContainerInfo> {
    let bundle: Bundle =
        storages(root).find_map(|dir| read(&dir.join(id).join("userdata").join("config.json")))?;
    let notes = Labels(bundle.annotations.unwrap_or_default());
    // An object in a text: the same labels, where they are not annotations.
    let labels = notes.0.get("io.kubernetes.cri-o.Labels");
    let labels = labels.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let (own, labels) = (notes.pod(), Labels(labels));
    let named = labels.pod();
    let container = "io.kubernetes.container.name";
    let info = ContainerInfo {
        name: notes.get(container).or_else(|| labels.get(container)),
        image: notes.get("io.kubernetes.cri-o.ImageName"),
        namespace: own.namespace.or(named.namespace),
        pod: own.pod.or(named.pod),
        pod_uid: own.pod_uid.or(named.pod_uid),
    };
    (info != ContainerInfo::default()).then_some(info)
}

/// Of containers.json: `Container` of containers/storage.
#[derive(Deserialize)]
struct Stored {
    id: String,
    names: Option<Vec<String>>,
    /// An object in a text.
    metadata: Option<String>,
}

/// `RuntimeContainerMetadata` of podman's libpod/storage.go.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StoredMetadata {
    image_name: Option<String>,
    name: Option<String>,
}

/// Containers of root only: those of users are in their home directories.
fn podman(root: &Path, id: &str) -> Option<ContainerInfo> {
    let lists = storages(root).flat_map(|dir| STORAGE_LISTS.map(|list| dir.join(list)));
    let stored = lists
        .filter_map(|path| read::<Vec<Stored>>(&path))
        .find_map(|list| list.into_iter().find(|stored| stored.id == id))?;
    let metadata = stored.metadata.as_deref();
    let metadata = metadata.and_then(|text| serde_json::from_str::<StoredMetadata>(text).ok());
    let (image, name) = metadata.map_or((None, None), |it| (it.image_name, it.name));
    let first = stored.names.and_then(|names| names.into_iter().next());
    Some(ContainerInfo {
        name: name.or(first).and_then(sound),
        image: image.and_then(sound),
        ..ContainerInfo::default()
    })
}

fn storages(root: &Path) -> impl Iterator<Item = PathBuf> {
    STORAGE_ROOTS
        .iter()
        .flat_map(move |storage| STORAGE_DRIVERS.map(|driver| root.join(storage).join(driver)))
}

/// Labels or annotations by their names.
#[derive(Default)]
struct Labels(BTreeMap<String, String>);

impl Labels {
    fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned().and_then(sound)
    }

    /// What the kubelet says about the pod of a container (pkg/kubelet/types/labels.go).
    fn pod(&self) -> ContainerInfo {
        ContainerInfo {
            namespace: self.get("io.kubernetes.pod.namespace"),
            pod: self.get("io.kubernetes.pod.name"),
            pod_uid: self.get("io.kubernetes.pod.uid"),
            ..ContainerInfo::default()
        }
    }
}

/// A text that may be a name.
fn sound(text: String) -> Option<String> {
    (1..=TEXT_BYTES_MAX).contains(&text.len()).then_some(text)
}

/// A regular file of JSON; anything else counts as nothing. Never waits for a FIFO.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::debug!(%error, path = %path.display(), "no such container"))
        .ok()
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
