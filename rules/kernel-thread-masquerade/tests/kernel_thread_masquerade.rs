use kernel_thread_masquerade::KernelThreadMasquerade;
use ocellus_sdk::prelude::HIGH;
use ocellus_sdk::testing::{FakeEvent, Tester};

#[test]
fn brackets_alert() {
    let mut rule = Tester::<KernelThreadMasquerade>::new();
    let alert = rule.expect_alert(&FakeEvent::exec("/var/tmp/kit", ["[kworker/0:1]", "-d"]));
    assert_eq!(alert.severity, HIGH);
    assert_eq!(alert.message, "user executed /var/tmp/kit as [kworker/0:1]");
    rule.expect_alert(&FakeEvent::exec("/usr/bin/bash", ["[md]"]));
}

#[test]
fn a_kernel_thread_s_name_alerts() {
    let mut rule = Tester::<KernelThreadMasquerade>::new();
    for path in ["/tmp/kdevtmpfsi", "/root/kworker34", "/usr/bin/kswapd0"] {
        rule.expect_alert(&FakeEvent::exec(path, ["x"]));
    }
}

#[test]
fn the_command_bracket_passes() {
    let mut rule = Tester::<KernelThreadMasquerade>::new();
    rule.expect_pass(&FakeEvent::exec("/usr/bin/[", ["[", "-f", "/etc/passwd", "]"]));
    rule.expect_pass(&FakeEvent::exec("/usr/bin/x", ["[a b]"]));
    rule.expect_pass(&FakeEvent::exec("/usr/bin/x", ["[]"]));
}

#[test]
fn programs_that_begin_with_k_are_not_even_asked_about() {
    let rule = Tester::<KernelThreadMasquerade>::new();
    for path in ["/usr/bin/kubelet", "/usr/bin/kwin_wayland", "/bin/kill", "/sbin/ksmtuned"] {
        assert!(!rule.wants(&FakeEvent::exec(path, [path, "[a-z]"])), "{path}");
    }
}
