//! Compiles the C programs of `workload/`, which the scenarios run: what a process can do to its
//! kernel by raw system calls is said in C, so that the tests need no unsafe code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const COMMON: [&str; 3] = ["-Wall", "-Wextra", "-O1"];

/// A program without a library and without a loader, that runs wherever the kernel can find it.
const FREESTANDING: [&str; 6] = [
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-pic",
    "-fno-asynchronous-unwind-tables",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=workload");
    let workload: Vec<PathBuf> = std::fs::read_dir("workload")
        .expect("the sources are there")
        .map(|entry| entry.expect("they can be listed").path())
        .filter(|path| path.extension().is_some_and(|it| it == "c") && !path.ends_with("still.c"))
        .collect();
    must("OCELLUS_WORKLOAD", "workload", &["-pthread"], &workload);
    let still = [PathBuf::from("workload/still.c")];
    must("OCELLUS_STILL", "still", &FREESTANDING, &still);
    // A compiler for 64 bits may know no 32-bit architecture: then that scenario is unsupported.
    let name = match std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => "still32",
        _ => "",
    };
    let flags = [&["-m32"][..], &FREESTANDING].concat();
    let made = !name.is_empty()
        && compile(&out(name), &flags, &still).is_ok_and(|output| output.status.success());
    let path = if made { out(name) } else { PathBuf::new() };
    println!("cargo::rustc-env=OCELLUS_STILL32={}", path.display());
}

fn out(name: &str) -> PathBuf {
    Path::new(&std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join(name)
}

/// The C compiler for the target, by the variable that the crate `cc` knows too.
fn compiler() -> String {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (target, host) = (variable("TARGET"), variable("HOST"));
    let named = variable(&format!("CC_{}", target.replace('-', "_")));
    match named.as_str() {
        "" if target == host => "cc".to_owned(),
        "" => panic!("name the C compiler for {target} in CC_{}", target.replace('-', "_")),
        _ => named,
    }
}

fn compile(program: &Path, flags: &[&str], sources: &[PathBuf]) -> std::io::Result<Output> {
    let mut command = Command::new(compiler());
    command.args(COMMON).args(flags).arg("-o").arg(program).args(sources).output()
}

/// Compiles a program, and names it to the tests.
fn must(variable: &str, name: &str, flags: &[&str], sources: &[PathBuf]) {
    let program = out(name);
    match compile(&program, flags, sources) {
        Ok(output) if output.status.success() => {
            for line in String::from_utf8_lossy(&output.stderr).lines() {
                println!("cargo::warning={line}");
            }
        }
        Ok(output) => panic!("cannot compile {name}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("cannot run cc, install a C compiler: {error}"),
    }
    println!("cargo::rustc-env={variable}={}", program.display());
}
