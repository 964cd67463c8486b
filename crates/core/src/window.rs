//! The one date algebra: from what a caller asked and what a template defaults to, the window that
//! its SQL runs for.
//!
//! `end_date` is inclusive for callers. A day's name depends on the time zone; an instant does not.

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use thiserror::Error;

use crate::sql::{DateDefault, Slots};

/// Days between the default start and end of a window, and the default `day_range`.
pub const DEFAULT_DAYS: u32 = 30;
/// The longest window and the largest `day_range`, in days.
pub const MAX_DAYS: u32 = 36_500;

/// The parameters that a caller may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamName {
    /// First day of the window.
    StartDate,
    /// Last day of the window, inclusive.
    EndDate,
    /// A number of days back from today.
    DayRange,
    /// IANA time zone that decides which day is today.
    Timezone,
}

impl ParamName {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 4] = [Self::StartDate, Self::EndDate, Self::DayRange, Self::Timezone];

    /// The name in URLs, in answers and, behind a colon, in SQL.
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

/// What a caller gave, each part already a value of its type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowRequest {
    /// First day.
    pub start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days back from today, 0 to [`MAX_DAYS`].
    pub day_range: Option<u32>,
    /// Time zone that decides which day is today.
    pub timezone: Option<Tz>,
}

/// Why a parameter, or a pair of them, is refused. The text is for the caller.
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
    #[error("the window must not span more than {MAX_DAYS} days: start_date {start}, end_date {end}")]
    TooLong {
        /// The window's first day.
        start: NaiveDate,
        /// The window's last day.
        end: NaiveDate,
    },
}

/// A refused parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{param}: {reason}")]
pub struct WindowFault {
    /// The parameter that the caller gave.
    pub param: ParamName,
    /// Why it is refused.
    pub reason: InvalidParam,
}

/// Reads a date as callers write it: `YYYY-MM-DD`, with an optional `T00:00:00` behind it.
///
/// # Errors
/// When it is no day of the calendar between the years 1 and 9999.
pub fn parse_date(text: &str) -> Result<NaiveDate, InvalidParam> {
    let day = text.strip_suffix("T00:00:00").unwrap_or(text);
    let well_formed = day.len() == 10
        && day.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    let date = well_formed.then(|| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()).flatten();
    date.filter(|date| *date >= FIRST_DAY).ok_or(InvalidParam::Date)
}

/// Reads a number of days, 0 to [`MAX_DAYS`], written with digits alone.
///
/// # Errors
/// When it is anything else.
pub fn parse_day_range(text: &str) -> Result<u32, InvalidParam> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let days = digits.then(|| text.parse::<u32>().ok()).flatten();
    days.filter(|days| *days <= MAX_DAYS).ok_or(InvalidParam::DayRange)
}

/// Reads the name of an IANA time zone, in its exact spelling.
///
/// # Errors
/// When the zone is not known.
pub fn parse_timezone(text: &str) -> Result<Tz, InvalidParam> {
    text.parse().map_err(|_| InvalidParam::Timezone)
}

const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1, 1, 1).expect("the first day of year 1");

/// The window that a template runs for. A part that the template has no slot for is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// First day.
    pub start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days back from today.
    pub day_range: Option<u32>,
    /// Zone that decides which day is today; UTC unless given.
    pub timezone: Tz,
    /// Whether anything in the answer depends on `timezone`.
    pub uses_timezone: bool,
    /// Today in `timezone`.
    pub today: NaiveDate,
    /// Whether the answer holds only until `timezone`'s next midnight.
    pub depends_on_today: bool,
    /// The instant that the SQL's `now()` stands for.
    pub now: DateTime<Utc>,
    /// Parameters that were given and have no slot.
    pub ignored: Vec<ParamName>,
}

