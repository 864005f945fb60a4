use log_tampering::LogTampering;
use ocellus_sdk::prelude::HIGH;
use ocellus_sdk::testing::{FakeEvent, Tester};

fn run<const N: usize>(args: [&str; N]) -> FakeEvent {
    FakeEvent::exec(&format!("/usr/bin/{}", args[0]), args).user(0, "root")
}

#[test]
fn destroyed_logs_alert() {
    let mut rule = Tester::<LogTampering>::new();
    let alert = rule.expect_alert(&run(["rm", "-f", "/var/log/auth.log"]));
    assert_eq!(alert.severity, HIGH);
    assert_eq!(alert.message, "root destroyed logs: rm -f /var/log/auth.log");
    rule.expect_alert(&run(["shred", "-u", "/var/log/wtmp"]));
    rule.expect_alert(&run(["truncate", "-s", "0", "/var/log/audit/audit.log"]));
    rule.expect_alert(&run(["rm", "-rf", "/var/log/"]));
    rule.expect_alert(&run(["cp", "/dev/null", "/var/log/lastlog"]));
    rule.expect_alert(&run(["ln", "-sf", "/dev/null", "/var/log/btmp"]));
    rule.expect_alert(&run(["dd", "if=/dev/zero", "of=/var/log/secure", "count=1"]));
    rule.expect_alert(&run(["mv", "/var/log/messages", "/tmp/x"]));
}

#[test]
fn destroyed_and_disabled_histories_alert() {
    let mut rule = Tester::<LogTampering>::new();
    rule.expect_alert(&run(["rm", "/root/.bash_history"]));
    rule.expect_alert(&run(["ln", "-sf", "/dev/null", "/root/.zsh_history"]));
    rule.expect_alert(&run(["bash", "-c", "history -c; exit"]));
    rule.expect_alert(&run(["env", "HISTFILE=/dev/null", "bash"]));
}

#[test]
fn an_emptied_journal_alerts_and_a_trimmed_one_does_not() {
    let mut rule = Tester::<LogTampering>::new();
    rule.expect_alert(&run(["journalctl", "--rotate", "--vacuum-time=1s"]));
    rule.expect_alert(&run(["journalctl", "--vacuum-size", "1K"]));
    rule.expect_pass(&run(["journalctl", "--vacuum-time=2weeks"]));
    rule.expect_pass(&run(["journalctl", "--vacuum-size=500M"]));
    rule.expect_pass(&run(["journalctl", "-fu", "nginx"]));
}

#[test]
fn other_logs_and_old_parts_pass() {
    let mut rule = Tester::<LogTampering>::new();
    rule.expect_pass(&run(["rm", "-f", "/var/log/app/app.log"]));
    rule.expect_pass(&run(["rm", "-f", "/var/log/syslog.3.gz"]));
    rule.expect_pass(&run(["rm", "-f", "/var/log/messages-20260101"]));
    rule.expect_pass(&run(["cp", "/var/log/auth.log", "/root/case-12/"]));
    rule.expect_pass(&run(["dd", "if=/var/log/wtmp", "of=/root/wtmp"]));
    rule.expect_pass(&run(["mv", "/tmp/x", "/var/log/messages"]));
    assert!(!rule.wants(&run(["cat", "/var/log/auth.log"])));
}

#[test]
fn rotation_and_package_scripts_pass() {
    let mut rule = Tester::<LogTampering>::new();
    let rotated = run(["truncate", "-s", "0", "/var/log/syslog"]);
    rule.expect_pass(&rotated.clone().ancestors(["/usr/bin/dash", "/usr/sbin/logrotate"]));
    rule.expect_pass(&rotated.ancestors(["/usr/bin/dash", "/usr/bin/dpkg"]));
}
