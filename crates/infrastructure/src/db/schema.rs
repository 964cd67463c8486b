//! Reads the schema that stored SQL may read from the database's catalogs: tables, columns, comments,
//! and the values of text columns that have few.
//!
//! Must never read a table without bound: values come from the planner's statistics and from a sample
//! of rows, and a table that takes too long simply has none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use metricd_application::ports::{SchemaSource, StoreError};
use metricd_core::{
    schema::{ColumnKind, ColumnSamples, ForeignKey, SampledSchema, Schema, Table, TableColumn},
    sql::{TableName, quoted_name},
};
use sqlx::{AssertSqlSafe, PgPool, Row, postgres::PgRow};
use tracing::{debug, warn};

use super::{
    engine::Engine,
    errors::{DatabaseFault, is_unavailable, pg_error, planner_cost, retry_lost},
    run_to_completion::run_to_completion,
    stale_while_revalidate::StaleWhileRevalidate,
};

/// How old a schema may be: long enough for a burst of sentences, short enough for a client that has
/// just loaded a table.
const FRESH: Duration = Duration::from_secs(15);

/// How old it may be at most, when it cannot be refreshed: later its tables may be gone.
const USABLE: Duration = Duration::from_mins(10);

/// The most distinct values of a column whose values are listed.
const MAX_VALUES: usize = 50;

/// The most characters of a value that is listed.
const MAX_VALUE_CHARS: usize = 100;

/// The rows of a table that are looked at.
const SAMPLE_ROWS: u32 = 20_000;

/// The highest cost, by the planner's estimate, of looking at a view's rows. Unlike a table's, they may
/// all have to be made before the first one is there.
const MAX_VIEW_COST: f64 = 50_000.0;

/// How long one table may take, where the engine can time out.
const TABLE_TIMEOUT: &str = "1s";

/// How long all tables may take; those that come after have no values.
const ALL_TABLES: Duration = Duration::from_secs(5);

/// The schema of a database: what the reader was granted, on an engine without roles what is in `public`.
pub(super) struct PgSchema {
    engine: Arc<Engine>,
    cached: StaleWhileRevalidate<Schema>,
    sampled: StaleWhileRevalidate<SampledSchema>,
}

impl PgSchema {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let (cached, sampled) =
            (StaleWhileRevalidate::new(FRESH, USABLE), StaleWhileRevalidate::new(FRESH, USABLE));
        Self { engine, cached, sampled }
    }

    /// The tables with their columns, and the values of enums.
    async fn tables(&self) -> Result<Vec<FoundTable>, sqlx::Error> {
        let pool = self.engine.catalog_connection()?;
        let connections = pool.options().get_max_connections();
        let columns = || sqlx::query(COLUMNS).bind(self.engine.has_grants()).fetch_all(pool);
        let mut tables: Vec<FoundTable> = Vec::new();
        for row in retry_lost(connections, columns).await? {
            let oid: i64 = row.try_get("oid")?;
            if tables.last().is_none_or(|last| last.oid != oid) {
                tables.push(FoundTable {
                    oid,
                    is_view: row.try_get("is_view")?,
                    values: Vec::new(),
                    table: Table {
                        name: TableName {
                            schema: row.try_get("schema")?,
                            name: row.try_get("table")?,
                        },
                        comment: row.try_get("table_comment")?,
                        columns: Vec::new(),
                        foreign_keys: Vec::new(),
                    },
                });
            }
            if let Some(found) = tables.last_mut() {
                let (column, labels) = column(&row)?;
                found.table.columns.push(column);
                found.values.push(labels);
            }
        }
        tables.retain(|found| self.engine.may_read(&found.table.name));
        add_foreign_keys(pool, &mut tables).await?;
        Ok(tables)
    }

    async fn read(&self) -> Result<Schema, sqlx::Error> {
        let tables = self.tables().await?.into_iter().map(|found| found.table);
        Ok(Schema { tables: tables.collect() })
    }

    async fn sample(&self) -> Result<SampledSchema, sqlx::Error> {
        let mut tables = self.tables().await?;
        let pool = self.engine.catalog_connection()?;
        let mut common = common_values(pool, &tables).await?;
        let started = Instant::now();
        for found in &mut tables {
            if started.elapsed() > ALL_TABLES {
                warn!("Reading column values timed out; some tables have none listed");
                break;
            }
            if let Err(error) = add_values(pool, found, &mut common).await {
                if is_unavailable(&error) {
                    return Err(error);
                }
                let table = &found.table.name;
                // The database's message may quote a row.
                let error = match pg_error(&error) {
                    Some(fault) => DatabaseFault::while_reading(fault).to_string(),
                    None => error.to_string(),
                };
                debug!(error, %table, "Could not read a table's column values");
            }
        }
        Ok(sampled(tables))
    }
}

