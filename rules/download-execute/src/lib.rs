//! A file is downloaded, made executable and run, by processes of one tree.

#![forbid(unsafe_code)]

use std::time::Duration;

use ocellus_sdk::prelude::*;

/// Programs that fetch a file.
const DOWNLOADERS: [&str; 8] = ["curl", "wget", "wget2", "aria2c", "scp", "sftp", "ftp", "tftp"];
/// Options of those that name the file to write.
const OUTPUT_OPTIONS: [&str; 4] = ["-o", "-O", "--output", "--output-document"];
/// How long a step waits for the next one.
const WINDOW: Duration = Duration::from_secs(600);
/// How many ancestors two processes may be apart from the one that they have in common.
const DEPTH: usize = 3;
/// Names of processes that have everybody as a descendant.
const ROOTS: [&str; 3] = ["systemd", "init", "(sd-executor)"];
/// Values of the state.
const DOWNLOADED: u64 = 1;
const EXECUTABLE: u64 = 2;

#[derive(Debug, Default)]
pub struct DownloadExecute;

impl Rule for DownloadExecute {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("download-execute", "A download was made executable and run")
            .description(
                "Processes of one tree downloaded a file, made it executable and ran it, within \
                 ten minutes for each step.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1105", "T1222.002", "T1204.002"])
            .false_positives([
                "Installers that people download and run",
                "Build scripts that fetch their tools",
            ])
    }

    fn interests(&self) -> Vec<Interest> {
        let tools = DOWNLOADERS.iter().chain(&["chmod", "install"]);
        let system: Vec<&str> = known::WORLD_WRITABLE.to_vec();
        vec![
            Interest::exec().one_of(fields::PROCESS_NAME, tools),
            // The last step may be any program, but not one that a package brought.
            Interest::exec().prefix(fields::PROCESS_EXECUTABLE, ["/home/", "/root/", "/srv/"]),
            Interest::exec().prefix(fields::PROCESS_EXECUTABLE, system),
        ]
    }

    fn on_event(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let name = event.process_name()?;
        let args = event.process_args();
        let args: Vec<&str> = args.iter().map(Text::as_str).collect();
        let tree = tree(event);
        if DOWNLOADERS.contains(&name.as_str()) {
            for file in downloaded(&args) {
                remember(&tree, file, DOWNLOADED);
            }
            return None;
        }
        if name == "chmod" || name == "install" {
            for file in made_executable(&args) {
                if step(&tree, file) >= DOWNLOADED {
                    remember(&tree, file, EXECUTABLE);
                }
            }
            return None;
        }
        let executable = event.process_executable()?;
        let file = base_name(&executable);
        if step(&tree, file) != EXECUTABLE {
            return None;
        }
        tree.iter().for_each(|ancestor| state::remove(&key(ancestor, file)));
        let anywhere = known::WORLD_WRITABLE.iter().any(|folder| executable.starts_with(folder));
        let severity = if anywhere { HIGH } else { MEDIUM };
        let (who, command) = (event.who(), event.command());
        Some(alert(severity, format!("{who} downloaded, made executable and ran {command}")))
    }
}

/// Entity ids of the nearest ancestors: what one of them started, it has in common with others.
fn tree(event: &Event<'_>) -> Vec<String> {
    let (ids, names) = (event.ocellus_ancestors_entity_id(), event.ocellus_ancestors_name());
    if ids.is_empty() {
        return event.process_parent_entity_id().map(Text::into_owned).into_iter().collect();
    }
    let near = ids.into_iter().zip(names).take(DEPTH);
    let below_root = near.take_while(|(_, name)| !ROOTS.contains(&name.as_str()));
    below_root.map(|(id, _)| id.into_owned()).collect()
}

fn key(ancestor: &str, file: &str) -> String {
    // A key has at most 256 bytes, a file name alone may have 255.
    let mut end = file.len().min(160);
    while !file.is_char_boundary(end) {
        end -= 1;
    }
    format!("download-execute {ancestor} {}", &file[..end])
}

fn step(tree: &[String], file: &str) -> u64 {
    tree.iter().map(|ancestor| state::count(&key(ancestor, file))).max().unwrap_or(0)
}

fn remember(tree: &[String], file: &str, step: u64) {
    for ancestor in tree {
        state::set(&key(ancestor, file), step.to_le_bytes(), WINDOW);
    }
}

/// Names of the files that a downloader writes: those that it is told, else the ends of addresses.
fn downloaded<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let told = args.windows(2).filter(|pair| OUTPUT_OPTIONS.contains(&pair[0])).map(|it| it[1]);
    let joined = args.iter().filter_map(|arg| {
        let value = arg.strip_prefix("--output-document=").or(arg.strip_prefix("--output="));
        value.or_else(|| arg.strip_prefix("-o").or(arg.strip_prefix("-O")))
    });
    let files = told.chain(joined);
    let addresses = args.iter().filter(|arg| arg.contains("://") || arg.contains(":/"));
    let ends = addresses.map(|address| address.split(['?', '#']).next().unwrap_or(address));
    files.chain(ends).map(base_name).filter(|file| !file.is_empty()).collect()
}

/// Names of the files to which `chmod` gives the right to execute, or which `install` copies.
fn made_executable<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let is_mode = |arg: &str| {
        let octal = arg.len() >= 3 && arg.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let executes = arg.bytes().any(|byte| byte % 2 == 1);
        (octal && executes) || (arg.contains(['+', '=']) && arg.contains('x'))
    };
    let copies = args.first().is_some_and(|program| base_name(program) == "install");
    if !copies && !args.iter().any(|arg| is_mode(arg)) {
        return Vec::new();
    }
    let files = args.iter().skip(1).filter(|arg| !arg.starts_with('-') && !is_mode(arg));
    files.map(|file| base_name(file)).collect()
}

ocellus_sdk::rule!(DownloadExecute);
