//! Events for a person: one line each, and one for each alert.
//!
//! ```text
//! 12:00:00.123 ran           alice     curl(4711)  curl -s 'http://x/a b'  ← bash(4700)  exit 7
//!              ▲ high 73     shell-from-service: nginx started a shell
//! ```

use anstyle::{AnsiColor, Style};

use super::date::Date;
use super::quote::{shell_word, visible};
use crate::event::{Event, Field, Kinds, Texts};

/// Columns of the action and of the user, so that most lines align.
const ACTION_WIDTH: usize = 13;
const USER_WIDTH: usize = 8;
/// A command line is never cut to less, however narrow the terminal.
const COMMAND_WIDTH_MIN: usize = 24;
/// Hexadecimal digits of a hash or container id that tell it from others at a glance.
const SHORT_ID: usize = 12;

const PLAIN: Style = Style::new();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const MAGENTA: Style = AnsiColor::Magenta.on_default();

/// Writes events for people.
#[derive(Clone, Copy, Debug)]
pub struct Pretty {
    colour: bool,
    /// Columns of the terminal; none where there is none, and then nothing is cut.
    width: Option<usize>,
}

impl Pretty {
    /// Colour and width as the terminal and the environment want them. `NO_COLOR` and `TERM=dumb`
    /// switch colour off; without a terminal there is neither colour nor a width.
    pub fn new(is_terminal: bool) -> Pretty {
        if !is_terminal {
            return Pretty { colour: false, width: None };
        }
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Pretty { colour: !no_color && !dumb, width }
    }

    /// Appends the event's lines.
    pub fn lines(&self, event: &Event, out: &mut Vec<u8>) {
        let mut line = Line::default();
        line.push(DIM, &time_of_day(event));
        if event.kinds.intersects(Kinds::SENSOR) {
            sensor(event, &mut line);
        } else {
            process(event, &mut line);
        }
        line.write(self, out);
        alerts(event, |line| line.write(self, out));
    }
}

fn time_of_day(event: &Event) -> String {
    let time = event.number(Field::TIMESTAMP).map(Date::new);
    time.map_or_else(|| "??:??:??.???".to_owned(), |date| date.time_of_day().to_owned())
}

fn sensor(event: &Event, line: &mut Line) {
    let style = if event.kinds.intersects(Kinds::SENSOR_LOSS) {
        RED.bold()
    } else if event.kinds.intersects(Kinds::SENSOR_FAULT) {
        YELLOW
    } else {
        CYAN
    };
    line.push(style, &format!(" {:ACTION_WIDTH$}", "sensor"));
    let text = |field| event.text(field).map(visible);
    let message = text(Field::MESSAGE).unwrap_or_default();
    if let Some(component) = text(Field::OCELLUS_COMPONENT).filter(|it| !message.contains(it)) {
        line.push(BOLD, &format!(" {component}"));
    }
    line.push(PLAIN, &format!(" {message}"));
    if let Some(error) = text(Field::ERROR_MESSAGE) {
        line.push(YELLOW, &format!(": {error}"));
    }
}

fn process(event: &Event, line: &mut Line) {
    let action = event.text(Field::EVENT_ACTION).unwrap_or("?");
    let action = action.trim_start_matches("process_").trim_end_matches("_process");
    line.push(action_style(event.kinds), &format!(" {:ACTION_WIDTH$}", visible(action)));
    let user = event.text(Field::PROCESS_USER_NAME).or(event.text(Field::PROCESS_USER_ID));
    let user = visible(user.unwrap_or("-"));
    let is_root = event.text(Field::PROCESS_USER_ID) == Some("0");
    line.push(if is_root { YELLOW } else { PLAIN }, &format!(" {user:USER_WIDTH$} "));
    let name = event.text(Field::PROCESS_NAME);
    line.push(BOLD, &process_label(name, event.number(Field::PROCESS_PID)));
    if let Some(command) = command(event) {
        line.push_cuttable(PLAIN, &command);
    }
    let parent_pid = event.number(Field::PROCESS_PARENT_PID);
    if parent_pid.is_some() {
        let parent = process_label(event.text(Field::PROCESS_PARENT_NAME), parent_pid);
        line.push(DIM, &format!("  ← {parent}"));
    }
    before(event, line);
    exit(event, line);
    origin(event, line);
    hash(event, line);
    rule_marks(event, line);
}

