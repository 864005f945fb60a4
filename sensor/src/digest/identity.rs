//! Identifiers that are the same each time that they are made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::input::HostInfo;
use crate::process::ProcessId;

/// Makes entity ids of the processes of one boot of one host.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Has taken the host and the boot in.
    prefix: Sha256,
    /// Begins every event id.
    short: [u8; 4],
}

impl Identity {
    pub fn new(host: &HostInfo) -> Identity {
        let mut prefix = Sha256::new();
        for part in [&host.id, &host.boot_id] {
            prefix.update(part.as_deref().unwrap_or_default());
            // Ends the part: "ab" + "c" is not "a" + "bc".
            prefix.update([0]);
        }
        let digest = prefix.clone().finalize();
        let mut short = [0; 4];
        short.copy_from_slice(&digest[..4]);
        Identity { prefix, short }
    }

    /// 16 characters: base64url of the first 12 bytes of
    /// SHA-256(host id, 0, boot id, 0, pid, start in boottime ns; both little-endian).
    pub fn entity_id(&self, id: ProcessId) -> String {
        let mut hasher = self.prefix.clone();
        hasher.update(id.pid.to_le_bytes());
        hasher.update(id.start_ns.to_le_bytes());
        URL_SAFE_NO_PAD.encode(&hasher.finalize()[..12])
    }

    /// 24 characters, unique on all hosts: no two events of one process have both time and kinds
    /// in common. `subject` is the pid; an event of the sensor has its sequence number there.
    pub fn event_id(&self, time_ns: u64, subject: u32, kinds: u16) -> String {
        let mut bytes = [0; 18];
        bytes[..4].copy_from_slice(&self.short);
        bytes[4..12].copy_from_slice(&time_ns.to_be_bytes());
        bytes[12..16].copy_from_slice(&subject.to_be_bytes());
        bytes[16..].copy_from_slice(&kinds.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_in_all_that_they_are_made_of() {
        let host = |id: &str, boot: &str| HostInfo {
            id: Some(id.to_owned()),
            boot_id: Some(boot.to_owned()),
            ..HostInfo::default()
        };
        let id = |host: &HostInfo, pid, start_ns| {
            Identity::new(host).entity_id(ProcessId { pid, start_ns })
        };
        let one = id(&host("ab", "c"), 1, 2);
        assert_eq!(one.len(), 16);
        assert_eq!(one, id(&host("ab", "c"), 1, 2));
        assert_ne!(one, id(&host("a", "bc"), 1, 2));
        assert_ne!(one, id(&host("ab", "d"), 1, 2));
        assert_ne!(one, id(&host("ab", "c"), 2, 2));
        assert_ne!(one, id(&host("ab", "c"), 1, 3));
        assert_eq!(Identity::new(&host("a", "b")).event_id(1, 2, 3).len(), 24);
    }
}
