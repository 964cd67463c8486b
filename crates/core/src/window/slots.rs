//! The slots of a template: what a caller may vary of its window, and the defaults.
//!
//! Knows no SQL: which literal or placeholder became a slot is decided in [`crate::sql`].

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::calendar::RelativeDay;

/// The parts of a window that a statement uses, with their defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Slots {
    /// The first day, if the statement uses it.
    pub start_date: Option<DateDefault>,
    /// The last day, inclusive, if the statement uses it.
    pub end_date: Option<DateDefault>,
    /// Days back from today, if the statement uses them.
    pub day_range: Option<u32>,
    /// Whether the statement uses the time zone's name.
    pub timezone: bool,
    /// Whether the statement uses the present day or instant.
    pub clock: bool,
    /// The time zone of the session that the statement runs in.
    pub session_zone: SessionZone,
}

/// The time zone of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SessionZone {
    /// Any: no value depends on it.
    #[default]
    Any,
    /// The one that the caller asks for.
    Caller,
    /// This one, whatever the caller asks for.
    Fixed(Tz),
}

/// The default of a date slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateDefault {
    /// The author's literal, as an inclusive day.
    Fixed(NaiveDate),
    /// The author's day, relative to today.
    Relative(RelativeDay),
    /// Today for the end, [`DEFAULT_DAYS`](super::DEFAULT_DAYS) before the end for the start.
    FromToday,
}

impl DateDefault {
    /// The day, unless it follows from the window's end.
    pub(super) fn on(self, today: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Fixed(day) => Some(day),
            Self::Relative(day) => Some(day.on(today)),
            Self::FromToday => None,
        }
    }
}
