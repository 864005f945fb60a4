use ocellus_sdk::prelude::LOW;
use ocellus_sdk::testing::{FakeEvent, Tester};
use rare_child::RareChild;

fn child<const N: usize>(parent: &str, executable: &str, args: [&str; N]) -> FakeEvent {
    FakeEvent::exec(executable, args).parent(parent, [parent])
}

#[test]
fn the_first_of_its_name_after_many_alerts() {
    let mut rule = Tester::<RareChild>::configured("children = 3").expect("it is right");
    let nginx = "/usr/sbin/nginx";
    for number in 1..=3 {
        rule.expect_pass(&child(nginx, &format!("/usr/bin/helper{number}"), ["helper"]));
    }
    let alert = rule.expect_alert(&child(nginx, "/usr/bin/id", ["id", "-u"]));
    assert_eq!(alert.severity, LOW);
    assert_eq!(alert.message, "nginx started id -u, the first id in 3");
    rule.expect_pass(&child(nginx, "/usr/bin/id", ["id", "-u"]));
    rule.expect_pass(&child(nginx, "/usr/bin/helper4", ["helper"]));
}

#[test]
fn a_parent_that_is_new_or_starts_anything_passes() {
    let mut rule = Tester::<RareChild>::configured("children = 3").expect("it is right");
    for parent in ["/usr/bin/bash", "/usr/bin/make", "/usr/bin/dpkg", "/home/user/tool"] {
        for name in ["a", "b", "c", "d", "e", "f"] {
            rule.expect_pass(&child(parent, &format!("/usr/bin/{name}"), [name]));
        }
    }
    rule.expect_pass(&child("/usr/sbin/sshd", "/usr/bin/id", ["id"]));
}
