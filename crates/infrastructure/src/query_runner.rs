//! Authors' SQL: described without running it, and run read-only.
//!
//! PostgreSQL itself writes each row as JSON, so that numbers arrive digit for digit. Every run is a
//! transaction that is READ ONLY and rolled back: a setting that a statement changes goes with it.

use std::{fmt::Write, future::Future, time::Duration};

use async_trait::async_trait;
use futures::TryStreamExt;
use metricd_application::ports::{Description, QueryRunner, Rows, RunError};
use metricd_core::{
    metric::Column,
    sql::{ParameterType, TableName, Template, Value},
};
use sqlx::{
    AssertSqlSafe, Column as _, Executor, PgConnection, PgPool, Postgres, Row, SqlSafeStr,
    Statement,
    pool::PoolConnection,
    postgres::{PgArguments, PgTypeInfo, types::Oid},
    query::QueryScalar,
};
use tracing::Instrument;

#[cfg(feature = "embedded")]
use crate::db::to_its_end;
use crate::db::{DatabaseFault, Turns, is_unavailable, pg_error, retry_lost};

/// Runs authors' SQL on PostgreSQL.
pub(crate) struct PgQueryRunner {
    pool: PgPool,
    turns: Turns,
    engine: Engine,
    deadline: Duration,
}

enum Engine {
    Server {
        /// Where statements are cancelled from; it never runs an author's.
        aside: PgPool,
        reader_role: String,
    },
    #[cfg(feature = "embedded")]
    Embedded,
}

impl PgQueryRunner {
    /// On a server, by connections of `pool`.
    pub(crate) fn on_server(
        pool: PgPool,
        turns: Turns,
        aside: PgPool,
        deadline: Duration,
        reader_role: String,
    ) -> Self {
        Self { pool, turns, engine: Engine::Server { aside, reader_role }, deadline }
    }

    /// On the embedded engine, which can neither time out nor cancel: past the deadline a caller is
    /// told so, and the next one waits until the engine is done.
    #[cfg(feature = "embedded")]
    pub(crate) fn on_embedded(pool: PgPool, turns: Turns, deadline: Duration) -> Self {
        Self { pool, turns, engine: Engine::Embedded, deadline }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
        failed: fn(sqlx::Error) -> RunError,
    ) -> Result<T, RunError> {
        let work = self.turns.within(async { work.await.map_err(failed) });
        tokio::time::timeout(self.deadline, work).await.unwrap_or(Err(RunError::Deadline))
    }

    /// Does what changes nothing, on another connection if the first has broken.
    async fn retrying<T, F>(&self, operation: impl FnMut() -> F) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        retry_lost(self.pool.options().get_max_connections(), operation).await
    }

    async fn rows(&self, sql: &str, values: &[Value], max_rows: u32) -> Result<Rows, sqlx::Error> {
        match &self.engine {
            Engine::Server { aside, .. } => {
                let mut running = self.retrying(|| self.begin_on_server(aside)).await?;
                let rows = fetch(running.connection(), sql, values, max_rows).await;
                running.end().await?;
                rows
            }
            #[cfg(feature = "embedded")]
            Engine::Embedded => {
                let begin = || {
                    let pool = self.pool.clone();
                    to_its_end(async move { pool.begin_with("BEGIN READ ONLY").await })
                };
                let mut tx = self.retrying(begin).await?;
                let rows = fetch(&mut tx, sql, values, max_rows).await;
                tx.rollback().await?;
                rows
            }
        }
    }

    async fn begin_on_server(&self, aside: &PgPool) -> Result<Running, sqlx::Error> {
        let connection = self.pool.acquire().await?;
        let mut running = Running { connection: Some(connection), pid: None, aside: aside.clone() };
        // One round trip; the server's own timeout stands in should the cancelling fail.
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SELECT pg_backend_pid()",
            self.deadline.as_millis().clamp(1, i32::MAX.unsigned_abs().into())
        );
        let session = sqlx::raw_sql(AssertSqlSafe(begin)).fetch_one(running.connection()).await?;
        running.pid = Some(session.try_get(0)?);
        Ok(running)
    }

    async fn describe_now(&self, sql: &str) -> Result<Description, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let statement = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await?;
        let parameters = match statement.parameters() {
            Some(sqlx::Either::Left(types)) => types.iter().map(parameter_type).collect(),
            _ => Vec::new(),
        };
        let oids: Vec<Oid> = statement
            .columns()
            .iter()
            .map(|column| column.type_info().oid().unwrap_or_default())
            .collect();
        let names = type_names(&mut connection, &oids).await?;
        let columns = statement
            .columns()
            .iter()
            .zip(names)
            .map(|(column, ty)| Column { name: column.name().to_owned(), ty })
            .collect();
        Ok(Description { parameters, columns })
    }

    async fn readable(&self, tables: &[TableName]) -> Result<Vec<bool>, sqlx::Error> {
        let schemas: Vec<Option<&str>> =
            tables.iter().map(|table| table.schema.as_deref()).collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let reader_role = match &self.engine {
            Engine::Server { reader_role, .. } => Some(reader_role.as_str()),
            #[cfg(feature = "embedded")]
            Engine::Embedded => None,
        };
        sqlx::query_scalar(READABLE)
            .bind(schemas)
            .bind(names)
            .bind(reader_role)
            .fetch_all(&self.pool)
            .await
    }
}

