//! The log lines of guests: made harmless, cut, and limited in rate.

use super::super::budget;

/// A message as one line of the log: control characters escaped, so that a rule can neither forge
/// lines nor drive a terminal, and cut at [`budget::LOG_LINE_BYTES`].
pub(super) fn log_line(message: &str) -> String {
    let mut line = String::new();
    for character in message.chars() {
        let escaped = character.escape_debug();
        let bytes = if character.is_control() { escaped.len() } else { character.len_utf8() };
        if line.len() + bytes > budget::LOG_LINE_BYTES {
            break;
        }
        if character.is_control() {
            line.extend(escaped);
        } else {
            line.push(character);
        }
    }
    line
}

/// Some lines at once, then one for each interval. Time is that of the events.
#[derive(Debug)]
pub(super) struct LogLimit {
    pub(super) now_ns: u64,
    left: u32,
    filled_ns: u64,
    pub(super) suppressed: u64,
}

impl Default for LogLimit {
    fn default() -> LogLimit {
        LogLimit { now_ns: 0, left: budget::LOG_LINES_BURST, filled_ns: 0, suppressed: 0 }
    }
}

impl LogLimit {
    pub(super) fn allows(&mut self) -> bool {
        let elapsed_ns = self.now_ns.saturating_sub(self.filled_ns);
        let earned = elapsed_ns / budget::LOG_LINE_INTERVAL_NS;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(budget::LOG_LINES_BURST);
            self.filled_ns = self.now_ns;
        }
        if self.left == 0 {
            self.suppressed += 1;
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_cut_and_escaped() {
        assert_eq!(log_line("a\nb\u{1b}[0m é"), "a\\nb\\u{1b}[0m é");
        let line = log_line(&"é\n".repeat(2000));
        assert!(line.len() <= budget::LOG_LINE_BYTES && line.len() > budget::LOG_LINE_BYTES - 4);
    }

    #[test]
    fn log_lines_are_limited_in_rate_and_counted() {
        let mut log = LogLimit::default();
        let written = (0..100).filter(|_| log.allows()).count();
        assert_eq!(written, budget::LOG_LINES_BURST as usize);
        assert_eq!(log.suppressed, 80);
        log.now_ns = 2 * budget::LOG_LINE_INTERVAL_NS;
        assert_eq!((0..100).filter(|_| log.allows()).count(), 2);
    }
}
