//! How a compiled query is written into JSONB. The format has a version, so that a later metricd can
//! tell an older row from a corrupt one.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use metricd_core::{
    claim::ClaimName,
    metric::Column,
    sql::{NoteSeverity, Parameter, ParameterSource, ParameterType, SlotNote, TableName, Template},
    window::{CalendarUnit, DateDefault, RelativeDay, SessionZone, Slots},
};
use sea_orm::JsonValue;
use serde::{Deserialize, Serialize};

use super::corrupt_row::CorruptRow;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredTemplate {
    format: u32,
    sql: String,
    parameters: Vec<StoredParameter>,
    slots: StoredSlots,
    tables: Vec<StoredTable>,
    notes: Vec<StoredNote>,
}

#[derive(Serialize, Deserialize)]
struct StoredParameter {
    source: StoredSource,
    #[serde(rename = "type", with = "StoredType")]
    ty: ParameterType,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredSource {
    StartDate,
    EndDate,
    DayAfterEnd,
    DayRange,
    Timezone,
    Today,
    Now,
    Claim(String),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ParameterType", rename_all = "lowercase")]
enum StoredType {
    Date,
    Timestamp,
    TimestampTz,
    Text,
    Int,
}

#[derive(Serialize, Deserialize)]
struct StoredSlots {
    start_date: Option<StoredDefault>,
    end_date: Option<StoredDefault>,
    day_range: Option<u32>,
    timezone: bool,
    clock: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredDefault {
    Fixed(NaiveDate),
    FromToday,
    Relative { start_of: Option<StoredUnit>, months: i32, days: i32 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredUnit {
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Serialize, Deserialize)]
struct StoredTable {
    schema: Option<String>,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct StoredNote {
    line: u32,
    column: u32,
    is_slot: bool,
    /// Notes of older versions have none.
    #[serde(default, with = "StoredSeverity")]
    severity: NoteSeverity,
    #[serde(default)]
    of_records: bool,
    message: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "NoteSeverity", rename_all = "lowercase")]
enum StoredSeverity {
    Info,
    Warning,
}

#[derive(Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

/// The template as JSON.
pub(crate) fn write_template(template: &Template) -> JsonValue {
    let stored = StoredTemplate {
        format: FORMAT,
        sql: template.sql.clone(),
        parameters: template
            .parameters
            .iter()
            .map(|Parameter { source, ty }| StoredParameter { source: source.into(), ty: *ty })
            .collect(),
        slots: StoredSlots {
            start_date: template.slots.start_date.map(StoredDefault::from),
            end_date: template.slots.end_date.map(StoredDefault::from),
            day_range: template.slots.day_range,
            timezone: template.slots.timezone,
            clock: template.slots.clock,
        },
        tables: template
            .tables
            .iter()
            .map(|table| StoredTable { schema: table.schema.clone(), name: table.name.clone() })
            .collect(),
        notes: template
            .notes
            .iter()
            .map(|note| StoredNote {
                line: note.line,
                column: note.column,
                is_slot: note.is_slot,
                severity: note.severity,
                of_records: note.of_records,
                message: note.message.clone(),
            })
            .collect(),
    };
    serde_json::to_value(stored).expect("plain structs with string keys become JSON")
}

/// The template that [`write_template`] wrote.
pub(crate) fn read_template(stored: JsonValue) -> Result<Template, CorruptRow> {
    let format = stored.get("format").and_then(JsonValue::as_u64);
    if format != Some(u64::from(FORMAT)) {
        return Err(CorruptRow::of(
            "template",
            "written in a format that this version does not know",
        ));
    }
    let stored: StoredTemplate =
        serde_json::from_value(stored).map_err(|fault| CorruptRow::of("template", fault))?;
    let parameters = stored
        .parameters
        .into_iter()
        .map(|StoredParameter { source, ty }| {
            ParameterSource::try_from(source).map(|source| Parameter { source, ty })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let claim = |parameter: &Parameter| match &parameter.source {
        ParameterSource::Claim(name) => Some(name.clone()),
        _ => None,
    };
    Ok(Template {
        sql: stored.sql,
        claims: parameters.iter().filter_map(claim).collect(),
        parameters,
        slots: Slots {
            start_date: stored.slots.start_date.map(DateDefault::from),
            end_date: stored.slots.end_date.map(DateDefault::from),
            day_range: stored.slots.day_range,
            timezone: stored.slots.timezone,
            clock: stored.slots.clock,
            // The database says it anew, whenever the query is read.
            session_zone: SessionZone::Any,
        },
        tables: stored
            .tables
            .into_iter()
            .map(|StoredTable { schema, name }| TableName { schema, name })
            .collect::<BTreeSet<_>>(),
        notes: stored
            .notes
            .into_iter()
            .map(|note| SlotNote {
                line: note.line,
                column: note.column,
                is_slot: note.is_slot,
                severity: note.severity,
                of_records: note.of_records,
                message: note.message,
            })
            .collect(),
    })
}

/// The columns as JSON.
pub(crate) fn write_columns(columns: &[Column]) -> JsonValue {
    let stored: Vec<_> = columns
        .iter()
        .map(|column| StoredColumn { name: column.name.clone(), ty: column.ty.clone() })
        .collect();
    serde_json::to_value(stored).expect("plain structs with string keys become JSON")
}

/// The columns that [`write_columns`] wrote.
pub(crate) fn read_columns(stored: JsonValue) -> Result<Vec<Column>, CorruptRow> {
    let stored: Vec<StoredColumn> =
        serde_json::from_value(stored).map_err(|fault| CorruptRow::of("columns", fault))?;
    Ok(stored.into_iter().map(|StoredColumn { name, ty }| Column { name, ty }).collect())
}

fn claim(name: String) -> Result<ClaimName, CorruptRow> {
    ClaimName::parse(name).map_err(|fault| CorruptRow::of("template", fault))
}

impl From<&ParameterSource> for StoredSource {
    fn from(source: &ParameterSource) -> Self {
        match source {
            ParameterSource::StartDate => Self::StartDate,
            ParameterSource::EndDate => Self::EndDate,
            ParameterSource::DayAfterEnd => Self::DayAfterEnd,
            ParameterSource::DayRange => Self::DayRange,
            ParameterSource::Timezone => Self::Timezone,
            ParameterSource::Today => Self::Today,
            ParameterSource::Now => Self::Now,
            ParameterSource::Claim(name) => Self::Claim(name.as_str().to_owned()),
        }
    }
}

impl TryFrom<StoredSource> for ParameterSource {
    type Error = CorruptRow;

    fn try_from(source: StoredSource) -> Result<Self, CorruptRow> {
        Ok(match source {
            StoredSource::StartDate => Self::StartDate,
            StoredSource::EndDate => Self::EndDate,
            StoredSource::DayAfterEnd => Self::DayAfterEnd,
            StoredSource::DayRange => Self::DayRange,
            StoredSource::Timezone => Self::Timezone,
            StoredSource::Today => Self::Today,
            StoredSource::Now => Self::Now,
            StoredSource::Claim(name) => Self::Claim(claim(name)?),
        })
    }
}

impl From<DateDefault> for StoredDefault {
    fn from(default: DateDefault) -> Self {
        match default {
            DateDefault::Fixed(day) => Self::Fixed(day),
            DateDefault::FromToday => Self::FromToday,
            DateDefault::Relative(RelativeDay { start_of, months, days }) => {
                Self::Relative { start_of: start_of.map(StoredUnit::from), months, days }
            }
        }
    }
}

impl From<StoredDefault> for DateDefault {
    fn from(default: StoredDefault) -> Self {
        match default {
            StoredDefault::Fixed(day) => Self::Fixed(day),
            StoredDefault::FromToday => Self::FromToday,
            StoredDefault::Relative { start_of, months, days } => {
                let start_of = start_of.map(CalendarUnit::from);
                Self::Relative(RelativeDay { start_of, months, days })
            }
        }
    }
}

impl From<CalendarUnit> for StoredUnit {
    fn from(unit: CalendarUnit) -> Self {
        match unit {
            CalendarUnit::Week => Self::Week,
            CalendarUnit::Month => Self::Month,
            CalendarUnit::Quarter => Self::Quarter,
            CalendarUnit::Year => Self::Year,
        }
    }
}

impl From<StoredUnit> for CalendarUnit {
    fn from(unit: StoredUnit) -> Self {
        match unit {
            StoredUnit::Week => Self::Week,
            StoredUnit::Month => Self::Month,
            StoredUnit::Quarter => Self::Quarter,
            StoredUnit::Year => Self::Year,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let tenant = ClaimName::parse("tenant_id").unwrap();
        Template {
            sql: "SELECT 1 FROM metrics WHERE date >= $1 AND date < $2 AND id = $3".into(),
            parameters: vec![
                Parameter { source: ParameterSource::StartDate, ty: ParameterType::Date },
                Parameter { source: ParameterSource::DayAfterEnd, ty: ParameterType::TimestampTz },
                Parameter {
                    source: ParameterSource::Claim(tenant.clone()),
                    ty: ParameterType::Text,
                },
            ],
            slots: Slots {
                start_date: NaiveDate::from_ymd_opt(2025, 6, 1).map(DateDefault::Fixed),
                end_date: Some(DateDefault::FromToday),
                day_range: Some(7),
                timezone: true,
                clock: false,
                session_zone: SessionZone::Any,
            },
            claims: [tenant].into(),
            tables: [TableName { schema: None, name: "metrics".into() }].into(),
            notes: vec![SlotNote {
                line: 3,
                column: 9,
                is_slot: true,
                severity: NoteSeverity::Warning,
                of_records: true,
                message: "a day".into(),
            }],
        }
    }

    #[test]
    fn a_template_is_read_as_it_was_written() {
        use CalendarUnit::{Month, Quarter, Week, Year};
        assert_eq!(read_template(write_template(&template())).unwrap(), template());
        for start_of in [None, Some(Week), Some(Month), Some(Quarter), Some(Year)] {
            let mut other = template();
            let day = RelativeDay { start_of, months: -3, days: 1 };
            other.slots.start_date = Some(DateDefault::Relative(day));
            assert_eq!(read_template(write_template(&other)).unwrap(), other);
        }
    }

    #[test]
    fn another_format_is_named_as_such() {
        let mut stored = write_template(&template());
        stored["format"] = 2.into();
        let corrupt = read_template(stored).unwrap_err();
        assert!(corrupt.to_string().contains("format"), "{corrupt}");
    }
}
