//! The texts of /proc/PID, taken apart. Total: any bytes give a value or none.

use ocellus_ebpf::abi::Task;

/// Bit of the flags in /proc/PID/stat that marks a kernel thread.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What /proc/PID/stat tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    pub comm: &'a [u8],
    /// The thread group leader has ended; other threads may still run.
    pub is_zombie: bool,
    pub ppid: u32,
    pub pgid: u32,
    pub sid: u32,
    pub tty_major: u32,
    pub tty_minor: u32,
    pub is_kthread: bool,
    pub threads: u64,
    /// Boottime in clock ticks.
    pub start_ticks: u64,
}

/// Takes /proc/PID/stat apart. The name may hold anything, `) R 1` too: the fields begin after the
/// last parenthesis.
pub fn stat(bytes: &[u8]) -> Option<Stat<'_>> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let comm = bytes.get(open + 1..close)?;
    let fields = std::str::from_utf8(&bytes[close + 1..]).ok()?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().take(20).collect();
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    // What lies outside of our pid namespace is 0, no terminal -1 in some places.
    let id = |index: usize| number(index).map(|id| u32::try_from(id).unwrap_or(0));
    let tty = number(4)? as u32;
    Some(Stat {
        comm,
        is_zombie: matches!(fields.first()?.as_bytes(), [b'Z' | b'X' | b'x']),
        ppid: id(1)?,
        pgid: id(2)?,
        sid: id(3)?,
        tty_major: (tty >> 8) & 0xfff,
        tty_minor: (tty & 0xff) | ((tty >> 12) & 0xf_ff00),
        is_kthread: number(6)? as u64 & PF_KTHREAD != 0,
        threads: number(17)? as u64,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// Takes the credentials of /proc/PID/status into `task`. False when they are not all there.
pub fn status(bytes: &[u8], task: &mut Task) -> bool {
    let mut found = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        // Only the name can hold other bytes, and its line is not needed.
        let Some((key, value)) =
            std::str::from_utf8(line).ok().and_then(|line| line.split_once(':'))
        else {
            continue;
        };
        let value = value.trim();
        let capabilities = || u64::from_str_radix(value, 16).unwrap_or(0);
        match key {
            "Uid" => {
                found +=
                    ids(value, [&mut task.uid, &mut task.euid, &mut task.suid, &mut task.fsuid])
            }
            "Gid" => {
                found +=
                    ids(value, [&mut task.gid, &mut task.egid, &mut task.sgid, &mut task.fsgid])
            }
            "NSpid" => task.vpid = last_number(value),
            "CapInh" => task.cap_inheritable = capabilities(),
            "CapPrm" => task.cap_permitted = capabilities(),
            "CapEff" => task.cap_effective = capabilities(),
            "CapBnd" => task.cap_bounding = capabilities(),
            "CapAmb" => task.cap_ambient = capabilities(),
            _ => {}
        }
    }
    found == 2
}

/// 1 when all four are there.
fn ids(value: &str, into: [&mut u32; 4]) -> u32 {
    let mut numbers = value.split_ascii_whitespace().map(str::parse);
    for id in into {
        match numbers.next() {
            Some(Ok(number)) => *id = number,
            _ => return 0,
        }
    }
    1
}

fn last_number(value: &str) -> u32 {
    value.split_ascii_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The cgroup path in /proc/PID/cgroup, chosen as the probes choose it: that of the unified
/// hierarchy (version 2); where that says no more than `/`, the one of the pids controller, or
/// where that is not mounted, of another that container runtimes use.
pub fn cgroup(bytes: &[u8]) -> Option<&[u8]> {
    let mut best: Option<(usize, &[u8])> = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let has = |name: &[u8]| controllers.split(|byte| *byte == b',').any(|one| one == name);
        let rank = match () {
            () if controllers.is_empty() && path != b"/" => 0,
            () if has(b"pids") => 1,
            () if has(b"cpu") => 2,
            () if has(b"name=systemd") => 3,
            () if controllers.is_empty() => 4,
            () => continue,
        };
        if best.is_none_or(|(best, _)| rank < best) {
            best = Some((rank, path));
        }
    }
    let (_, path) = best?;
    // The group of a process may be removed before the process is reaped.
    Some(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

/// The inode number in a link of /proc/PID/ns: `mnt:[4026531832]`.
pub fn namespace(link: &[u8]) -> Option<u32> {
    let open = link.iter().position(|byte| *byte == b'[')?;
    let number = link[open + 1..].strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Makes a list out of what /proc/PID/cmdline or environ gave: each element ended by NUL. A
/// process that writes a title over its arguments leaves no NUL, or fills up with them: that is
/// one argument.
pub fn settle_list(bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    if !bytes.ends_with(&[0]) {
        bytes.push(0);
    }
    let text = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let is_title = text > 0 && !bytes[..text].contains(&0);
    if is_title {
        bytes.truncate(text + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] =
        b"4242 (a) R (b) c) S 17 4240 4239 34817 4242 4194304 100 0 0 0 1 2 3 4 20 \
        0 7 0 84105 3133440 360 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";

    #[test]
    fn stat_with_any_name() {
        let expected = Stat {
            comm: b"a) R (b) c",
            is_zombie: false,
            ppid: 17,
            pgid: 4240,
            sid: 4239,
            tty_major: 136,
            tty_minor: 1,
            is_kthread: false,
            threads: 7,
            start_ticks: 84105,
        };
        assert_eq!(stat(STAT), Some(expected));
        let newline = b"1 (\n(\xff) Z 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0";
        let init = stat(newline).expect("whole");
        assert_eq!(init.comm, b"\n(\xff");
        assert!(init.is_zombie && init.is_kthread);
        assert_eq!((init.tty_major, init.tty_minor, init.start_ticks), (0, 0, 9));
        let at = |tty: &str| {
            let line = format!("1 (a) S 0 0 0 {tty} -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0");
            stat(line.as_bytes()).map(|stat| (stat.tty_major, stat.tty_minor))
        };
        assert_eq!(at("1025"), Some((4, 1)));
        assert_eq!(at("1083647"), Some((136, 0x1ff)));
    }

    #[test]
    fn stat_that_is_cut_or_garbage() {
        let close = STAT.iter().rposition(|byte| *byte == b')').expect("it is there");
        for len in 0..close + 60 {
            assert_eq!(stat(&STAT[..len]), None, "{len}");
        }
        for garbage in [&b")("[..], b"1 (a) S x", b"1 (a)", b"\xff (a) \xff"] {
            assert_eq!(stat(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn status_of_a_process_in_a_container() {
        let text = b"Name:\tUid:\\n\xff\nUmask:\t0022\nPid:\t4242\nUid:\t1000\t0\t2\t3\n\
            Gid:\t5\t6\t7\t4294967295\nNStgid:\t4242\t7\nNSpid:\t4242\t20\t7\n\
            CapInh:\t0000000000000001\nCapPrm:\t0000000000000002\nCapEff:\t00000000a80425fb\n\
            CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000004\n";
        let mut task = Task::default();
        assert!(status(text, &mut task));
        assert_eq!((task.uid, task.euid, task.suid, task.fsuid), (1000, 0, 2, 3));
        assert_eq!((task.gid, task.egid, task.sgid, task.fsgid), (5, 6, 7, u32::MAX));
        assert_eq!(task.vpid, 7);
        assert_eq!((task.cap_inheritable, task.cap_permitted), (1, 2));
        assert_eq!(task.cap_effective, 0xa804_25fb);
        assert_eq!((task.cap_bounding, task.cap_ambient), (0x1ff_ffff_ffff, 4));
    }

    #[test]
    fn status_without_all_ids_is_refused() {
        for text in [&b""[..], b"Uid:\t1\t2\t3\t4\n", b"Uid:\t1\t2\t3\nGid:\t1\t2\t3\t4\n"] {
            assert!(!status(text, &mut Task::default()), "{text:?}");
        }
    }

    #[test]
    fn cgroup_of_each_version() {
        for (text, expected) in [
            (&b"0::/system.slice/a.service\n"[..], Some(&b"/system.slice/a.service"[..])),
            (b"0::/\n", Some(b"/")),
            (b"0::/gone.scope (deleted)\n", Some(b"/gone.scope")),
            (b"3:cpu,cpuacct:/c\n2:pids:/p\n1:name=systemd:/s\n0::/\n", Some(b"/p")),
            (b"3:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/\n", Some(b"/c")),
            (b"2:pids:/p\n0::/unified\n", Some(b"/unified")),
            (b"1:name=systemd:/s\n", Some(b"/s")),
            (b"0::/with:colon\n", Some(b"/with:colon")),
            (b"5:devices:/d\n", None),
            (b"", None),
            (b"garbage", None),
        ] {
            assert_eq!(cgroup(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn namespace_links() {
        assert_eq!(namespace(b"mnt:[4026531832]"), Some(4_026_531_832));
        for garbage in [&b"mnt:[]"[..], b"mnt:[1", b"1]", b"mnt:[4294967296]", b""] {
            assert_eq!(namespace(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn lists_and_titles() {
        for (given, settled) in [
            (&b""[..], &b""[..]),
            (b"a\0b\0", b"a\0b\0"),
            (b"a\0\0b\0", b"a\0\0b\0"),
            (b"a\0b\0\0", b"a\0b\0\0"),
            (b"\0\0", b"\0\0"),
            (b"nginx: master process", b"nginx: master process\0"),
            (b"sshd: user [priv]\0\0\0\0\0", b"sshd: user [priv]\0"),
        ] {
            let mut bytes = given.to_vec();
            settle_list(&mut bytes);
            assert_eq!(bytes, settled, "{given:?}");
        }
    }
}
