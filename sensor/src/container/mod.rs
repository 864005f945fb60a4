//! Which container a process runs in, read off its cgroup path.
//!
//! No daemon is asked: the path names the container under every runtime and both cgroup drivers.
//! A path through several containers (Docker in Docker, a runtime inside LXC) names the innermost.
//! What the runtimes' own files say about it beside that is in [`known`], and read by [`files`].

pub mod files;
pub mod known;

use std::borrow::Cow;

/// A container as its cgroup path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    pub id: Cow<'a, str>,
    /// None where the path does not say: Kubernetes with the cgroupfs driver.
    pub runtime: Option<&'static str>,
}

/// Runtimes by the prefix of a scope, `PREFIX-ID.scope`. Longer prefixes stand before their own
/// beginnings.
const PREFIXES: [(&str, &str); 8] = [
    ("docker", "docker"),
    ("cri-containerd", "containerd"),
    ("containerd", "containerd"),
    ("nerdctl", "containerd"),
    ("crio", "cri-o"),
    ("libpod-payload", "podman"),
    ("libpod", "podman"),
    ("buildkit", "buildkit"),
];

/// Hex digits of the ids that docker, containerd, CRI-O and podman give.
const ID_LEN: usize = 64;

/// The innermost container that a cgroup path (either version, without the mount point) leads
/// through. None for a path outside of containers.
pub fn of_cgroup(path: &str) -> Option<Container<'_>> {
    let mut below = "";
    let mut segments = path.rsplit('/').filter(|segment| !segment.is_empty()).peekable();
    while let Some(segment) = segments.next() {
        let above = segments.peek().copied().unwrap_or("");
        let found = scope(segment)
            .or_else(|| bare(segment, above))
            .or_else(|| lxc(segment, above))
            .or_else(|| nspawn(segment, below));
        if found.is_some() {
            return found;
        }
        below = segment;
    }
    None
}

/// `docker-ID.scope` and its like (systemd driver), `crio-ID` and `libpod-ID` (cgroupfs driver),
/// `SLICE:cri-containerd:ID` (containerd told to use a systemd path by the cgroupfs driver).
fn scope(segment: &str) -> Option<Container<'_>> {
    if let Some((before, id)) = segment.rsplit_once(':') {
        let prefix = before.rsplit_once(':').map_or(before, |(_, prefix)| prefix);
        return known_prefix(prefix, id);
    }
    let unit = segment.strip_suffix(".scope");
    let (prefix, id) = unit.unwrap_or(segment).rsplit_once('-')?;
    known_prefix(prefix, id)
}

/// The container of an id that stands behind `prefix`. `crio-conmon-ID` and `libpod-conmon-ID`
/// hold the monitor on the host, which is not in the container; an unknown prefix may do so too.
fn known_prefix<'a>(prefix: &str, id: &'a str) -> Option<Container<'a>> {
    let (_, runtime) = PREFIXES.iter().find(|(known, _)| *known == prefix)?;
    let is_id = if *runtime == "buildkit" { is_buildkit_id(id) } else { is_id(id) };
    is_id.then_some(Container { id: id.into(), runtime: Some(runtime) })
}

/// An id that is a whole segment: the cgroupfs driver. `ID.service` is not one: podman runs its
/// health checks on the host in units of that name.
fn bare<'a>(segment: &'a str, above: &str) -> Option<Container<'a>> {
    let runtime = match above {
        "docker" if is_id(segment) => Some("docker"),
        "buildkit" if is_buildkit_id(segment) => Some("buildkit"),
        "garden" if is_garden_id(segment) => Some("garden"),
        _ if is_id(segment) || is_fargate_id(segment) => None,
        _ => return None,
    };
    Some(Container { id: segment.into(), runtime })
}

/// `lxc.payload.NAME`, `lxc.payload/NAME` and `lxc/NAME`. `lxc.monitor.NAME` is on the host.
fn lxc<'a>(segment: &'a str, above: &str) -> Option<Container<'a>> {
    let name = match segment.strip_prefix("lxc.payload.") {
        Some(name) => name,
        None if above == "lxc" || above == "lxc.payload" => segment,
        None => return None,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(fits);
    is_name.then_some(Container { id: name.into(), runtime: Some("lxc") })
}

