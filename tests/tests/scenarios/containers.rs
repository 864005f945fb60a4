//! Containers: what their cgroups and the files of their runtimes tell. No runtime is needed, as
//! the sensor asks none: the cgroups have the names that a runtime gives them, and the files stand
//! below the directory that the sensor is told to look in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::mount::{MsFlags, mount, umount};
use serde_json::{Value, json};

use crate::family::{Family, expect};
use crate::kernel::GUEST_VARIABLE;
use crate::runner::{Group, Held, Scenario};
use crate::stage::{self, STILL, Stage};

pub const GROUP: Group = Group {
    title: "Containers",
    // One of them may have to mount what the others look for.
    alone: true,
    scenarios: &[
        Scenario {
            name: "docker container, cgroup version 2",
            expected: "id and runtime from the cgroup; name, image and tag from docker's own file",
            run: docker_v2,
        },
        Scenario {
            name: "docker container, cgroup version 1",
            expected: "the same, from the cgroup of the pids controller",
            run: docker_v1,
        },
        Scenario {
            name: "container of a pod, containerd",
            expected: "name in the pod, image, pod and namespace from containerd's own file",
            run: pod,
        },
        Scenario {
            name: "podman container",
            expected: "name and image from podman's own list",
            run: podman,
        },
        Scenario { name: "system container of LXC", expected: "its name is its id", run: lxc },
        Scenario {
            name: "container of which no file tells",
            expected: "id and runtime, and no name",
            run: without_files,
        },
        Scenario {
            name: "process that leaves its container's cgroup",
            expected: "no container any more, from the next exec on",
            run: leaves,
        },
    ],
};

/// Where the hierarchy of the unified version is mounted, or that of the pids controller.
fn mounted(version: u32) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("it is readable");
    mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, path, kind, options, ..] = words[..] else { return None };
        let fits = match version {
            1 => kind == "cgroup" && options.split(',').any(|option| option == "pids"),
            _ => kind == "cgroup2",
        };
        fits.then(|| path.into())
    })
}

/// A cgroup that goes with the scenario.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(version: u32, name: &str) -> Option<Cgroup> {
        let path = mounted(version)?.join(name);
        fs::create_dir_all(&path).ok()?;
        Some(Cgroup(path))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A parent that others use stays.
        let paths = self.0.ancestors().take(2);
        paths.for_each(|path| drop(fs::remove_dir(path)));
    }
}

/// Words that enter cgroups, one after the other, and then become another program.
const ENTER: &str = "while [ \"$1\" != -- ]; do \
    echo 0 >\"$1/cgroup.procs\" || exit 9; shift; done; shift; exec \"$@\"";

/// A command that becomes `words` in the cgroup.
fn inside(cgroup: &Cgroup, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", ENTER, "sh"]);
    // The sensor prefers the pids controller where it says something.
    if let Some(pids) = mounted(1).filter(|pids| !cgroup.0.starts_with(pids)) {
        command.arg(pids);
    }
    command.arg(&cgroup.0).arg("--").args(words);
    command
}

/// Runs a process in the cgroup. A backend that reads /proc must find it there.
fn play_inside(stage: &Stage, cgroup: &Cgroup) -> Family {
    stage.play_until(&mut inside(cgroup, &[STILL]), 2)
}

/// Runs processes in the cgroup until one of them is told with the container's name: nobody waits
/// for what a runtime's files say, so that the first event may be without.
fn named(stage: &Stage, cgroup: &Cgroup) -> Family {
    stage.wait("event that names the container", || {
        let family = play_inside(stage, cgroup);
        family.root().last("exec")["container"]["name"].is_string().then_some(family)
    })
}

fn put(stage: &Stage, path: &str, content: &str) {
    let path = stage.runtimes().join(path);
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("there is room");
    fs::write(path, content).expect("there is room");
}

fn docker(stage: &Stage, version: u32, id: &str, cgroup: &str) -> Held {
    let content = r#"{"Name":"/web","Config":{"Image":"registry.example:5000/nginx:1.25"}}"#;
    put(stage, &format!("var/lib/docker/containers/{id}/config.v2.json"), content);
    let Some(cgroup) = Cgroup::make(version, cgroup) else {
        return Held::Unsupported(format!("there is no cgroup of version {version} to use"));
    };
    let family = named(stage, &cgroup);
    for kind in ["exec", "exit"] {
        expect(
            family.root().last(kind),
            &[
                ("container.id", json!(id)),
                ("container.runtime", json!("docker")),
                ("container.name", json!("web")),
                ("container.image.name", json!("registry.example:5000/nginx")),
                ("container.image.tag", json!(["1.25"])),
                ("orchestrator.type", json!(null)),
            ],
        );
    }
    expect(family.root().the("fork"), &[("container.id", json!(null))]);
    Held::Yes
}

fn docker_v2(stage: &Stage) -> Held {
    let id = "d0c2".repeat(16);
    docker(stage, 2, &id, &format!("docker-{id}.scope"))
}

/// Unmounts when it goes.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = umount(&self.0);
    }
}