fn action_style(kinds: Kinds) -> Style {
    if kinds.intersects(Kinds::PROCESS_EXEC) {
        GREEN
    } else if kinds.intersects(Kinds::PROCESS_FORK) {
        CYAN
    } else {
        DIM
    }
}

fn process_label(name: Option<&str>, pid: Option<u64>) -> String {
    let pid = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    format!("{}({pid})", visible(name.unwrap_or("?")))
}

fn command(event: &Event) -> Option<String> {
    if let Some(args) = event.texts(Field::PROCESS_ARGS) {
        let words: Vec<String> = args.iter().map(shell_word).collect();
        return Some(words.join(" "));
    }
    event.text(Field::PROCESS_EXECUTABLE).map(shell_word)
}

fn exit(event: &Event, line: &mut Line) {
    if let Some(number) = event.number(Field::OCELLUS_SIGNAL) {
        let signal =
            i32::try_from(number).ok().and_then(|it| nix::sys::signal::Signal::try_from(it).ok());
        let name = signal.map_or_else(|| format!("signal {number}"), |it| it.as_str().to_owned());
        line.push(RED, &format!("  {name}"));
        if event.number(Field::OCELLUS_CORE_DUMPED) == Some(1) {
            line.push(RED, " (core dumped)");
        }
    } else if let Some(code) = event.number(Field::PROCESS_EXIT_CODE) {
        line.push(if code == 0 { DIM } else { RED }, &format!("  exit {code}"));
    }
}

/// Who the process was, and what it was called, before this event changed that.
fn before(event: &Event, line: &mut Line) {
    let user = event.text(Field::OCELLUS_PREVIOUS_USER_NAME);
    let user = user.or(event.text(Field::OCELLUS_PREVIOUS_USER_ID));
    for was in [user, event.text(Field::OCELLUS_PREVIOUS_NAME)].into_iter().flatten() {
        line.push(YELLOW, &format!("  was {}", visible(was)));
    }
}

/// Where the executable came from, as far as that is worth a look.
fn origin(event: &Event, line: &mut Line) {
    let marks = [
        (Field::OCELLUS_EXE_MEMFD, "memfd"),
        (Field::OCELLUS_EXE_DELETED, "deleted"),
        (Field::OCELLUS_EXE_SETUID, "setuid"),
        (Field::OCELLUS_EXE_SETGID, "setgid"),
        (Field::OCELLUS_EXE_CAPABILITIES, "capabilities"),
    ];
    for (field, mark) in marks {
        if event.number(field) == Some(1) {
            line.push(MAGENTA, &format!("  {mark}"));
        }
    }
    if let Some(id) = event.text(Field::CONTAINER_ID) {
        let runtime = event.text(Field::CONTAINER_RUNTIME).unwrap_or("container");
        line.push(CYAN, &format!("  {}:{}", visible(runtime), short(&visible(id))));
    }
}

/// The hash, where the event is the first to tell which file runs.
fn hash(event: &Event, line: &mut Line) {
    if !event.kinds.intersects(Kinds::PROCESS_EXEC.with(Kinds::PROCESS_EXISTING)) {
        return;
    }
    let digests = [
        (Field::PROCESS_HASH_SHA256, "sha256"),
        (Field::PROCESS_HASH_SHA512, "sha512"),
        (Field::PROCESS_HASH_SHA384, "sha384"),
        (Field::PROCESS_HASH_SHA1, "sha1"),
        (Field::PROCESS_HASH_MD5, "md5"),
    ];
    let digest = digests.into_iter().find_map(|(field, name)| Some((name, event.text(field)?)));
    match (digest, event.text(Field::OCELLUS_HASH_STATUS)) {
        (Some((name, digest)), _) => {
            line.push(DIM, &format!("  {name}:{}", short(&visible(digest))))
        }
        (None, None | Some("ok" | "off")) => {}
        (None, Some(status)) => line.push(YELLOW, &format!("  hash {}", visible(status))),
    }
}

