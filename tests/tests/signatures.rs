//! Signed rules, through the program: what `ocellus rules keys`, `sign` and `verify` do, that
//! minisign does the same, and what a sensor takes and refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ocellus_tests::guest::{Action, Guest};
use ocellus_tests::program::{Running, field, has_argument, need_root, ocellus, public_key, run};
use serde_json::json;
use tempfile::TempDir;

fn temp() -> TempDir {
    tempfile::Builder::new().prefix("ocellus-signatures-").tempdir().expect("there is room")
}

fn rules(dir: &Path, arguments: &[&str]) -> (bool, String) {
    run(&ocellus(), dir, &[&["rules"], arguments].concat())
}

fn done((success, words): (bool, String)) -> String {
    assert!(success, "{words}");
    words
}

fn refused((success, words): (bool, String), why: &str) {
    assert!(!success && words.contains(why), "no {why:?} in: {words}");
}

/// A component whose one rule alerts on each execution.
fn component(rule: &str) -> Vec<u8> {
    Guest::new(rule).interest(&["process.exec"], &[]).hits(&[(0, Action::alert(50, rule))]).build()
}

#[test]
fn keys_are_made_once_sign_and_are_verified() {
    let dir = temp();
    let dir = dir.path();
    fs::write(dir.join("a.wasm"), component("a")).expect("it is writable");
    fs::write(dir.join("b.wasm"), component("b")).expect("it is writable");
    let said = done(rules(dir, &["keys", "team", "--no-password"]));
    assert!(said.contains(&public_key(dir, "team")), "{said}");
    let mode = fs::metadata(dir.join("team.key")).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    refused(rules(dir, &["keys", "team", "--no-password"]), "never written over");
    fs::write(dir.join("password"), "correct horse\nnot this\n").expect("it is writable");
    done(rules(dir, &["keys", "other", "--password-file", "password"]));

    refused(rules(dir, &["verify", "a.wasm", "--key", "team.pub"]), "not signed");
    let said = done(rules(dir, &["sign", "a.wasm", "b.wasm", "--key", "team.key"]));
    assert_eq!(said, "a.wasm.minisig\nb.wasm.minisig\n");
    for key in ["team.pub", &public_key(dir, "team")] {
        let said = done(rules(dir, &["verify", "a.wasm", "b.wasm", "--key", key]));
        assert!(said.contains("signed by key") && said.contains("file:b.wasm"), "{said}");
    }
    refused(rules(dir, &["verify", "a.wasm", "--key", "other.pub"]), "not one of the keys");
    refused(rules(dir, &["verify", "a.wasm", "--key", "team.pug"]), "there is no such file");
    let said = done(rules(dir, &["inspect", "a.wasm"]));
    assert!(said.contains("signature it is signed by key"), "{said}");
    fs::copy(dir.join("a.wasm.minisig"), dir.join("b.wasm.minisig")).expect("both are there");
    refused(rules(dir, &["verify", "a.wasm", "b.wasm", "--key", "team.pub"]), "1 of 2 files");
    refused(rules(dir, &["sign", "a.wasm", "--key", "team.pub"]), "not a secret key");
    fs::write(dir.join("wrong"), "battery staple").expect("it is writable");
    let with = |password| ["sign", "a.wasm", "--key", "other.key", "--password-file", password];
    refused(rules(dir, &with("wrong")), "password");
    done(rules(dir, &with("password")));
    done(rules(dir, &["verify", "a.wasm", "--key", "other.pub"]));
}

#[test]
fn minisign_reads_our_keys_and_signatures_and_we_read_its() {
    let dir = temp();
    let dir = dir.path();
    let minisign = PathBuf::from("minisign");
    fs::write(dir.join("a.wasm"), component("a")).expect("it is writable");
    done(rules(dir, &["keys", "ours", "--no-password"]));
    done(rules(dir, &["sign", "a.wasm", "--key", "ours.key"]));
    let said = done(run(&minisign, dir, &["-V", "-p", "ours.pub", "-m", "a.wasm"]));
    assert!(said.contains("file:a.wasm"), "{said}");
    // It signs with our key, and with one of its own.
    done(run(&minisign, dir, &["-S", "-s", "ours.key", "-m", "a.wasm"]));
    done(rules(dir, &["verify", "a.wasm", "--key", "ours.pub"]));
    done(run(&minisign, dir, &["-G", "-W", "-p", "its.pub", "-s", "its.key"]));
    done(run(&minisign, dir, &["-S", "-s", "its.key", "-m", "a.wasm"]));
    done(rules(dir, &["verify", "a.wasm", "--key", "its.pub"]));
    done(rules(dir, &["sign", "a.wasm", "--key", "its.key"]));
    done(run(&minisign, dir, &["-V", "-p", "its.pub", "-m", "a.wasm"]));
}

