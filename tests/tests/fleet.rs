//! Rules of a fleet, through what operators use: two sensors on this host take their rules from one
//! bucket of a real nats-server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use ocellus_tests::fleet::{Host, done, make_publisher, overview};
use ocellus_tests::guest::{Action, Guest};
use ocellus_tests::program::{field, has_argument, need_root, ocellus, run};
use ocellus_tests::receivers::nats::{Access, Nats};
use ocellus_tests::receivers::tls::Authority;
use ocellus_tests::receivers::wait_for;
use serde_json::{Value, json};
use tempfile::TempDir;

const BUCKET: &str = "ocellus-rules";

fn temp() -> TempDir {
    tempfile::Builder::new().prefix("ocellus-fleet-").tempdir().expect("there is room")
}

/// A component whose one rule alerts on each execution.
fn component(rule: &str) -> Vec<u8> {
    Guest::new(rule).interest(&["process.exec"], &[]).hits(&[(0, Action::alert(50, rule))]).build()
}

/// Puts a component into the publisher's directory and signs it.
fn sign(publisher: &Path, name: &str, rule: &str) {
    fs::write(publisher.join(name), component(rule)).expect("the directory is writable");
    done(publisher, &["rules", "sign", name, "--key", "team.key"]);
}

fn publish(publisher: &Path, name: &str) -> String {
    done(publisher, &["rules", "publish", name, "--config", "publisher.toml"])
}

/// The rules that alert on a host when something is executed.
fn alerts(host: &Host, argument: &str) -> Value {
    let status = Command::new("/bin/true").arg(argument).status();
    assert!(status.expect("there is true").success());
    let event = host.running.wait_for_event(argument, |event| has_argument(event, argument));
    field(&event, "ocellus.rules.alerts").clone()
}

/// Waits until the operator sees this of a host.
fn wait_until(publisher: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(overview(publisher)).filter(|it| wanted(it)))
}

fn host<'a>(overview: &'a Value, name: &str) -> &'a Value {
    let hosts = overview["hosts"].as_array().expect("a list");
    hosts.iter().find(|host| host["host"] == name).unwrap_or(&Value::Null)
}

fn lacks(overview: &Value, name: &str, why: &str) -> bool {
    let lacks = host(overview, name)["lacks"].as_array();
    lacks.is_some_and(|lacks| lacks.iter().any(|it| it.as_str().is_some_and(|it| it.contains(why))))
}

fn are_current(overview: &Value) -> bool {
    let hosts = overview["hosts"].as_array().expect("a list");
    hosts.len() == 2 && hosts.iter().all(|host| host["lacks"] == json!([]))
}

#[test]
fn a_rule_that_is_published_once_is_in_force_everywhere_and_survives_the_server() {
    need_root();
    let dir = temp();
    let publisher = dir.path().join("publisher");
    let mut nats = Nats::start(dir.path());
    let key = make_publisher(&publisher, &nats.url());
    let start = |name| Host::start(dir.path(), name, &nats.url(), &key, "");
    let (one, two) = (start("one"), start("two"));

    // Published, in force, and reported.
    sign(&publisher, "a.wasm", "first");
    let said = publish(&publisher, "a.wasm");
    assert!(said.contains("a: published, SHA-256 "), "{said}");
    for host in [&one, &two] {
        host.running.wait_for_log("the component `a` is loaded, signed by key");
        assert_eq!(alerts(host, &format!("published-{}", host.name)), json!(["first"]));
    }
    let seen = wait_until(&publisher, "current hosts", |it| {
        are_current(it) && it["rules"][0]["hosts"] == 2
    });
    assert_eq!(seen["rules"][0]["digest"], one.digest("a").expect("it is in force"));
    assert_eq!(host(&seen, "one")["generation"], one.status()["rules"]["generation"]);
    let table = done(&publisher, &["rules", "fleet", "--config", "publisher.toml"]);
    assert!(table.contains("2 of 2") && table.contains("current"), "{table}");
    let kept = one.dir.join("last-good/a.wasm");
    assert_eq!(fs::metadata(&kept).expect("it is kept").permissions().mode() & 0o777, 0o600);

    // Not signed, and altered: refused, with the old one in force and on disk.
    fs::write(publisher.join("b.wasm"), component("unsigned")).expect("it is writable");
    publish(&publisher, "b.wasm");
    fs::write(publisher.join("a.wasm"), component("altered")).expect("it is writable");
    let said = publish(&publisher, "a.wasm");
    assert!(said.contains("which was not checked"), "{said}");
    for host in [&one, &two] {
        host.running.wait_for_log("the component `b` is refused: it is not signed");
        host.running.wait_for_log("the component `a` is refused: it was altered");
        host.running.wait_for_log("the version before it stays in force");
        assert_eq!(alerts(host, &format!("altered-{}", host.name)), json!(["first"]));
    }
    wait_until(&publisher, "refusals", |it| {
        lacks(it, "one", "b: it is not signed") && lacks(it, "two", "a: it was altered")
    });
    assert_eq!(one.status()["rules"]["fleet"]["refused"], 2);

    // The server goes away: told, and nothing else changes. A host starts without it.
    nats.kill();
    wait_for("a degraded host", || {
        let problems = one.status()["health"]["problems"].to_string();
        problems.contains("is out of reach, the last good rules stay in force").then_some(())
    });
    assert_eq!(one.status()["rules"]["fleet"]["connected"], false);
    let Host { running, .. } = two;
    running.stop().assert_balanced();
    let two = Host::start(dir.path(), "two", &nats.url(), &key, "");
    assert_eq!(alerts(&two, "without-a-server"), json!(["first"]));
    two.running.wait_for_log("no rules come from the fleet's bucket");

    // It comes back, and so do both hosts.
    nats.start_again();
    sign(&publisher, "a.wasm", "second");
    publish(&publisher, "a.wasm");
    done(&publisher, &["rules", "unpublish", "b", "--config", "publisher.toml"]);
    wait_until(&publisher, "current hosts", are_current);
    for host in [&one, &two] {
        host.running.wait_for_log("the component `a` has a new version");
        assert_eq!(alerts(host, &format!("again-{}", host.name)), json!(["second"]));
    }

    // Removed.
    done(&publisher, &["rules", "unpublish", "a", "--config", "publisher.toml"]);
    for host in [&one, &two] {
        host.running.wait_for_log("the component `a` is removed");
        assert_eq!(alerts(host, &format!("removed-{}", host.name)), Value::Null);
        assert!(!host.dir.join("last-good/a.wasm").exists());
    }
    let (success, said) =
        run(&ocellus(), &publisher, &["rules", "unpublish", "a", "--config", "publisher.toml"]);
    assert!(!success && said.contains("there is no rule `a` in the bucket"), "{said}");
    for host in [one, two] {
        host.running.stop().assert_balanced();
    }
    let forget = ["rules", "fleet", "--forget", "two", "--config", "publisher.toml"];
    let left = done(&publisher, &forget);
    assert!(left.contains("0 rules, 1 hosts") && !left.contains("\ntwo "), "{left}");
}

