//! Authors' SQL: described without running it, costed, and run read-only.
//!
//! PostgreSQL itself writes each row as JSON, so that numbers arrive digit for digit. On a server
//! everything is asked as the reader, in one round trip; the embedded engine has no roles, and every
//! run there is a transaction that is READ ONLY and rolled back.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use metricd_application::ports::{Description, QueryRunner, RowStream, Rows, RunError};
#[cfg(feature = "embedded")]
use metricd_core::sql::Gate;
use metricd_core::{
    changes::Snapshot,
    metric::Column,
    sql::{BoundValue, Callable, CallableKind, FieldName, ParameterType, TableName, Template},
};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor, PgConnection, Postgres, SqlSafeStr,
    Statement,
    postgres::{PgArguments, PgTypeInfo, types::Oid},
    query::QueryAs,
};
#[cfg(feature = "embedded")]
use sqlx::{PgPool, Transaction};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument as _;

#[cfg(feature = "embedded")]
use crate::db::{Turns, retry_lost, to_its_end};
use crate::{
    db::{DatabaseFault, Reader, Running, is_unavailable, pg_error},
    export::{self, Export},
    queue::{Place, Queue},
};

/// Runs authors' SQL on PostgreSQL.
pub(crate) struct PgQueryRunner {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    limits: RunLimits,
    /// How many may be given all rows at once, which may take long.
    exports: Arc<Semaphore>,
    /// What all questions share; else each waits for a place and has a deadline of its own.
    shared: Option<Shared>,
}

struct Shared {
    place: Arc<Place>,
    /// How long the questions to come may take.
    left: Mutex<Duration>,
}

/// What a run may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunLimits {
    /// How long a query may run.
    pub(crate) deadline: Duration,
    /// The most rows of an answer, by which a query is costed.
    pub(crate) max_rows: u32,
    /// The most bytes of an answer's rows, or of one row where all are given.
    pub(crate) max_bytes: u64,
    /// How long giving all rows may take.
    pub(crate) export_deadline: Duration,
}

pub(crate) enum Engine {
    /// A server. Nothing is asked before the reader was proved to be one.
    Server(Arc<OnceLock<Reader>>),
    /// The embedded engine, which can neither time out nor cancel: past the deadline a caller is told
    /// so, and the next one waits until the engine is done.
    #[cfg(feature = "embedded")]
    Embedded {
        pool: PgPool,
        turns: Turns,
        /// Says which tables may be read.
        gate: Arc<Gate>,
    },
}

/// The database was asked before it was migrated.
#[derive(Debug, Error)]
#[error("the reader role has not been seen to yet")]
pub(crate) struct NotOpen;

/// A connection that runs authors' SQL, from before the first statement.
enum Open {
    Server(Running),
    #[cfg(feature = "embedded")]
    Embedded(Transaction<'static, Postgres>),
}

impl Open {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Server(running) => running.connection(),
            #[cfg(feature = "embedded")]
            Self::Embedded(tx) => tx,
        }
    }
}

impl PgQueryRunner {
    /// Of the queries that run at once, at most `exports` give all of their rows.
    pub(crate) fn new(engine: Engine, queue: Queue, exports: usize, limits: RunLimits) -> Self {
        let exports = Arc::new(Semaphore::new(exports));
        Self { engine: Arc::new(engine), queue: Arc::new(queue), limits, exports, shared: None }
    }

    async fn place(&self) -> Result<Arc<Place>, RunError> {
        match &self.shared {
            Some(shared) => Ok(Arc::clone(&shared.place)),
            None => self.queue.take().await,
        }
    }

    /// Does `work`, which changes nothing, when its turn has come, and no longer than the deadline.
    async fn ask<T, F>(
        &self,
        failed: fn(sqlx::Error) -> RunError,
        work: impl Fn(Open) -> F + Sync,
    ) -> Result<T, RunError>
    where
        T: Send,
        F: Future<Output = (Open, Result<T, sqlx::Error>)> + Send,
    {
        let place = self.place().await?;
        match &*self.engine {
            Engine::Server(reader) => {
                let reader = reader.get().ok_or_else(|| RunError::Unavailable(NotOpen.into()))?;
                self.in_time(ask_server(reader, &place, work)).await?.map_err(failed)
            }
            #[cfg(feature = "embedded")]
            Engine::Embedded { pool, turns, .. } => {
                let turn = turns.take().await?;
                // Past the deadline, the turn ends when the engine is done with it.
                let done = self.in_time(ask_embedded(pool, work)).await?;
                turn.end();
                done.map_err(failed)
            }
        }
    }