impl Window {
    /// Fills a template's slots from what was asked, its defaults, and the present instant.
    ///
    /// # Errors
    /// When the window would end before it begins or span more than [`MAX_DAYS`]; the fault names
    /// the parameters that were given.
    pub fn resolve(
        slots: &Slots,
        request: &WindowRequest,
        now: DateTime<Utc>,
    ) -> Result<Self, Vec<WindowFault>> {
        let timezone = request.timezone.unwrap_or(Tz::UTC);
        let today = now.with_timezone(&timezone).date_naive();
        let asked_start = request.start_date.filter(|_| slots.start_date.is_some());
        let asked_end = request.end_date.filter(|_| slots.end_date.is_some());
        let length = default_length(slots);

        let default_end = match slots.end_date {
            Some(DateDefault::Fixed(day)) => day,
            Some(DateDefault::FromToday) | None => today,
        };
        let end = asked_end.unwrap_or_else(|| match asked_start {
            Some(start) if start > default_end => start.max(today),
            _ => default_end,
        });
        let default_start = match slots.start_date {
            Some(DateDefault::Fixed(day)) => day,
            Some(DateDefault::FromToday) | None => days_before(end, length),
        };
        let start = asked_start.unwrap_or_else(|| {
            if end < default_start { days_before(end, length) } else { default_start }
        });

        let start_date = slots.start_date.map(|_| start);
        let end_date = slots.end_date.map(|_| end);
        if let (Some(start), Some(end)) = (start_date, end_date)
            && let Some(reason) = invalid_span(start, end)
        {
            return Err(given(request).into_iter().map(|param| WindowFault { param, reason }).collect());
        }

        let relative = |default, asked: Option<NaiveDate>| {
            default == Some(DateDefault::FromToday) && asked.is_none()
        };
        let depends_on_today = slots.clock
            || relative(slots.start_date, asked_start)
            || relative(slots.end_date, asked_end);
        let uses_timezone = slots.timezone || depends_on_today;
        let ignored = ParamName::ALL
            .into_iter()
            .filter(|param| match param {
                ParamName::StartDate => request.start_date.is_some() && start_date.is_none(),
                ParamName::EndDate => request.end_date.is_some() && end_date.is_none(),
                ParamName::DayRange => request.day_range.is_some() && slots.day_range.is_none(),
                ParamName::Timezone => request.timezone.is_some() && !uses_timezone,
            })
            .collect();

        Ok(Self {
            start_date,
            end_date,
            day_range: slots.day_range.map(|default| request.day_range.unwrap_or(default)),
            timezone,
            uses_timezone,
            today,
            depends_on_today,
            now,
            ignored,
        })
    }

    /// The instant at which `timezone`'s next day begins, at which an answer that depends on today
    /// ends being right.
    #[must_use]
    pub fn next_midnight(&self) -> DateTime<Utc> {
        // Where clocks jump over midnight, the day begins at the first instant after the gap.
        let midnight = (self.today + Days::new(1)).and_time(NaiveTime::MIN);
        (0..=24 * 4)
            .map(|quarter| midnight + chrono::Duration::minutes(15 * quarter))
            .find_map(|time| self.timezone.from_local_datetime(&time).earliest())
            .map_or_else(|| midnight.and_utc(), |time| time.with_timezone(&Utc))
    }
}

/// Days between start and end when nothing is asked.
fn default_length(slots: &Slots) -> u32 {
    match (slots.start_date, slots.end_date) {
        (Some(DateDefault::Fixed(start)), Some(DateDefault::Fixed(end))) => {
            u32::try_from((end - start).num_days()).unwrap_or(0)
        }
        _ => DEFAULT_DAYS,
    }
}

fn days_before(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_sub_days(Days::new(u64::from(days))).unwrap_or(FIRST_DAY).max(FIRST_DAY)
}

fn invalid_span(start: NaiveDate, end: NaiveDate) -> Option<InvalidParam> {
    let days = (end - start).num_days();
    if days < 0 {
        Some(InvalidParam::EndsBeforeStart { start, end })
    } else if days > i64::from(MAX_DAYS) {
        Some(InvalidParam::TooLong { start, end })
    } else {
        None
    }
}

/// The ends of the window that the caller gave.
fn given(request: &WindowRequest) -> Vec<ParamName> {
    let start = request.start_date.map(|_| ParamName::StartDate);
    let end = request.end_date.map(|_| ParamName::EndDate);
    start.into_iter().chain(end).collect()
}
