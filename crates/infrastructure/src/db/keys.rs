//! Idempotency keys, inside a unit of work.

use async_trait::async_trait;
use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use metricd_application::ports::{
    IdempotencyKeys, IdempotentRequest, KeyClaim, StoreError, StoredResponse,
};
use metricd_core::{
    actor::Identity,
    claim::{ClaimValue, Claims},
};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement, sea_query::OnConflict};

use super::{
    entities::idempotency_keys::{ActiveModel, Column, Entity},
    errors::store_error,
    unit_of_work::PgUnitOfWork,
};

/// Locks of two numbers, of which this is the first, are these keys' alone.
const LOCK: i32 = 0x006b_6579;

/// Removes some keys that are too old, without waiting for other transactions that do the same.
const PRUNE: &str = "
    DELETE FROM metricd.idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM metricd.idempotency_keys WHERE at < $1 LIMIT 100 FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl IdempotencyKeys for PgUnitOfWork {
    async fn claim(
        &mut self,
        identity: &Identity,
        request: &IdempotentRequest,
        since: DateTime<Utc>,
    ) -> Result<KeyClaim, StoreError> {
        let key = request.key.as_str();
        let claims = digest_of(&identity.claims);
        let name = format!("{}\n{}\n{claims}\n{key}", identity.issuer, identity.subject);
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_catalog.pg_try_advisory_xact_lock($1, pg_catalog.hashtext($2)) AS ours",
            [LOCK.into(), name.into()],
        );
        let row = self.tx.query_one_raw(lock).await.map_err(store_error)?;
        let ours = row.map_or(Ok(false), |row| row.try_get("", "ours")).map_err(store_error)?;
        if !ours {
            return Ok(KeyClaim::InProgress);
        }
        let id = (identity.issuer.clone(), identity.subject.clone(), claims, key.to_owned());
        let stored = Entity::find_by_id(id).one(&self.tx).await.map_err(store_error)?;
        Ok(match stored.filter(|stored| stored.at >= since) {
            None => KeyClaim::Acquired,
            Some(stored) if stored.fingerprint == hex::encode(request.fingerprint) => {
                KeyClaim::Replayed(StoredResponse { location: stored.location, body: stored.body })
            }
            Some(_) => KeyClaim::Reused,
        })
    }

    async fn store_response(
        &mut self,
        identity: &Identity,
        request: &IdempotentRequest,
        response: &StoredResponse,
        at: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let prune = Statement::from_sql_and_values(DbBackend::Postgres, PRUNE, [since.into()]);
        self.tx.execute_raw(prune).await.map_err(store_error)?;
        let row = ActiveModel::of(
            identity,
            digest_of(&identity.claims),
            request.key.as_str(),
            hex::encode(request.fingerprint),
            response,
            at,
        );
        let whose = [Column::Issuer, Column::Subject, Column::Claims, Column::Key];
        let renewed = OnConflict::columns(whose)
            .update_columns([Column::Fingerprint, Column::Location, Column::Body, Column::At])
            .to_owned();
        let insert = Entity::insert(row).on_conflict(renewed);
        insert.exec_without_returning(&self.tx).await.map_err(store_error)?;
        Ok(())
    }
}

/// A digest of the claims that scope a caller's rows: what one tenant was answered is no other's, also where both
/// have one subject. Empty without claims.
fn digest_of(claims: &Claims) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let mut hash = digest::Context::new(&digest::SHA256);
    for (name, value) in claims {
        let text = match value {
            ClaimValue::Text(text) => Some(text.as_str()),
            ClaimValue::Unusable => None,
        };
        // With their lengths, no two sequences of texts are one sequence of bytes.
        for part in [Some(name.as_str()), text] {
            hash.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default().as_bytes());
        }
    }
    hex::encode(hash.finish())
}

#[cfg(test)]
mod tests {
    use metricd_core::claim::ClaimName;

    use super::*;

    #[test]
    fn claims_that_differ_have_different_digests() {
        let claims = |all: &[(&str, ClaimValue)]| {
            let all = all.iter().cloned();
            digest_of(&all.map(|(name, value)| (ClaimName::parse(name).unwrap(), value)).collect())
        };
        let text = |text: &str| ClaimValue::Text(text.to_owned());
        let digests = [
            claims(&[]),
            claims(&[("tenant", text("acme"))]),
            claims(&[("tenant", text("globex"))]),
            claims(&[("tenant", text(""))]),
            claims(&[("tenant", ClaimValue::Unusable)]),
            claims(&[("team", text("acme"))]),
            claims(&[("a", text("bc")), ("d", text(""))]),
            claims(&[("a", text("b")), ("c", text("d"))]),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(digests[0], "");
    }
}
