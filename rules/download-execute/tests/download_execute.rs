use download_execute::DownloadExecute;
use ocellus_sdk::prelude::{HIGH, MEDIUM, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};

fn in_shell<const N: usize>(shell: &str, executable: &str, args: [&str; N]) -> FakeEvent {
    FakeEvent::exec(executable, args).with(fields::PROCESS_PARENT_ENTITY_ID, shell)
}

fn fetch(shell: &str) -> FakeEvent {
    in_shell(shell, "/usr/bin/curl", ["curl", "-o", "/tmp/x", "https://example.org/a?b=c"])
}

fn chmod(shell: &str, mode: &str, file: &str) -> FakeEvent {
    in_shell(shell, "/usr/bin/chmod", ["chmod", mode, file])
}

fn run(shell: &str) -> FakeEvent {
    in_shell(shell, "/tmp/x", ["./x", "--daemon"])
}

#[test]
fn the_three_steps_in_one_tree_alert_once() {
    let mut rule = Tester::<DownloadExecute>::new();
    rule.expect_pass(&fetch("a"));
    rule.expect_pass(&chmod("a", "+x", "x"));
    let alert = rule.expect_alert(&run("a"));
    assert_eq!(alert.severity, HIGH);
    assert_eq!(alert.message, "user downloaded, made executable and ran ./x --daemon");
    rule.expect_pass(&run("a"));
}

#[test]
fn a_step_that_is_missing_or_another_tree_is_none() {
    let mut rule = Tester::<DownloadExecute>::new();
    rule.expect_pass(&run("a"));
    rule.expect_pass(&fetch("a"));
    rule.expect_pass(&run("a"));
    rule.expect_pass(&chmod("a", "644", "/tmp/x"));
    rule.expect_pass(&run("a"));
    rule.expect_pass(&chmod("b", "755", "/tmp/x"));
    rule.expect_pass(&run("b"));
    rule.expect_pass(&chmod("a", "755", "/tmp/other"));
    rule.expect_pass(&run("a"));
}

#[test]
fn a_script_that_fetches_for_its_shell_is_one_tree() {
    let mut rule = Tester::<DownloadExecute>::new();
    let below = |ids: [&str; 2], event: FakeEvent| {
        event
            .with(fields::OCELLUS_ANCESTORS_ENTITY_ID, ids)
            .with(fields::OCELLUS_ANCESTORS_NAME, ["sh", "bash"])
    };
    let wget = ["wget", "https://example.org/tool"];
    rule.expect_pass(&below(["script", "shell"], FakeEvent::exec("/usr/bin/wget", wget)));
    let chmod = ["chmod", "u+x,g=rx", "tool"];
    rule.expect_pass(&below(["other", "shell"], FakeEvent::exec("/usr/bin/chmod", chmod)));
    let tool = below(["third", "shell"], FakeEvent::exec("/home/user/tool", ["./tool"]));
    assert_eq!(rule.expect_alert(&tool).severity, MEDIUM);
}

#[test]
fn ten_minutes_later_it_is_forgotten() {
    let mut rule = Tester::<DownloadExecute>::new();
    rule.expect_pass(&fetch("a").at_ms(1_000));
    rule.expect_pass(&chmod("a", "+x", "x").at_ms(2_000));
    rule.expect_pass(&run("a").at_ms(603_000));
}