#[async_trait]
impl SchemaSource for PgSchema {
    async fn sampled(&self) -> Result<Arc<SampledSchema>, StoreError> {
        let sample = async { Box::pin(self.sample()).await.map_err(schema_error) };
        self.sampled.get("sampled schema", self.engine.gate().within(sample)).await
    }

    async fn schema(&self) -> Result<Arc<Schema>, StoreError> {
        let read = async { Box::pin(self.read()).await.map_err(schema_error) };
        self.cached.get("schema", self.engine.gate().within(read)).await
    }
}

struct FoundTable {
    oid: i64,
    is_view: bool,
    table: Table,
    /// The values of each column, in the order of the columns.
    values: Vec<Vec<String>>,
}

fn sampled(tables: Vec<FoundTable>) -> SampledSchema {
    let mut samples = ColumnSamples::default();
    let tables = tables.into_iter().map(|found| {
        for (column, values) in found.table.columns.iter().zip(found.values) {
            samples.insert(&found.table.name, &column.name, values);
        }
        found.table
    });
    let schema = Arc::new(Schema { tables: tables.collect() });
    SampledSchema { schema, samples }
}

/// Adds the foreign keys between tables that may be read, as far as all of their columns may be read too.
async fn add_foreign_keys(pool: &PgPool, tables: &mut [FoundTable]) -> Result<(), sqlx::Error> {
    let oids: Vec<i64> = tables.iter().map(|found| found.oid).collect();
    let rows = sqlx::query(FOREIGN_KEYS).bind(oids).fetch_all(pool).await?;
    let has = |table: &Table, columns: &[String]| {
        columns.iter().all(|name| table.columns.iter().any(|column| column.name == *name))
    };
    for row in rows {
        let (of, to): (i64, i64) = (row.try_get("oid")?, row.try_get("referenced")?);
        let (columns, references): (Vec<String>, Vec<String>) =
            (row.try_get("columns")?, row.try_get("targets")?);
        let target = tables.iter().find(|found| found.oid == to).map(|found| &found.table);
        let Some(target) = target.filter(|table| has(table, &references)) else {
            continue;
        };
        let key = ForeignKey { columns, table: target.name.clone(), references };
        if let Some(found) = tables.iter_mut().find(|found| found.oid == of)
            && has(&found.table, &key.columns)
        {
            found.table.foreign_keys.push(key);
        }
    }
    Ok(())
}

/// Returns the common values of columns with few, by the planner's statistics: on a big table they
/// cover more than the first rows.
async fn common_values(
    pool: &PgPool,
    tables: &[FoundTable],
) -> Result<BTreeMap<(i64, String), Vec<String>>, sqlx::Error> {
    let oids: Vec<i64> = tables.iter().map(|found| found.oid).collect();
    let rows = sqlx::query(COMMON_VALUES).bind(oids).fetch_all(pool).await?;
    let common = rows
        .iter()
        .map(|row| Ok(((row.try_get("oid")?, row.try_get("column")?), row.try_get("common")?)));
    common.collect()
}

async fn add_values(
    pool: &PgPool,
    found: &mut FoundTable,
    common: &mut BTreeMap<(i64, String), Vec<String>>,
) -> Result<(), sqlx::Error> {
    // An enum's values are known already.
    let columns = found.table.columns.iter().zip(&mut found.values);
    let mut columns: Vec<(&TableColumn, &mut Vec<String>)> = columns
        .filter(|(column, values)| column.kind == ColumnKind::Text && values.is_empty())
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    let lists: Vec<String> = columns
        .iter()
        .map(|(column, _)| {
            let name = quoted_name(&column.name);
            let values = format!(
                "pg_catalog.array_agg(DISTINCT pg_catalog.left({name}::text, {}))",
                MAX_VALUE_CHARS + 1
            );
            format!("({values} FILTER (WHERE {name} IS NOT NULL))[1:{}]", MAX_VALUES + 1)
        })
        .collect();
    let name = &found.table.name;
    let sql = format!(
        "SELECT {} FROM (SELECT {} FROM {}.{} LIMIT {SAMPLE_ROWS}) AS sample",
        lists.join(", "),
        columns.iter().map(|(column, _)| quoted_name(&column.name)).collect::<Vec<_>>().join(", "),
        quoted_name(name.schema()),
        quoted_name(&name.name)
    );
    let row = look(pool, &sql, found.is_view).await?;
    let Some(row) = row else {
        return Ok(());
    };
    for (index, (column, values)) in columns.iter_mut().enumerate() {
        let sampled: Option<Vec<String>> = row.try_get(index)?;
        let known = common.remove(&(found.oid, column.name.clone())).unwrap_or_default();
        **values = few(sampled.unwrap_or_default().into_iter().chain(known));
    }
    Ok(())
}

