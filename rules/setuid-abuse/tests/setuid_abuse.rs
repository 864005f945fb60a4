use ocellus_sdk::prelude::{CRITICAL, HIGH, MEDIUM, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};
use setuid_abuse::SetuidAbuse;

fn setuid(path: &str) -> FakeEvent {
    FakeEvent::exec(path, ["x"])
        .with(fields::OCELLUS_EXE_SETUID, true)
        .with(fields::OCELLUS_EXE_UID, "0")
        .effective_user("0", "root")
}

fn root_shell<const N: usize>(args: [&str; N]) -> FakeEvent {
    FakeEvent::exec("/usr/bin/bash", args).effective_user("0", "root")
}

#[test]
fn a_setuid_shell_alerts_wherever_it_is() {
    let mut rule = Tester::<SetuidAbuse>::new();
    for path in ["/usr/bin/bash", "/home/user/bash", "/bin/dash"] {
        let alert = rule.expect_alert(&setuid(path));
        assert_eq!(alert.severity, CRITICAL);
        assert_eq!(alert.message, format!("user ran {path}, a set-uid shell"));
    }
}

#[test]
fn a_setuid_program_in_an_odd_place_alerts() {
    let mut rule = Tester::<SetuidAbuse>::new();
    assert_eq!(rule.expect_alert(&setuid("/home/user/.helper")).severity, HIGH);
    let of_user = setuid("/tmp/helper").with(fields::OCELLUS_EXE_UID, "1001");
    assert_eq!(rule.expect_alert(&of_user).severity, MEDIUM);
}

#[test]
fn the_system_s_setuid_programs_pass() {
    let mut rule = Tester::<SetuidAbuse>::new();
    for path in
        ["/usr/bin/sudo", "/bin/su", "/usr/lib/openssh/ssh-keysign", "/opt/x/chrome-sandbox"]
    {
        rule.expect_pass(&setuid(path));
    }
}

#[test]
fn a_shell_with_borrowed_rights_alerts() {
    let mut rule = Tester::<SetuidAbuse>::new();
    assert_eq!(rule.expect_alert(&root_shell(["bash", "-p"])).severity, HIGH);
    assert_eq!(rule.expect_alert(&root_shell(["sh"])).severity, HIGH);
    assert_eq!(rule.expect_alert(&root_shell(["bash", "-c", "id"])).severity, MEDIUM);
}

#[test]
fn shells_of_root_and_of_users_pass() {
    let mut rule = Tester::<SetuidAbuse>::new();
    rule.expect_pass(&FakeEvent::exec("/usr/bin/bash", ["-bash"]).user(0, "root"));
    rule.expect_pass(&FakeEvent::exec("/usr/bin/bash", ["-bash"]));
    let back = FakeEvent::exec("/usr/bin/bash", ["bash"]).user(0, "root").effective_user("1", "a");
    rule.expect_pass(&back);
}

#[test]
fn the_operator_can_allow() {
    let mut rule = Tester::<SetuidAbuse>::configured("allow = ['/srv/tools/']").expect("valid");
    rule.expect_pass(&setuid("/srv/tools/mounter"));
    rule.expect_alert(&setuid("/srv/tools/bash"));
}
