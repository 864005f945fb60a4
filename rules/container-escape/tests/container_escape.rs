use container_escape::ContainerEscape;
use ocellus_sdk::prelude::{CRITICAL, MEDIUM, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

fn outside<const N: usize>(args: [&str; N]) -> FakeEvent {
    FakeEvent::exec(&format!("/usr/bin/{}", args[0]), args).user(0, "root")
}

fn inside<const N: usize>(args: [&str; N]) -> FakeEvent {
    outside(args).with(fields::CONTAINER_ID, "0123456789ab")
}

#[test]
fn ways_out_alert() {
    let mut rule = Tester::<ContainerEscape>::new();
    let alert = rule.expect_alert(&inside(["nsenter", "-t", "1", "-m", "-u", "sh"]));
    assert_eq!(alert.severity, CRITICAL);
    let message = "root in a container entered the host's namespaces: nsenter -t 1 -m -u sh";
    assert_eq!(alert.message, message);
    rule.expect_alert(&inside(["nsenter", "--target=1", "--all"]));
    rule.expect_alert(&inside(["mount", "/dev/sda1", "/mnt"]));
    rule.expect_alert(&inside(["chroot", "/proc/1/root", "sh"]));
    rule.expect_alert(&inside(["curl", "--unix-socket", "/var/run/docker.sock", "http://x/json"]));
}

#[test]
fn programs_for_the_kernel_to_start_alert() {
    let mut rule = Tester::<ContainerEscape>::new();
    let script = "echo /cmd > /tmp/cgrp/release_agent";
    assert_eq!(rule.expect_alert(&inside(["sh", "-c", script])).severity, CRITICAL);
    let core = "echo '|/tmp/x' > /proc/sys/kernel/core_pattern";
    assert_eq!(rule.expect_alert(&outside(["sh", "-c", core])).severity, MEDIUM);
    rule.expect_alert(&inside(["tee", "/sys/kernel/uevent_helper"]));
}

#[test]
fn the_same_outside_of_containers_passes() {
    let mut rule = Tester::<ContainerEscape>::new();
    rule.expect_pass(&outside(["nsenter", "-t", "1", "-m"]));
    rule.expect_pass(&outside(["mount", "/dev/sda1", "/mnt"]));
    rule.expect_pass(&outside(["docker", "-H", "unix:///var/run/docker.sock", "ps"]));
}

#[test]
fn ordinary_use_of_containers_passes() {
    let mut rule = Tester::<ContainerEscape>::new();
    rule.expect_pass(&inside(["nsenter", "-t", "4321", "-n", "ip", "a"]));
    rule.expect_pass(&inside(["mount", "/dev/fuse", "/mnt"]));
    rule.expect_pass(&inside(["cat", "/proc/sys/kernel/core_pattern"]));
    rule.expect_pass(&inside(["ls", "-l", "/var/run/docker.sock"]));
    assert!(!rule.wants(&inside(["python3", "app.py"])));
}
