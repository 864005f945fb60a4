//! What hosts say of themselves in the bucket of hosts, and what an operator makes of it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::source::COMPONENT_SUFFIX;
use super::{CommandError, buckets, servers};
use crate::config::RuleBucket;
use crate::digest::hex;
use crate::nats::bucket::key_of;
use crate::nats::client::Client;
use crate::rules::{ComponentStats, Mode};

/// A host that said nothing for so long, three times what it takes to say it, is silent.
const SILENT_S: u64 = 180;
/// Longest reason of a refusal, in characters: with 256 of them, a report fits into a message.
const WHY_CHARS_MAX: usize = 300;
/// Digits of a digest that tell two versions apart.
const DIGEST_SHOWN: usize = 12;

/// A component that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub name: String,
    /// SHA-256, lower-case hex.
    pub digest: String,
    pub mode: Mode,
}

impl From<&ComponentStats> for Running {
    fn from(stats: &ComponentStats) -> Running {
        let ComponentStats { name, digest, mode, .. } = stats;
        Running { name: name.to_string(), digest: digest.to_string(), mode: *mode }
    }
}

/// A component of the bucket that a host refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub name: String,
    pub why: String,
}

impl Refused {
    pub(super) fn new(name: &str, why: &str) -> Refused {
        let short = |text: &str| text.chars().take(WHY_CHARS_MAX).collect();
        Refused { name: short(name), why: short(why) }
    }
}

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    pub host: String,
    /// Of the sensor.
    pub version: String,
    /// Seconds since the epoch, by the host's clock.
    pub time_s: u64,
    pub generation: u64,
    pub components: Vec<Running>,
    pub refused: Vec<Refused>,
}

impl HostReport {
    /// Without its time.
    pub(super) fn new(
        host: &str,
        generation: u64,
        components: Vec<Running>,
        refused: Vec<Refused>,
    ) -> HostReport {
        let (host, version) = (host.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        HostReport { host, version, time_s: 0, generation, components, refused }
    }
}

/// Seconds since the epoch.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A rule that the bucket has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    pub name: String,
    /// SHA-256, lower-case hex; empty where the bucket does not say it.
    pub digest: String,
    pub bytes: u64,
    /// Hosts on which it is in force.
    pub hosts: usize,
}

/// A host, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    #[serde(flatten)]
    pub report: HostReport,
    /// Seconds since it said so.
    pub age_s: u64,
    /// Rules of the bucket that are not in force there, and why, where the host says so.
    pub lacks: Vec<String>,
}

impl Host {
    fn state(&self) -> String {
        let silent = self.age_s >= SILENT_S;
        match (silent, self.lacks.is_empty()) {
            (true, _) => "SILENT".to_owned(),
            (false, true) => "current".to_owned(),
            (false, false) => format!("LACKS {}", self.lacks.join("; ")),
        }
    }
}

/// The bucket and its hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    pub bucket: String,
    pub rules: Vec<Published>,
    pub hosts: Vec<Host>,
}

/// Asks the two buckets.
pub fn overview(settings: &RuleBucket) -> Result<Overview, CommandError> {
    let (objects, keys) = buckets(settings);
    let mut client = Client::connect(&servers(settings, "rules fleet")?)?;
    let rules = objects.list(&mut client)?.into_iter().filter_map(|info| {
        let name = info.name.strip_suffix(COMPONENT_SUFFIX)?.to_owned();
        let digest = info.sha256().map(|digest| hex(&digest)).unwrap_or_default();
        Some(Published { name, digest, bytes: info.size, hosts: 0 })
    });
    let mut rules: Vec<Published> = rules.collect();
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    let reports = keys.values(&mut client)?;
    let reports = reports.iter().filter_map(|text| serde_json::from_slice(text).ok());
    let mut hosts: Vec<Host> = reports.map(|report| compare(report, &mut rules, now_s())).collect();
    hosts.sort_by(|a, b| a.report.host.cmp(&b.report.host));
    Ok(Overview { bucket: settings.bucket.clone(), rules, hosts })
}

