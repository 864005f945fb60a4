//! A set-uid program where none should be, or a shell that runs with borrowed rights.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Options with which a shell keeps the rights that it was started with.
const KEEP_RIGHTS: [&str; 2] = ["-p", "--privileged"];

#[derive(Debug, Default)]
pub struct SetuidAbuse {
    /// Beginnings of paths that the operator knows.
    allow: Vec<String>,
}

impl Rule for SetuidAbuse {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("setuid-abuse", "Set-uid shell, or set-uid program in an odd place")
            .description(
                "A set-uid program was executed outside of the system's folders, a shell is itself \
                 set-uid, or a shell runs as root for a user who is not.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1548.001"])
            .false_positives([
                "Set-uid programs that an administrator has installed elsewhere; list in `allow`",
                "Set-uid programs that run a shell script with the rights of root",
            ])
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.allow = config.texts("allow")?;
        Ok(())
    }

    fn interests(&self) -> Vec<Interest> {
        vec![
            Interest::exec().flag(fields::OCELLUS_EXE_SETUID),
            Interest::exec()
                .one_of(fields::PROCESS_NAME, known::SHELLS)
                .one_of(fields::USER_EFFECTIVE_ID, ["0"]),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let path = event.process_executable()?;
        let user = event.user_name().or_else(|| event.user_id())?;
        let is_shell = known::SHELLS.contains(&base_name(&path));
        let setuid = event.ocellus_exe_setuid();
        if setuid && is_shell {
            return Some(alert(CRITICAL, format!("{user} ran {path}, a set-uid shell")));
        }
        if setuid {
            let known_place = known::SYSTEM_PROGRAMS.iter().any(|folder| path.starts_with(folder))
                || self.allow.iter().any(|allowed| path.starts_with(allowed.as_str()));
            let of_root = event.ocellus_exe_uid().as_deref() == Some("0");
            let severity = if of_root { HIGH } else { MEDIUM };
            return (!known_place)
                .then(|| alert(severity, format!("{user} ran {path}, a set-uid program")));
        }
        let root_shell = known::SHELLS.contains(&event.process_name()?.as_str())
            && event.user_effective_id().as_deref() == Some("0");
        // sudo, su, pkexec and login change the real user too; a hole in a set-uid program seldom.
        if !root_shell || event.user_id().as_deref() == Some("0") {
            return None;
        }
        let args = event.process_args();
        let keeps = args.iter().skip(1).any(|arg| KEEP_RIGHTS.contains(&arg.as_str()));
        let severity = if keeps || args.len() <= 1 { HIGH } else { MEDIUM };
        let command = event.command();
        Some(alert(severity, format!("{user} has a shell with the rights of root: {command}")))
    }
}

ocellus_sdk::rule!(SetuidAbuse);
