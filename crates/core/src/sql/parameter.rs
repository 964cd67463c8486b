//! The parameters `$n` of a template, and the values that are bound to them.

use std::sync::Arc;

use chrono::{
    DateTime, Days, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset as _,
    TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::{
    claim::{ClaimName, Scope, ScopeFault},
    parameters::Parameters,
};

/// A parameter `$n` of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Where its value comes from.
    pub source: ParameterSource,
    /// The type that it is bound as.
    pub ty: ParameterType,
}

/// The source of a parameter's value: the request's parameters, or a claim of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ParameterSource {
    /// The first day.
    StartDate,
    /// The last day, inclusive.
    EndDate,
    /// The day after the last: the open end of `x < …`.
    DayAfterEnd,
    /// Days back from today.
    DayRange,
    /// The time zone's name.
    Timezone,
    /// The present day in the time zone.
    Today,
    /// The present instant.
    Now,
    /// A claim of the caller's token; always text.
    Claim(ClaimName),
}

/// The PostgreSQL type that a parameter is bound as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterType {
    /// `date`
    Date,
    /// `timestamp`, bound as midnight
    Timestamp,
    /// `timestamptz`; a day is bound as midnight in the session's zone
    TimestampTz,
    /// `text`; a day is bound as `YYYY-MM-DD`
    Text,
    /// `int4`
    Int,
}

/// A value to bind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BoundValue {
    /// A `date`.
    Date(NaiveDate),
    /// A `timestamp`.
    Timestamp(NaiveDateTime),
    /// A `timestamptz`.
    TimestampTz(DateTime<Utc>),
    /// The present instant, a `timestamptz`.
    Now(DateTime<Utc>),
    /// A `text`.
    Text(Arc<str>),
    /// The name of a time zone, a `text`.
    Timezone(Tz),
    /// An `int4`.
    Int(i32),
}

impl Parameter {
    pub(super) fn bind(
        &self,
        Parameters { window }: &Parameters,
        scope: &Scope,
    ) -> Result<BoundValue, ScopeFault> {
        let end = window.end_date.unwrap_or(window.today);
        let day = |day| self.day(day, window.session_timezone);
        Ok(match &self.source {
            ParameterSource::StartDate => day(window.start_date.unwrap_or(window.today)),
            ParameterSource::EndDate => day(end),
            ParameterSource::DayAfterEnd => day(end + Days::new(1)),
            ParameterSource::Today => day(window.today),
            ParameterSource::DayRange => {
                BoundValue::Int(window.day_range.unwrap_or_default().cast_signed())
            }
            ParameterSource::Timezone => BoundValue::Timezone(window.timezone),
            ParameterSource::Now => BoundValue::Now(window.now),
            ParameterSource::Claim(name) => {
                let value = scope.value(name).ok_or_else(|| ScopeFault::Missing(name.clone()))?;
                BoundValue::Text(Arc::clone(value))
            }
        })
    }

    fn day(&self, day: NaiveDate, zone: Tz) -> BoundValue {
        let midnight = day.and_time(NaiveTime::MIN);
        match self.ty {
            ParameterType::Timestamp => BoundValue::Timestamp(midnight),
            ParameterType::TimestampTz => BoundValue::TimestampTz(instant_of(midnight, zone)),
            ParameterType::Text => BoundValue::Text(day.format("%Y-%m-%d").to_string().into()),
            ParameterType::Date | ParameterType::Int => BoundValue::Date(day),
        }
    }
}

/// The instant of a wall time in `zone`, as PostgreSQL reads it: one that clocks skip is told by the clock before the
/// gap, and of two that come twice it is the second.
fn instant_of(wall_time: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall_time) {
        LocalResult::Single(time) => time.to_utc(),
        LocalResult::Ambiguous(_, second) => second.to_utc(),
        LocalResult::None => {
            let before = zone.offset_from_utc_datetime(&(wall_time - Duration::days(1))).fix();
            (wall_time - before).and_utc()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_what_postgresql_says_it_is() {
        for (zone, day, instant) in [
            ("UTC", "2025-06-30", "2025-06-30T00:00:00Z"),
            ("Asia/Tokyo", "2025-06-30", "2025-06-29T15:00:00Z"),
            ("America/New_York", "2025-03-09", "2025-03-09T05:00:00Z"),
            ("Asia/Kathmandu", "2025-06-30", "2025-06-29T18:15:00Z"),
            // Clocks go from 23:59 to 01:00.
            ("America/Havana", "2025-03-09", "2025-03-09T05:00:00Z"),
            ("Asia/Beirut", "2025-03-30", "2025-03-29T22:00:00Z"),
            // It comes twice.
            ("America/Havana", "2025-11-02", "2025-11-02T05:00:00Z"),
        ] {
            let midnight = day.parse::<NaiveDate>().unwrap().and_time(NaiveTime::MIN);
            let expected = instant.parse::<DateTime<Utc>>().unwrap();
            assert_eq!(instant_of(midnight, zone.parse().unwrap()), expected, "{zone} {day}");
        }
    }
}
