//! A script that is decoded, or fetched from a bare address, straight into an interpreter.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// What turns text into a script.
const DECODERS: [&str; 9] = [
    "base64 -d",
    "base64 --decode",
    "base64 -D",
    "base64 -di",
    "base32 -d",
    "base32 --decode",
    "xxd -r",
    "openssl enc -d",
    "openssl base64 -d",
];

/// What fetches a script.
const FETCHERS: [&str; 3] = ["curl ", "wget ", "fetch "];

/// What runs a script that comes through a pipe.
const INTERPRETERS: [&str; 10] =
    ["sh", "bash", "dash", "zsh", "ksh", "ash", "python", "python3", "perl", "php"];

#[derive(Debug, Default)]
pub struct EncodedScript;

impl Rule for EncodedScript {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("encoded-script", "Hidden script run through a pipe")
            .description(
                "A command decodes a script, or fetches one from a bare address, and hands it \
                 straight to an interpreter, so that it is in no file and on no command line.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1027", "T1140", "T1059.004", "T1105"])
            .false_positives(["Provisioning that encodes its scripts to quote them"])
    }

    fn interests(&self) -> Vec<Interest> {
        let runs = |texts: &[&str]| {
            Interest::exec()
                .one_of(fields::PROCESS_ARGS, ["-c", "-lc", "-ec", "-xc"])
                .contains(fields::PROCESS_ARGS, texts)
        };
        vec![runs(&DECODERS), runs(&["http://", "https://", "ftp://"])]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let args = event.process_args();
        let script = args.iter().skip_while(|arg| !arg.ends_with('c')).nth(1)?;
        let stages: Vec<&str> = script.split('|').map(str::trim).collect();
        let decodes = |stage: &&str| DECODERS.iter().any(|decoder| stage.contains(decoder));
        let fetches = |stage: &&str| {
            FETCHERS.iter().any(|fetcher| stage.contains(fetcher)) && has_bare_address(stage)
        };
        let what = if runs_after(&stages, decodes) || runs_in_substitution(script) {
            "decodes"
        } else if runs_after(&stages, fetches) {
            "fetches"
        } else {
            return None;
        };
        Some(alert(
            HIGH,
            format!("{} runs a script that it {what}: {}", event.who(), event.command()),
        ))
    }
}

/// Whether a stage that `makes` a script is followed by one that runs it.
fn runs_after(stages: &[&str], makes: impl Fn(&&str) -> bool) -> bool {
    let Some(first) = stages.iter().position(makes) else { return false };
    stages[first + 1..].iter().any(|stage| {
        let mut words = stage.split([' ', ';', ')', '"', '\'', '&', '\n']);
        let program = words.find(|word| !matches!(*word, "" | "sudo" | "-E" | "env" | "nohup"));
        program.is_some_and(|program| INTERPRETERS.contains(&base_name(program)))
    })
}

/// `bash <(base64 -d ...)`, `eval "$(... base64 -d)"`.
fn runs_in_substitution(script: &str) -> bool {
    ["eval \"$(", "eval $(", "eval `", "bash <(", "sh <(", "bash -c \"$(", "sh -c \"$("]
        .iter()
        .filter_map(|start| script.find(start).map(|at| &script[at..]))
        .any(|rest| DECODERS.iter().any(|decoder| rest.contains(decoder)))
}

/// Whether it names a server by number: packages and projects have names.
fn has_bare_address(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let host = rest.split(['/', ':', ' ', '"', '\'']).next().unwrap_or_default();
        let mut parts = host.split('.');
        parts.clone().count() == 4 && parts.all(|part| part.parse::<u8>().is_ok())
    })
}

ocellus_sdk::rule!(EncodedScript);
