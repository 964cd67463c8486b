//! Days relative to the present one, as PostgreSQL's calendar counts them.
//!
//! Reads no clock: the present day is given.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

/// The first day that a window can hold.
pub(super) const FIRST_DAY: NaiveDate =
    NaiveDate::from_ymd_opt(1, 1, 1).expect("the first day of year 1");

/// A unit of the calendar that has a first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// From Monday on.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl CalendarUnit {
    /// Returns PostgreSQL's name of the unit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    fn first_day(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Week => Some(day.week(Weekday::Mon).first_day()),
            Self::Month => day.with_day(1),
            Self::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        }
    }
}

/// A day relative to today: moved by months, then by days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelativeDay {
    /// The unit from whose first day it counts, instead of from today.
    pub start_of: Option<CalendarUnit>,
    /// Months later. If the month is too short for the day, it is the month's last day.
    pub months: i32,
    /// Days later.
    pub days: i32,
}

impl RelativeDay {
    /// Today itself.
    pub const TODAY: Self = Self { start_of: None, months: 0, days: 0 };

    /// Returns the day that it is on `today`; the calendar's first if there is none.
    #[must_use]
    pub fn on(self, today: NaiveDate) -> NaiveDate {
        let first = self.start_of.map_or(Some(today), |unit| unit.first_day(today));
        let months = Months::new(self.months.unsigned_abs());
        let moved = first.and_then(|day| match self.months {
            0.. => day.checked_add_months(months),
            _ => day.checked_sub_months(months),
        });
        let days = Days::new(self.days.unsigned_abs().into());
        let moved = moved.and_then(|day| match self.days {
            0.. => day.checked_add_days(days),
            _ => day.checked_sub_days(days),
        });
        moved.unwrap_or(FIRST_DAY).max(FIRST_DAY)
    }
}

impl fmt::Display for RelativeDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start_of {
            Some(unit) => write!(f, "the first day of this {}", unit.as_str())?,
            None => f.write_str("today")?,
        }
        for (count, unit) in [(self.months, "month"), (self.days, "day")] {
            if count != 0 {
                let sign = if count < 0 { "minus" } else { "plus" };
                let plural = if count.unsigned_abs() == 1 { "" } else { "s" };
                write!(f, " {sign} {} {unit}{plural}", count.unsigned_abs())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_day_is_one_of_the_calendar() {
        let june = || NaiveDate::from_ymd_opt(2025, 6, 15).unwrap();
        let none = RelativeDay { months: i32::MIN, days: i32::MIN, ..RelativeDay::TODAY };
        assert_eq!(none.on(june()), FIRST_DAY);
        assert_eq!(RelativeDay { months: i32::MAX, ..none }.on(june()), FIRST_DAY);
    }
}
