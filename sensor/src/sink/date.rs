//! Nanoseconds since the epoch as an RFC 3339 date, without allocation: an event holds half a
//! dozen of them.

use std::ops::Range;

const NS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A date as text, for example `2026-03-01T12:00:00.000000001Z`: always UTC, always nine digits.
#[derive(Clone, Copy, Debug)]
pub struct Date([u8; Date::LENGTH]);

impl Date {
    const LENGTH: usize = "2026-03-01T12:00:00.000000001Z".len();
    /// Where `12:00:00.000` stands in it.
    const TIME_OF_DAY: Range<usize> = 11..23;

    /// Every `u64` is a date: the last is in the year 2554.
    pub fn new(ns: u64) -> Date {
        let seconds = ns / NS_PER_SECOND;
        let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
        let second_of_day = seconds % SECONDS_PER_DAY;
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], second_of_day / 3600);
        write_digits(&mut text[14..16], second_of_day / 60 % 60);
        write_digits(&mut text[17..19], second_of_day % 60);
        write_digits(&mut text[20..29], ns % NS_PER_SECOND);
        Date(text)
    }

    /// All of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and separators are ASCII")
    }

    /// `Mar  1 12:00:00`, as syslog has it. In UTC, like everything here.
    pub fn month_day_time(&self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let text = self.as_str();
        let number = |range: Range<usize>| text[range].parse().unwrap_or(1_usize);
        let month = MONTHS[(number(5..7) - 1).min(11)];
        format!("{month} {:2} {}", number(8..10), &text[11..19])
    }

    /// `12:00:00.000`: the time of day, to the millisecond.
    pub fn time_of_day(&self) -> &str {
        &self.as_str()[Date::TIME_OF_DAY]
    }
}

/// Writes a number right-aligned; what does not fit is cut at the left.
fn write_digits(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a count of days since the epoch, in the Gregorian calendar.
///
/// Years are counted from March here, so that the leap day is the last day of a year; then months
/// have 153 days every five, and a cycle of 400 years has 146,097 days.
fn civil(days_since_epoch: u64) -> (u64, u64, u64) {
    /// From 1 March 0000 to 1 January 1970.
    const DAYS_TO_EPOCH: u64 = 719_468;
    const DAYS_PER_CYCLE: u64 = 146_097;
    let days = days_since_epoch + DAYS_TO_EPOCH;
    let cycle = days / DAYS_PER_CYCLE;
    let day_of_cycle = days % DAYS_PER_CYCLE;
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn reference(ns: u64) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(ns);
        humantime::format_rfc3339_nanos(time).to_string()
    }

    #[test]
    fn a_day_around_each_turn_of_a_month_for_six_centuries() {
        let day_ns = SECONDS_PER_DAY * NS_PER_SECOND;
        for day in 0..u64::MAX / day_ns {
            for ns in [day * day_ns, day * day_ns + day_ns - 1] {
                assert_eq!(Date::new(ns).as_str(), reference(ns));
            }
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(Date::new(0).as_str(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(Date::new(u64::MAX).as_str(), "2554-07-21T23:34:33.709551615Z");
        assert_eq!(Date::new(1_772_366_400_120_000_001).time_of_day(), "12:00:00.120");
    }

    proptest::proptest! {
        #[test]
        fn any_time_is_what_humantime_says(ns: u64) {
            let date = Date::new(ns);
            proptest::prop_assert_eq!(date.as_str(), reference(ns));
        }
    }
}