#[test]
fn trust_that_makes_no_sense_is_refused_by_key() {
    let dir = temp();
    let check = |text: &str| {
        let path = dir.path().join("ocellus.toml");
        fs::write(&path, format!("[rules]\n{text}\n")).expect("it is writable");
        let path = path.to_str().expect("UTF-8");
        run(&ocellus(), dir.path(), &["config", "check", path])
    };
    refused(check("require_signature = true"), "rules.require_signature: no rule could be loaded");
    refused(
        check("trusted_keys = [\"RWQ\"]"),
        "rules.trusted_keys: \"RWQ\" is not the second line",
    );
    refused(check("allowed_digests = [\"12\"]"), "rules.allowed_digests: \"12\" is not a SHA-256");
}

#[test]
fn a_sensor_takes_what_is_signed_and_keeps_it_when_it_is_altered() {
    need_root();
    let dir = temp();
    let made = dir.path().join("made");
    let watched = dir.path().join("rules");
    for folder in [&made, &watched] {
        fs::create_dir(folder).expect("the directory is writable");
    }
    let put = |name: &str| {
        fs::rename(made.join(name), watched.join(name)).expect("both are on one file system");
    };
    done(rules(&made, &["keys", "team", "--no-password"]));
    done(rules(&made, &["keys", "stranger", "--no-password"]));
    fs::write(made.join("a.wasm"), component("first")).expect("it is writable");
    fs::write(made.join("allowed.wasm"), component("allowed")).expect("it is writable");
    let (_, digest) = run(Path::new("sha256sum"), &made, &["allowed.wasm"]);
    let config = format!(
        "[rules]\ncache_dir = {:?}\nrequire_signature = true\ntrusted_keys = [{:?}]\n\
         allowed_digests = [{:?}]\n[control]\nsocket = {:?}\n",
        dir.path().join("cache"),
        public_key(&made, "team"),
        digest.split_whitespace().next().expect("the digest comes first"),
        dir.path().join("control.sock"),
    );
    fs::write(dir.path().join("ocellus.toml"), config).expect("the directory is writable");
    put("a.wasm");
    put("allowed.wasm");
    let watched_path = watched.to_str().expect("UTF-8");
    let running = Running::start(dir.path(), &["--no-snapshot", "--rules", watched_path]);
    let alerts = |argument: &str| {
        let status = Command::new("/bin/true").arg(argument).status();
        assert!(status.expect("there is true").success());
        let event = running.wait_for_event(argument, |event| has_argument(event, argument));
        field(&event, "ocellus.rules.alerts").clone()
    };
    running.wait_for_log("the component `a` is refused: it is not signed");
    running.wait_for_log("the component `allowed` is loaded, allowed by its digest");
    assert_eq!(alerts("unsigned"), json!(["allowed"]));

    // Its signature comes later.
    fs::copy(watched.join("a.wasm"), made.join("a.wasm")).expect("both are there");
    done(rules(&made, &["sign", "a.wasm", "--key", "team.key"]));
    put("a.wasm.minisig");
    running.wait_for_log("the component `a` is loaded, signed by key");
    assert_eq!(alerts("signed"), json!(["first", "allowed"]));

    // Another component under the signature of the first.
    fs::write(made.join("a.wasm"), component("second")).expect("it is writable");
    put("a.wasm");
    running.wait_for_log("the component `a` is refused: it was altered");
    running.wait_for_log("the version before it stays in force");
    assert_eq!(alerts("altered"), json!(["first", "allowed"]));

    // The same, signed by a stranger, and at last by the team.
    for (key, log) in [
        ("stranger.key", "the component `a` is refused: it is signed by key"),
        ("team.key", "the component `a` has a new version, signed by key"),
    ] {
        fs::write(made.join("a.wasm"), component("second")).expect("it is writable");
        done(rules(&made, &["sign", "a.wasm", "--key", key]));
        put("a.wasm.minisig");
        put("a.wasm");
        running.wait_for_log(log);
    }
    assert_eq!(alerts("anew"), json!(["second", "allowed"]));
    let socket = dir.path().join("control.sock");
    let list = ["list", "--socket", socket.to_str().expect("UTF-8")];
    let list = done(rules(&made, &list));
    assert!(list.contains("signed by key") && list.contains("allowed by its digest"), "{list}");
    running.stop().assert_balanced();
}
