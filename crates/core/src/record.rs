//! Records: rows of the built-in table `metrics`.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use thiserror::Error;

use crate::{ids::QueryId, window::parse_date};

/// One record of a query's data, without its row key.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRecord {
    /// The query that the record belongs to.
    pub query_id: QueryId,
    /// When it happened, as UTC wall time.
    pub date: NaiveDateTime,
    /// What was recorded.
    pub values: RecordValues,
}

/// The five measures of a record, each optional.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordValues {
    /// Value at risk through obsolescence.
    pub obsolescence_val: Option<f64>,
    /// Cost avoided.
    pub obsolescence: Option<f64>,
    /// Number of parts flagged.
    pub parts_flagged: Option<i32>,
    /// Severity of an alert.
    pub alert_type: Option<String>,
    /// What the alert is about.
    pub alert_category: Option<String>,
}

/// A text that is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be a date or a date and time of the years 1 to 9999, such as 2025-06-30 or 2025-06-30T12:00:00Z"
)]
pub struct InvalidMoment;

/// Parses when a record happened: a date, or a date and time with or without an offset from UTC.
/// Without one it is UTC wall time already.
///
/// # Errors
/// When the text is none of these, or the year is not 1 to 9999.
pub fn parse_moment(text: &str) -> Result<NaiveDateTime, InvalidMoment> {
    if !is_spelt_out(text) {
        return Err(InvalidMoment);
    }
    let date = parse_date(&text[..10]).map_err(|_| InvalidMoment)?;
    let moment = match text.len() {
        10 => date.and_time(NaiveTime::MIN),
        19 => {
            let number = |range: Range<usize>| text[range].parse().unwrap_or_default();
            date.and_hms_opt(number(11..13), number(14..16), number(17..19)).ok_or(InvalidMoment)?
        }
        _ => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .or_else(|_| DateTime::parse_from_rfc3339(text).map(|instant| instant.naive_utc()))
            .map_err(|_| InvalidMoment)?,
    };
    // PostgreSQL stores microseconds; further digits would make equal records differ.
    let micros = moment.and_utc().timestamp_micros();
    let kept = DateTime::from_timestamp_micros(micros).map(|instant| instant.naive_utc());
    let first = NaiveDate::from_ymd_opt(1, 1, 1).ok_or(InvalidMoment)?.and_time(NaiveTime::MIN);
    let end = NaiveDate::from_ymd_opt(10_000, 1, 1).ok_or(InvalidMoment)?.and_time(NaiveTime::MIN);
    kept.filter(|moment| (first..end).contains(moment)).ok_or(InvalidMoment)
}

/// Whether `text` begins `YYYY-MM-DD`, and goes on, if it does, with `THH:MM:SS`: chrono alone is
/// content with less, and with a sixtieth second.
fn is_spelt_out(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let length = if text.len() == 10 { 10 } else { pattern.len() };
    let fits = |(wanted, found): (u8, u8)| match wanted {
        b'd' => found.is_ascii_digit(),
        mark => found == mark,
    };
    text.len() >= length
        && pattern.bytes().zip(text.bytes()).take(length).all(fits)
        && text.get(17..19) != Some("60")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_a_time_in_utc() {
        let read = |text| parse_moment(text).map(|moment| moment.to_string());
        assert_eq!(read("2025-06-30").unwrap(), "2025-06-30 00:00:00");
        assert_eq!(read("2025-06-30T12:34:56").unwrap(), "2025-06-30 12:34:56");
        assert_eq!(read("2025-06-30T12:00:00.1234567Z").unwrap(), "2025-06-30 12:00:00.123456");
        assert_eq!(read("2025-06-30T01:00:00+02:00").unwrap(), "2025-06-29 23:00:00");
        for wrong in [
            "",
            "2025-02-30",
            "yesterday",
            "0000-01-01",
            "12025-01-01",
            "2025-06-30 ",
            " 2025-06-30",
            "+2025-06-30",
            "2025-6-1",
            "2025-06-30T0:0:0",
            "2025-06-30 12:00:00",
            "2025-06-30T12:00",
            "2025-06-30T12:00:60",
            "2025-06-30T12:00:00 Z",
        ] {
            assert_eq!(read(wrong), Err(InvalidMoment), "{wrong}");
        }
    }
}
