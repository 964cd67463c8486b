//! The parameters `$n` of a template, and the values that are bound to them.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
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
    /// `timestamptz`; a day is bound as UTC midnight
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
        Ok(match &self.source {
            ParameterSource::StartDate => self.day(window.start_date.unwrap_or(window.today)),
            ParameterSource::EndDate => self.day(end),
            ParameterSource::DayAfterEnd => self.day(end + Days::new(1)),
            ParameterSource::Today => self.day(window.today),
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

    fn day(&self, day: NaiveDate) -> BoundValue {
        let midnight = day.and_time(NaiveTime::MIN);
        match self.ty {
            ParameterType::Timestamp => BoundValue::Timestamp(midnight),
            ParameterType::TimestampTz => BoundValue::TimestampTz(midnight.and_utc()),
            ParameterType::Text => BoundValue::Text(day.format("%Y-%m-%d").to_string().into()),
            ParameterType::Date | ParameterType::Int => BoundValue::Date(day),
        }
    }
}
