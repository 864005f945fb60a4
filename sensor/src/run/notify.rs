//! What systemd is told: that the sensor is ready, reloads, stops, and that its loop turns
//! (sd_notify(3)). Elsewhere, nobody is told anything.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub(super) struct Notifier {
    way: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment has it.
    pub(super) fn from_env() -> Notifier {
        let way = env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name));
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        // For another process of the unit, then it is not ours to feed.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| ours).map(Duration::from_micros);
        Notifier { way, watchdog }
    }

    pub(super) fn ready(&self) {
        self.send("READY=1\nSTATUS=Events are delivered\n");
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    /// The reload that begins now is over with the next [`Notifier::ready`].
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()));
    }

    /// The loop has come round. Does nothing where no watchdog waits for it.
    pub(super) fn alive(&self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1\n");
        }
    }

    /// How often [`Notifier::alive`] must be called, at least: half of what systemd waits.
    pub(super) fn alive_interval(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.way {
            // A manager that does not read gets the next one; it must not hold us up.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// `/path`, or `@name` in the abstract namespace.
fn connect(name: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("ocellus-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (listener, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{abstract_name}")),
        ] {
            let watchdog = Some(Duration::from_secs(2));
            let notifier = Notifier { way: connect(name.as_ref()), watchdog };
            let received = || {
                let mut buffer = [0; 256];
                let length = listener.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..length]).into_owned()
            };
            notifier.ready();
            assert!(received().starts_with("READY=1\n"));
            notifier.reloading();
            let text = received();
            assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{text}");
            notifier.alive();
            assert_eq!(received(), "WATCHDOG=1\n");
            notifier.stopping();
            assert_eq!(received(), "STOPPING=1\n");
        }
        assert!(connect("relative".as_ref()).is_none());
    }
}
