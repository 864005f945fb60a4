//! A client of NATS, as far as the sensor needs one.
//!
//! What is needed of the protocol is small: publish, subscribe, and read what comes. [`wire`] reads
//! and writes it, [`login`] says who we are, [`Servers`] is where to connect to. [`client`] asks
//! JetStream, [`watch`] follows a stream, [`bucket`] has objects and keys in streams.

pub(crate) mod bucket;
pub(crate) mod client;
mod login;
pub(crate) mod watch;
pub(crate) mod wire;

use std::io;

use crate::net::connection::Address;
use crate::net::{AuthSettings, PeerError, TlsSettings};
use login::Login;
use wire::Wire;

/// The port of NATS, where an address has none.
const PORT: u16 = 4222;

/// The servers of one NATS, and who we are there.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Tried in turn.
    addresses: Vec<Address>,
    login: Login,
    /// Only over TLS.
    is_secured: bool,
    /// What the server's operator sees of us.
    name: String,
}

impl Servers {
    /// `url` names one server or several, separated by commas.
    pub(crate) fn new(
        url: &str,
        name: &str,
        auth: &AuthSettings,
        tls: Option<&TlsSettings>,
    ) -> Result<Servers, PeerError> {
        let default_tls = TlsSettings::default();
        let tls = match url.split(',').any(|url| url.trim().starts_with("tls://")) {
            true => Some(tls.unwrap_or(&default_tls)),
            false => tls,
        };
        let addresses = url.split(',').map(|url| Ok(Address::new(&host_and_port(url)?, tls)?));
        Ok(Servers {
            addresses: addresses.collect::<Result<_, PeerError>>()?,
            login: Login::read(auth)?,
            is_secured: tls.is_some(),
            name: format!("ocellus {name}"),
        })
    }

    /// Connects to the first server that lets us in.
    pub(crate) fn connect(&self) -> io::Result<Wire> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in &self.addresses {
            match Wire::connect(address, self.is_secured, &self.login, &self.name) {
                Ok(wire) => {
                    tracing::info!("connected to {}", address.as_str());
                    return Ok(wire);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// `host:port` of `nats://host:port`.
fn host_and_port(url: &str) -> Result<String, PeerError> {
    let url = url.trim();
    let wrong = |what: &str| PeerError::Address { url: url.to_owned(), what: what.to_owned() };
    let rest = match url.split_once("://") {
        Some(("nats" | "tls", rest)) => rest,
        Some(_) => return Err(wrong("it begins with neither nats:// nor tls://")),
        None => url,
    };
    let rest = rest.trim_end_matches('/');
    if rest.contains('@') {
        return Err(wrong("put user and password into `auth`, where they are not shown"));
    }
    let host_end = rest.rfind(']').map_or(0, |at| at + 1);
    match rest[host_end..].rsplit_once(':') {
        _ if rest.is_empty() || rest.contains('/') => Err(wrong("it is not nats://host:port")),
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(rest.to_owned()),
        Some(_) => Err(wrong("the port is no number")),
        None => Ok(format!("{rest}:{PORT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_default_port() {
        for (url, expected) in [
            ("nats://n.example.org:4223", "n.example.org:4223"),
            (" tls://n.example.org/", "n.example.org:4222"),
            ("n:1", "n:1"),
            ("nats://[::1]", "[::1]:4222"),
            ("nats://[::1]:7", "[::1]:7"),
        ] {
            assert_eq!(host_and_port(url).unwrap(), expected);
        }
        for url in ["", "http://n", "nats://u:p@n", "nats://n:x", "nats://n/a"] {
            assert!(host_and_port(url).is_err(), "{url}");
        }
    }
}