/// Mounts the pids controller as version 1 where nobody has, and where the kernel is the
/// scenarios'.
fn mount_v1(stage: &Stage) -> Option<Mount> {
    if mounted(1).is_some() || std::env::var_os(GUEST_VARIABLE).is_none() {
        return None;
    }
    let at = stage.directory("cgroup-v1");
    let cgroup = Some("cgroup");
    mount(cgroup, &at, cgroup, MsFlags::empty(), Some("pids")).ok()?;
    Some(Mount(at))
}

fn docker_v1(stage: &Stage) -> Held {
    let _mount = mount_v1(stage);
    let id = "d0c1".repeat(16);
    docker(stage, 1, &id, &format!("docker/{id}"))
}

/// The hierarchy that this host has.
fn any_cgroup(name: &str) -> Result<Cgroup, Held> {
    let made = Cgroup::make(2, name).or_else(|| Cgroup::make(1, name));
    made.ok_or_else(|| Held::Unsupported("there is no cgroup to use".to_owned()))
}

fn pod(stage: &Stage) -> Held {
    let id = "c0d1".repeat(16);
    let content = r#"{"annotations":{"io.kubernetes.cri.container-name":"shop",
        "io.kubernetes.cri.image-name":"registry.example/shop@sha256:77",
        "io.kubernetes.cri.sandbox-name":"shop-5d","io.kubernetes.cri.sandbox-uid":"u1",
        "io.kubernetes.cri.sandbox-namespace":"default"}}"#;
    let dir = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
    put(stage, &format!("{dir}/{id}/config.json"), content);
    let cgroup = match any_cgroup(&format!("kubepods-pod1.slice/cri-containerd-{id}.scope")) {
        Ok(cgroup) => cgroup,
        Err(held) => return held,
    };
    expect(
        named(stage, &cgroup).root().last("exec"),
        &[
            ("container.id", json!(id)),
            ("container.runtime", json!("containerd")),
            ("container.name", json!("shop")),
            ("container.image.name", json!("registry.example/shop")),
            ("container.image.tag", json!(null)),
            ("container.image.hash.all", json!(["sha256:77"])),
            ("orchestrator.type", json!("kubernetes")),
            ("orchestrator.namespace", json!("default")),
            ("orchestrator.resource.type", json!("pod")),
            ("orchestrator.resource.name", json!("shop-5d")),
            ("orchestrator.resource.id", json!("u1")),
        ],
    );
    Held::Yes
}

fn podman(stage: &Stage) -> Held {
    let id = "90d3".repeat(16);
    let metadata = r#"{\"image-name\":\"docker.io/library/db:9\"}"#;
    let content = format!(r#"[{{"id":"{id}","names":["db"],"metadata":"{metadata}"}}]"#);
    put(stage, "var/lib/containers/storage/overlay-containers/containers.json", &content);
    let cgroup = match any_cgroup(&format!("libpod-{id}.scope/container")) {
        Ok(cgroup) => cgroup,
        Err(held) => return held,
    };
    expect(
        named(stage, &cgroup).root().last("exec"),
        &[
            ("container.id", json!(id)),
            ("container.runtime", json!("podman")),
            ("container.name", json!("db")),
            ("container.image.name", json!("docker.io/library/db")),
            ("container.image.tag", json!(["9"])),
        ],
    );
    Held::Yes
}

fn lxc(stage: &Stage) -> Held {
    let cgroup = match any_cgroup("lxc.payload.ocellus-7/init.scope") {
        Ok(cgroup) => cgroup,
        Err(held) => return held,
    };
    expect(
        play_inside(stage, &cgroup).root().last("exec"),
        &[
            ("container.id", json!("ocellus-7")),
            ("container.runtime", json!("lxc")),
            ("container.name", json!("ocellus-7")),
        ],
    );
    Held::Yes
}

fn without_files(stage: &Stage) -> Held {
    let id = "0f11".repeat(16);
    let cgroup = match any_cgroup(&format!("crio-{id}.scope")) {
        Ok(cgroup) => cgroup,
        Err(held) => return held,
    };
    expect(
        play_inside(stage, &cgroup).root().last("exec"),
        &[
            ("container.id", json!(id)),
            ("container.runtime", json!("cri-o")),
            ("container.name", json!(null)),
            ("container.image.name", json!(null)),
        ],
    );
    Held::Yes
}

fn leaves(stage: &Stage) -> Held {
    let id = "1ea7".repeat(16);
    let cgroup = match any_cgroup(&format!("docker-{id}.scope")) {
        Ok(cgroup) => cgroup,
        Err(held) => return held,
    };
    let root = stage::text(cgroup.0.parent().expect("it is below the mount"));
    let enter = format!("read line; {ENTER}");
    let words = ["sh", "-c", &enter, "sh", &root, "--", STILL];
    // It stays inside until that is told.
    let family = stage.play_until(&mut inside(&cgroup, &words), 2);
    let root = family.root();
    let ids: Vec<&Value> =
        root.all("exec").into_iter().map(|event| &event["container"]["id"]).collect();
    assert_eq!(ids, [&json!(null), &json!(id), &json!(null)]);
    expect(root.last("exit"), &[("container.id", json!(null))]);
    Held::Yes
}
