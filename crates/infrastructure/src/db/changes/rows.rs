//! Rows of the log of changes, as the domain's types.

use std::collections::BTreeSet;

use metricd_application::ports::ChangeBatch;
use metricd_core::{
    changes::{Change, Changed, TransactionId},
    ids::{MetricId, QueryId},
    sql::TableName,
};
use sea_orm::{DbErr, QueryResult};
use tracing::warn;
use uuid::Uuid;

/// The only row of a statement that always gives one.
pub(super) fn only(rows: &[QueryResult]) -> Result<&QueryResult, DbErr> {
    rows.first().ok_or_else(|| DbErr::RecordNotFound("changes".into()))
}

/// A value from the database that is not what it should be.
fn unreadable(what: &str, text: &str) -> DbErr {
    DbErr::Type(format!("{text:?} is no {what}"))
}

/// The transaction id in `column`.
pub(super) fn transaction(row: &QueryResult, column: &str) -> Result<TransactionId, DbErr> {
    let text: String = row.try_get("", column)?;
    text.parse().map(TransactionId).map_err(|_| unreadable("transaction", &text))
}

/// The changes of `rows`, which all hold the same snapshot.
pub(super) fn change_batch(rows: &[QueryResult]) -> Result<ChangeBatch, DbErr> {
    let first = only(rows)?;
    let snapshot: String = first.try_get("", "snapshot")?;
    let snapshot = snapshot.parse().map_err(|_| unreadable("snapshot", &snapshot))?;
    let mut is_whole: bool = first.try_get("", "is_whole")?;
    let mut changes = Vec::new();
    for row in rows {
        let Some(kind) = row.try_get::<Option<String>>("", "kind")? else {
            continue;
        };
        let by = transaction(row, "xid")?;
        if let Some(all) = changed(&kind, row)? {
            changes.extend(all.into_iter().map(|what| Change { by, what }));
        } else {
            // A newer version of metricd may have noted it.
            warn!(kind, "Unknown kind of change; every cached entry counts as stale");
            is_whole = false;
        }
    }
    Ok(ChangeBatch { snapshot, changes, is_whole })
}

/// What changed, if this version of metricd knows the kind of change.
fn changed(kind: &str, row: &QueryResult) -> Result<Option<Vec<Changed>>, DbErr> {
    let ids: Option<Vec<String>> = row.try_get("", "ids")?;
    Ok(match kind {
        "table" => {
            let schema: Option<String> = row.try_get("", "table_schema")?;
            let name: Option<String> = row.try_get("", "table_name")?;
            let ids = ids.map(BTreeSet::from_iter);
            name.filter(|_| schema.is_some())
                .map(|name| vec![Changed::Table { table: TableName { schema, name }, ids }])
        }
        "metric" => all(ids, |id| Uuid::parse_str(id).ok().map(|id| Changed::Metric(MetricId(id)))),
        "query" => all(ids, |id| QueryId::parse(id).ok().map(Changed::Query)),
        _ => None,
    })
}

fn all(ids: Option<Vec<String>>, of: impl Fn(&str) -> Option<Changed>) -> Option<Vec<Changed>> {
    ids?.iter().map(|id| of(id)).collect()
}
