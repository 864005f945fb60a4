//! The manual page: the command line's definitions, and sections written by hand.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::Cli;

/// FILES, SIGNALS, EXIT STATUS and so on.
const WRITTEN_SECTIONS: &str = include_str!("../../../docs/man/sections.roff");

/// Date of the version in the changelog, which stands below the page.
const RELEASED: &str = "2026-11-24";

/// ocellus(1), as roff.
pub fn man_page() -> Vec<u8> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("Ocellus").source(version()).date(RELEASED);
    man.render_title(&mut page).expect("a Vec takes it");
    man.render_name_section(&mut page).expect("a Vec takes it");
    page.extend(synopsis(&command).bytes());
    man.render_description_section(&mut page).expect("a Vec takes it");
    page.extend(b".SH COMMANDS\n");
    each_leaf(&command, "ocellus", &mut |name, command| {
        page.extend(subcommand(name, command).bytes());
    });
    page.extend(WRITTEN_SECTIONS.bytes());
    // An empty line between two breaks is a space to mandoc, which then complains about the breaks.
    String::from_utf8_lossy(&page).replace("\n.br\n\n.br\n", "\n.sp\n").into_bytes()
}

fn version() -> String {
    format!("ocellus {}", env!("CARGO_PKG_VERSION"))
}

/// Calls for each command that has no subcommands, with its full name.
fn each_leaf(command: &Command, name: &str, call: &mut impl FnMut(&str, &Command)) {
    for sub in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("{name} {}", sub.get_name());
        if sub.has_subcommands() {
            each_leaf(sub, &name, call);
        } else {
            call(&name, sub);
        }
    }
}

fn synopsis(command: &Command) -> String {
    let mut lines = Vec::new();
    each_leaf(command, "ocellus", &mut |name, command| {
        lines.push(format!("\\fB{}\\fR{}", escape(name), escape(&arguments(command))));
    });
    format!(".SH SYNOPSIS\n{}\n", lines.join("\n.br\n"))
}

/// The usage line, without the command's name.
fn arguments(command: &Command) -> String {
    let mut text = String::new();
    let is_own = |id: &str| id != "help" && id != "version";
    if command.get_arguments().any(|arg| !arg.is_positional() && is_own(arg.get_id().as_str())) {
        text.push_str(" [OPTIONS]");
    }
    for arg in command.get_positionals() {
        let name = arg.get_id().as_str().to_uppercase();
        text += &if arg.is_required_set() { format!(" {name}") } else { format!(" [{name}]") };
    }
    text
}

fn subcommand(name: &str, command: &Command) -> String {
    let mut options = Vec::new();
    Man::new(command.clone()).render_options_section(&mut options).expect("a Vec takes it");
    let options = String::from_utf8(options).expect("roff from texts is UTF-8");
    // The section's heading and the preamble before it give way to a subheading of ours.
    let options = options.split_once(".SH OPTIONS\n").map_or("", |(_, options)| options);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!(
        ".SS \"{}{}\"\n{}.\n{options}",
        escape(name),
        escape(&arguments(command)),
        escape(&about)
    )
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_is_in_the_manual() {
        let page = String::from_utf8(man_page()).unwrap();
        let plain = page.replace("\\-", "-");
        let mut commands = 0;
        each_leaf(&Cli::command(), "ocellus", &mut |name, command| {
            commands += 1;
            assert!(plain.contains(&format!(".SS \"{name}")), "{name}\n{plain}");
            for option in command.get_arguments().filter_map(|arg| arg.get_long()) {
                assert!(plain.contains(&format!("--{option}")), "{name} --{option}");
            }
        });
        assert!(commands > 8);
        for section in ["NAME", "SYNOPSIS", "FILES", "SIGNALS", "EXIT STATUS", "EXAMPLES"] {
            let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            let count: usize = heading.iter().map(|it| page.matches(it.as_str()).count()).sum();
            assert_eq!(count, 1, "{section}");
        }
    }
}
