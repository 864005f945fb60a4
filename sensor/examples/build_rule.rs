//! Build a rule into a component: `build_rule DIR [OUT]`.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let project = args.next().ok_or("usage: build_rule DIR [OUT]")?;
    let out = args.next().unwrap_or_else(|| PathBuf::from("."));
    let component = ocellus::rules::build::build(&project, &out)?;
    let bytes = std::fs::metadata(&component)?.len();
    eprintln!("{}: {bytes} bytes", component.display());
    Ok(())
}
