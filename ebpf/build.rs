//! Compiles the kernel probes with clang into one object, which the crate embeds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Tried in this order: 19 is what the probes are tested with on each kernel, then the newest.
/// Before 14 clang lacks CO-RE relocations that the probes use.
const CLANGS: [&str; 10] = [
    "clang-19", "clang-22", "clang-21", "clang-20", "clang", "clang-18", "clang-17", "clang-16",
    "clang-15", "clang-14",
];

/// Names this compiler instead.
const CLANG_VARIABLE: &str = "OCELLUS_CLANG";

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed={CLANG_VARIABLE}");
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("bpf");
    let out = PathBuf::from(variable("OUT_DIR"));
    if let Err(message) = build(&source, &out.join("ocellus.bpf.o")) {
        println!("cargo::error={message}");
        std::process::exit(1);
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn build(source: &Path, object: &Path) -> Result<(), String> {
    let clang = find_clang(object)?;
    let little = variable("CARGO_CFG_TARGET_ENDIAN") == "little";
    let target = if little { "bpfel" } else { "bpfeb" };
    let output = Command::new(&clang)
        // Version 2 of the instruction set: the oldest kernel that we support knows no later one.
        .args(["-target", target, "-mcpu=v2", "-O2", "-g", "-std=gnu11", "-Wall", "-Wextra"])
        // No path of the building machine gets into the object.
        .arg(format!("-ffile-prefix-map={}=bpf", source.display()))
        .arg("-fdebug-compilation-dir=.")
        .arg("-c")
        .arg(source.join("ocellus.bpf.c"))
        .arg("-o")
        .arg(object)
        .output()
        .map_err(|error| format!("cannot run {clang}: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{messages}");
        return Err(format!("{clang} refused the kernel probes, its messages are above"));
    }
    for line in messages.lines().filter(|line| line.contains("warning:")) {
        println!("cargo::warning={line}");
    }
    strip(&clang, object);
    Ok(())
}

/// The compiler to use: one that exists and makes code for BPF.
fn find_clang(object: &Path) -> Result<String, String> {
    if let Ok(named) = env::var(CLANG_VARIABLE) {
        return if makes_bpf(&named, object) {
            Ok(named)
        } else {
            Err(format!("{CLANG_VARIABLE} names {named}, which does not compile for BPF"))
        };
    }
    let found = CLANGS.into_iter().find(|clang| makes_bpf(clang, object));
    found.map(str::to_owned).ok_or_else(|| {
        format!(
            "the kernel probes need clang 14 or newer and none of {} compiles for BPF: install it \
             (Debian, Ubuntu, Fedora: package clang) or set {CLANG_VARIABLE} to its path",
            CLANGS.join(", ")
        )
    })
}

fn makes_bpf(clang: &str, object: &Path) -> bool {
    let tried = Command::new(clang)
        .args(["-target", "bpf", "-x", "c", "-c", "/dev/null", "-o"])
        .arg(object)
        .output();
    matches!(tried, Ok(Output { status, .. }) if status.success())
}

/// Removes DWARF, which only costs room. BTF stays. Without the tool the object is just larger.
fn strip(clang: &str, object: &Path) {
    let tools = [clang.replace("clang", "llvm-strip"), "llvm-strip".to_owned()];
    for tool in tools {
        let run = Command::new(tool).arg("-g").arg(object).output();
        if matches!(run, Ok(Output { status, .. }) if status.success()) {
            return;
        }
    }
}