    /// Does `work` before the deadline, which comes nearer with all that is asked together.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, RunError> {
        let left = |shared: &Shared| *shared.left.lock().unwrap_or_else(PoisonError::into_inner);
        let time = self.shared.as_ref().map_or(self.limits.deadline, left);
        let begun = Instant::now();
        let done = tokio::time::timeout(time, work).await;
        if let Some(shared) = &self.shared {
            *shared.left.lock().unwrap_or_else(PoisonError::into_inner) =
                time.saturating_sub(begun.elapsed());
        }
        done.map_err(|_| RunError::Deadline)
    }

    /// The statement that gives the rows of `template` as one text, each row as JSON and a comma between
    /// them, with what is to be said of it: whether rows were left out, whether one of them alone is
    /// too large, and what was seen when they were read.
    fn wrapped(&self, template: &Template, max_rows: u32) -> String {
        // `q.*` as an argument is the whole row, even where a column is called `q`. A subquery that
        // orders its rows is not flattened, and LIMIT, a window over all rows and an aggregate above it
        // keep the order.
        format!(
            "SELECT string_agg(json, ',') FILTER (WHERE number <= {max_rows} AND total <= {max}), \
                 coalesce(bool_or(number > {max_rows} OR total > {max}), false), \
                 coalesce(bool_or(bytes > {max} AND number <= {max_rows} AND total - bytes <= {max}), \
                     false), \
                 pg_current_snapshot()::text FROM (\n\
             SELECT json, octet_length(json) AS bytes, row_number() OVER (ROWS UNBOUNDED PRECEDING) \
                 AS number, sum(octet_length(json)) OVER (ROWS UNBOUNDED PRECEDING) AS total FROM (\n\
             SELECT row_to_json(q.*)::text AS json FROM (\n{}\n) AS q LIMIT {}) AS r) AS r",
            template.sql,
            u64::from(max_rows) + 1,
            max = self.limits.max_bytes,
        )
    }
}

/// Asks as the reader, once: a session that ends meanwhile may have been ended on purpose.
async fn ask_server<T, F>(
    reader: &Reader,
    place: &Arc<Place>,
    work: impl Fn(Open) -> F,
) -> Result<T, sqlx::Error>
where
    F: Future<Output = (Open, Result<T, sqlx::Error>)>,
{
    let running = reader.sessions().open(Some(place)).await?;
    let (open, done) = work(Open::Server(running)).await;
    match open {
        Open::Server(running) => running.end(&done),
        #[cfg(feature = "embedded")]
        Open::Embedded(_) => {}
    }
    done
}

#[cfg(feature = "embedded")]
async fn ask_embedded<T, F>(pool: &PgPool, work: impl Fn(Open) -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = (Open, Result<T, sqlx::Error>)>,
{
    let tx = begin_embedded(pool).await?;
    let (open, done) = work(Open::Embedded(tx)).await;
    if let Open::Embedded(tx) = open {
        tx.rollback().await?;
    }
    done
}

#[cfg(feature = "embedded")]
pub(crate) async fn begin_embedded(
    pool: &PgPool,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let begin = || {
        let pool = pool.clone();
        to_its_end(async move { pool.begin_with("BEGIN READ ONLY").await })
    };
    retry_lost(pool.options().get_max_connections(), begin).await
}

async fn describe(connection: &mut PgConnection, sql: &str) -> Result<Description, sqlx::Error> {
    // A kept statement would be described as its tables were when it was kept.
    connection.clear_cached_statements().await?;
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
    let names = type_names(connection, &oids).await?;
    let columns = statement
        .columns()
        .iter()
        .zip(names)
        .map(|(column, ty)| Column { name: column.name().to_owned(), ty })
        .collect();
    Ok(Description { parameters, columns })
}

/// Whether each named table is one that stored SQL may read: what the reader was granted, or columns of
/// it (on an engine without roles, what is in `public`). metricd's and PostgreSQL's own schemas stay
/// closed. An unqualified name counts as what it finds, so that nothing of `pg_catalog` passes for
/// a table of ours; a qualified one is looked up by itself, because `to_regclass` fails where the
/// schema is closed to us.
const READABLE: &str = "
    SELECT c.oid IS NOT NULL AND n.nspname NOT IN ('metricd', 'information_schema')
        AND NOT starts_with(n.nspname, 'pg_')
        AND CASE WHEN $3 THEN has_schema_privilege(n.oid, 'USAGE')
                AND has_any_column_privilege(c.oid, 'SELECT')
            ELSE true END
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
    LEFT JOIN pg_catalog.pg_class c
        ON c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND CASE WHEN named.schema IS NULL THEN c.oid = to_regclass(quote_ident(named.name))
            ELSE c.relname = named.name AND c.relnamespace = (
                SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = named.schema) END
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY named.ordinal";

/// What `x.name` can call, for each distinct name: a function that takes one argument, or a type that
/// is none of a row's. An enum only reads a text.
const CALLABLE: &str = "
    SELECT named.name, n.nspname::text, called.is_type
    FROM unnest($1::text[]) AS named (name)
    CROSS JOIN LATERAL (
        SELECT p.pronamespace AS namespace, false AS is_type FROM pg_catalog.pg_proc p
        WHERE p.proname = named.name::name
            AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
        UNION
        SELECT t.typnamespace, true FROM pg_catalog.pg_type t
        WHERE t.typname = named.name::name AND t.typrelid = 0 AND t.typtype NOT IN ('e', 'p')
    ) AS called
    JOIN pg_catalog.pg_namespace n ON n.oid = called.namespace
    ORDER BY 1, 2, 3";

/// Whether each named table has each named column.
const HAS_COLUMN: &str = "
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attname = named.name::name AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attrelid = CASE
                WHEN named.schema IS NULL THEN to_regclass(quote_ident(named.relation))
                ELSE (SELECT c.oid FROM pg_catalog.pg_class c
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE c.relname = named.relation::name AND n.nspname = named.schema::name) END)
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY
        AS named (schema, relation, name, ordinal)
    ORDER BY named.ordinal";

