//! The port that runs stored SQL. Must never write: every statement runs read-only.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono_tz::Tz;
use metricd_core::{
    actor::Identity,
    changes::{DefinedName, Snapshot},
    metric::Column,
    sql::{
        BoundValue, Callable, FieldName, ForeignOperator, OperatorUse, ParameterType, TableName,
        Template, TimesRead,
    },
    window::ParamName,
};
use thiserror::Error;
use tokio::sync::mpsc;

use super::QueryFault;
use crate::error::{Cause, Classified, Classify, InputField};

/// Describes, costs and runs stored SQL.
#[async_trait]
pub trait QueryRunner: Send + Sync {
    /// Returns the parameters and columns of `sql`, by the database, without running it.
    ///
    /// # Errors
    /// [`RunError::Rejected`] when the database rejects the statement.
    async fn describe(&self, sql: &str) -> Result<Description, RunError>;

    /// Returns those of `tables` that stored SQL may not read, or that do not exist.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError>;

    /// Returns, for each of `fields`, what PostgreSQL could call by that name: functions of one argument
    /// and types, in any schema. Empty where it is certainly a column.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError>;

    /// Returns the operators outside `pg_catalog` that `operators` may mean over columns of `tables`, where `called` are the
    /// functions and types that the statement names.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn foreign_operators(
        &self,
        operators: &[OperatorUse],
        tables: &[TableName],
        called: &[String],
    ) -> Result<Vec<ForeignOperator>, RunError>;

    /// Returns what the database says of `template` and of the relations that it names, without running it.
    ///
    /// # Errors
    /// [`RunError::Rejected`] when the database rejects the statement, [`RunError::Redefined`] when one of the relations
    /// is made meanwhile.
    async fn describe_template(&self, template: &Template)
    -> Result<TemplateDescription, RunError>;

    /// Returns the planner's estimate of the cost of `template` with the values of its parameters, in
    /// its own units, without running it.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn cost(&self, template: &Template, values: &[BoundValue]) -> Result<f64, RunError>;

    /// Runs `template` with the values of its parameters, and returns at most `max_rows` rows.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn run(
        &self,
        template: &Template,
        values: &[BoundValue],
        max_rows: u32,
    ) -> Result<Rows, RunError>;

    /// Runs `template` with the values of its parameters, and streams all rows with backpressure until
    /// the stream is dropped. Returns once there is a first row, or none at all.
    ///
    /// # Errors
    /// See [`RunError`]; [`RunError::QueueFull`] when the limit on concurrent streams is reached.
    async fn stream(
        &self,
        template: &Template,
        values: &[BoundValue],
    ) -> Result<RowStream, RunError>;

    /// Whether a run ends when its caller leaves; else the database goes on with it until its deadline, and others wait.
    fn ends_abandoned_runs(&self) -> bool {
        true
    }

    /// Returns how many runs were told to end and go on in the database, where each holds its permit until it is gone.
    fn unended_runs(&self) -> u32 {
        0
    }

    /// Waits in the queue for a permit, and returns a runner that holds it, with one deadline for all its
    /// statements.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn session(&self, needs: SessionNeeds) -> Result<Box<dyn QueryRunner>, RunError>;

    /// Waits for a session in which questions about SQL are asked for `caller`, with whom others take turns, and none of it is
    /// run.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn questions(&self, caller: Arc<Identity>) -> Result<Box<dyn QueryRunner>, RunError> {
        self.session(SessionNeeds { caller: Some(caller), ..SessionNeeds::default() }).await
    }
}

/// The parameters and columns of a statement, by the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The type of each `$n`, in order; `None` for a type that no parameter can have.
    pub parameters: Vec<Option<ParameterType>>,
    /// The columns of the answer.
    pub columns: Vec<Column>,
}

/// What the database says of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateDescription {
    /// The columns of its answer.
    pub columns: Vec<Column>,
    /// What it reads of times.
    pub times: TimesRead,
    /// The relations that it names.
    pub relations: Arc<Relations>,
}

