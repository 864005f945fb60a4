//! Hosts of a fleet on this one: sensors, each with a name, a directory and a socket of its own,
//! which take their rules from one bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::{Running, ocellus, public_key, run};

/// A host with its sensor.
#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub dir: PathBuf,
    pub running: Running,
}

impl Host {
    /// Starts a sensor that takes the rules of the bucket behind `url` which `public_key` signed,
    /// and has these outputs beside a file.
    pub fn start(parent: &Path, name: &str, url: &str, public_key: &str, outputs: &str) -> Host {
        let dir = parent.join(name);
        let fragments = dir.join("conf.d");
        fs::create_dir_all(&fragments).expect("the directory is writable");
        let text = format!(
            "[host]\nname = {name:?}\n[rules]\nrequire_signature = true\n\
             trusted_keys = [{public_key:?}]\n[rules.nats]\nurl = {url:?}\ncreate = true\n\
             dir = {:?}\n",
            dir.join("last-good"),
        );
        fs::write(fragments.join("fleet.toml"), text).expect("the directory is writable");
        let running = Running::start_with_outputs(&dir, outputs, &[]);
        Host { name: name.to_owned(), dir, running }
    }

    /// What `ocellus status --json` tells.
    pub fn status(&self) -> Value {
        let output = Command::new(ocellus())
            .args(["status", "--json", "--socket"])
            .arg(self.dir.join("control.sock"))
            .output()
            .expect("the program starts");
        // A sensor that is not well fails the command, and tells all the same.
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The SHA-256 of a component that is in force.
    pub fn digest(&self, component: &str) -> Option<String> {
        let status = self.status();
        let components = status["rules"]["components"].as_array()?;
        let found = components.iter().find(|it| it["name"] == component)?;
        found["digest"].as_str().map(str::to_owned)
    }
}

/// What `ocellus` says in a directory, where it must succeed.
pub fn done(dir: &Path, arguments: &[&str]) -> String {
    let (success, text) = run(&ocellus(), dir, arguments);
    assert!(success, "ocellus {}: {text}", arguments.join(" "));
    text
}

/// What a publisher needs: keys, and a configuration that names the bucket. Gives the public key.
pub fn make_publisher(dir: &Path, url: &str) -> String {
    fs::create_dir_all(dir).expect("the directory is writable");
    done(dir, &["rules", "keys", "team", "--no-password"]);
    let config = format!("[rules.nats]\nurl = {url:?}\n");
    fs::write(dir.join("publisher.toml"), config).expect("the directory is writable");
    public_key(dir, "team")
}

/// What `ocellus rules fleet --json` tells.
pub fn overview(publisher: &Path) -> Value {
    let text = done(publisher, &["rules", "fleet", "--json", "--config", "publisher.toml"]);
    serde_json::from_str(&text).expect("it is JSON")
}