#[test]
fn signatures_beside_components_do_and_rubbish_does_no_harm() {
    need_root();
    let dir = temp();
    let publisher = dir.path().join("publisher");
    let nats = Nats::start(dir.path());
    let key = make_publisher(&publisher, &nats.url());
    let host = Host::start(dir.path(), "one", &nats.url(), &key, "");
    sign(&publisher, "a.wasm", "good");
    let wasm = fs::read(publisher.join("a.wasm")).expect("it was made");
    let signature = fs::read(publisher.join("a.wasm.minisig")).expect("it was made");
    wait_for("the bucket", || {
        host.status()["rules"]["fleet"]["connected"].as_bool()?.then_some(())
    });

    // As another client puts it there: the component in small pieces, and the signature as an
    // object of its own, after it.
    nats.put_object(BUCKET, "plain.wasm", &wasm, 1000, None);
    host.running.wait_for_log("the component `plain` is refused: it is not signed");
    nats.put_object(BUCKET, "plain.wasm.minisig", &signature, 1000, None);
    host.running.wait_for_log("the component `plain` is loaded, signed by key");

    // What is described as it is not, what is not there, and what is no description.
    nats.put_object(BUCKET, "forged.wasm", &wasm, 1000, Some(json!({ "digest": "SHA-256=AAAA" })));
    nats.put_object(BUCKET, "other.wasm", b"x", 1000, Some(json!({ "digest": digest_of(&wasm) })));
    nats.put_object(BUCKET, "gone.wasm", &wasm, 1000, Some(json!({ "nuid": "nowhere" })));
    nats.put_object(BUCKET, "short.wasm", &wasm, 1000, Some(json!({ "size": 10 })));
    nats.put_object(BUCKET, "huge.wasm", &wasm, 1000, Some(json!({ "size": 1_u64 << 40 })));
    nats.put_object(BUCKET, "../../etc/x.wasm", &wasm, 1000, None);
    nats.put_object(BUCKET, "notes.txt", b"for people", 1000, None);
    nats.publish(&format!("$O.{BUCKET}.M.cnViYmlzaA=="), b"{\"name\":");
    for (name, why) in [
        ("forged", "it does not say its SHA-256"),
        ("other", "its bytes do not have the digest that it is said to have"),
        ("gone", "its pieces are not in the bucket"),
        ("short", "and is said to have 10"),
        ("huge", "it has more than 64 MiB"),
        ("../../etc/x", "its file name is no name for a component"),
    ] {
        host.running.wait_for_log(&format!("the component `{name}` is refused: "));
        host.running.wait_for_log(why);
    }
    let kept = fs::read_dir(host.dir.join("last-good")).expect("it is there");
    let mut kept: Vec<String> =
        kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["plain.wasm", "plain.wasm.minisig"]);
    assert_eq!(alerts(&host, "through-rubbish"), json!(["good"]));

    done(&publisher, &["rules", "unpublish", "plain", "--config", "publisher.toml"]);
    host.running.wait_for_log("the component `plain` is removed");
    host.running.stop().assert_balanced();
}