/// Reads one row, within a time-out where the engine has one. `None`: it would cost too much.
async fn look(pool: &PgPool, sql: &str, is_view: bool) -> Result<Option<PgRow>, sqlx::Error> {
    let pool = pool.clone();
    let mut tx = run_to_completion(async move { pool.begin_with("BEGIN READ ONLY").await }).await?;
    let timeout = format!("SET LOCAL statement_timeout = '{TABLE_TIMEOUT}'");
    sqlx::raw_sql(AssertSqlSafe(timeout)).execute(&mut *tx).await?;
    if is_view {
        let explain = format!("EXPLAIN (FORMAT JSON) {sql}");
        let plan: serde_json::Value =
            sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *tx).await?;
        if planner_cost(&plan).is_none_or(|cost| cost > MAX_VIEW_COST) {
            return tx.rollback().await.map(|()| None);
        }
    }
    let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut *tx).await?;
    tx.rollback().await?;
    Ok(Some(row))
}

/// Every column of every table that may be read, ordered by table. A partition is part of its table;
/// a domain counts as what it is made of.
const COLUMNS: &str = "
    SELECT c.oid::int8 AS oid, nullif(n.nspname, 'public')::text AS schema, c.relname::text AS table,
        c.relkind IN ('v', 'f') AS is_view,
        pg_catalog.obj_description(c.oid, 'pg_class') AS table_comment,
        a.attname::text AS column, coalesce(base.typname, t.typname)::text AS type,
        coalesce(base.typcategory, t.typcategory)::text AS category,
        pg_catalog.col_description(c.oid, a.attnum) AS column_comment,
        ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
            WHERE e.enumtypid = coalesce(base.oid, t.oid) ORDER BY e.enumsortorder LIMIT 51) AS labels
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_type base ON t.typtype = 'd' AND base.oid = t.typbasetype
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
        AND n.nspname NOT IN ('metricd', 'information_schema') AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
        AND CASE WHEN $1 THEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
            ELSE true END
    ORDER BY n.nspname <> 'public', n.nspname, c.relname, c.oid, a.attnum";

/// The foreign keys between these tables, ordered by name.
const FOREIGN_KEYS: &str = "
    SELECT k.conrelid::int8 AS oid, k.confrelid::int8 AS referenced,
        ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (number, at)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.at) AS columns,
        ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (number, at)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.at) AS targets
    FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f' AND k.conrelid = ANY ($1) AND k.confrelid = ANY ($1)
    ORDER BY k.conrelid, k.conname";

/// Columns that have, says the planner, all their values among the most common ones.
const COMMON_VALUES: &str = "
    SELECT c.oid::int8 AS oid, s.attname::text AS column, s.most_common_vals::text::text[] AS common
    FROM pg_catalog.pg_stats s
    JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
    WHERE c.oid = ANY ($1) AND s.n_distinct BETWEEN 1 AND 50 AND s.most_common_vals IS NOT NULL";

/// Returns a column, and the labels of its type if it is an enum.
fn column(row: &PgRow) -> Result<(TableColumn, Vec<String>), sqlx::Error> {
    let ty: String = row.try_get("type")?;
    let category: String = row.try_get("category")?;
    let kind = kind(&ty, &category);
    let labels = if kind == ColumnKind::Text {
        few(row.try_get::<Vec<_>, _>("labels")?)
    } else {
        Vec::new()
    };
    let (name, comment) = (row.try_get("column")?, row.try_get("column_comment")?);
    Ok((TableColumn { name, ty, kind, comment }, labels))
}

/// By PostgreSQL's name of a type and its category in `pg_type`.
fn kind(ty: &str, category: &str) -> ColumnKind {
    match (ty, category) {
        ("int2" | "int4" | "int8" | "float4" | "float8" | "numeric", _) => ColumnKind::Number,
        ("bool", _) => ColumnKind::Boolean,
        ("date", _) => ColumnKind::Date,
        ("timestamp", _) => ColumnKind::Timestamp,
        ("timestamptz", _) => ColumnKind::TimestampTz,
        ("text" | "varchar" | "bpchar" | "citext", _) | (_, "E") => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}

/// The values sorted, if they are few and short.
fn few(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let values: BTreeSet<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
    let short = |value: &String| value.chars().count() <= MAX_VALUE_CHARS;
    if values.len() > MAX_VALUES || !values.iter().all(short) {
        return Vec::new();
    }
    values.into_iter().collect()
}

fn schema_error(error: sqlx::Error) -> StoreError {
    if is_unavailable(&error) {
        return StoreError::Unavailable(error.into());
    }
    match pg_error(&error) {
        Some(fault) => StoreError::Failed(DatabaseFault::of(fault).into()),
        None => StoreError::Failed(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_few_and_short_values_are_listed() {
        let numbered = |count: usize| few((0..count).map(|n| format!("value {n}")));
        assert_eq!(numbered(MAX_VALUES).len(), MAX_VALUES);
        assert!(numbered(MAX_VALUES + 1).is_empty());
        assert!(few(["a".to_owned(), "b".repeat(MAX_VALUE_CHARS + 1)]).is_empty());
        assert_eq!(few(["b".to_owned(), String::new(), "a".into(), "b".into()]), ["a", "b"]);
    }
}