/// `machine-NAME.scope` and `systemd-nspawn@NAME.service`. The part `supervisor` is the host's
/// own process; machines of libvirt that qemu runs are no containers.
fn nspawn<'a>(segment: &'a str, below: &str) -> Option<Container<'a>> {
    let name = match segment.strip_suffix(".scope") {
        Some(unit) => unit.strip_prefix("machine-")?,
        None => segment.strip_suffix(".service")?.strip_prefix("systemd-nspawn@")?,
    };
    let is_vm = name.starts_with("qemu\\x2d");
    if name.is_empty() || is_vm || below == "supervisor" {
        return None;
    }
    let runtime = if name.starts_with("lxc\\x2d") { "lxc" } else { "systemd-nspawn" };
    Some(Container { id: unescape(name), runtime: Some(runtime) })
}

/// Undoes systemd's escaping of unit names: `\x2d` for `-`. Escapes that are not ASCII stay.
fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains("\\x") {
        return name.into();
    }
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, escape)) = rest.split_once("\\x") {
        plain.push_str(before);
        let byte = escape.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &escape[2..];
            }
            None => {
                plain.push_str("\\x");
                rest = escape;
            }
        }
    }
    plain.push_str(rest);
    plain.into()
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this is an id under which docker, containerd, CRI-O and podman keep files: hex digits,
/// so that it is safe in a path, too.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && is_lower_hex(text)
}

/// BuildKit numbers its build steps in base 36, 25 digits.
fn is_buildkit_id(text: &str) -> bool {
    text.len() == 25 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
}

/// Cloud Foundry's Garden: a UUID whose last group has four digits.
fn is_garden_id(text: &str) -> bool {
    let lens = text.split('-').map(str::len);
    lens.eq([8, 4, 4, 4, 4]) && text.split('-').all(is_lower_hex)
}