/// What PostgreSQL could call by each of `fields` that is no column for certain.
async fn callable(
    connection: &mut PgConnection,
    fields: &[FieldName],
) -> Result<Vec<Vec<Callable>>, sqlx::Error> {
    let names: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let found: Vec<(String, String, bool)> =
        sqlx::query_as(CALLABLE).bind(names).fetch_all(&mut *connection).await?;
    let mut known: BTreeMap<String, Vec<Callable>> = BTreeMap::new();
    for (name, schema, is_type) in found {
        let kind = if is_type { CallableKind::Type } else { CallableKind::Function };
        known.entry(name.clone()).or_default().push(Callable { schema, name, kind });
    }
    let mut all = Vec::with_capacity(fields.len());
    for field in fields {
        let called = known.get(&field.name).cloned().unwrap_or_default();
        let is_column = !called.is_empty()
            && !field.tables.is_empty()
            && have_column(connection, field).await?;
        all.push(if is_column { Vec::new() } else { called });
    }
    Ok(all)
}

/// Whether all tables that a field may be of have it as a column, which PostgreSQL prefers to a call.
async fn have_column(
    connection: &mut PgConnection,
    field: &FieldName,
) -> Result<bool, sqlx::Error> {
    let schemas: Vec<_> = field.tables.iter().map(|table| table.schema.as_deref()).collect();
    let tables: Vec<_> = field.tables.iter().map(|table| table.name.as_str()).collect();
    let names = vec![field.name.as_str(); tables.len()];
    let asked = sqlx::query_scalar(HAS_COLUMN).bind(schemas).bind(tables).bind(names);
    let have: Vec<bool> = asked.fetch_all(connection).await?;
    Ok(have.into_iter().all(|has| has))
}

