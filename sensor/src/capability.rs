//! Names of capability sets.

use rustc_hash::FxHashMap;

use crate::event::Texts;

/// Names by bit, from include/uapi/linux/capability.h.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Number of the last capability that has a name here, CAP_CHECKPOINT_RESTORE (Linux 5.9).
pub const LAST_NAMED: u32 = NAMES.len() as u32 - 1;

/// Sets whose names are kept. Hosts have a handful; one that has more makes all of them anew then.
const SETS_MAX: usize = 64;

/// The set of all capabilities up to number `last_cap`.
pub const fn full_mask(last_cap: u32) -> u64 {
    if last_cap >= 63 { u64::MAX } else { (1 << (last_cap + 1)) - 1 }
}

/// Whether `mask` is the whole set of a kernel whose last capability is `last_cap`
/// (/proc/sys/kernel/cap_last_cap).
pub fn is_full(mask: u64, last_cap: u32) -> bool {
    mask == full_mask(last_cap)
}

/// Names of the sets that were asked for, each made once.
#[derive(Debug)]
pub struct Capabilities {
    /// What a full set is called, if that has a name.
    all: Option<Texts>,
    known: FxHashMap<u64, Texts>,
}

impl Capabilities {
    pub fn new(all: Option<Texts>) -> Capabilities {
        Capabilities { all, known: FxHashMap::default() }
    }

    /// Names of the capabilities in `mask`, by number. One without a name is its number, as ECS has
    /// it. None for an empty set.
    pub fn names(&mut self, mask: u64) -> Option<Texts> {
        match &self.all {
            _ if mask == 0 => return None,
            Some(all) if is_full(mask, LAST_NAMED) => return Some(all.clone()),
            _ => {}
        }
        if self.known.len() >= SETS_MAX && !self.known.contains_key(&mask) {
            self.known.clear();
        }
        Some(self.known.entry(mask).or_insert_with(|| build(mask)).clone())
    }
}

fn build(mask: u64) -> Texts {
    let mut bits = mask;
    let numbers = std::iter::from_fn(move || {
        let number = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (number < u64::BITS).then_some(number)
    });
    numbers
        .map(|number| match NAMES.get(number as usize) {
            Some(name) => std::borrow::Cow::Borrowed(*name),
            None => number.to_string().into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_the_numbers_of_the_kernel() {
        let of = |number: u32| build(1 << number).get(0).map(str::to_owned);
        assert_eq!(of(0).as_deref(), Some("CAP_CHOWN"));
        assert_eq!(of(7).as_deref(), Some("CAP_SETUID"));
        assert_eq!(of(12).as_deref(), Some("CAP_NET_ADMIN"));
        assert_eq!(of(19).as_deref(), Some("CAP_SYS_PTRACE"));
        assert_eq!(of(21).as_deref(), Some("CAP_SYS_ADMIN"));
        assert_eq!(of(31).as_deref(), Some("CAP_SETFCAP"));
        assert_eq!(of(38).as_deref(), Some("CAP_PERFMON"));
        assert_eq!(of(40).as_deref(), Some("CAP_CHECKPOINT_RESTORE"));
        assert_eq!(of(41).as_deref(), Some("41"));
        assert_eq!(of(63).as_deref(), Some("63"));
    }

    #[test]
    fn sets_are_listed_by_number() {
        assert!(build(0).is_empty());
        let mixed = build(1 << 50 | 1 << 21 | 1);
        assert_eq!(mixed.iter().collect::<Vec<_>>(), ["CAP_CHOWN", "CAP_SYS_ADMIN", "50"]);
        assert_eq!(build(u64::MAX).len(), 64);
    }

    #[test]
    fn each_set_is_made_once_and_few_are_kept() {
        let mut sets = Capabilities::new(Some(["CAP_ALL"].iter().collect()));
        for mask in (1..4 * SETS_MAX as u64).chain(1..4) {
            assert_eq!(sets.names(mask), Some(build(mask)), "{mask:#x}");
            assert!(sets.known.len() <= SETS_MAX);
        }
        assert_eq!(sets.names(0), None);
        assert_eq!(sets.names(full_mask(LAST_NAMED)).expect("it has a name").joined(), "CAP_ALL");
        let full = full_mask(LAST_NAMED);
        assert_eq!(Capabilities::new(None).names(full), Some(build(full)));
    }

    #[test]
    fn names_fit_the_pattern_of_ecs() {
        let rest = |name: &str| name.strip_prefix("CAP_").map(str::to_owned);
        for name in NAMES {
            let rest = rest(name).expect("each name starts with CAP_");
            assert!(rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{name}");
        }
    }

    #[test]
    fn full_depends_on_the_kernel() {
        assert!(is_full(0x1ff_ffff_ffff, 40));
        assert!(!is_full(0x1ff_ffff_ffff, 41));
        assert!(!is_full(0x1ff_fffe_ffff, 40));
        assert!(is_full(0x3f_ffff_ffff, 37));
        assert!(is_full(u64::MAX, 63));
        assert!(!is_full(0, 40));
    }
}
