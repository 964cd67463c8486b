//! The window as a caller requests it, and how each part of it is parsed.
//!
//! Knows no template: what the parts mean together is decided in `resolve`.

use std::fmt;

use chrono::NaiveDate;
use chrono_tz::Tz;
use thiserror::Error;

use super::calendar::FIRST_DAY;

/// Days from the default start of a window to its end, and the default `day_range`. Both ends are inclusive:
/// a default window has one date more.
pub const DEFAULT_DAYS: u32 = 30;
/// The longest window and the largest `day_range`, in days.
pub const MAX_DAYS: u32 = 36_500;

/// The parameters that a caller may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamName {
    /// First day of the window.
    StartDate,
    /// Last day of the window, inclusive.
    EndDate,
    /// A number of days back from today.
    DayRange,
    /// IANA time zone that decides which day is today, and when a day begins.
    Timezone,
}

impl ParamName {
    /// All parameters, in the order in which they are documented.
    pub const ALL: [Self; 4] = [Self::StartDate, Self::EndDate, Self::DayRange, Self::Timezone];

    /// Returns the name in URLs, in answers and, after a colon, in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartDate => "start_date",
            Self::EndDate => "end_date",
            Self::DayRange => "day_range",
            Self::Timezone => "timezone",
        }
    }
}

impl fmt::Display for ParamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The window as a caller sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowRequest {
    /// First day.
    pub start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days back from today, 0 to [`MAX_DAYS`].
    pub day_range: Option<u32>,
    /// The time zone that decides which day is today, and when a day begins.
    pub timezone: Option<Tz>,
}

/// The reason why a parameter is invalid. The text is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidParam {
    /// Not a day of the calendar.
    #[error("must be a real date written as YYYY-MM-DD, such as 2025-06-30")]
    Date,
    /// Not a whole number of days within bounds.
    #[error("must be a whole number from 0 to {MAX_DAYS}")]
    DayRange,
    /// Not a zone of the IANA time zone database.
    #[error("must be a time zone of the IANA database, such as Europe/Berlin")]
    Timezone,
    /// The window ends before it begins.
    #[error("the window must not end before it begins: start_date {start}, end_date {end}")]
    EndsBeforeStart {
        /// The window's first day.
        start: NaiveDate,
        /// The window's last day.
        end: NaiveDate,
    },
    /// The window is longer than [`MAX_DAYS`].
    #[error(
        "the window must not span more than {MAX_DAYS} days: start_date {start}, end_date {end}"
    )]
    TooLong {
        /// The window's first day.
        start: NaiveDate,
        /// The window's last day.
        end: NaiveDate,
    },
}

/// An invalid parameter of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{param}: {reason}")]
pub struct WindowFault {
    /// The parameter that the caller sent.
    pub param: ParamName,
    /// The reason.
    pub reason: InvalidParam,
}

/// Parses a date as callers write it: `YYYY-MM-DD`, with an optional `T00:00:00` after it.
///
/// # Errors
/// When it is not a day of the calendar between the years 1 and 9999.
pub fn parse_date(text: &str) -> Result<NaiveDate, InvalidParam> {
    let day = text.strip_suffix("T00:00:00").unwrap_or(text);
    let number = |range: std::ops::Range<usize>| {
        let digits = day.get(range).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<u32>().ok()
    };
    let is_parted = day.len() == 10 && day.as_bytes()[4] == b'-' && day.as_bytes()[7] == b'-';
    let parts = is_parted.then(|| (number(0..4), number(5..7), number(8..10)));
    let date = match parts {
        Some((Some(year), Some(month), Some(day))) => {
            NaiveDate::from_ymd_opt(year.cast_signed(), month, day)
        }
        _ => None,
    };
    date.filter(|date| *date >= FIRST_DAY).ok_or(InvalidParam::Date)
}

/// Parses a number of days, 0 to [`MAX_DAYS`], written with digits alone.
///
/// # Errors
/// When it is anything else.
pub fn parse_day_range(text: &str) -> Result<u32, InvalidParam> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let days = digits.then(|| text.parse::<u32>().ok()).flatten();
    days.filter(|days| *days <= MAX_DAYS).ok_or(InvalidParam::DayRange)
}

/// Parses the name of an IANA time zone, in its exact spelling.
///
/// # Errors
/// When the zone is not known.
pub fn parse_timezone(text: &str) -> Result<Tz, InvalidParam> {
    text.parse().map_err(|_| InvalidParam::Timezone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_strictly() {
        assert_eq!(parse_date("2025-06-30T00:00:00"), parse_date("2025-06-30"));
        for wrong in [
            "2025-02-29",
            "2025-6-30",
            "25-06-30",
            "2025-06-30T00:00:01",
            "2025-06-30 ",
            "0000-01-01",
            "",
            "+025-06-30",
            "２０２５-06-30",
        ] {
            assert_eq!(parse_date(wrong), Err(InvalidParam::Date), "{wrong}");
        }
        assert_eq!(parse_day_range("36500"), Ok(36_500));
        for wrong in ["36501", "-1", "+1", "", "1.0", " 1", "99999999999"] {
            assert_eq!(parse_day_range(wrong), Err(InvalidParam::DayRange), "{wrong}");
        }
        assert_eq!(parse_timezone("Europe/Berlin"), Ok(chrono_tz::Europe::Berlin));
        for wrong in ["europe/berlin", "Mars", "", "+02:00"] {
            assert_eq!(parse_timezone(wrong), Err(InvalidParam::Timezone), "{wrong}");
        }
    }
}
