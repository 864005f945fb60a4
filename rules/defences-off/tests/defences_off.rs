use defences_off::DefencesOff;
use ocellus_sdk::prelude::HIGH;
use ocellus_sdk::testing::{FakeEvent, Tester};

fn run<const N: usize>(args: [&str; N]) -> FakeEvent {
    FakeEvent::exec(&format!("/usr/sbin/{}", args[0]), args).user(0, "root")
}

#[test]
fn stopped_guards_alert() {
    let mut rule = Tester::<DefencesOff>::new();
    let alert = rule.expect_alert(&run(["systemctl", "stop", "auditd.service"]));
    assert_eq!(alert.severity, HIGH);
    assert_eq!(alert.message, "root stopped a security service: systemctl stop auditd.service");
    rule.expect_alert(&run(["systemctl", "--now", "mask", "rsyslog"]));
    rule.expect_alert(&run(["service", "ocellus", "stop"]));
    rule.expect_alert(&run(["pkill", "-9", "falco"]));
    rule.expect_alert(&run(["killall", "osqueryd"]));
}

#[test]
fn switches_alert() {
    let mut rule = Tester::<DefencesOff>::new();
    rule.expect_alert(&run(["setenforce", "0"]));
    rule.expect_alert(&run(["auditctl", "-e", "0"]));
    rule.expect_alert(&run(["auditctl", "-D"]));
    rule.expect_alert(&run(["ufw", "disable"]));
    rule.expect_alert(&run(["iptables", "-F"]));
    rule.expect_alert(&run(["nft", "flush", "ruleset"]));
}

#[test]
fn a_hook_into_every_program_alerts() {
    let mut rule = Tester::<DefencesOff>::new();
    rule.expect_alert(&run(["sh", "-c", "echo /lib/x.so >> /etc/ld.so.preload"]));
    rule.expect_alert(&run(["tee", "-a", "/etc/ld.so.preload"]));
    rule.expect_alert(&run(["cp", "/tmp/x", "/etc/ld.so.preload"]));
    rule.expect_pass(&run(["cat", "/etc/ld.so.preload"]));
    rule.expect_pass(&run(["sh", "-c", "test -f /etc/ld.so.preload && echo yes > /tmp/x"]));
}

#[test]
fn ordinary_administration_passes() {
    let mut rule = Tester::<DefencesOff>::new();
    rule.expect_pass(&run(["systemctl", "stop", "nginx"]));
    rule.expect_pass(&run(["systemctl", "restart", "auditd"]));
    rule.expect_pass(&run(["systemctl", "status", "rsyslog"]));
    rule.expect_pass(&run(["auditctl", "-l"]));
    rule.expect_pass(&run(["setenforce", "1"]));
    rule.expect_pass(&run(["ufw", "status"]));
    rule.expect_pass(&run(["iptables", "-t", "nat", "-F", "DOCKER"]));
    rule.expect_pass(&run(["pkill", "falconer"]));
}

#[test]
fn updates_pass() {
    let event = run(["systemctl", "stop", "auditd"]).ancestors(["/usr/bin/dash", "/usr/bin/dpkg"]);
    Tester::<DefencesOff>::new().expect_pass(&event);
}
