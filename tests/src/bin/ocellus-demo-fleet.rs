//! `make demo-fleet`: one nats-server and two sensors on this machine. A signed rule is published
//! once and must be in force on both within two seconds; the alerts of both must arrive in the
//! stream. Ends with status 1 where one of that does not hold, and leaves nothing behind.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ocellus_tests::fleet::{Host, done, make_publisher, overview};
use ocellus_tests::program::field;
use ocellus_tests::receivers::nats::{Nats, STREAM};
use serde_json::Value;

/// A rule that alerts on a program in a directory that everybody can write to.
const RULE: &str = "exec-from-world-writable";
const ACTIVE_WITHIN: Duration = Duration::from_secs(2);
/// Events wait for their order, their hash and the spool.
const ARRIVED_WITHIN: Duration = Duration::from_secs(20);

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("demo-fleet: two sensors watch this host: run it as root");
        return ExitCode::FAILURE;
    }
    // What was started ends with what owns it, also when something fails.
    match std::panic::catch_unwind(demo) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("demo-fleet: FAILED: {error}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn demo() -> Outcome {
    let dir = tempfile::Builder::new().prefix("ocellus-demo-fleet-").tempdir()?;
    let nats = Nats::start(dir.path());
    println!("nats-server listens at {}", nats.url());
    let publisher = dir.path().join("publisher");
    let key = make_publisher(&publisher, &nats.url());
    let start = |name| {
        let output = format!(
            "[[output]]\ntype = \"nats\"\nurl = \"{}\"\ncreate_stream = \"{STREAM}\"\n\
             spool.dir = {:?}\n",
            nats.url(),
            dir.path().join(name).join("spool")
        );
        Host::start(dir.path(), name, &nats.url(), &key, &output)
    };
    let hosts = [start("one"), start("two")];
    for host in &hosts {
        wait(&format!("the bucket on {}", host.name), ARRIVED_WITHIN, || {
            host.status()["rules"]["fleet"]["connected"].as_bool().filter(|it| *it)
        })?;
        println!("sensor {} runs, pid {}, and has no rules", host.name, host.running.pid());
    }
    publish(&publisher, &hosts)?;
    println!("\n{}", done(&publisher, &["rules", "fleet", "--config", "publisher.toml"]));
    run_something(dir.path())?;
    show_alerts(&nats, &hosts)?;
    for host in hosts {
        let name = host.name.clone();
        host.running.stop().assert_balanced();
        println!("sensor {name} has ended, each event accounted for");
    }
    Ok(())
}

/// Signs the rule, publishes it once, and waits until both sensors judge by it.
fn publish(publisher: &Path, hosts: &[Host]) -> Outcome {
    let file = format!("{RULE}.wasm");
    let rule = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/dist").join(&file);
    fs::copy(rule, publisher.join(&file))?;
    done(publisher, &["rules", "sign", &file, "--key", "team.key"]);
    let began = Instant::now();
    print!("\n{}", done(publisher, &["rules", "publish", &file, "--config", "publisher.toml"]));
    println!("published after {} ms", began.elapsed().as_millis());
    let mut active = BTreeMap::new();
    wait("the rule on both sensors", ARRIVED_WITHIN, || {
        for host in hosts.iter().filter(|host| host.digest(RULE).is_some()) {
            active.entry(host.name.clone()).or_insert_with(|| began.elapsed());
        }
        (active.len() == hosts.len()).then_some(())
    })?;
    for (name, time) in &active {
        println!("in force on {name} {} ms after the command was given", time.as_millis());
    }
    if let Some((name, time)) = active.iter().find(|(_, time)| **time > ACTIVE_WITHIN) {
        return Err(format!("it took {name} {} ms, more than two seconds", time.as_millis()).into());
    }
    wait("both in the bucket of hosts", ARRIVED_WITHIN, || {
        let seen = overview(publisher);
        (seen["rules"][0]["hosts"] == hosts.len()).then_some(())
    })?;
    println!("told by both in the bucket of hosts after {} ms", began.elapsed().as_millis());
    Ok(())
}

/// Executes a program in a directory that everybody can write to.
fn run_something(dir: &Path) -> Outcome {
    let open = dir.join("open");
    fs::create_dir(&open)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777))?;
    let program: PathBuf = open.join("suspicious");
    fs::copy("/bin/true", &program)?;
    Command::new(&program).status()?;
    println!("executed {}", program.display());
    Ok(())
}

/// Waits until the alerts of both are in the stream, and shows them.
fn show_alerts(nats: &Nats, hosts: &[Host]) -> Outcome {
    let began = Instant::now();
    let alerts = wait("the alerts of both in the stream", ARRIVED_WITHIN, || {
        let mut found = BTreeMap::new();
        for event in nats.events() {
            let alerts = field(&event, "ocellus.rules.alerts").as_array();
            if alerts.is_some_and(|alerts| !alerts.is_empty())
                && let Some(host) = field(&event, "host.name").as_str()
            {
                found.insert(host.to_owned(), event);
            }
        }
        hosts.iter().all(|host| found.contains_key(&host.name)).then_some(found)
    })?;
    println!(
        "the stream {STREAM} has the alerts of both after {} ms:",
        began.elapsed().as_millis()
    );
    for (host, event) in alerts {
        let text = |path: &str| field(&event, path).as_str().unwrap_or("?").to_owned();
        let [time, id, program] = ["@timestamp", "event.id", "process.executable"].map(text);
        let rules = Value::to_string(field(&event, "ocellus.rules.alerts"));
        println!("  {time} {host} {program} {rules} event.id {id}");
    }
    Ok(())
}

fn wait<T>(
    what: &str,
    at_most: Duration,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T, Box<dyn Error>> {
    let began = Instant::now();
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if began.elapsed() > at_most {
            return Err(format!("no {what} within {} s", at_most.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
