//! The query runner: asks each question in a read-only session, when the queue admits it and no longer
//! than the deadline.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use metricd_application::ports::{
    Description, QueryRunner, RowStream, Rows, RunError, SessionNeeds, TemplateDescription,
};
use metricd_core::{
    actor::Identity,
    changes::DefinedName,
    sql::{BoundValue, Callable, FieldName, ForeignOperator, OperatorUse, TableName, Template},
};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tracing::Instrument as _;

use super::{
    errors::{describe_error, run_error, run_error_after},
    export::{CHUNKS_AHEAD, CursorExport},
    limits::RunLimits,
    lookup,
    query_metrics::QueryMetrics,
    statement::{self, Fetched, WrappedStatements},
};
use crate::{
    db::{
        engine::{Engine, ReadSession},
        errors::planner_cost,
        purpose::Purpose,
        queue::{Known, Queue, RunPermit},
        relations,
    },
    spans,
};

/// How long planning a statement may take.
const PLANNING_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs authors' SQL on PostgreSQL.
pub(in crate::db) struct PgQueryRunner {
    shared: Arc<Shared>,
    needs: SessionNeeds,
    /// What all questions of a session share; else each waits for a permit and has a deadline of its own.
    session: Option<RunSession>,
}

/// What all runners of a database share.
struct Shared {
    engine: Arc<Engine>,
    queue: Queue,
    limits: RunLimits,
    metrics: QueryMetrics,
    statements: WrappedStatements,
    /// How many may be exports at once, which may take long.
    exports: Arc<Semaphore>,
}

impl Shared {
    /// Waits in the queue, and counts those that wait in vain.
    async fn acquire(
        &self,
        caller: Option<&Identity>,
        known: Known,
    ) -> Result<Arc<RunPermit>, RunError> {
        let permit = self.queue.acquire(caller, known);
        let permit = permit.instrument(spans::of_queue()).await;
        permit.inspect_err(|error| self.metrics.rejected(error))
    }
}

struct RunSession {
    permit: Arc<RunPermit>,
    /// How long the questions to come may take.
    time_left: Mutex<Duration>,
}

impl RunSession {
    fn time_left(&self) -> MutexGuard<'_, Duration> {
        self.time_left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PgQueryRunner {
    /// Of the queries that run at once, at most `exports` are exports.
    pub(in crate::db) fn new(
        engine: Arc<Engine>,
        queue: Queue,
        exports: usize,
        limits: RunLimits,
        metrics: QueryMetrics,
    ) -> Self {
        let statements = WrappedStatements::new(limits.max_bytes);
        let exports = Arc::new(Semaphore::new(exports));
        Self {
            shared: Arc::new(Shared { engine, queue, limits, metrics, statements, exports }),
            needs: SessionNeeds::default(),
            session: None,
        }
    }

    async fn permit(&self) -> Result<Arc<RunPermit>, RunError> {
        match &self.session {
            Some(session) => Ok(Arc::clone(&session.permit)),
            None => self.shared.acquire(None, Known::default()).await,
        }
    }

    /// Does `work` with `sql`, an author's, which changes nothing, in a session of its own and no longer than the deadline. It is
    /// never done twice: a session that ends meanwhile may have been ended on purpose.
    async fn ask<T, F>(
        &self,
        sql: Option<&str>,
        failed: impl Fn(sqlx::Error) -> RunError + Send,
        work: impl FnOnce(ReadSession) -> F + Send,
    ) -> Result<T, RunError>
    where
        T: Send,
        F: Future<Output = (ReadSession, Result<T, sqlx::Error>)> + Send,
    {
        let permit = self.permit().await?;
        let purpose = Purpose::Query { sql, time: self.time() };
        let admitted = self.shared.engine.admit_query(purpose).await?;
        let asked = async {
            let session = admitted.open_session(&permit, self.needs.timezone).await?;
            let (session, outcome) = work(session).await;
            session.end(outcome).await
        };
        let done = self.in_time(asked).await?;
        admitted.finish(&done);
        done.map_err(failed)
    }

    /// How long the next question may take.
    fn time(&self) -> Duration {
        let deadline = self.shared.limits.deadline;
        self.session.as_ref().map_or(deadline, |session| *session.time_left())
    }

    /// Does `work` before the deadline, which comes nearer with all that a session asks.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, RunError> {
        let time = self.time();
        let begun = Instant::now();
        let done = tokio::time::timeout(time, work).await;
        if let Some(session) = &self.session {
            *session.time_left() = time.saturating_sub(begun.elapsed());
        }
        done.map_err(|_| RunError::Deadline)
    }
}

