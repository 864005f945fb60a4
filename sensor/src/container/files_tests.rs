//! Files as the runtimes write them, made by hand after the sources that `files` names.

use std::fs;
use std::path::Path;

use super::*;

const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path.replace("{ID}", ID));
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("there is room");
    fs::write(path, content.replace("{ID}", ID)).expect("there is room");
}

fn asked(root: &Path, runtime: Option<&'static str>) -> Option<ContainerInfo> {
    look_up(root, &ContainerRequest { id: ID.into(), runtime })
}

/// A host with one file, asked with the runtime and without.
fn told(path: &str, content: &str, runtime: &'static str) -> Option<ContainerInfo> {
    let root = tempfile::tempdir().expect("there is room");
    assert_eq!(asked(root.path(), Some(runtime)), None, "there is nothing yet");
    write(root.path(), path, content);
    let info = asked(root.path(), Some(runtime));
    assert_eq!(asked(root.path(), None), info, "without the runtime's name it is found, too");
    info
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const DOCKER: &str = r#"{"StreamConfig":{},"State":{"Running":true,"Pid":4711,"ExitCode":0},
    "ID":"{ID}","Created":"2026-03-01T12:00:00.1Z","Managed":false,"Path":"nginx",
    "Args":["-g","daemon off;"],
    "Config":{"Hostname":"c0ffee00c0ff","Env":["PATH=/usr/bin"],"Cmd":null,"Image":"nginx:1.25",
    "Labels":{"maintainer":"somebody"},"Volumes":null},
    "Image":"sha256:0123456789abcdef","Driver":"overlay2","OS":"linux","Name":"/web",
    "RestartCount":0,"MountPoints":{}}"#;

#[test]
fn docker_says_name_and_image() {
    let info = ContainerInfo { name: text("web"), image: text("nginx:1.25"), ..Default::default() };
    let path = "var/lib/docker/containers/{ID}/config.v2.json";
    assert_eq!(told(path, DOCKER, "docker"), Some(info.clone()));
    let snap = "var/snap/docker/common/var-lib-docker/containers/{ID}/config.v2.json";
    assert_eq!(told(snap, DOCKER, "docker"), Some(info.clone()));

    let root = tempfile::tempdir().expect("there is room");
    write(root.path(), "etc/docker/daemon.json", r#"{"debug":true,"data-root":"/srv/docker"}"#);
    write(root.path(), "srv/docker/containers/{ID}/config.v2.json", DOCKER);
    assert_eq!(asked(root.path(), Some("docker")), Some(info), "where its configuration says");
}

#[test]
fn docker_under_kubernetes_has_the_kubelets_labels() {
    let content = r#"{"Name":"/k8s_shop_shop-5d_default_u1_0","Config":{"Image":"sha256:77",
        "Labels":{"io.kubernetes.container.name":"shop","io.kubernetes.docker.type":"container",
        "io.kubernetes.pod.name":"shop-5d","io.kubernetes.pod.namespace":"default",
        "io.kubernetes.pod.uid":"u1"}}}"#;
    let info = told("var/lib/docker/containers/{ID}/config.v2.json", content, "docker");
    let expected = ContainerInfo {
        name: text("shop"),
        image: text("sha256:77"),
        namespace: text("default"),
        pod: text("shop-5d"),
        pod_uid: text("u1"),
    };
    assert_eq!(info, Some(expected));
}

const CRI: &str = r#"{"ociVersion":"1.1.0","process":{"user":{"uid":0,"gid":0},"args":["shop"]},
    "root":{"path":"rootfs"},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
    "annotations":{"io.kubernetes.cri.container-name":"shop",
    "io.kubernetes.cri.container-type":"container",
    "io.kubernetes.cri.image-name":"registry.example/shop:2",
    "io.kubernetes.cri.sandbox-id":"5a","io.kubernetes.cri.sandbox-name":"shop-5d",
    "io.kubernetes.cri.sandbox-namespace":"default","io.kubernetes.cri.sandbox-uid":"u1"},
    "linux":{"cgroupsPath":"kubepods-pod1.slice:cri-containerd:{ID}"}}"#;

#[test]
fn containerd_says_all_that_the_kubelet_asked_for() {
    let expected = ContainerInfo {
        name: text("shop"),
        image: text("registry.example/shop:2"),
        namespace: text("default"),
        pod: text("shop-5d"),
        pod_uid: text("u1"),
    };
    for state in ["run/containerd", "run/k3s/containerd"] {
        let path = format!("{state}/io.containerd.runtime.v2.task/k8s.io/{{ID}}/config.json");
        assert_eq!(told(&path, CRI, "containerd"), Some(expected.clone()), "{state}");
    }
}

#[test]
fn the_sandbox_of_a_pod_has_no_name_of_its_own() {
    let content = r#"{"annotations":{"io.kubernetes.cri.container-type":"sandbox",
        "io.kubernetes.cri.sandbox-name":"shop-5d",
        "io.kubernetes.cri.sandbox-namespace":"default"}}"#;
    let path = "run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json";
    let info = told(path, content, "containerd").expect("it is found");
    assert_eq!((info.name, info.pod), (None, text("shop-5d")));
}

#[test]
fn nerdctl_says_a_name() {
    let content = r#"{"annotations":{"nerdctl/name":"web","nerdctl/namespace":"default"}}"#;
    let path = "run/containerd/io.containerd.runtime.v2.task/default/{ID}/config.json";
    let info = ContainerInfo { name: text("web"), ..Default::default() };
    assert_eq!(told(path, content, "containerd"), Some(info));
}

