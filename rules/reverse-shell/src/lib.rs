//! A shell that is handed to the network: the one-liners that everybody copies.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// A one-liner: which programs run it, and what one of their arguments holds.
struct OneLiner {
    /// How it is called in the alert.
    name: &'static str,
    /// Beginnings of command names; empty for any.
    programs: &'static [&'static str],
    /// One argument holds all of these ...
    all: &'static [&'static str],
    /// ... and one of these, unless there are none.
    any: &'static [&'static str],
}

/// How a script starts a program.
const SPAWN: &[&str] = &[
    "subprocess",
    "os.system",
    "pty.spawn",
    "os.dup2",
    "exec",
    "system",
    "popen",
    "spawn",
    "/bin/sh",
    "/bin/bash",
];

const ONE_LINERS: &[OneLiner] = &[
    OneLiner {
        name: "/dev/tcp",
        programs: &[],
        all: &["/dev/tcp/"],
        any: &["sh -i", "exec ", "<&", ">&", "0<", "| sh", "|sh", "| bash", "|bash"],
    },
    OneLiner { name: "/dev/udp", programs: &[], all: &["/dev/udp/"], any: &["sh -i", ">&", "<&"] },
    OneLiner { name: "mkfifo", programs: &[], all: &["mkfifo ", "| nc "], any: &[] },
    OneLiner { name: "mkfifo", programs: &[], all: &["mkfifo ", "|nc "], any: &[] },
    OneLiner { name: "mkfifo", programs: &[], all: &["mkfifo ", "sh -i", "telnet "], any: &[] },
    OneLiner { name: "openssl", programs: &[], all: &["mkfifo ", "openssl s_client"], any: &[] },
    OneLiner {
        name: "Python",
        programs: &["python", "pypy"],
        all: &["socket", "connect"],
        any: SPAWN,
    },
    OneLiner {
        name: "Perl",
        programs: &["perl"],
        all: &["Socket", "exec"],
        any: &["connect", "INET"],
    },
    OneLiner { name: "PHP", programs: &["php"], all: &["fsockopen"], any: SPAWN },
    OneLiner { name: "Ruby", programs: &["ruby", "irb"], all: &["TCPSocket"], any: SPAWN },
    OneLiner { name: "Lua", programs: &["lua"], all: &["socket", "connect"], any: SPAWN },
    OneLiner {
        name: "Node.js",
        programs: &["node"],
        all: &["child_process", "net"],
        any: &["connect"],
    },
    OneLiner {
        name: "awk",
        programs: &["awk", "gawk", "mawk"],
        all: &["/inet/tcp/"],
        any: &["getline"],
    },
    OneLiner {
        name: "socat",
        programs: &["socat"],
        all: &["sh"],
        any: &["exec:", "EXEC:", "system:", "SYSTEM:"],
    },
];

/// Options of a shell that is to ask for commands.
const INTERACTIVE: [&str; 3] = ["-i", "-il", "-li"];
/// Command names of netcats.
const NETCATS: [&str; 6] = ["nc", "ncat", "netcat", "nc.traditional", "nc.openbsd", "busybox"];

#[derive(Debug, Default)]
pub struct ReverseShell;

impl Rule for ReverseShell {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("reverse-shell", "Shell handed to the network")
            .description(
                "A command line has the form of a reverse or bind shell: /dev/tcp redirections, \
                 netcat -e, and the one-liners of scripting languages, socat and openssl; or an \
                 interactive shell was started without a terminal.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1059.004", "T1059.006", "T1095", "T1071.001"])
            .false_positives([
                "Health checks that open /dev/tcp as a port test (those that only open it pass)",
                "Tools that drive an interactive shell through pipes",
            ])
    }

    fn interests(&self) -> Vec<Interest> {
        // What an argument must hold for any of the one-liners, so that nearly no event comes here.
        let marks = [
            "/dev/tcp/",
            "/dev/udp/",
            "mkfifo ",
            "socket",
            "Socket",
            "fsockopen",
            "TCPSocket",
            "child_process",
            "/inet/tcp/",
        ];
        let socat = ["exec:", "EXEC:", "system:", "SYSTEM:"];
        vec![
            Interest::exec().contains(fields::PROCESS_ARGS, marks),
            Interest::exec()
                .prefix(fields::PROCESS_NAME, ["socat"])
                .contains(fields::PROCESS_ARGS, socat),
            Interest::exec().one_of(fields::PROCESS_NAME, NETCATS),
            Interest::exec()
                .one_of(fields::PROCESS_NAME, known::SHELLS)
                .one_of(fields::PROCESS_ARGS, INTERACTIVE)
                .range(fields::PROCESS_INTERACTIVE, 0..=0),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let name = event.process_name()?;
        let args = event.process_args();
        let what = ONE_LINERS
            .iter()
            .find(|one_liner| one_liner.is(&name, &args))
            .map(|one_liner| one_liner.name)
            .or_else(|| is_netcat_shell(&name, &args).then_some("netcat"));
        if let Some(what) = what {
            let message =
                format!("{} opened a {what} reverse shell: {}", event.who(), event.command());
            return Some(alert(CRITICAL, message).with_tag("reverse-shell"));
        }
        // The redirection is the shell's own, so that `bash -i >& /dev/tcp/...` that is typed or
        // read from a file shows as no more than this.
        let bare = known::SHELLS.contains(&name.as_str())
            && matches!(&args[..], [_, option] if INTERACTIVE.contains(&option.as_str()))
            && event.number(fields::PROCESS_INTERACTIVE) == Some(0);
        bare.then(|| {
            let who = event.who();
            let parent = event.process_parent_name().unwrap_or_else(|| "something".into());
            alert(HIGH, format!("{parent} gave {who} an interactive shell without a terminal"))
        })
    }
}

impl OneLiner {
    fn is(&self, name: &str, args: &[Text<'_>]) -> bool {
        (self.programs.is_empty() || self.programs.iter().any(|program| name.starts_with(program)))
            && args.iter().skip(1).any(|arg| {
                self.all.iter().all(|part| arg.contains(part))
                    && (self.any.is_empty() || self.any.iter().any(|part| arg.contains(part)))
            })
    }
}

/// Netcat with `-e`, `-c`, `--exec` or `--sh-exec` and a program behind it.
fn is_netcat_shell(name: &str, args: &[Text<'_>]) -> bool {
    if !NETCATS.contains(&name) {
        return false;
    }
    let is_netcat = |arg: &Text<'_>| NETCATS[..5].contains(&base_name(arg));
    if name == "busybox" && !args.iter().take(2).any(is_netcat) {
        return false;
    }
    args.windows(2).any(|pair| {
        let option = pair[0].as_str();
        let executes = match option.strip_prefix("--") {
            Some(long) => matches!(long, "exec" | "sh-exec" | "lua-exec"),
            // Options may stand together, as in `-lvpe`; then the program follows the last.
            None => option.starts_with('-') && option.ends_with(['e', 'c']),
        };
        executes && (pair[1].starts_with('/') || known::SHELLS.contains(&pair[1].as_str()))
    }) || args.iter().any(|arg| {
        let program = arg.strip_prefix("--exec=").or_else(|| arg.strip_prefix("--sh-exec="));
        program.is_some()
    })
}

ocellus_sdk::rule!(ReverseShell);
