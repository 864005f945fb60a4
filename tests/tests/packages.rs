//! The packages: made, installed into a root of their own, upgraded, removed and purged, with this
//! machine's own dpkg and rpm. Nothing of it touches this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ocellus_tests::program::{need_root, ocellus};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sensor/packaging/package.sh");

fn temp() -> TempDir {
    tempfile::Builder::new().prefix("ocellus-packages-").tempdir().expect("there is room")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

/// A small stand-in for the binary: packages are compared and unpacked several times.
fn stand_in(dir: &Path) -> PathBuf {
    let path = dir.join("ocellus");
    let real = ocellus();
    let text = format!("#!/bin/sh\nexec {} \"$@\"\n", real.display());
    fs::write(&path, text).expect("the directory is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

fn package(kind: &str, dir: &Path) -> PathBuf {
    let binary = stand_in(dir);
    let out = dir.join(format!("out-{kind}"));
    let printed = run(Command::new(SCRIPT)
        .arg(kind)
        .arg(binary)
        .arg(&out)
        .env("SOURCE_DATE_EPOCH", "1700000000"));
    PathBuf::from(printed.trim())
}

/// dpkg for a root of its own.
fn dpkg(root: &Path, arguments: &[&str]) -> String {
    run(Command::new("dpkg")
        .arg(format!("--root={}", root.display()))
        .args(["--force-script-chrootless", "--force-depends", "--force-confold"])
        .arg(format!("--log={}", root.join("dpkg.log").display()))
        .args(arguments))
}

#[test]
fn a_debian_package_is_installed_upgraded_and_purged() {
    need_root();
    let dir = temp();
    let deb = package("deb", dir.path());
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("var/lib/dpkg/info")).expect("the directory is writable");
    for file in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(file), "").expect("it is writable");
    }
    let deb = deb.to_str().expect("UTF-8");
    dpkg(&root, &["--install", deb]);
    let config = root.join("etc/ocellus/ocellus.toml");
    for file in [
        "usr/bin/ocellus",
        "usr/lib/systemd/system/ocellus.service",
        "usr/share/man/man1/ocellus.1.gz",
        "usr/share/bash-completion/completions/ocellus",
        "usr/share/doc/ocellus/metrics.md",
        "etc/ocellus/conf.d",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    let checked = run(Command::new(ocellus()).args(["config", "check"]).arg(&config));
    assert!(checked.contains("ok"), "{checked}");
    // Each shipped rule is there, and a link in the rules directory leads to it.
    let shipped = fs::read_dir(root.join("usr/share/ocellus/rules")).expect("it is there");
    let shipped: Vec<_> = shipped.map(|entry| entry.expect("readable").file_name()).collect();
    assert!(shipped.len() > 5, "{shipped:?}");
    for rule in &shipped {
        let link = fs::read_link(root.join("etc/ocellus/rules").join(rule)).expect("a link");
        assert!(root.join("etc/ocellus/rules").join(link).exists(), "{rule:?}");
    }

    // An upgrade leaves alone what an operator wrote.
    fs::write(&config, "# mine\n").expect("it is writable");
    fs::write(root.join("etc/ocellus/conf.d/site.toml"), "").expect("it is writable");
    dpkg(&root, &["--install", deb]);
    assert_eq!(fs::read_to_string(&config).expect("it is there"), "# mine\n");
    let status = dpkg(&root, &["--status", "ocellus"]);
    assert!(status.contains("install ok installed"), "{status}");

    fs::create_dir_all(root.join("var/log/ocellus")).expect("it is writable");
    fs::write(root.join("var/log/ocellus/events.ndjson"), "{}").expect("it is writable");
    dpkg(&root, &["--remove", "ocellus"]);
    assert!(!root.join("usr/bin/ocellus").exists());
    assert!(config.exists(), "a removal keeps the configuration");
    dpkg(&root, &["--purge", "ocellus"]);
    assert!(!config.exists() && !root.join("var/log/ocellus").exists());
    assert!(root.join("etc/ocellus/conf.d/site.toml").exists(), "what an operator added stays");
}

#[test]
fn the_same_sources_give_the_same_packages() {
    for kind in ["deb", "tarball"] {
        let bytes = |dir: &TempDir| fs::read(package(kind, dir.path())).expect("it was made");
        let (first, second) = (temp(), temp());
        // The stand-in is the same text in both.
        assert!(bytes(&first) == bytes(&second), "{kind} differs");
    }
}

#[test]
fn an_rpm_package_holds_what_the_debian_package_holds() {
    let dir = temp();
    let (deb, rpm) = (package("deb", dir.path()), package("rpm", dir.path()));
    let listed = run(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    let in_rpm = run(Command::new("rpm").args(["-qlp", "--nosignature"]).arg(&rpm));
    let from_deb: Vec<String> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|path| !path.ends_with('/'))
        .map(|path| path.trim_start_matches('.').to_owned())
        .collect();
    let from_rpm: Vec<&str> = in_rpm.lines().collect();
    for path in &from_deb {
        assert!(from_rpm.contains(&path.as_str()), "{path} is not in {in_rpm}");
    }
    assert!(from_deb.len() > 15, "{from_deb:?}");
}

#[test]
fn the_unit_is_right_and_hardened() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../sensor/packaging/ocellus.service");
    let rated = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit));
    let (_, level) = rated.split_once("exposure level for ocellus.service: ").expect("it is rated");
    let level: f64 = level.split(' ').next().expect("a number").parse().expect("a number");
    assert!(level <= 3.5, "the exposure level is {level}");
}