#[test]
fn cri_o_says_it_in_annotations_or_in_a_text_of_labels() {
    let expected = ContainerInfo {
        name: text("shop"),
        image: text("registry.example/shop:2"),
        namespace: text("default"),
        pod: text("shop-5d"),
        pod_uid: text("u1"),
    };
    let path = "run/containers/storage/overlay-containers/{ID}/userdata/config.json";
    let direct = r#"{"annotations":{"io.kubernetes.container.name":"shop",
        "io.kubernetes.pod.name":"shop-5d","io.kubernetes.pod.namespace":"default",
        "io.kubernetes.pod.uid":"u1","io.kubernetes.cri-o.ContainerType":"container",
        "io.kubernetes.cri-o.Image":"0123456789abcdef",
        "io.kubernetes.cri-o.ImageName":"registry.example/shop:2"}}"#;
    assert_eq!(told(path, direct, "cri-o"), Some(expected.clone()));
    let labels = r#"{"annotations":{
        "io.kubernetes.cri-o.ImageName":"registry.example/shop:2",
        "io.kubernetes.cri-o.Labels":"LABELS"}}"#;
    let pod =
        r#"{\"io.kubernetes.container.name\":\"shop\",\"io.kubernetes.pod.name\":\"shop-5d\","#;
    let rest = r#"\"io.kubernetes.pod.namespace\":\"default\",\"io.kubernetes.pod.uid\":\"u1\"}"#;
    let labels = labels.replace("LABELS", &format!("{pod}{rest}"));
    assert_eq!(told(path, &labels, "cri-o"), Some(expected));
}

#[test]
fn podman_keeps_lists() {
    let content = r#"[{"id":"ab","names":["other"],"metadata":"{}"},
        {"id":"{ID}","names":["web"],"image":"0123","layer":"4567",
        "metadata":"{\"image-name\":\"docker.io/library/nginx:1.25\",\"name\":\"web\"}",
        "created":"2026-03-01T12:00:00Z","flags":{"MountLabel":""}}]"#;
    let info = ContainerInfo {
        name: text("web"),
        image: text("docker.io/library/nginx:1.25"),
        ..Default::default()
    };
    let dir = "var/lib/containers/storage/overlay-containers";
    for list in STORAGE_LISTS {
        assert_eq!(told(&format!("{dir}/{list}"), content, "podman"), Some(info.clone()));
    }
    let without = r#"[{"id":"{ID}","names":["web"],"metadata":"not JSON"}]"#;
    let info = ContainerInfo { name: text("web"), ..Default::default() };
    assert_eq!(told(&format!("{dir}/containers.json"), without, "podman"), Some(info));
}

#[test]
fn what_does_not_fit_the_format_counts_as_nothing() {
    let path = "var/lib/docker/containers/{ID}/config.v2.json";
    let deep = format!(r#"{{"Config":{{}},"State":{}"#, "[".repeat(100_000));
    for content in ["", "null", "[]", "{", "{}", r#"{"Config":7}"#, "\u{0}\u{1}", &deep] {
        assert_eq!(told(path, content, "docker"), None, "{content:.20}");
    }
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let content = format!(r#"{{"Name":"/{long}","Config":{{"Image":"","Labels":null}}}}"#);
    assert_eq!(told(path, &content, "docker"), Some(ContainerInfo::default()));
    let huge = format!("{}{}", " ".repeat(FILE_BYTES_MAX as usize), DOCKER);
    assert_eq!(told(path, &huge, "docker"), None, "no more than the bound is read");
}

#[test]
fn only_regular_files_are_read() {
    let root = tempfile::tempdir().expect("there is room");
    let dir = root.path().join("var/lib/docker/containers").join(ID);
    fs::create_dir_all(&dir).expect("there is room");
    let path = dir.join("config.v2.json");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("there is room");
    assert_eq!(asked(root.path(), Some("docker")), None, "a FIFO does not block");
    fs::remove_file(&path).expect("it is ours");
    fs::write(dir.join("elsewhere"), DOCKER).expect("there is room");
    std::os::unix::fs::symlink("elsewhere", &path).expect("there is room");
    assert_eq!(asked(root.path(), Some("docker")), None, "a link is not followed");
    fs::remove_file(&path).expect("it is ours");
    fs::rename(dir.join("elsewhere"), &path).expect("they are ours");
    assert!(asked(root.path(), Some("docker")).is_some());
}

#[test]
fn an_id_leads_out_of_no_directory() {
    let root = tempfile::tempdir().expect("there is room");
    write(root.path(), "var/lib/docker/containers/../config.v2.json", DOCKER);
    for id in ["..", ".", "", "web", "../../etc"] {
        let request = ContainerRequest { id: id.into(), runtime: Some("docker") };
        assert_eq!(look_up(root.path(), &request), None, "{id}");
    }
}

#[test]
fn answers_come_from_a_thread() {
    let root = tempfile::tempdir().expect("there is room");
    write(root.path(), "var/lib/docker/containers/{ID}/config.v2.json", DOCKER);
    let (send, answers) = std::sync::mpsc::channel();
    let reader = Reader::start(root.path().to_owned(), move |answer| drop(send.send(answer)));
    let reader = reader.expect("a thread can be made");
    let other = "0".repeat(64);
    for id in [ID, &other] {
        reader.ask(ContainerRequest { id: id.into(), runtime: Some("docker") });
    }
    let first = answers.recv().expect("the thread lives");
    assert_eq!((first.id.as_str(), first.about.is_some()), (ID, true));
    let second = answers.recv().expect("the thread lives");
    assert_eq!((second.id, second.about), (other, None));
}