/// Whether each named table is one that stored SQL may read: the records, and what the reader role
/// was granted (on an engine without roles, what is in `public`). metricd's and PostgreSQL's own
/// schemas stay closed. An unqualified name counts as what it finds, so that nothing of `pg_catalog`
/// passes for a table of ours; a qualified one is looked up by itself, because `to_regclass` fails
/// where the schema is closed to us.
const READABLE: &str = "
    SELECT c.oid IS NOT NULL AND (
        n.nspname = 'public' AND (c.relname = 'metrics' OR $3::text IS NULL)
        OR n.nspname NOT IN ('metricd', 'information_schema')
            AND NOT starts_with(n.nspname, 'pg_')
            AND EXISTS (
                SELECT FROM pg_catalog.pg_roles r
                WHERE r.rolname = $3 AND has_schema_privilege(r.oid, n.oid, 'USAGE')
                    AND has_table_privilege(r.oid, c.oid, 'SELECT')))
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
    LEFT JOIN pg_catalog.pg_class c
        ON c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND CASE WHEN named.schema IS NULL THEN c.oid = to_regclass(quote_ident(named.name))
            ELSE c.relname = named.name AND c.relnamespace = (
                SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = named.schema) END
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY named.ordinal";

#[async_trait]
impl QueryRunner for PgQueryRunner {
    async fn describe(&self, sql: &str) -> Result<Description, RunError> {
        self.in_time(Box::pin(self.retrying(|| self.describe_now(sql))), describe_error).await
    }

    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let readable =
            self.in_time(Box::pin(self.retrying(|| self.readable(tables))), run_error).await?;
        let refused = tables.iter().zip(readable).filter(|(_, readable)| !readable);
        Ok(refused.map(|(table, _)| table.clone()).collect())
    }

    async fn cost(&self, template: &Template, values: &[Value]) -> Result<f64, RunError> {
        let sql = format!("EXPLAIN (FORMAT JSON) {}", template.sql);
        let explain = self.retrying(|| async {
            let mut connection = self.pool.acquire().await?;
            let query = bound(sqlx::query_scalar(AssertSqlSafe(sql.clone())), values);
            query.fetch_one(&mut *connection).await
        });
        let plan: serde_json::Value = self.in_time(Box::pin(explain), describe_error).await?;
        let cost = plan.pointer("/0/Plan/Total Cost").and_then(serde_json::Value::as_f64);
        cost.ok_or_else(|| RunError::Failed("EXPLAIN gave no cost".into()))
    }

    async fn run(
        &self,
        template: &Template,
        values: &[Value],
        max_rows: u32,
    ) -> Result<Rows, RunError> {
        // `q.*` as an argument is the whole row, even where a column is called `q`. A subquery that
        // orders its rows is not flattened, and LIMIT keeps the order.
        let sql = format!(
            "SELECT row_to_json(q.*)::text FROM (\n{}\n) AS q LIMIT {}",
            template.sql,
            u64::from(max_rows) + 1
        );
        self.in_time(Box::pin(self.rows(&sql, values, max_rows)), run_error).await
    }
}

