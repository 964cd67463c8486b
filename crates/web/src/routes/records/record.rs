//! A record on the wire, as JSON or as a row of CSV, and its checks.

use std::borrow::Cow;

use chrono::NaiveDateTime;
use deserr::Deserr;
use metricd_application::{csv_records::CsvRecord, records::RecordTarget};
use metricd_core::record::{MetricRecord, RecordValues, parse_moment};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    extract::{JsonInput, read_json},
    validation::{InvalidValue, ValidationError, ValidationErrors, clipped, misspelt},
    wire::optional,
};

/// A record; every field may be left out.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = ValidationErrors, deny_unknown_fields)]
pub(crate) struct NewRecord {
    #[deserr(default)]
    #[schema(example = 65.0)]
    obsolescence_val: Option<f64>,
    #[deserr(default)]
    #[schema(example = 120.5)]
    obsolescence: Option<f64>,
    #[deserr(default)]
    #[schema(example = 10, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    parts_flagged: Option<i32>,
    #[deserr(default, try_from(Option<String>) = storable -> InvalidValue)]
    #[schema(example = "Warning", pattern = r"^[^\u0000]*$")]
    alert_type: Option<String>,
    #[deserr(default, try_from(Option<String>) = storable -> InvalidValue)]
    #[schema(example = "Need approval", pattern = r"^[^\u0000]*$")]
    alert_category: Option<String>,
    /// When it happened: a date, or a date and time; UTC unless it says otherwise, now unless it
    /// is given.
    #[deserr(default, try_from(Option<String>) = moment -> InvalidValue)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    date: Option<NaiveDateTime>,
}

fn moment(text: Option<String>) -> Result<Option<NaiveDateTime>, InvalidValue> {
    optional(text, |text| {
        parse_moment(&text).map_err(|error| InvalidValue::date(error.to_string()))
    })
}

/// Returns a moment as JSON has it: `2025-06-30 12:00:00` is how PostgreSQL, and an export, write one.
fn moment_of_csv(text: &str) -> Cow<'_, str> {
    match text.split_at_checked(10) {
        Some((day, rest)) if rest.starts_with(' ') => format!("{day}T{}", &rest[1..]).into(),
        _ => text.into(),
    }
}

/// PostgreSQL's `text` cannot hold NUL; numbers are finite because JSON has no other.
fn storable(text: Option<String>) -> Result<Option<String>, InvalidValue> {
    optional(text, |text| {
        if text.contains('\0') {
            return Err(InvalidValue::value("must not hold the character NUL"));
        }
        Ok(text)
    })
}

impl JsonInput for NewRecord {}

impl NewRecord {
    /// Reads the record of a line of JSON.
    pub(super) fn from_json(line: &[u8]) -> Result<Self, ValidationErrors> {
        // Every line is a document of its own for the parser.
        read_json(line)
    }

    /// Reads the record of a row of CSV, as the JSON object with the same fields.
    pub(super) fn from_csv(
        row: &CsvRecord,
        columns: &[Option<&'static str>],
    ) -> Result<Self, ValidationErrors> {
        let mut object = Map::new();
        for ((cell, _), column) in row.cells().zip(columns) {
            let Some(field) = column.filter(|_| !cell.is_empty()) else {
                continue;
            };
            let Ok(text) = str::from_utf8(cell) else {
                let loc = ["body", field];
                return Err(ValidationError::at(&loc, "string_type", "is not UTF-8").into());
            };
            let number = || serde_json::from_str::<Value>(text).ok().filter(Value::is_number);
            let number = if Self::NUMBERS.contains(&field) { number() } else { None };
            let value = number.unwrap_or_else(|| match field {
                "date" => moment_of_csv(text).into(),
                _ => text.into(),
            });
            object.insert(field.to_owned(), value);
        }
        deserr::deserialize(Value::Object(object))
    }

    /// Returns the field of each column of a CSV header; none for a column that is ignored.
    pub(super) fn columns(names: &CsvRecord) -> Result<Vec<Option<&'static str>>, ValidationError> {
        let known = |(name, _): (&[u8], bool)| {
            Self::FIELDS.into_iter().find(|field| field.as_bytes() == name)
        };
        let columns: Vec<_> = names.cells().map(known).collect();
        let mut fields: Vec<_> = columns.iter().flatten().collect();
        fields.sort_unstable();
        let invalid = |message| Err(ValidationError::at(&["body"], "csv_header", message));
        if fields.is_empty() {
            return invalid("must be a header that names a field of a record");
        }
        if fields.windows(2).any(|pair| pair[0] == pair[1]) {
            return invalid("names a field twice");
        }
        let missing = Self::FIELDS.into_iter().filter(|field| !fields.contains(&field));
        let missing: Vec<_> = missing.collect();
        let ignored = names.cells().zip(&columns).filter(|(_, column)| column.is_none());
        for ((name, _), _) in ignored {
            let name = String::from_utf8_lossy(name);
            if let Some(meant) = misspelt(&name, &missing) {
                let name = clipped(&name);
                let message = format!("names {name}, which is not a field: did you mean {meant}?");
                return Err(ValidationError::at(&["body"], "csv_header", message));
            }
        }
        Ok(columns)
    }

    /// Returns the record that it is for `target`.
    pub(super) fn into_record(self, target: &RecordTarget) -> MetricRecord {
        let values = RecordValues {
            obsolescence_val: self.obsolescence_val,
            obsolescence: self.obsolescence,
            parts_flagged: self.parts_flagged,
            alert_type: self.alert_type,
            alert_category: self.alert_category,
        };
        target.record(self.date, values)
    }

    /// Returns the bytes of its texts; the rest is small and the same in every record.
    pub(super) fn text_bytes(&self) -> usize {
        [&self.alert_type, &self.alert_category].into_iter().flatten().map(String::len).sum()
    }

    /// The numeric fields.
    const NUMBERS: [&str; 3] = ["obsolescence_val", "obsolescence", "parts_flagged"];
    /// Every field.
    const FIELDS: [&str; 6] = [
        Self::NUMBERS[0],
        Self::NUMBERS[1],
        Self::NUMBERS[2],
        "alert_type",
        "alert_category",
        "date",
    ];
}