/// AWS Fargate: the 32 digits of the task, then the number of the container.
fn is_fargate_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        let is_number = (1..=10).contains(&number.len());
        task.len() == 32
            && is_lower_hex(task)
            && is_number
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
    const OTHER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// `{ID}` and `{OTHER}` stand for two ids, to keep the tables readable.
    fn check(path: &str, id: &str, runtime: Option<&'static str>) {
        let fill = |text: &str| text.replace("{ID}", ID).replace("{OTHER}", OTHER);
        let (path, id) = (fill(path), fill(id));
        assert_eq!(of_cgroup(&path), Some(Container { id: id.into(), runtime }), "{path}");
    }

    fn refuse(path: &str) {
        let path = path.replace("{ID}", ID);
        assert_eq!(of_cgroup(&path), None, "{path}");
    }

    #[test]
    fn systemd_driver() {
        for (path, runtime) in [
            ("/system.slice/docker-{ID}.scope", "docker"),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope",
                "docker",
            ),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/\
              cri-containerd-{ID}.scope",
                "containerd",
            ),
            ("/kubepods.slice/kubepods-pod1.slice/containerd-{ID}.scope", "containerd"),
            ("/system.slice/nerdctl-{ID}.scope", "containerd"),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/\
              crio-{ID}.scope",
                "cri-o",
            ),
            ("/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope/container", "cri-o"),
        ] {
            check(path, "{ID}", Some(runtime));
        }
    }

    /// quark takes containers of podman for containers of CRI-O.
    #[test]
    fn podman_is_not_cri_o() {
        for path in [
            "/machine.slice/libpod-{ID}.scope",
            "/machine.slice/libpod-{ID}.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
            "/libpod_parent/libpod-{ID}",
            "/system.slice/web.service/libpod-payload-{ID}",
        ] {
            check(path, "{ID}", Some("podman"));
        }
    }

    /// quark sees none of these.
    #[test]
    fn cgroupfs_driver() {
        check("/docker/{ID}", "{ID}", Some("docker"));
        check("/docker/{ID}/init.scope", "{ID}", Some("docker"));
        check("/kubepods/burstable/pod0a1b2c3d/{ID}", "{ID}", None);
        check("/kubepods/pod0a1b2c3d/crio-{ID}", "{ID}", Some("cri-o"));
        check("/actions_job/{ID}", "{ID}", None);
        check("/ecs/task/{ID}", "{ID}", None);
        check(
            "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}",
            "{ID}",
            Some("containerd"),
        );
    }

    #[test]
    fn lxc_and_nspawn() {
        check("/lxc/web-1", "web-1", Some("lxc"));
        check("/lxc/101/ns/system.slice/cron.service", "101", Some("lxc"));
        check("/lxc.payload.web_1/init.scope", "web_1", Some("lxc"));
        check("/lxc.payload/web.1", "web.1", Some("lxc"));
        check("/machine.slice/machine-web.scope", "web", Some("systemd-nspawn"));
        check(r"/machine.slice/machine-web\x2d1.scope/payload", "web-1", Some("systemd-nspawn"));
        check(
            "/machine.slice/systemd-nspawn@web.service/payload/init.scope",
            "web",
            Some("systemd-nspawn"),
        );
        check(r"/machine.slice/machine-lxc\x2d17\x2dweb.scope", "lxc-17-web", Some("lxc"));
    }

    #[test]
    fn other_runtimes() {
        let garden = "6f265890-5165-7fab-6b52-18d1";
        check(&format!("/system.slice/garden.service/garden/{garden}"), garden, Some("garden"));
        let buildkit = "ovxz2wkzoy5eq8bsx1w0n6sbx";
        check(&format!("/docker/buildkit/{buildkit}"), buildkit, Some("buildkit"));
        let fargate = "34dc0b5e626f2c5c4c5170e34b10e765-1234567890";
        check(&format!("/ecs/34dc0b5e626f2c5c4c5170e34b10e765/{fargate}"), fargate, None);
    }

    #[test]
    fn the_innermost_counts() {
        check("/docker/{OTHER}/docker/{ID}", "{ID}", Some("docker"));
        check("/docker/{OTHER}/kubepods/besteffort/pod1/{ID}", "{ID}", None);
        check("/lxc.payload.c1/system.slice/docker-{ID}.scope", "{ID}", Some("docker"));
        check("/docker/{ID}/system.slice/sshd.service", "{ID}", Some("docker"));
        check("/docker/{ID}/machine.slice/libpod-conmon-{OTHER}.scope", "{ID}", Some("docker"));
        check("/../docker/{ID}", "{ID}", Some("docker"));
    }

    #[test]
    fn what_runs_on_the_host_is_in_no_container() {
        for path in [
            "",
            "/",
            "/init.scope",
            "/user.slice/user-1000.slice/session-3.scope",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/kubepods.slice/kubepods-pod1.slice/crio-conmon-{ID}.scope",
            "/machine.slice/libpod-conmon-{ID}.scope",
            "/system.slice/{ID}.service",
            "/system.slice/{ID}-4f3e2d1c.service",
            "/system.slice/docker-{ID}.mount",
            "/lxc.monitor.web",
            "/lxc",
            "/lxc.payload.",
            "/machine.slice/machine-web.scope/supervisor",
            r"/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator",
            "/system.slice/run-r0123456789abcdef0123456789abcdef.scope",
        ] {
            refuse(path);
        }
    }

    #[test]
    fn look_alikes_are_refused() {
        for path in [
            &format!("/docker/{}", &ID[..63]),
            &format!("/docker/{ID}0"),
            &format!("/docker/{}g", &ID[..63]),
            &format!("/docker/{}", ID.to_uppercase()),
            &format!("/system.slice/docker-{}.scope", &ID[..12]),
            &format!("/system.slice/evil-{ID}.scope"),
            &format!("/docker-{ID}é.scope"),
            "/docker/buildkit/short",
            "/garden/6f265890-5165-7fab-6b52-18d1-0000",
            "/ecs/x/34dc0b5e626f2c5c4c5170e34b10e765-",
            "/ecs/x/34dc0b5e626f2c5c4c5170e34b10e765-12345678901",
            "/lxc/na me",
        ] {
            refuse(path);
        }
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(unescape(r"a\x2db"), "a-b");
        assert_eq!(unescape(r"a\x"), r"a\x");
        assert_eq!(unescape(r"a\x2"), r"a\x2");
        assert_eq!(unescape(r"\xzz\x2d"), r"\xzz-");
        assert_eq!(unescape(r"a\xc3\xa9"), r"a\xc3\xa9");
        assert_eq!(unescape("a\\xé"), "a\\xé");
    }
}