/// A transaction on a server, from before its BEGIN. Dropped before its end, its statement is
/// cancelled and its connection closed: nothing that was left in the middle goes back to the pool.
struct Running {
    /// `None` only once it has ended.
    connection: Option<PoolConnection<Postgres>>,
    /// Known once it has begun.
    pid: Option<i32>,
    aside: PgPool,
}

impl Running {
    fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("a statement has its connection until it ends")
    }

    async fn end(mut self) -> Result<(), sqlx::Error> {
        self.connection().execute("ROLLBACK").await?;
        self.connection = None;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        connection.close_on_drop();
        let Some(pid) = self.pid else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let aside = self.aside.clone();
        // Held until the cancelling is done, so that the process's number is still this session's.
        let cancelling = async move {
            let cancelled = sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(&aside);
            if let Err(error) = cancelled.await {
                tracing::debug!(%error, "An abandoned query could not be cancelled");
            }
            drop(connection);
        };
        runtime.spawn(cancelling.in_current_span());
    }
}

/// The first `max_rows` rows of a statement that gives each as one text of JSON.
async fn fetch(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value],
    max_rows: u32,
) -> Result<Rows, sqlx::Error> {
    let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql));
    let mut rows = bound(query, values).fetch(connection);
    let mut json = String::from("[");
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        if count < max_rows {
            let separator = if count == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(json, "{separator}{row}");
        }
        count += 1;
    }
    json.push(']');
    Ok(Rows { json, truncated: count > max_rows })
}

/// `query` with the values of its parameters.
fn bound<'q, T>(
    query: QueryScalar<'q, Postgres, T, PgArguments>,
    values: &'q [Value],
) -> QueryScalar<'q, Postgres, T, PgArguments> {
    values.iter().fold(query, |query, value| match value {
        Value::Date(day) => query.bind(*day),
        Value::Timestamp(time) => query.bind(*time),
        Value::TimestampTz(instant) => query.bind(*instant),
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(*number),
    })
}

/// The type of slot that an inferred type takes.
fn parameter_type(ty: &PgTypeInfo) -> Option<ParameterType> {
    match ty.oid()?.0 {
        1082 => Some(ParameterType::Date),
        1114 => Some(ParameterType::Timestamp),
        1184 => Some(ParameterType::TimestampTz),
        // text, varchar, bpchar, name
        25 | 1043 | 1042 | 19 => Some(ParameterType::Text),
        23 => Some(ParameterType::Int),
        _ => None,
    }
}

/// PostgreSQL's names of types: `int8`, and `int8[]` for an array.
async fn type_names(
    connection: &mut PgConnection,
    oids: &[Oid],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT CASE WHEN t.typcategory = 'A' AND e.typname IS NOT NULL \
             THEN e.typname || '[]' ELSE coalesce(t.typname, 'unknown')::text END \
         FROM unnest($1::oid[]) WITH ORDINALITY AS named (oid, ordinal) \
         LEFT JOIN pg_catalog.pg_type t ON t.oid = named.oid \
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem \
         ORDER BY named.ordinal",
    )
    .bind(oids)
    .fetch_all(connection)
    .await
}

fn describe_error(error: sqlx::Error) -> RunError {
    match pg_error(&error) {
        Some(fault) if !is_unavailable(&error) && fault.code() != "57014" => RunError::Rejected {
            message: match fault.hint() {
                Some(hint) => format!("{} ({hint})", fault.message()),
                None => fault.message().to_owned(),
            },
        },
        _ => run_error(error),
    }
}

fn run_error(error: sqlx::Error) -> RunError {
    if is_unavailable(&error) {
        return RunError::Unavailable(error.into());
    }
    match pg_error(&error) {
        Some(fault) if fault.code() == "57014" => RunError::Deadline,
        Some(fault) => RunError::Failed(DatabaseFault::of(fault).into()),
        None => RunError::Failed(error.into()),
    }
}
