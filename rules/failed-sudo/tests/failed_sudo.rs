use failed_sudo::FailedSudo;
use ocellus_sdk::prelude::{HIGH, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

fn failure(number: u64, user: u32) -> FakeEvent {
    FakeEvent::of_kinds(["process.exit"])
        .with(fields::PROCESS_NAME, "sudo")
        .with(fields::PROCESS_ENTITY_ID, &*format!("sudo-{number}"))
        .with(fields::PROCESS_EXIT_CODE, 1)
        .user(user, "eve")
        .at_ms(number * 1_000)
}

#[test]
fn the_fifth_failure_alerts_and_the_sixth_does_not() {
    let mut rule = Tester::<FailedSudo>::new();
    (1..5).for_each(|number| rule.expect_pass(&failure(number, 1000)));
    let alert = rule.expect_alert(&failure(5, 1000));
    assert_eq!((alert.severity, &*alert.message), (HIGH, "eve failed 5 times at sudo within 60 s"));
    rule.expect_pass(&failure(6, 1000));
}

#[test]
fn users_are_counted_apart_and_a_minute_forgets() {
    let mut rule = Tester::<FailedSudo>::new();
    (1..9).for_each(|number| rule.expect_pass(&failure(number, 1000 + number as u32 % 2)));
    let mut rule = Tester::<FailedSudo>::new();
    (1..5).for_each(|number| rule.expect_pass(&failure(number, 1000)));
    rule.expect_pass(&failure(62, 1000));
}

#[test]
fn a_command_that_fails_is_no_failed_sudo() {
    let mut rule = Tester::<FailedSudo>::new();
    for number in 1..9 {
        let command = FakeEvent::exec("/usr/bin/false", ["false"])
            .parent("/usr/bin/sudo", ["sudo", "false"])
            .with(fields::PROCESS_PARENT_ENTITY_ID, &*format!("sudo-{number}"))
            .at_ms(number * 1_000);
        rule.expect_pass(&command);
        rule.expect_pass(&failure(number, 1000));
    }
}

#[test]
fn a_command_with_a_terminal_of_its_own_is_no_failed_sudo() {
    let mut rule = Tester::<FailedSudo>::new();
    for number in 1..9 {
        let (child, sudo) = (format!("child-{number}"), format!("sudo-{number}"));
        let command = FakeEvent::exec("/usr/bin/false", ["false"])
            .parent("/usr/bin/sudo", ["sudo", "false"])
            .ancestors(["/usr/bin/sudo", "/usr/bin/sudo", "/usr/bin/bash"])
            .with(fields::PROCESS_PARENT_ENTITY_ID, &*child)
            .with(fields::OCELLUS_ANCESTORS_ENTITY_ID, [&*child, &*sudo, "bash"])
            .at_ms(number * 1_000);
        rule.expect_pass(&command);
        rule.expect_pass(&failure(number, 1000));
    }
}

#[test]
fn the_operator_decides_what_a_burst_is() {
    let mut rule = Tester::<FailedSudo>::configured("failures = 2\nwindow_s = 600").expect("it is");
    rule.expect_pass(&failure(1, 1000));
    rule.expect_alert(&failure(500, 1000));
}
