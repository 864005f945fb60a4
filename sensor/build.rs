//! Turns the field table of `wit/fields.toml` into Rust, and puts into the program what
//! `ocellus rules new` writes: one template for each folder `sdk/LANGUAGE/template`.

#[path = "build/fields.rs"]
mod fields;
#[path = "build/templates.rs"]
mod templates;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    std::fs::write(out.join("fields.rs"), fields::generate(&root)).expect("OUT_DIR is writable");
    let templates = templates::generate(&root);
    std::fs::write(out.join("templates.rs"), templates).expect("OUT_DIR is writable");
    let sdks = templates::generate_sdks(&root);
    std::fs::write(out.join("sdks.rs"), sdks).expect("OUT_DIR is writable");
}
