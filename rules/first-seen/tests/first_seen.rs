use first_seen::FirstSeen;
use ocellus_sdk::prelude::{MEDIUM, Verdict, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

const DAY_MS: u64 = 86_400_000;

fn run(path: &str, hash: &str, time_ms: u64) -> FakeEvent {
    FakeEvent::exec(path, [path]).with(fields::PROCESS_HASH_SHA256, hash).at_ms(time_ms)
}

#[test]
fn a_new_file_alerts_after_a_day_and_only_once() {
    let mut rule = Tester::<FirstSeen>::new();
    rule.expect_pass(&run("/home/user/a", "aa", 1_000));
    rule.expect_pass(&run("/home/user/b", "bb", DAY_MS));
    let alert = rule.expect_alert(&run("/home/user/c", "cc", DAY_MS + 1_000));
    assert_eq!(alert.severity, MEDIUM);
    assert_eq!(alert.message, "user ran /home/user/c, which this host never ran before");
    rule.expect_pass(&run("/home/user/copy-of-c", "cc", DAY_MS + 2_000));
    rule.expect_pass(&run("/home/user/a", "aa", DAY_MS + 3_000));
    rule.expect_alert(&run("/home/user/a", "a2", DAY_MS + 4_000));
}

#[test]
fn in_the_system_s_folders_it_tags() {
    let mut rule = Tester::<FirstSeen>::configured("learn_minutes = 0").expect("it is right");
    let verdict = rule.judge(&run("/usr/bin/strace", "dd", 1_000));
    assert_eq!(verdict, Some(Verdict::Tag(vec!["first-seen".to_owned()])));
    rule.expect_pass(&run("/usr/bin/strace", "dd", 2_000));
}
