//! `metricd.audit_events`: what was done and denied.

use metricd_application::ports::StoredEvent;
use metricd_core::{
    audit::{AuditEvent, AuditOutcome, AuditedAction, AuditedObject},
    ids::MetricId,
};
use sea_orm::{ActiveValue::Set, entity::prelude::*};

use crate::db::corrupt_row::CorruptRow;

/// An event's row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(schema_name = "metricd", table_name = "audit_events")]
pub struct Model {
    /// Counts up.
    #[sea_orm(primary_key)]
    pub sequence: i64,
    /// When it happened.
    pub at: DateTimeUtc,
    /// Who vouches for the caller.
    #[sea_orm(column_type = "Text")]
    pub issuer: String,
    /// The caller's name there.
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    /// What was done or tried.
    #[sea_orm(column_type = "Text")]
    pub action: String,
    /// `catalog`, `metric` or `table`.
    #[sea_orm(column_type = "Text")]
    pub object_kind: String,
    /// Which metric or table.
    #[sea_orm(column_type = "Text", nullable)]
    pub object_id: Option<String>,
    /// The object's version afterwards.
    pub version: Option<i64>,
    /// The machine that asked.
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    /// The id of the request.
    #[sea_orm(column_type = "Text", nullable)]
    pub request_id: Option<String>,
    /// `done` or `denied`.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
}

/// Nothing: an event outlives what it tells of.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The kind and the id of an object, as the table holds them.
pub(crate) fn object_columns(object: &AuditedObject) -> (&'static str, Option<String>) {
    match object {
        AuditedObject::Catalog => ("catalog", None),
        AuditedObject::Metric(id) => ("metric", Some(id.to_string())),
        AuditedObject::Table(name) => ("table", Some(name.clone())),
    }
}

impl From<&AuditEvent> for ActiveModel {
    fn from(event: &AuditEvent) -> Self {
        let (object_kind, object_id) = object_columns(&event.object);
        Self {
            sequence: sea_orm::ActiveValue::NotSet,
            at: Set(event.at),
            issuer: Set(event.issuer.clone()),
            subject: Set(event.subject.clone()),
            action: Set(event.action.as_str().to_owned()),
            object_kind: Set(object_kind.to_owned()),
            object_id: Set(object_id),
            version: Set(event.version),
            address: Set(event.address.map(|address| address.to_string())),
            request_id: Set(event.request_id.clone()),
            outcome: Set(event.outcome.as_str().to_owned()),
        }
    }
}

impl TryFrom<Model> for StoredEvent {
    type Error = CorruptRow;

    fn try_from(row: Model) -> Result<Self, CorruptRow> {
        let unknown = |field, word: &str| CorruptRow::of(field, format!("unknown word `{word}`"));
        let address = row.address.as_deref().map(str::parse).transpose();
        Ok(Self {
            sequence: row.sequence,
            event: AuditEvent {
                at: row.at,
                issuer: row.issuer,
                subject: row.subject,
                action: AuditedAction::from_word(&row.action)
                    .ok_or_else(|| unknown("action", &row.action))?,
                object: object(&row.object_kind, row.object_id)?,
                version: row.version,
                address: address.map_err(|fault| CorruptRow::of("address", fault))?,
                request_id: row.request_id,
                outcome: AuditOutcome::from_word(&row.outcome)
                    .ok_or_else(|| unknown("outcome", &row.outcome))?,
            },
        })
    }
}

fn object(kind: &str, id: Option<String>) -> Result<AuditedObject, CorruptRow> {
    match (kind, id) {
        ("catalog", None) => Ok(AuditedObject::Catalog),
        ("metric", Some(id)) => {
            let id = id.parse().map_err(|fault| CorruptRow::of("object_id", fault))?;
            Ok(AuditedObject::Metric(MetricId(id)))
        }
        ("table", Some(name)) => Ok(AuditedObject::Table(name)),
        _ => Err(CorruptRow::of("object_kind", format!("`{kind}` does not go with its object_id"))),
    }
}
