//! `make test-kernels` and `make bench-kernel`: the sensor on real kernels, in virtual machines.
//!
//! `ocellus-kernels test [SERIES…]` boots each kernel and runs there what a test of this repository
//! can say of a kernel, `--short` a part of it; `ocellus-kernels bench [SERIES…]` measures what the
//! sensor costs there. `--arm64` before it builds for that architecture and boots kernels of it.
//! `ocellus-kernels pages` writes docs/kernels.md and the table in README.md from the last report
//! of each kernel.
//! `ocellus-kernels run SERIES COMMAND` runs one command in a guest that has
//! the sensor and the tests, for whoever looks for the reason, and the programs of this host that
//! `PROGRAMS` names.

#![forbid(unsafe_code)]

mod bench;
mod built;
mod limits;
mod matrix;
mod negative;
mod outcome;
mod page;
mod scenarios;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ocellus_tests::vm::{Architecture, Boot, Image, fetch};

use built::Built;
use matrix::Extent;

const USAGE: &str = "usage: ocellus-kernels [--arm64] test [--short] [SERIES…] | bench [SERIES…] | \
     pages | [--arm64] run SERIES COMMAND…";

/// A guest that somebody works with may take its time.
const RUN_LIMIT: Duration = Duration::from_secs(3_600);

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut architecture = Architecture::Amd64;
    if arguments.first().is_some_and(|first| first == "--arm64") {
        architecture = Architecture::Arm64;
        arguments.remove(0);
    }
    let done = match arguments.split_first() {
        Some((command, rest)) if command == "test" => match rest.split_first() {
            Some((flag, series)) if flag == "--short" => {
                matrix::run(architecture, series, Extent::Short)
            }
            _ => matrix::run(architecture, rest, Extent::Whole),
        },
        Some((command, [])) if command == "pages" => page::write().map(|()| true),
        Some((command, series)) if command == "bench" => bench::run(series),
        Some((command, rest)) if command == "run" => run(architecture, rest),
        _ => Err(io::Error::other(USAGE)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ocellus-kernels: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command in a guest and prints the guest's console.
fn run(architecture: Architecture, arguments: &[String]) -> io::Result<bool> {
    let Some((series, command)) = arguments.split_first() else {
        return Err(io::Error::other(USAGE));
    };
    let built = Built::build(architecture)?;
    let kernels = fetch(architecture, std::slice::from_ref(series))?;
    let mut image = image(&built)?;
    // What else one wants to have there, such as strace.
    for program in std::env::var("PROGRAMS").unwrap_or_default().split_whitespace() {
        image.program(Path::new(program))?;
    }
    for kernel in kernels {
        let task = format!("{}\n{}\n", built.variables(), command.join(" "));
        let boot = Boot { task: &task, ..boot(&kernel, &image, RUN_LIMIT) };
        print!("{}", boot.run()?.console);
    }
    Ok(true)
}

/// A boot of two CPUs without parameters, with nothing to do yet.
fn boot<'a>(
    kernel: &'a ocellus_tests::vm::Kernel,
    image: &'a Image,
    time_limit: Duration,
) -> Boot<'a> {
    Boot {
        kernel,
        image,
        task: "",
        files: &[],
        parameters: "",
        memory_mib: 2_048,
        counted: false,
        time_limit,
    }
}

/// The guest's files: the sensor, the tests, and what these look for.
fn image(built: &Built) -> io::Result<Image> {
    let mut image = Image::new(built.architecture)?;
    for program in built.programs() {
        image.program(program)?;
    }
    for file in &built.files {
        image.files(file)?;
    }
    image.folder(&ocellus_tests::prebuilt::root().join("tests"));
    Ok(image)
}