/// The tables and views that a statement names, and the functions and types that it calls, as they are defined at one
/// moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// A condition of the database's, true until the columns of a table or view change, or a function is made anew.
    pub unchanged: String,
    /// For each, what moves with every change of its definition and of what it is made of.
    pub definitions: BTreeMap<DefinedName, String>,
    /// Whether any of them calls a function that did not come with the database: such a function can change settings of
    /// the session that it runs in.
    pub calls_functions: bool,
}

impl Relations {
    /// Whether `table` is among them.
    #[must_use]
    pub fn has(&self, table: &TableName) -> bool {
        self.definitions.contains_key(&DefinedName::Relation(table.clone()))
    }
}

/// What the statements of a session need.
#[derive(Debug, Clone)]
pub struct SessionNeeds {
    /// The session's time zone.
    pub timezone: Tz,
    /// The relations as the statement was described; it does not run on others ([`RunError::Redefined`]).
    pub relations: Option<Arc<Relations>>,
    /// The caller, with whom others take turns; none if metricd asks for itself.
    pub caller: Option<Arc<Identity>>,
    /// Whether it is known to cost little.
    pub is_quick: bool,
    /// Whether the statement has ended by itself before: one that has not may never.
    pub is_tried: bool,
}

impl SessionNeeds {
    /// The condition of the database's under which its statements run; none if they name no relation.
    #[must_use]
    pub fn unchanged(&self) -> Option<&str> {
        let known = self.relations.as_ref().filter(|known| !known.definitions.is_empty())?;
        Some(&known.unchanged)
    }

    /// Whether its statements call functions that did not come with the database.
    #[must_use]
    pub fn calls_functions(&self) -> bool {
        self.relations.as_ref().is_some_and(|known| known.calls_functions)
    }
}

impl Default for SessionNeeds {
    fn default() -> Self {
        Self { timezone: Tz::UTC, relations: None, caller: None, is_quick: false, is_tried: false }
    }
}

/// The rows of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// A JSON array of objects, as PostgreSQL wrote it: numbers are exact, digit for digit.
    pub json: String,
    /// Whether rows were left out because there were more than allowed.
    pub truncated: bool,
    /// The snapshot that they were read with.
    pub snapshot: Snapshot,
    /// By how much they may be older than the beginning of the read: they come from a copy of the database that is
    /// behind. `None` where they hold all that was committed by then.
    pub behind: Option<Duration>,
}

/// A stream of all rows of an answer. Dropping it cancels the query.
#[derive(Debug)]
pub struct RowStream {
    first: Option<Bytes>,
    rest: mpsc::Receiver<RowPiece>,
    is_over: bool,
}

/// Lines of CSV by RFC 4180, each ended by CR and LF, with the values as PostgreSQL writes them and NULL
/// as an empty field. `None` marks the end.
pub type RowPiece = Result<Option<Bytes>, RunError>;

/// The sender of the rows was dropped before the end.
#[derive(Debug, Error)]
#[error("the rows ended before the last one")]
struct EndedEarly;

impl RowStream {
    /// Waits for the first piece of `rest`, and returns the stream.
    ///
    /// # Errors
    /// When the first piece is one.
    pub async fn begun(mut rest: mpsc::Receiver<RowPiece>) -> Result<Self, RunError> {
        let first = rest.recv().await.unwrap_or_else(|| Err(early()))?;
        Ok(Self { is_over: first.is_none(), first, rest })
    }

    /// Polls for the next lines or an error; `None` after all rows. Without that end the answer is
    /// incomplete.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, RunError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.rest.poll_recv(context)).unwrap_or_else(|| Err(early()));
        self.is_over = !matches!(piece, Ok(Some(_)));
        Poll::Ready(piece.transpose())
    }

    /// Waits for the next lines or an error; `None` after all rows.
    pub async fn next(&mut self) -> Option<Result<Bytes, RunError>> {
        poll_fn(|context| self.poll_next(context)).await
    }
}

fn early() -> RunError {
    RunError::Failed(EndedEarly.into())
}