/// Forgets what a host said, one that is gone for good.
pub fn forget(settings: &RuleBucket, host: &str) -> Result<(), CommandError> {
    let (_, keys) = buckets(settings);
    let mut client = Client::connect(&servers(settings, "rules fleet")?)?;
    Ok(keys.delete(&mut client, &key_of(host))?)
}

/// How far a host is, and counts it with the rules that are in force there.
fn compare(report: HostReport, rules: &mut [Published], now_s: u64) -> Host {
    let mut lacks = Vec::new();
    for rule in rules {
        let running = report.components.iter().find(|running| running.name == rule.name);
        let refused = report.refused.iter().find(|refused| refused.name == rule.name);
        match (running, refused) {
            (Some(running), _) if running.digest == rule.digest => rule.hosts += 1,
            (_, Some(refused)) => lacks.push(format!("{}: {}", rule.name, refused.why)),
            (Some(_), None) => lacks.push(format!("{}: another version is in force", rule.name)),
            (None, None) => lacks.push(rule.name.clone()),
        }
    }
    Host { age_s: now_s.saturating_sub(report.time_s), report, lacks }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overview { bucket, rules, hosts } = self;
        writeln!(f, "bucket {bucket}: {} rules, {} hosts", rules.len(), hosts.len())?;
        if !rules.is_empty() {
            writeln!(f, "\n{:<32} {:<12} {:>10}  HOSTS", "RULE", "SHA-256", "BYTES")?;
        }
        for Published { name, digest, bytes, hosts: on } in rules {
            let digest = digest.get(..DIGEST_SHOWN).unwrap_or("?");
            writeln!(f, "{name:<32} {digest:<12} {bytes:>10}  {on} of {}", hosts.len())?;
        }
        if !hosts.is_empty() {
            let (host, version) = ("HOST", "VERSION");
            writeln!(
                f,
                "\n{host:<32} {version:<10} {:>10} {:>5} {:>9}  STATE",
                "GENERATION", "RULES", "SAID AGO"
            )?;
        }
        for host in hosts {
            let HostReport { host: name, version, generation, components, .. } = &host.report;
            let age = humantime::format_duration(Duration::from_secs(host.age_s)).to_string();
            let age = age.split(' ').next().unwrap_or_default().to_owned();
            let (count, state) = (components.len(), host.state());
            // Names are those that hosts give themselves.
            let name = name.escape_debug().to_string();
            writeln!(f, "{name:<32} {version:<10} {generation:>10} {count:>5} {age:>9}  {state}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(name: &str, digest: &str) -> Running {
        Running { name: name.to_owned(), digest: digest.to_owned(), mode: Mode::Active }
    }

    fn published(name: &str, digest: &str) -> Published {
        Published { name: name.to_owned(), digest: digest.to_owned(), bytes: 1, hosts: 0 }
    }

    #[test]
    fn a_host_is_compared_with_the_bucket_rule_by_rule() {
        let mut rules = ["a", "b", "c", "d"].map(|name| published(name, &format!("{name}1")));
        let components = vec![running("a", "a1"), running("b", "b0"), running("own", "x")];
        let refused = vec![Refused::new("c", "it is not signed")];
        let report = HostReport::new("one", 3, components, refused);
        let host = compare(HostReport { time_s: 100, ..report }, &mut rules, 130);
        assert_eq!(host.age_s, 30);
        let lacks = ["b: another version is in force", "c: it is not signed", "d"];
        assert_eq!(host.lacks, lacks);
        assert_eq!(rules.map(|rule| rule.hosts), [1, 0, 0, 0]);
        assert_eq!(host.state(), format!("LACKS {}", lacks.join("; ")));
        let silent = Host { age_s: SILENT_S, lacks: Vec::new(), ..host.clone() };
        assert_eq!(silent.state(), "SILENT");
        let current = Host { lacks: Vec::new(), ..host };
        let (bucket, rules) = ("rules".to_owned(), vec![published("a", "0123456789abcdef")]);
        let text = Overview { bucket, rules, hosts: vec![current] }.to_string();
        assert!(text.contains("0123456789ab ") && text.contains(" current\n"), "{text}");
    }
}
