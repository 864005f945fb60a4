use exec_from_world_writable::ExecFromWorldWritable;
use ocellus_sdk::prelude::{HIGH, MEDIUM, Verdict, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

#[test]
fn a_program_in_tmp_alerts() {
    let mut rule = Tester::<ExecFromWorldWritable>::new();
    let alert = rule.expect_alert(&FakeEvent::exec("/tmp/kit", ["./kit", "-d"]));
    assert_eq!(alert.severity, MEDIUM);
    assert_eq!(alert.message, "user executed /tmp/kit: ./kit -d");
}

#[test]
fn hidden_and_in_memory_is_worse() {
    let mut rule = Tester::<ExecFromWorldWritable>::new();
    for path in ["/dev/shm/kit", "/tmp/.X11-unix/kit", "/var/tmp/.kit"] {
        assert_eq!(rule.expect_alert(&FakeEvent::exec(path, ["kit"])).severity, HIGH, "{path}");
    }
}

#[test]
fn a_script_in_tmp_is_tagged() {
    let event = FakeEvent::exec("/usr/bin/bash", ["/bin/bash", "/tmp/run.sh"])
        .with(fields::OCELLUS_FILENAME, "/tmp/run.sh");
    let verdict = Tester::<ExecFromWorldWritable>::new().judge(&event);
    assert_eq!(verdict, Some(Verdict::Tag(vec!["script-in-world-writable-folder".to_owned()])));
}

#[test]
fn programs_elsewhere_are_not_even_asked_about() {
    let rule = Tester::<ExecFromWorldWritable>::new();
    for path in ["/usr/bin/ls", "/home/user/tmp/x", "/tmpfiles/x", "/opt/app/run"] {
        assert!(!rule.wants(&FakeEvent::exec(path, ["x"])), "{path}");
    }
}

#[test]
fn build_tools_pass() {
    let mut rule = Tester::<ExecFromWorldWritable>::new();
    rule.expect_pass(&FakeEvent::exec("/tmp/go-build123/b001/exe/main", ["main"]));
    rule.expect_pass(&FakeEvent::exec("/tmp/.mount_App1x/usr/bin/app", ["app"]));
    let conftest = FakeEvent::exec("/tmp/build/conftest", ["./conftest"]);
    rule.expect_pass(&conftest.ancestors([
        "/usr/bin/dash",
        "/tmp/build/configure",
        "/usr/bin/make",
    ]));
    let hook = FakeEvent::exec("/var/tmp/rpm-tmp.1/helper", ["helper"]);
    rule.expect_pass(&hook.ancestors(["/usr/bin/bash", "/usr/bin/rpm"]));
}

#[test]
fn nothing_passes_in_shared_memory() {
    let event = FakeEvent::exec("/dev/shm/kit", ["kit"]).ancestors(["/usr/bin/make"]);
    Tester::<ExecFromWorldWritable>::new().expect_alert(&event);
}

#[test]
fn the_operator_can_allow() {
    let mut rule = Tester::<ExecFromWorldWritable>::configured("allow = ['/tmp/ci-runner/']")
        .expect("it is well-formed");
    rule.expect_pass(&FakeEvent::exec("/tmp/ci-runner/job", ["job"]));
    rule.expect_alert(&FakeEvent::exec("/tmp/ci", ["ci"]));
}
