//! What a controlling terminal's device number says about it.

/// Sort of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtyKind {
    /// A pseudo-terminal: ssh, a terminal window, a container with `-t`.
    Pts,
    /// A virtual console.
    Console,
    /// A serial line.
    Tty,
}

/// The sort of the terminal with this device number; none for a number of no terminal (0, 0) and
/// for devices that nobody sits at.
pub fn kind(major: u32, minor: u32) -> Option<TtyKind> {
    match (major, minor) {
        (136..=143, _) => Some(TtyKind::Pts),
        (4, 0..=63) => Some(TtyKind::Console),
        (4, 64..=255) => Some(TtyKind::Tty),
        _ => None,
    }
}

/// Whether a process with this controlling terminal can talk to a person. The same test as
/// auditbeat's, because its users filter by `process.interactive`.
pub fn interactive(major: u32, minor: u32) -> bool {
    kind(major, minor).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_at_the_edges() {
        for (major, minor, expected) in [
            (0, 0, None),
            (4, 0, Some(TtyKind::Console)),
            (4, 63, Some(TtyKind::Console)),
            (4, 64, Some(TtyKind::Tty)),
            (4, 255, Some(TtyKind::Tty)),
            (4, 256, None),
            (5, 1, None),
            (135, 0, None),
            (136, 0, Some(TtyKind::Pts)),
            (143, 1_048_575, Some(TtyKind::Pts)),
            (144, 0, None),
        ] {
            assert_eq!(kind(major, minor), expected, "{major}:{minor}");
            assert_eq!(interactive(major, minor), expected.is_some(), "{major}:{minor}");
        }
    }
}
