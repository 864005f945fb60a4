//! Audit, logging, a firewall or an endpoint agent switched off.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Units that watch or protect the host.
const GUARDS: [&str; 25] = [
    "auditd",
    "rsyslog",
    "syslog-ng",
    "systemd-journald",
    "apparmor",
    "firewalld",
    "ufw",
    "nftables",
    "fail2ban",
    "ocellus",
    "auditbeat",
    "filebeat",
    "elastic-agent",
    "elastic-endpoint",
    "ElasticEndpoint",
    "falcon-sensor",
    "falco",
    "osqueryd",
    "wazuh-agent",
    "mdatp",
    "sysmon",
    "clamav-daemon",
    "tetragon",
    "cbdaemon",
    "sentinelone",
];

/// What systemctl does to a unit that then no longer guards.
const STOPS: [&str; 4] = ["stop", "disable", "mask", "kill"];

static PACKAGE_MANAGERS: Set = Set::of(known::PACKAGE_MANAGERS);

#[derive(Debug, Default)]
pub struct DefencesOff;

impl Rule for DefencesOff {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("defences-off", "Security tool or logging switched off")
            .description(
                "Auditing, logging, mandatory access control, a firewall or an endpoint agent was \
                 stopped, disabled or killed, or a hook into every program was written.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1562.001", "T1562.004", "T1562.012", "T1574.006"])
            .false_positives(["Administrators at work on the tool itself"])
    }

    fn interests(&self) -> Vec<Interest> {
        let named = |names: &[&str]| Interest::exec().one_of(fields::PROCESS_NAME, names);
        vec![
            named(&["systemctl"]).one_of(fields::PROCESS_ARGS, STOPS),
            named(&["service"]).one_of(fields::PROCESS_ARGS, ["stop"]),
            named(&["kill", "pkill", "killall"]).contains(fields::PROCESS_ARGS, GUARDS),
            named(&["setenforce", "auditctl", "ufw", "aa-teardown", "swapoff"]),
            named(&["iptables", "ip6tables", "nft"]).one_of(fields::PROCESS_ARGS, ["-F", "flush"]),
            Interest::exec().contains(fields::PROCESS_ARGS, ["/etc/ld.so.preload"]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        if event.has_ancestor(&PACKAGE_MANAGERS) {
            return None;
        }
        let name = event.process_name()?;
        let args = event.process_args();
        let args: Vec<&str> = args.iter().skip(1).map(Text::as_str).collect();
        let what = switched_off(&name, &args)?;
        Some(alert(HIGH, format!("{} {what}: {}", event.who(), event.command())))
    }
}

fn switched_off(name: &str, args: &[&str]) -> Option<&'static str> {
    let has = |arg: &str| args.contains(&arg);
    let guard = || args.iter().any(|arg| is_guard(arg));
    let what = match name {
        "systemctl" | "service" | "kill" | "pkill" | "killall" if guard() => {
            "stopped a security service"
        }
        "setenforce"
            if has("0") || args.iter().any(|arg| arg.eq_ignore_ascii_case("permissive")) =>
        {
            "switched SELinux off"
        }
        "aa-teardown" => "switched AppArmor off",
        "auditctl"
            if args.windows(2).any(|pair| pair == ["-e", "0"]) || has("-e0") || has("-D") =>
        {
            "switched auditing off"
        }
        "ufw" if has("disable") || has("reset") => "switched the firewall off",
        "iptables" | "ip6tables" if args.len() == 1 => "emptied the firewall",
        "nft" if args.len() >= 2 && args[0] == "flush" && args[1] == "ruleset" => {
            "emptied the firewall"
        }
        _ if writes_preload(name, args) => "wrote /etc/ld.so.preload",
        _ => return None,
    };
    Some(what)
}

/// Whether the argument names a guard, as a unit or as a process.
fn is_guard(arg: &str) -> bool {
    let unit = base_name(arg).trim_end_matches(".service").trim_end_matches(".socket");
    GUARDS.contains(&unit)
}

/// A library there is loaded into every program that starts.
fn writes_preload(name: &str, args: &[&str]) -> bool {
    let path = "/etc/ld.so.preload";
    match name {
        "tee" | "vi" | "vim" | "nano" | "sed" => args.iter().any(|arg| arg.contains(path)),
        "cp" | "mv" | "ln" | "install" => args.last().is_some_and(|arg| *arg == path),
        _ => args.iter().any(|arg| {
            let redirected = arg.split(path).next().unwrap_or_default().trim_end();
            arg.contains(path) && redirected.ends_with('>')
        }),
    }
}

ocellus_sdk::rule!(DefencesOff);
