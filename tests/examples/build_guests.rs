//! Rebuild the components that the repository ships, where a source has changed, and record what
//! they were built of. `--all` rebuilds every one.

use std::error::Error;
use std::process::{Command, ExitCode};

use ocellus::rules::build::{Language, build};
use ocellus_tests::prebuilt::{Guest, Shelf};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let all = std::env::args().any(|arg| arg == "--all");
    let mut failed = false;
    for shelf in Shelf::ALL {
        std::fs::create_dir_all(shelf.dist())?;
        let recorded = shelf.recorded().unwrap_or_default();
        let mut whole = true;
        for guest in shelf.guests()? {
            let current = guest.digests().ok();
            if !all && current.is_some() && current.as_ref() == recorded.get(&guest.name) {
                continue;
            }
            eprintln!("building {}", guest.name);
            if let Err(error) = rebuild(&guest) {
                eprintln!("error: {}: {error}", guest.name);
                whole = false;
            }
        }
        // Only what has just been built may be recorded as built of the present sources.
        if whole {
            shelf.record()?;
        }
        failed |= !whole;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn rebuild(guest: &Guest) -> Result<(), Box<dyn Error>> {
    if guest.language == Language::JavaScript && !guest.project.join("node_modules").is_dir() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock"]);
        if !npm.current_dir(&guest.project).status()?.success() {
            return Err("npm install failed".into());
        }
    }
    let component = build(&guest.project, &guest.component(), None)?;
    eprintln!("{}: {} bytes", guest.name, std::fs::metadata(component)?.len());
    Ok(())
}
