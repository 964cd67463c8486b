//! What a unit of work has written, gathered as it writes and noted in one statement before it commits.

use std::collections::{BTreeMap, BTreeSet};

use metricd_application::ports::StoreError;
use metricd_core::{
    changes::{Change, Changed},
    ids::{MetricId, QueryId},
    sql::TableName,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use super::{
    listener::CHANNEL,
    rows::{only, transaction},
};
use crate::db::errors::store_error;

/// The most ids that are noted of one table. Beyond them nothing is gained by naming the rows.
pub(in crate::db) const MAX_IDS: usize = 1_000;

/// The built-in table of records.
pub(in crate::db) fn records_table() -> TableName {
    TableName { schema: Some("public".into()), name: "metrics".into() }
}

/// What was written so far.
#[derive(Debug, Default)]
pub(in crate::db) struct Touched {
    /// `None`: any row.
    tables: BTreeMap<TableName, Option<BTreeSet<String>>>,
    metrics: BTreeSet<MetricId>,
    queries: BTreeSet<QueryId>,
}

impl Touched {
    /// `changed` was written as well.
    pub(in crate::db) fn add(&mut self, changed: Changed) {
        match changed {
            Changed::Metric(id) => drop(self.metrics.insert(id)),
            Changed::Query(id) => drop(self.queries.insert(id)),
            Changed::Table { table, ids } => {
                let table = self.tables.entry(table.qualified());
                let known = table.or_insert_with(|| Some(BTreeSet::new()));
                *known = match (known.take(), ids) {
                    (Some(mut known), Some(ids)) => {
                        known.extend(ids);
                        Some(known).filter(|known| known.len() <= MAX_IDS)
                    }
                    _ => None,
                };
            }
        }
    }

    /// Appends all of it to the log in `tx` and notifies the listeners once that commits. Writes nothing
    /// where nothing was touched.
    pub(in crate::db) async fn note(
        self,
        tx: &impl ConnectionTrait,
    ) -> Result<Vec<Change>, StoreError> {
        let mut rows = Vec::new();
        let mut values: Vec<Value> = vec![CHANNEL.into()];
        let mut row = |kind: &str, table: Option<&TableName>, ids: Option<Vec<String>>| {
            let [k, s, t, i] = [1, 2, 3, 4].map(|more| values.len() + more);
            rows.push(format!("(${k}::text, ${s}::text, ${t}::text, ${i}::text[])"));
            values.push(kind.into());
            values.push(table.map(|table| table.schema().to_owned()).into());
            values.push(table.map(|table| table.name.clone()).into());
            values.push(ids.into());
        };
        for (table, ids) in &self.tables {
            row("table", Some(table), ids.as_ref().map(|ids| ids.iter().cloned().collect()));
        }
        if !self.metrics.is_empty() {
            row("metric", None, Some(self.metrics.iter().map(ToString::to_string).collect()));
        }
        if !self.queries.is_empty() {
            row("query", None, Some(self.queries.iter().map(ToString::to_string).collect()));
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "WITH noted AS (INSERT INTO metricd.changes (kind, table_schema, table_name, ids) \
             VALUES {}) \
             SELECT pg_current_xact_id()::text AS xid FROM pg_notify($1::text, '')",
            rows.join(", ")
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let noted = tx.query_all_raw(statement).await.map_err(store_error)?;
        let by = only(&noted).and_then(|row| transaction(row, "xid")).map_err(store_error)?;
        let tables = self.tables.into_iter().map(|(table, ids)| Changed::Table { table, ids });
        let metrics = self.metrics.into_iter().map(Changed::Metric);
        let queries = self.queries.into_iter().map(Changed::Query);
        Ok(tables.chain(metrics).chain(queries).map(|what| Change { by, what }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ids: impl IntoIterator<Item = String>) -> Changed {
        Changed::Table { table: records_table(), ids: Some(ids.into_iter().collect()) }
    }

    #[test]
    fn ids_are_noted_until_they_are_too_many() {
        let mut touched = Touched::default();
        touched.add(rows(["a".into()]));
        touched.add(rows((1..MAX_IDS).map(|id| id.to_string())));
        assert_eq!(touched.tables[&records_table()].as_ref().unwrap().len(), MAX_IDS);
        touched.add(rows(["one more".into()]));
        assert_eq!(touched.tables[&records_table()], None);
        touched.add(rows(["a".into()]));
        assert_eq!(touched.tables[&records_table()], None, "any row stays any row");
    }
}