fn rule_marks(event: &Event, line: &mut Line) {
    for tag in event.texts(Field::TAGS).into_iter().flat_map(Texts::iter) {
        line.push(MAGENTA, &format!("  #{}", visible(tag)));
    }
    for technique in event.texts(Field::THREAT_TECHNIQUE_ID).into_iter().flat_map(Texts::iter) {
        for id in most_exact(event, technique) {
            line.push(YELLOW, &format!("  {}", visible(id)));
        }
    }
}

/// The sub-techniques of a technique that the event names; the technique itself when it names none.
fn most_exact<'a>(event: &'a Event, technique: &'a str) -> Vec<&'a str> {
    let all = event.texts(Field::THREAT_TECHNIQUE_SUBTECHNIQUE_ID);
    let of_it = |id: &&str| id.split_once('.').is_some_and(|(parent, _)| parent == technique);
    let ids: Vec<&str> = all.into_iter().flat_map(Texts::iter).filter(of_it).collect();
    if ids.is_empty() { vec![technique] } else { ids }
}

fn alerts(event: &Event, mut each: impl FnMut(&Line)) {
    let Some(rules) = event.texts(Field::OCELLUS_RULES_ALERTS) else { return };
    let messages = event.texts(Field::OCELLUS_RULES_MESSAGES);
    let severity = event.number(Field::EVENT_SEVERITY).unwrap_or(0);
    for (index, rule) in rules.iter().enumerate() {
        let message = messages.and_then(|it| it.get(index)).unwrap_or_default();
        // The event has one severity: that of its most severe rule, which it names.
        let (label, style) = if event.text(Field::RULE_ID) == Some(rule) {
            let (name, style) = severity_style(severity);
            (format!("{name} {severity}"), style)
        } else {
            ("alert".to_owned(), BOLD)
        };
        let mut line = Line::default();
        line.push(PLAIN, &" ".repeat(time_of_day(event).len() + 1));
        line.push(style, &format!("▲ {label:width$}", width = ACTION_WIDTH - 2));
        line.push(BOLD, &format!(" {}", visible(rule)));
        line.push(PLAIN, &format!(": {}", visible(message)));
        each(&line);
    }
}

/// The usual steps: 21 low, 47 medium, 73 high, 99 critical.
fn severity_style(severity: u64) -> (&'static str, Style) {
    match severity {
        99.. => ("critical", AnsiColor::White.on(AnsiColor::Red).bold()),
        73.. => ("high", RED.bold()),
        47.. => ("medium", YELLOW.bold()),
        21.. => ("low", CYAN.bold()),
        _ => ("info", DIM),
    }
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// One line in parts, so that its width is known before it is written.
#[derive(Default)]
struct Line {
    parts: Vec<(Style, String)>,
    /// Part that may be cut.
    cuttable: Option<usize>,
}

impl Line {
    fn push(&mut self, style: Style, text: &str) {
        self.parts.push((style, text.to_owned()));
    }

    fn push_cuttable(&mut self, style: Style, text: &str) {
        self.push(PLAIN, "  ");
        self.cuttable = Some(self.parts.len());
        self.push(style, text);
    }

    fn write(&self, pretty: &Pretty, out: &mut Vec<u8>) {
        let columns = |text: &str| text.chars().count();
        let total: usize = self.parts.iter().map(|(_, text)| columns(text)).sum();
        for (index, (style, text)) in self.parts.iter().enumerate() {
            let others = total - columns(text);
            let room = match pretty.width {
                Some(width) if self.cuttable == Some(index) => {
                    width.saturating_sub(others).max(COMMAND_WIDTH_MIN)
                }
                _ => usize::MAX,
            };
            let text = cut(text, room);
            if pretty.colour && *style != PLAIN {
                out.extend_from_slice(format!("{style}{text}{style:#}").as_bytes());
            } else {
                out.extend_from_slice(text.as_bytes());
            }
        }
        // Padding of a last column is of no use to anybody.
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }
}

/// The text, or its start with an ellipsis.
fn cut(text: &str, columns: usize) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(columns) {
        None => text.into(),
        Some(_) => {
            let kept = text.char_indices().nth(columns.saturating_sub(1)).map_or(0, |(at, _)| at);
            format!("{}…", &text[..kept]).into()
        }
    }
}

#[cfg(test)]
mod tests;
