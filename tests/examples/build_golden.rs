//! Build the golden components anew, of all languages or of those that are named, and keep those
//! that say the same as before; with `--new`, whatever they say.

use std::error::Error;

use ocellus::rules::build::build;
use ocellus_tests::golden::{LANGUAGES, kept, recording, said, source, xz};

fn main() -> Result<(), Box<dyn Error>> {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--new").collect();
    let is_new = std::env::args().any(|arg| arg == "--new");
    let folder = tempfile::tempdir()?;
    let events = recording();
    for language in LANGUAGES {
        if !named.is_empty() && !named.iter().any(|name| name == language) {
            continue;
        }
        let wasm = std::fs::read(build(&source(language), folder.path(), None)?)?;
        let path = kept(language);
        if !is_new {
            let before = said(language, &xz(&std::fs::read(&path)?, true), &events);
            let now = said(language, &wasm, &events);
            if let Some(at) = (0..events.len()).find(|at| before.get(*at) != now.get(*at)) {
                let (before, now) = (&before[at], &now[at]);
                return Err(format!("{language}: event {at}: {before:?}, now {now:?}").into());
            }
        }
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let compressed = xz(&wasm, false);
        std::fs::write(&path, &compressed)?;
        eprintln!("{language}: {} bytes, {} compressed", wasm.len(), compressed.len());
    }
    Ok(())
}
