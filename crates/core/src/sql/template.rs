//! What a query compiles to.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::{
    claim::{ClaimName, Scope, ScopeFault},
    window::Window,
};

/// A compiled query: one SELECT whose parameters are filled from a [`Window`].
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The statement, with `$1` … `$n` for [`Self::parameters`], as PostgreSQL's grammar prints it.
    pub sql: String,
    /// One for each `$n`, in order.
    pub parameters: Vec<Parameter>,
    /// What a caller may vary, and the defaults.
    pub slots: Slots,
    /// The claims that the caller's token fills; nobody can vary them.
    pub claims: BTreeSet<ClaimName>,
    /// The tables and views that the statement reads.
    pub tables: BTreeSet<TableName>,
    /// What became a slot, what did not, and why; for the author.
    pub notes: Vec<SlotNote>,
}

/// What fills one `$n`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// What it takes.
    pub source: ParameterSource,
    /// The type that it is bound as.
    pub ty: ParameterType,
}

/// What a parameter takes: a part of the window, or a claim of the caller.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A `date`.
    Date(NaiveDate),
    /// A `timestamp`.
    Timestamp(NaiveDateTime),
    /// A `timestamptz`.
    TimestampTz(DateTime<Utc>),
    /// A `text`.
    Text(String),
    /// An `int4`.
    Int(i32),
}

/// What a caller may vary, and what it is when nobody does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Slots {
    /// The first day, if the statement has a place for it.
    pub start_date: Option<DateDefault>,
    /// The last day, inclusive, if the statement has a place for it.
    pub end_date: Option<DateDefault>,
    /// Days back from today, if the statement has a place for them.
    pub day_range: Option<u32>,
    /// Whether the statement has a place for the time zone's name.
    pub timezone: bool,
    /// Whether the statement asks for the present day or instant.
    pub clock: bool,
}

/// A date slot's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateDefault {
    /// The author's literal, as an inclusive day.
    Fixed(NaiveDate),
    /// Today for the end, 30 days before the end for the start.
    FromToday,
}

/// A table or view as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema, if it is named.
    pub schema: Option<String>,
    /// The table.
    pub name: String,
}

impl TableName {
    /// The schema. A table that is named without one is looked for in `public` alone.
    #[must_use]
    pub fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// The table with its schema: `schema.table`, as policies and the audit write it. A part that
    /// holds a dot or a quotation mark is quoted as in SQL, so that no two tables share a name.
    #[must_use]
    pub fn with_schema(&self) -> String {
        let part = |text: &str| {
            if text.contains(['.', '"']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.to_owned()
            }
        };
        format!("{}.{}", part(self.schema()), part(&self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What became of one date, number of days or placeholder in the author's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotNote {
    /// Line in the author's SQL, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Whether it became a slot.
    pub is_slot: bool,
    /// What it is and why, as a sentence.
    pub message: String,
}

impl Template {
    /// The values of `$1` … `$n` for a window resolved from this template's slots, and the scope that
    /// a caller has for its claims.
    ///
    /// # Errors
    /// When the scope lacks a claim: it was made for another template.
    pub fn bind(&self, window: &Window, scope: &Scope) -> Result<Vec<Value>, ScopeFault> {
        self.parameters.iter().map(|parameter| parameter.value(window, scope)).collect()
    }
}

impl Parameter {
    fn value(&self, window: &Window, scope: &Scope) -> Result<Value, ScopeFault> {
        let end = window.end_date.unwrap_or(window.today);
        Ok(match &self.source {
            ParameterSource::StartDate => self.day(window.start_date.unwrap_or(window.today)),
            ParameterSource::EndDate => self.day(end),
            ParameterSource::DayAfterEnd => self.day(end + Days::new(1)),
            ParameterSource::Today => self.day(window.today),
            ParameterSource::DayRange => {
                Value::Int(window.day_range.unwrap_or_default().cast_signed())
            }
            ParameterSource::Timezone => Value::Text(window.timezone.name().to_owned()),
            ParameterSource::Now => Value::TimestampTz(window.now),
            ParameterSource::Claim(name) => {
                let value = scope.value(name).ok_or_else(|| ScopeFault::Missing(name.clone()))?;
                Value::Text(value.to_owned())
            }
        })
    }

    fn day(&self, day: NaiveDate) -> Value {
        let midnight = day.and_time(NaiveTime::MIN);
        match self.ty {
            ParameterType::Timestamp => Value::Timestamp(midnight),
            ParameterType::TimestampTz => Value::TimestampTz(midnight.and_utc()),
            ParameterType::Text => Value::Text(day.format("%Y-%m-%d").to_string()),
            ParameterType::Date | ParameterType::Int => Value::Date(day),
        }
    }
}