/// The reason why a statement failed.
#[derive(Debug, Error)]
pub enum RunError {
    /// The database rejected the statement.
    #[error("the database rejected the query: {message}")]
    Rejected {
        /// The database's message, for callers who may see the SQL.
        message: String,
        /// Where in the statement, in characters from 0.
        offset: Option<usize>,
    },
    /// The database reports an error of the statement: it no longer fits the database, or failed on data.
    #[error("the stored query failed")]
    Query(#[source] QueryFault),
    /// The statement is no longer permitted.
    #[error("the stored query is no longer permitted")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A failure of the server or the database, not of the statement.
    #[error("the query could not be run")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The planner's estimate exceeds the limit.
    #[error(
        "the query is too expensive: the planner estimates a cost of {cost:.0}, and the limit is {ceiling:.0}"
    )]
    TooExpensive {
        /// The planner's estimate, in its own units.
        cost: f64,
        /// The limit.
        ceiling: f64,
        /// Whether a window of fewer days may cost less.
        has_days: bool,
    },
    /// One row alone exceeds the limit on an answer's size.
    #[error("a row of the result is larger than {max_bytes} bytes")]
    RowTooLarge {
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// The database does not know the time zone.
    #[error("the database does not know this time zone")]
    UnknownTimezone,
    /// A table or view of the statement was redefined since the statement was described.
    #[error("a table or view of the query was redefined")]
    Redefined,
    /// The queue is full.
    #[error("too many queries are queued")]
    QueueFull,
    /// The deadline passed.
    #[error("the query took too long")]
    Deadline,
    /// The database cannot be reached.
    #[error("the database is busy or unreachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for RunError {
    fn classify(&self) -> Classified {
        match self {
            Self::Refused(_) => Cause::MetricBroken.into(),
            Self::Query(fault) if fault.is_broken() => Cause::MetricBroken.into(),
            Self::Rejected { .. } | Self::Query(_) => Cause::QueryFailed.into(),
            Self::Failed(_) => Cause::Internal.into(),
            Self::TooExpensive { has_days: true, .. } => {
                Classified { hint: Some("Ask for fewer days."), ..Cause::QueryTooExpensive.into() }
            }
            Self::TooExpensive { .. } => Cause::QueryTooExpensive.into(),
            Self::RowTooLarge { .. } => Cause::RowTooLarge.into(),
            Self::UnknownTimezone => {
                let field = InputField::Window(ParamName::Timezone);
                Classified::faulty(Cause::InvalidWindow, field, self)
            }
            Self::QueueFull => Cause::QueueFull.into(),
            Self::Deadline => Cause::QueryTimeout.into(),
            // A table that is redefined again and again: described anew, the statement runs.
            Self::Redefined | Self::Unavailable(_) => Cause::DatabaseUnavailable.into(),
        }
    }
}

impl RunError {
    /// Whether the query itself is at fault, so that only its author can fix it.
    #[must_use]
    pub fn is_query_fault(&self) -> bool {
        matches!(
            self,
            Self::Rejected { .. }
                | Self::Query(_)
                | Self::Refused(_)
                | Self::TooExpensive { .. }
                | Self::RowTooLarge { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rest_of(pieces: Vec<RowPiece>) -> Result<Vec<String>, RunError> {
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        drop(sender);
        let mut stream = RowStream::begun(receiver).await?;
        let mut taken = Vec::new();
        while let Some(lines) = stream.next().await {
            taken.push(String::from_utf8(lines?.to_vec()).unwrap());
        }
        assert!(stream.next().await.is_none());
        Ok(taken)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands among others that fail")]
    fn lines(text: &'static str) -> RowPiece {
        Ok(Some(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn rows_without_an_end_are_an_error() {
        assert_eq!(rest_of(vec![Ok(None)]).await.unwrap(), Vec::<String>::new());
        let two = rest_of(vec![lines("a"), lines("b"), Ok(None)]).await.unwrap();
        assert_eq!(two, ["a", "b"]);
        for pieces in [
            vec![],
            vec![lines("a")],
            vec![lines("a"), lines("b")],
            vec![lines("a"), Err(RunError::Deadline)],
            vec![Err(RunError::Deadline)],
        ] {
            rest_of(pieces).await.unwrap_err();
        }
    }
}
