//! A way out of a container, or into the host's namespaces.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Files through which the kernel starts a program outside of the container.
const KERNEL_HELPERS: [&str; 5] = [
    "release_agent",
    "/proc/sys/kernel/core_pattern",
    "/sys/kernel/uevent_helper",
    "/proc/sys/kernel/modprobe",
    "binfmt_misc/register",
];

/// Programs that read and do not write.
const READERS: [&str; 8] = ["cat", "grep", "ls", "head", "less", "find", "stat", "sysctl"];

/// Sockets of runtimes: who reaches one is root on the host.
const RUNTIME_SOCKETS: [&str; 4] = ["docker.sock", "containerd.sock", "crio.sock", "podman.sock"];

#[derive(Debug, Default)]
pub struct ContainerEscape;

impl Rule for ContainerEscape {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("container-escape", "Way out of a container")
            .description(
                "A process in a container entered the namespaces of process 1, mounted a disk, \
                 reached for a runtime's socket or the host's root, or set a program that the \
                 kernel starts outside.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1611"])
            .false_positives([
                "Privileged agents of a cluster that enter the node's namespaces by design",
                "Administrators who set core_pattern on the host",
            ])
    }

    fn interests(&self) -> Vec<Interest> {
        let contained = || Interest::exec().present(fields::CONTAINER_ID);
        vec![
            Interest::exec().contains(fields::PROCESS_ARGS, KERNEL_HELPERS),
            contained().one_of(fields::PROCESS_NAME, ["nsenter"]),
            contained()
                .one_of(fields::PROCESS_NAME, ["mount"])
                .prefix(fields::PROCESS_ARGS, ["/dev/"]),
            contained().contains(fields::PROCESS_ARGS, ["/proc/1/root", "/proc/1/ns"]),
            contained().contains(fields::PROCESS_ARGS, RUNTIME_SOCKETS),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let name = event.process_name()?;
        let args = event.process_args();
        let args = args.get(1..).unwrap_or_default();
        let holds = |parts: &[&str]| args.iter().any(|arg| parts.iter().any(|p| arg.contains(p)));
        let contained = event.container_id();
        let what = if holds(&KERNEL_HELPERS) && writes(&name, args) {
            "set a program that the kernel starts"
        } else if contained.is_none() {
            return None;
        } else if name == "nsenter" && enters_first_process(args) {
            "entered the host's namespaces"
        } else if name == "mount" && args.iter().any(|arg| is_disk(arg)) {
            "mounted a disk of the host"
        } else if holds(&["/proc/1/root", "/proc/1/ns"]) && name != "nsenter" {
            "reached for the root of process 1"
        } else if holds(&RUNTIME_SOCKETS) && !READERS.contains(&name.as_str()) {
            "reached for the socket of the container runtime"
        } else {
            return None;
        };
        let place = contained.map_or("", |_| " in a container");
        let severity = if place.is_empty() { MEDIUM } else { CRITICAL };
        Some(alert(severity, format!("{}{place} {what}: {}", event.who(), event.command())))
    }
}

/// A redirection in a script, or a program that writes what it is given.
fn writes(name: &str, args: &[Text<'_>]) -> bool {
    match name {
        "tee" | "dd" | "cp" | "mv" | "sed" => true,
        _ if READERS.contains(&name) => false,
        _ => args.iter().any(|arg| arg.contains('>') || arg.contains("tee ")),
    }
}

/// `-t 1`, `-t1`, `--target 1` or `--target=1`.
fn enters_first_process(args: &[Text<'_>]) -> bool {
    args.windows(2).any(|pair| matches!(pair[0].as_str(), "-t" | "--target") && pair[1] == "1")
        || args.iter().any(|arg| arg == "-t1" || arg == "--target=1")
}

fn is_disk(arg: &str) -> bool {
    let name = arg.strip_prefix("/dev/").unwrap_or_default();
    ["sd", "vd", "xvd", "hd", "nvme", "mmcblk", "dm-", "mapper/"]
        .iter()
        .any(|disk| name.starts_with(disk))
}

ocellus_sdk::rule!(ContainerEscape);
