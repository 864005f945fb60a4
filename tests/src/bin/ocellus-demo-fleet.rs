//! `make demo-fleet`: one nats-server and two sensors on this machine. A signed rule is published
//! once and must be in force on both within two seconds; the alerts of both must arrive in the
//! stream. Ends with status 1 where one of that does not hold, and leaves nothing behind.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ocellus_tests::fleet::{Host, done, make_publisher, overview};
use ocellus_tests::program::field;
use ocellus_tests::receivers::nats::{Nats, STREAM};
use serde_json::Value;

/// A rule that alerts on a script that is hidden, and such a script, which does nothing.
const RULE: &str = "encoded-script";
const SCRIPT: &str = "echo dHJ1ZQ== | base64 -d | sh";
const ACTIVE_WITHIN: Duration = Duration::from_secs(2);
/// Events wait for their order and in the spool, on a busy host behind all others.
const ARRIVED_WITHIN: Duration = Duration::from_secs(60);

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
    let shown = publish(&publisher, &hosts)
        .and_then(|()| run_something())
        .and_then(|()| show_alerts(&nats, &hosts));
    if let Err(error) = shown {
        for host in &hosts {
            eprintln!("sensor {} says of its outputs {:#}", host.name, host.status()["outputs"]);
            eprintln!("and its log is\n{}", host.running.log());
        }
        return Err(error);
    }
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
    println!("\n{}", done(publisher, &["rules", "fleet", "--config", "publisher.toml"]));
    Ok(())
}

/// Does what the rule alerts on.
fn run_something() -> Outcome {
    Command::new("/bin/sh").args(["-c", SCRIPT]).status()?;
    println!("executed sh -c '{SCRIPT}'");
    Ok(())
}

/// Waits until the alerts of both are in the stream, and shows them.
fn show_alerts(nats: &Nats, hosts: &[Host]) -> Outcome {
    let began = Instant::now();
    let (mut next, mut found) = (1, BTreeMap::new());
    wait("the alerts of both in the stream", ARRIVED_WITHIN, || {
        // Only what is new: a busy host makes more than could be read again and again.
        for event in nats.events_from(&mut next) {
            let alerts = field(&event, "ocellus.rules.alerts").as_array();
            if alerts.is_some_and(|alerts| !alerts.is_empty())
                && let Some(host) = field(&event, "host.name").as_str()
            {
                found.insert(host.to_owned(), event);
            }
        }
        hosts.iter().all(|host| found.contains_key(&host.name)).then_some(())
    })?;
    println!(
        "the stream {STREAM} has the alerts of both after {} ms:",
        began.elapsed().as_millis()
    );
    for (host, event) in found {
        let text = |path: &str| field(&event, path).as_str().unwrap_or("?").to_owned();
        let [time, id, program] = ["@timestamp", "event.id", "process.command_line"].map(text);
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
