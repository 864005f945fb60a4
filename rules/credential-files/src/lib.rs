//! A file of credentials in the arguments of a program that prints, copies or packs files.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Programs that print, search, copy, pack or send files. The credentials' own tools (passwd, ssh,
/// aws, kubectl and the like) are not among them.
const READERS: [&str; 41] = [
    "cat", "tac", "less", "more", "head", "tail", "grep", "egrep", "rg", "awk", "gawk", "mawk",
    "sed", "cut", "sort", "strings", "xxd", "od", "hexdump", "base64", "base32", "openssl", "cp",
    "mv", "ln", "dd", "install", "tar", "zip", "7z", "gzip", "xz", "scp", "rsync", "curl", "wget",
    "nc", "ncat", "tee", "vim", "nano",
];

/// Files of the system's passwords: what nobody reads by hand.
const SYSTEM: [&str; 6] = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/security/opasswd",
    "/etc/krb5.keytab",
    "/etc/sssd/sssd.conf",
    "/var/lib/sss/secrets/",
];

/// Private keys.
const KEYS: [&str; 8] = [
    "/.ssh/id_",
    "/etc/ssh/ssh_host_",
    "/.gnupg/private-keys",
    "/etc/kubernetes/pki/",
    "/etc/kubernetes/admin.conf",
    "/etc/letsencrypt/live/",
    "/etc/ssl/private/",
    "/.ssh/identity",
];

/// Tokens and passwords of cloud and other services.
const TOKENS: [&str; 12] = [
    "/.aws/credentials",
    "/.config/gcloud/credentials",
    "/.config/gcloud/access_tokens",
    "/.config/gcloud/application_default",
    "/.azure/accessTokens",
    "/.azure/msal_token",
    "/.kube/config",
    "/.docker/config.json",
    "/.git-credentials",
    "/.netrc",
    "/.pgpass",
    "/run/secrets/kubernetes.io/serviceaccount/token",
];

static PACKAGE_MANAGERS: Set = Set::of(known::PACKAGE_MANAGERS);

#[derive(Debug, Default)]
pub struct CredentialFiles;

impl Rule for CredentialFiles {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("credential-files", "Credential file read by a general tool")
            .description(
                "A program that prints, searches, copies, packs or sends files was given a file of \
                 password hashes, private keys or tokens.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1003.008", "T1552.001", "T1552.004"])
            .false_positives([
                "Administrators who look at or copy their own keys (less severe at a terminal)",
                "Backups and provisioning that name such files one by one",
            ])
    }

    fn interests(&self) -> Vec<Interest> {
        let reader = || Interest::exec().one_of(fields::PROCESS_NAME, READERS);
        let files = SYSTEM.iter().chain(&KEYS).chain(&TOKENS);
        let relative = ["/etc", "/.ssh", "/.aws", "/.kube"];
        vec![
            reader().contains(fields::PROCESS_ARGS, files),
            reader().suffix(fields::PROCESS_WORKING_DIRECTORY, relative).prefix(
                fields::PROCESS_ARGS,
                ["shadow", "gshadow", "id_", "credentials", "config"],
            ),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        if !READERS.contains(&event.process_name()?.as_str()) {
            return None;
        }
        let folder = event.process_working_directory().unwrap_or_default();
        let args = event.process_args();
        // Debian's daily copy of the password files.
        if event.has_ancestor(&PACKAGE_MANAGERS) || folder == "/var/backups" {
            return None;
        }
        let (file, severity) = args.iter().skip(1).find_map(|arg| {
            let path = if arg.contains('/') { arg.to_string() } else { format!("{folder}/{arg}") };
            severity(&path).map(|severity| (path, severity))
        })?;
        // A person at a terminal most often looks at what is the person's own.
        let own = event.process_interactive() && !is_one_of(&file, &SYSTEM);
        let severity = if own { LOW } else { severity };
        Some(alert(severity, format!("{} read {file}: {}", event.who(), event.command())))
    }
}

fn severity(path: &str) -> Option<u8> {
    // Public halves, certificates, and what only looks like the name.
    if path.ends_with(".pub") || path.ends_with("cert.pem") || path.ends_with("chain.pem") {
        return None;
    }
    if is_one_of(path, &SYSTEM) || is_one_of(path, &KEYS) {
        return Some(HIGH);
    }
    is_one_of(path, &TOKENS).then_some(MEDIUM)
}

fn is_one_of(path: &str, files: &[&str]) -> bool {
    files.iter().any(|file| path.contains(file))
}

ocellus_sdk::rule!(CredentialFiles);