fn digest_of(bytes: &[u8]) -> String {
    ocellus_tests::receivers::nats::digest_of(bytes)
}

#[test]
fn the_host_s_own_rules_win_over_the_fleet_s_which_come_with_tls() {
    need_root();
    let dir = temp();
    let publisher = dir.path().join("publisher");
    let authority = Authority::create(dir.path());
    let password = dir.path().join("password");
    fs::write(&password, "secret\n").expect("the directory is writable");
    let access = format!(
        "[rules.nats]\ntls = {{ ca_file = {:?} }}\nauth = {{ user = \"u\", password_file = \
         {password:?} }}\n",
        authority.ca
    );
    let user = Some(("u".to_owned(), "secret".to_owned()));
    let nats = Nats::with_access(
        dir.path(),
        Access { authority: Some(authority), user, ..Access::default() },
    );
    let key = make_publisher(&publisher, &nats.url());
    let config = format!("{access}url = {:?}\n", nats.url());
    fs::write(publisher.join("publisher.toml"), config).expect("the directory is writable");
    sign(&publisher, "a.wasm", "of-the-fleet");
    publish(&publisher, "a.wasm");
    let own = dir.path().join("own");
    fs::create_dir(&own).expect("the directory is writable");
    fs::create_dir_all(dir.path().join("one/conf.d")).expect("the directory is writable");
    let fragment = format!("[rules]\ndir = {own:?}\n{access}");
    fs::write(dir.path().join("one/conf.d/own.toml"), fragment).expect("it is writable");
    let host = Host::start(dir.path(), "one", &nats.url(), &key, "");
    host.running.wait_for_log("the component `a` is loaded");
    assert_eq!(alerts(&host, "of-the-fleet"), json!(["of-the-fleet"]));
    // The same name, in the host's own directory.
    let here = dir.path().join("here");
    make_publisher(&here, &nats.url());
    for file in ["team.key", "team.pub"] {
        fs::copy(publisher.join(file), here.join(file)).expect("both are there");
    }
    sign(&here, "a.wasm", "of-the-host");
    for file in ["a.wasm.minisig", "a.wasm"] {
        fs::rename(here.join(file), own.join(file)).expect("both are on one file system");
    }
    host.running.wait_for_log("the component `a` has a new version");
    assert_eq!(alerts(&host, "of-the-host"), json!(["of-the-host"]));
    wait_until(&publisher, "a difference", |it| lacks(it, "one", "a: another version is in force"));
    // Without it, the fleet's is in force again.
    fs::remove_file(own.join("a.wasm")).expect("it is there");
    host.running.wait_for_log_times("the component `a` has a new version", 2);
    assert_eq!(alerts(&host, "again"), json!(["of-the-fleet"]));
    host.running.stop().assert_balanced();
}

#[test]
fn what_cannot_be_published_is_said_in_a_line() {
    let dir = temp();
    let dir = dir.path();
    let url = "nats://127.0.0.1:1";
    make_publisher(dir, url);
    fs::write(dir.join("no.toml"), "[rules]\n").expect("it is writable");
    fs::write(dir.join("a.wasm"), component("a")).expect("it is writable");
    fs::write(dir.join("text.wasm"), "(component)").expect("it is writable");
    let key = fs::read_to_string(dir.join("team.pub")).expect("it was made");
    let strict = format!(
        "[rules]\nrequire_signature = true\ntrusted_keys = [{:?}]\n[rules.nats]\nurl = {url:?}\n",
        key.lines().nth(1).expect("the key is in the second line")
    );
    fs::write(dir.join("strict.toml"), strict).expect("it is writable");
    for (file, config, why) in [
        ("a.wasm", "no.toml", "the configuration has no `[rules.nats]`"),
        ("a.wasm", "strict.toml", "a.wasm: it is not signed"),
        ("text.wasm", "publisher.toml", "text.wasm: it is WebAssembly in text form"),
        ("a.wasm", "publisher.toml", "the bucket cannot be used: Connection refused"),
    ] {
        let (success, said) = run(&ocellus(), dir, &["rules", "publish", file, "--config", config]);
        assert!(!success && said.contains(why) && said.lines().count() == 1, "{why}: {said}");
    }
    let (success, said) = run(&ocellus(), dir, &["rules", "fleet", "--config", "publisher.toml"]);
    assert!(!success && said.contains("the bucket cannot be used"), "{said}");
    for (text, why) in [
        ("[rules.nats]\n", "rules.nats.url: name the servers"),
        ("[rules.nats]\nurl = \"n\"\nbucket = \"a.b\"\n", "rules.nats.bucket: \"a.b\" is not"),
        ("[rules.nats]\nurl = \"n\"\nmax_size = 1\n", "rules.nats.max_size: 1 B is not between"),
        ("[rules.nats]\nbukcet = \"n\"\n", "did you mean `bucket`?"),
    ] {
        fs::write(dir.join("wrong.toml"), text).expect("it is writable");
        let (success, said) = run(&ocellus(), dir, &["config", "check", "wrong.toml"]);
        assert!(!success && said.contains(why), "{why}: {said}");
    }
}
