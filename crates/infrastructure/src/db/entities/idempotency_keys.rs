//! `metricd.idempotency_keys`: what was answered to requests that take effect once.

use chrono::{DateTime, Utc};
use metricd_application::ports::StoredResponse;
use metricd_core::actor::Identity;
use sea_orm::{ActiveValue::Set, entity::prelude::*};

/// An answer's row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(schema_name = "metricd", table_name = "idempotency_keys")]
pub struct Model {
    /// Who vouches for the caller.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub issuer: String,
    /// The caller.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub subject: String,
    /// A digest of the caller's claims, in hexadecimal digits; empty without any.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub claims: String,
    /// The caller's name for the request.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub key: String,
    /// A hash of the request, in hexadecimal digits.
    #[sea_orm(column_type = "Text")]
    pub fingerprint: String,
    /// The answer's `Location`.
    #[sea_orm(column_type = "Text", nullable)]
    pub location: Option<String>,
    /// The answer's body.
    #[sea_orm(column_type = "Text", nullable)]
    pub body: Option<String>,
    /// When it was answered.
    pub at: DateTimeUtc,
}

/// Nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl ActiveModel {
    /// The row of an answer.
    pub(crate) fn of(
        whose: &Identity,
        claims: String,
        key: &str,
        fingerprint: String,
        answer: &StoredResponse,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            issuer: Set(whose.issuer.clone()),
            subject: Set(whose.subject.clone()),
            claims: Set(claims),
            key: Set(key.to_owned()),
            fingerprint: Set(fingerprint),
            location: Set(answer.location.clone()),
            body: Set(answer.body.clone()),
            at: Set(at),
        }
    }
}
