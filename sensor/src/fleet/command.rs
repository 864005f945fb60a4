//! `ocellus rules publish` and `unpublish`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::source::{COMPONENT_SUFFIX, SIGNATURE_HEADER, SIGNATURE_SUFFIX};
use super::{buckets, servers};
use crate::author::{self, ComponentError};
use crate::config::{RuleBucket, Rules};
use crate::digest::hasher::sha256;
use crate::digest::hex;
use crate::nats::client::{Client, NatsError};
use crate::net::PeerError;
use crate::rules::signature::{self, NotVouched, signature_path};
use crate::rules::{Metering, Refusal, check_name};

/// Why the bucket could not be changed or asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("the configuration has no `[rules.nats]`; name one that has, with --config")]
    NoBucket,
    #[error("cannot use `rules.nats`")]
    Peer(#[from] PeerError),
    #[error("the bucket cannot be used")]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error("{}: {why}", path.display())]
    NotVouched { path: PathBuf, why: NotVouched },
    #[error("{}: {why}", path.display())]
    Name { path: PathBuf, why: Refusal },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("there is no rule `{name}` in the bucket")]
    NoRule { name: String },
}

/// A rule that is ready to be published.
struct Ready {
    name: String,
    wasm: Vec<u8>,
    signature: Option<String>,
    /// Who vouches for it, in words.
    voucher: String,
}

/// Puts components, each with the signature beside it, into the bucket; gives a line for each. When
/// one of them cannot be used, none is published.
pub fn publish(rules: &Rules, files: &[PathBuf]) -> Result<Vec<String>, CommandError> {
    let settings = bucket(rules)?;
    let ready: Vec<Ready> =
        files.iter().map(|file| prepare(rules, file)).collect::<Result<_, _>>()?;
    let (objects, keys) = buckets(settings);
    let mut client = Client::connect(&servers(settings, "rules publish")?)?;
    objects.create(&mut client)?;
    keys.create(&mut client)?;
    let mut lines = Vec::new();
    for Ready { name, wasm, signature, voucher } in ready {
        let headers: BTreeMap<_, _> =
            signature.into_iter().map(|text| (SIGNATURE_HEADER.to_owned(), vec![text])).collect();
        objects.put(&mut client, &format!("{name}{COMPONENT_SUFFIX}"), headers, &wasm)?;
        // One that another tool put beside it would be of another version.
        objects.delete(&mut client, &format!("{name}{SIGNATURE_SUFFIX}"))?;
        lines.push(format!("{name}: published, SHA-256 {}, {voucher}", hex(&sha256(&wasm))));
    }
    Ok(lines)
}

/// Removes rules from the bucket, and so from the hosts; gives a line for each.
pub fn unpublish(rules: &Rules, names: &[String]) -> Result<Vec<String>, CommandError> {
    let settings = bucket(rules)?;
    let (objects, _) = buckets(settings);
    let mut client = Client::connect(&servers(settings, "rules unpublish")?)?;
    let mut lines = Vec::new();
    for name in names {
        if !objects.delete(&mut client, &format!("{name}{COMPONENT_SUFFIX}"))? {
            return Err(CommandError::NoRule { name: name.clone() });
        }
        objects.delete(&mut client, &format!("{name}{SIGNATURE_SUFFIX}"))?;
        lines.push(format!("{name}: removed"));
    }
    Ok(lines)
}

fn bucket(rules: &Rules) -> Result<&RuleBucket, CommandError> {
    rules.nats.as_ref().ok_or(CommandError::NoBucket)
}

/// Reads a component and its signature, and makes sure that a host with this configuration would
/// take them.
fn prepare(rules: &Rules, file: &Path) -> Result<Ready, CommandError> {
    let component = author::component(file)?;
    let name_error = |why| CommandError::Name { path: file.to_owned(), why };
    check_name(&component.name).map_err(name_error)?;
    let config = author::config_of(file)?;
    component.load(&author::open(Metering::Fuel)?, &config)?;
    let path = signature_path(file);
    let signature = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(CommandError::Read { path, source }),
    };
    // Keys and digests were looked at when the configuration was read.
    let policy = rules.policy().unwrap_or_default();
    let not_vouched = |why| CommandError::NotVouched { path: file.to_owned(), why };
    let bytes = signature.as_deref().map(str::as_bytes);
    let voucher = policy.vouch(&component.wasm, bytes).map_err(not_vouched)?;
    let signer = |text: &String| signature::signer(text.as_bytes());
    let signer = signature.as_ref().map(signer).transpose().map_err(not_vouched)?;
    let voucher = match (voucher, signer) {
        (Some(voucher), _) => voucher.to_string(),
        (None, Some(key)) => format!("with a signature of key {key}, which was not checked"),
        (None, None) => "not signed".to_owned(),
    };
    let author::Component { name, wasm, .. } = component;
    Ok(Ready { name, wasm, signature, voucher })
}