#[async_trait]
impl QueryRunner for PgQueryRunner {
    async fn describe(&self, sql: &str) -> Result<Description, RunError> {
        self.ask(Some(sql), describe_error, |mut session| async move {
            let described = lookup::describe(session.connection(), sql).await;
            (session, described)
        })
        .await
    }

    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let engine = &self.shared.engine;
        let by_grants = engine.has_grants();
        let readable = self.ask(None, run_error, |mut session| async move {
            let readable = lookup::readable(session.connection(), tables, by_grants).await;
            (session, readable)
        });
        let refused = tables
            .iter()
            .zip(readable.await?)
            .filter(|(table, readable)| !readable || !engine.may_read(table));
        Ok(refused.map(|(table, _)| table.clone()).collect())
    }

    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError> {
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(None, run_error, |mut session| async move {
            let called = lookup::callable(session.connection(), fields).await;
            (session, called)
        })
        .await
    }

    async fn foreign_operators(
        &self,
        operators: &[OperatorUse],
        tables: &[TableName],
        called: &[String],
    ) -> Result<Vec<ForeignOperator>, RunError> {
        if operators.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(None, run_error, |mut session| async move {
            let found =
                lookup::foreign_operators(session.connection(), operators, tables, called).await;
            (session, found)
        })
        .await
    }

    async fn describe_template(
        &self,
        template: &Template,
    ) -> Result<TemplateDescription, RunError> {
        let tables: Vec<TableName> = template.tables.iter().cloned().collect();
        let called = template.called_names().into_iter().map(DefinedName::Called);
        let names: Vec<DefinedName> =
            tables.iter().cloned().map(DefinedName::Relation).chain(called).collect();
        let (sql, tables, names) = (&template.sql, &tables, &names);
        let described = self.ask(Some(sql), run_error, |mut session| async move {
            let connection = session.connection();
            let described = async {
                // First of all: what is redefined meanwhile is noticed when the statement runs.
                let relations = relations::read(connection, names).await?;
                let described = lookup::describe(connection, sql).await?;
                // It was made between the two statements.
                if !tables.iter().all(|table| relations.has(table)) {
                    return Ok(None);
                }
                let times = lookup::times(connection, tables).await?;
                Ok(Some((relations, described.columns, times)))
            };
            let described = described.await;
            (session, described)
        });
        let (relations, columns, times) = described.await?.ok_or(RunError::Redefined)?;
        let output: Vec<&str> = columns.iter().map(|column| column.ty.as_str()).collect();
        let times = template.times_read(&times, &output);
        Ok(TemplateDescription { columns, times, relations: Arc::new(relations) })
    }

    async fn cost(&self, template: &Template, values: &[BoundValue]) -> Result<f64, RunError> {
        let Shared { statements, limits, .. } = &*self.shared;
        let statement = statements.get(template, limits.max_rows, None);
        let sql = format!("EXPLAIN (FORMAT JSON) {}", statement.sql);
        let before = characters_before(&sql, &template.sql);
        let arguments = statement::arguments(values).map_err(run_error)?;
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false);
        let timeout = limits.deadline.min(PLANNING_TIMEOUT);
        let may_call = self.needs.relations.is_none() || self.needs.calls_functions();
        let running = self.shared.metrics.begin();
        let plan: Result<serde_json::Value, RunError> = self
            .ask(
                Some(&template.sql),
                move |error| run_error_after(before, error),
                |mut session| async move {
                    // The planner calls what is declared not to depend on anything.
                    if may_call {
                        session.will_call_functions();
                    }
                    let planned = async {
                        session.begin_planning(timeout).await?;
                        let row = query.fetch_one(session.connection()).await;
                        session.end_planning().await?;
                        row?.try_get(0)
                    };
                    let plan = planned.await;
                    (session, plan)
                },
            )
            .await;
        running.planned(&plan);
        planner_cost(&plan?).ok_or_else(|| RunError::Failed("EXPLAIN gave no cost".into()))
    }

    async fn run(
        &self,
        template: &Template,
        values: &[BoundValue],
        max_rows: u32,
    ) -> Result<Rows, RunError> {
        let statement = self.shared.statements.get(template, max_rows, self.needs.unchanged());
        let wrapped = Arc::clone(&statement.sql);
        let failed =
            move |error| run_error_after(characters_before(&wrapped, &template.sql), error);
        let calls_functions = self.needs.calls_functions();
        let fetched = self.ask(Some(&template.sql), failed, |mut session| async move {
            if calls_functions {
                session.will_call_functions();
            }
            if statement.is_large {
                session.will_keep_memory();
            }
            let fetched = async {
                let lag = session.catch_up(self.shared.engine.pool()).await?;
                let fetched = statement::fetch(session.connection(), statement.sql, values).await?;
                Ok(match lag {
                    Some(lag) => fetched.of_standby(lag),
                    None => fetched,
                })
            };
            let fetched = fetched.await;
            (session, fetched)
        });
        let running = self.shared.metrics.begin();
        let rows = match fetched.instrument(spans::of_query()).await {
            Ok(Fetched::Rows(rows)) => Ok(rows),
            Ok(Fetched::Redefined) => Err(RunError::Redefined),
            Ok(Fetched::RowTooLarge) => {
                Err(RunError::RowTooLarge { max_bytes: self.shared.limits.max_bytes })
            }
            Err(error) => Err(error),
        };
        running.end(&rows);
        rows
    }

    async fn stream(
        &self,
        template: &Template,
        values: &[BoundValue],
    ) -> Result<RowStream, RunError> {
        let Shared { engine, limits, exports, metrics, .. } = &*self.shared;
        let export_permit =
            Arc::clone(exports).try_acquire_owned().map_err(|_| RunError::QueueFull);
        let export_permit = export_permit.inspect_err(|error| metrics.rejected(error))?;
        let permit = self.permit().await?;
        let (sender, rows) = mpsc::channel(CHUNKS_AHEAD);
        let export = CursorExport::new(template, values, self.needs.clone(), *limits, sender);
        let running = export.run(Arc::clone(engine), permit, export_permit, metrics.begin());
        tokio::spawn(running.in_current_span());
        self.in_time(RowStream::begun(rows)).await?
    }

    fn ends_abandoned_runs(&self) -> bool {
        self.shared.engine.ends_abandoned_runs()
    }

    fn unended_runs(&self) -> u32 {
        self.shared.engine.unended_runs()
    }

    async fn session(&self, needs: SessionNeeds) -> Result<Box<dyn QueryRunner>, RunError> {
        let known = Known { is_quick: needs.is_quick, is_tried: needs.is_tried };
        let permit = self.shared.acquire(needs.caller.as_deref(), known).await?;
        let time_left = Mutex::new(self.shared.limits.deadline);
        let session = Some(RunSession { permit, time_left });
        Ok(Box::new(Self { shared: Arc::clone(&self.shared), needs, session }))
    }
}

/// The characters of `statement` before the template's SQL in it.
fn characters_before(statement: &str, template: &str) -> usize {
    let at = statement.find(template).unwrap_or_default();
    statement[..at].chars().count()
}
