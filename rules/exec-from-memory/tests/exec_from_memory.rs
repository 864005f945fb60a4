use exec_from_memory::ExecFromMemory;
use ocellus_sdk::prelude::{CRITICAL, HIGH, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

fn memfd(path: &str) -> FakeEvent {
    FakeEvent::exec(path, ["x"]).with(fields::OCELLUS_EXE_MEMFD, true)
}

fn deleted(path: &str) -> FakeEvent {
    FakeEvent::exec(path, ["x"]).with(fields::OCELLUS_EXE_DELETED, true)
}

#[test]
fn a_program_in_memory_alerts() {
    let alert = Tester::<ExecFromMemory>::new().expect_alert(&memfd("/memfd:payload"));
    assert_eq!((alert.severity, alert.tags.as_slice()), (CRITICAL, &["memfd".to_owned()][..]));
    assert_eq!(alert.message, "user executed a program from memory: x");
}

#[test]
fn a_deleted_program_alerts() {
    let mut rule = Tester::<ExecFromMemory>::new();
    assert_eq!(rule.expect_alert(&deleted("/tmp/.x/kit (deleted)")).severity, HIGH);
    assert_eq!(rule.expect_alert(&deleted("/home/user/kit")).tags, ["deleted"]);
}

#[test]
fn a_program_with_a_file_is_not_even_asked_about() {
    let event = FakeEvent::exec("/usr/bin/ls", ["ls"]).with(fields::OCELLUS_EXE_MEMFD, false);
    assert!(!Tester::<ExecFromMemory>::new().wants(&event));
}

#[test]
fn a_container_runtime_passes_but_its_name_alone_does_not() {
    let mut rule = Tester::<ExecFromMemory>::new();
    let runc = memfd("/memfd:runc_cloned:/proc/self/exe (deleted)");
    rule.expect_pass(&runc.clone().parent("/usr/bin/containerd-shim-runc-v2", []));
    rule.expect_alert(&runc.parent("/usr/bin/python3", []));
}

#[test]
fn an_updated_package_passes() {
    let mut rule = Tester::<ExecFromMemory>::new();
    rule.expect_pass(&deleted("/opt/google/chrome/chrome (deleted)"));
    rule.expect_pass(&deleted("/usr/lib/systemd/systemd-executor"));
}