#[async_trait]
impl QueryRunner for PgQueryRunner {
    async fn describe(&self, sql: &str) -> Result<Description, RunError> {
        self.ask(describe_error, |mut open| async move {
            let described = describe(open.connection(), sql).await;
            (open, described)
        })
        .await
    }

    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let schemas: &Vec<Option<&str>> =
            &tables.iter().map(|table| table.schema.as_deref()).collect();
        let names: &Vec<&str> = &tables.iter().map(|table| table.name.as_str()).collect();
        let readable: Vec<bool> = self
            .ask(run_error, |mut open| async move {
                let by_grants = matches!(open, Open::Server(_));
                let asked = sqlx::query_scalar(READABLE).bind(schemas).bind(names).bind(by_grants);
                let readable = asked.fetch_all(open.connection()).await;
                (open, readable)
            })
            .await?;
        let allowed = |table: &TableName| match (&*self.engine, table) {
            (Engine::Server(_), _) => true,
            #[cfg(feature = "embedded")]
            (Engine::Embedded { gate, .. }, table) => gate.allows_table(table),
        };
        let refused =
            tables.iter().zip(readable).filter(|(table, readable)| !readable || !allowed(table));
        Ok(refused.map(|(table, _)| table.clone()).collect())
    }

    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError> {
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(run_error, |mut open| async move {
            let called = callable(open.connection(), fields).await;
            (open, called)
        })
        .await
    }

    async fn cost(&self, template: &Template, values: &[BoundValue]) -> Result<f64, RunError> {
        let sql =
            &format!("EXPLAIN (FORMAT JSON) {}", self.wrapped(template, self.limits.max_rows));
        let (plan,): (serde_json::Value,) = self
            .ask(cost_error, |mut open| async move {
                let query = bound(sqlx::query_as(AssertSqlSafe(sql.as_str())), values);
                let plan = query.persistent(false).fetch_one(open.connection()).await;
                (open, plan)
            })
            .await?;
        let cost = plan.pointer("/0/Plan/Total Cost").and_then(serde_json::Value::as_f64);
        cost.ok_or_else(|| RunError::Failed("EXPLAIN gave no cost".into()))
    }

    async fn run(
        &self,
        template: &Template,
        values: &[BoundValue],
        max_rows: u32,
    ) -> Result<Rows, RunError> {
        let sql = &self.wrapped(template, max_rows);
        let rows = self.ask(run_error, |mut open| async move {
            let rows = fetch(open.connection(), sql, values).await;
            (open, rows)
        });
        rows.await?.ok_or(RunError::RowTooLarge { max_bytes: self.limits.max_bytes })
    }

    async fn stream(
        &self,
        template: &Template,
        values: &[BoundValue],
    ) -> Result<RowStream, RunError> {
        let exports = Arc::clone(&self.exports);
        let turn = exports.try_acquire_owned().map_err(|_| RunError::QueueFull)?;
        let place = self.place().await?;
        let (taker, rows) = mpsc::channel(export::AHEAD);
        let export = Export::new(template, values, self.limits, taker);
        let running = export.run(Arc::clone(&self.engine), place, turn);
        tokio::spawn(running.in_current_span());
        self.in_time(RowStream::begun(rows)).await?
    }

    async fn session(&self) -> Result<Box<dyn QueryRunner>, RunError> {
        let place = self.queue.take().await?;
        let shared = Shared { place, left: Mutex::new(self.limits.deadline) };
        let (engine, queue) = (Arc::clone(&self.engine), Arc::clone(&self.queue));
        let exports = Arc::clone(&self.exports);
        Ok(Box::new(Self { engine, queue, limits: self.limits, exports, shared: Some(shared) }))
    }
}

/// The rows of a statement that was wrapped, or none if one row alone is too large.
async fn fetch(
    connection: &mut PgConnection,
    sql: &str,
    values: &[BoundValue],
) -> Result<Option<Rows>, sqlx::Error> {
    let query = sqlx::query_as::<_, (Option<String>, bool, bool, String)>(AssertSqlSafe(sql));
    let (rows, truncated, is_too_large, snapshot) =
        bound(query, values).fetch_one(connection).await?;
    let snapshot =
        snapshot.parse::<Snapshot>().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let json = format!("[{}]", rows.unwrap_or_default());
    Ok((!is_too_large).then_some(Rows { json, truncated, snapshot }))
}

/// `query` with the values of its parameters.
pub(crate) fn bound<'q, T>(
    query: QueryAs<'q, Postgres, T, PgArguments>,
    values: &'q [BoundValue],
) -> QueryAs<'q, Postgres, T, PgArguments> {
    values.iter().fold(query, |query, value| match value {
        BoundValue::Date(day) => query.bind(*day),
        BoundValue::Timestamp(time) => query.bind(*time),
        BoundValue::TimestampTz(instant) | BoundValue::Now(instant) => query.bind(*instant),
        BoundValue::Text(text) => query.bind(&**text),
        BoundValue::Timezone(timezone) => query.bind(timezone.name()),
        BoundValue::Int(number) => query.bind(*number),
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
        Some(fault) if !is_unavailable(&error) && !matches!(fault.code(), "57014" | "55P03") => {
            RunError::Rejected {
                message: match fault.hint() {
                    Some(hint) => format!("{} ({hint})", fault.message()),
                    None => fault.message().to_owned(),
                },
            }
        }
        _ => run_error(error),
    }
}

/// Planning computes what is constant, and the claims of a caller are: their values are not told.
fn cost_error(error: sqlx::Error) -> RunError {
    match (pg_error(&error).map(DatabaseFault::of), describe_error(error)) {
        (Some(fault), RunError::Rejected { .. }) => RunError::Rejected { message: fault.message },
        (_, other) => other,
    }
}

pub(crate) fn run_error(error: sqlx::Error) -> RunError {
    if is_unavailable(&error) {
        return RunError::Unavailable(error.into());
    }
    match pg_error(&error) {
        // lock_not_available: whoever holds it will let go of it
        Some(fault) if fault.code() == "55P03" => {
            RunError::Unavailable(DatabaseFault::of(fault).into())
        }
        Some(fault) if fault.code() == "57014" => RunError::Deadline,
        Some(fault) => RunError::Failed(DatabaseFault::while_reading(fault).into()),
        None => RunError::Failed(error.into()),
    }
}
