use crypto_miner::CryptoMiner;
use ocellus_sdk::prelude::HIGH;
use ocellus_sdk::testing::{FakeEvent, Tester};

#[test]
fn pools_options_and_names_alert() {
    let mut rule = Tester::<CryptoMiner>::new();
    let pool = ["./sys", "-o", "stratum+tcp://pool.example.org:3333", "-u", "wallet"];
    let alert = rule.expect_alert(&FakeEvent::exec("/tmp/sys", pool));
    assert_eq!(alert.severity, HIGH);
    assert!(alert.message.starts_with("user started a miner: ./sys -o stratum+tcp://"));
    rule.expect_alert(&FakeEvent::exec("/opt/x", ["x", "--donate-level=1"]));
    rule.expect_alert(&FakeEvent::exec("/home/user/xmrig", ["xmrig"]));
}

#[test]
fn those_who_look_for_miners_pass() {
    let mut rule = Tester::<CryptoMiner>::new();
    rule.expect_pass(&FakeEvent::exec("/usr/bin/grep", ["grep", "-r", "stratum+tcp://", "/etc"]));
    rule.expect_pass(&FakeEvent::exec("/usr/bin/pkill", ["pkill", "-f", "stratum+ssl://"]));
}

#[test]
fn other_programs_are_not_even_asked_about() {
    let rule = Tester::<CryptoMiner>::new();
    assert!(!rule.wants(&FakeEvent::exec("/usr/bin/curl", ["curl", "http://pool.example.org"])));
    assert!(!rule.wants(&FakeEvent::exec("/usr/bin/x", ["x", "--donate", "--level"])));
}
