//! Lines in the sensor's log, under the rule's name. The sensor cuts them at 1,024 bytes and
//! limits their rate.

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the rule's author.
    Debug,
    /// Worth knowing.
    Info,
    /// The rule works, but not as well as it could.
    Warn,
    /// The rule does not work.
    Error,
}

/// For the macros only.
#[doc(hidden)]
pub fn line(level: Level, message: std::fmt::Arguments<'_>) {
    crate::host::log(level, &message.to_string());
}

/// Log for the rule's author.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => {
        $crate::__private::line($crate::Level::Debug, ::core::format_args!($($message)+))
    };
}

/// Log what is worth knowing.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => {
        $crate::__private::line($crate::Level::Info, ::core::format_args!($($message)+))
    };
}

/// Log that the rule works, but not as well as it could.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => {
        $crate::__private::line($crate::Level::Warn, ::core::format_args!($($message)+))
    };
}

/// Log that the rule does not work.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => {
        $crate::__private::line($crate::Level::Error, ::core::format_args!($($message)+))
    };
}
