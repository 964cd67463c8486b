//! Running authors' SQL. Nothing here may write: every statement runs read-only.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use metricd_core::{
    changes::Snapshot,
    metric::Column,
    sql::{BoundValue, Callable, FieldName, ParameterType, TableName, Template},
};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::error::{Cause, Classified, Classify};

/// Describes and runs SQL that came from outside.
#[async_trait]
pub trait QueryRunner: Send + Sync {
    /// Asks the database what `sql` takes and gives, without running it.
    ///
    /// # Errors
    /// [`RunError::Rejected`] when the database does not accept the statement.
    async fn describe(&self, sql: &str) -> Result<Description, RunError>;

    /// Those of `tables` that stored SQL may not read, or that do not exist.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError>;

    /// For each of `fields`, what PostgreSQL could call by it: functions of one argument and types, in
    /// whatever schema. Nothing where it is a column for certain.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError>;

    /// What the planner thinks that running `template` with the values of its parameters would cost,
    /// in its own units. Nothing runs.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn cost(&self, template: &Template, values: &[BoundValue]) -> Result<f64, RunError>;

    /// Runs `template` with the values of its parameters, read-only, and gives at most `max_rows`
    /// rows.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn run(
        &self,
        template: &Template,
        values: &[BoundValue],
        max_rows: u32,
    ) -> Result<Rows, RunError>;

    /// Runs `template` with the values of its parameters, read-only, and gives all rows, however many:
    /// as they are taken, and no longer than whoever takes them is there. Comes back when there is a first
    /// row, or none at all.
    ///
    /// # Errors
    /// See [`RunError`]; [`RunError::QueueFull`] when as many as may be are given all rows already.
    async fn stream(
        &self,
        template: &Template,
        values: &[BoundValue],
    ) -> Result<RowStream, RunError>;

    /// Waits for a place in the line, and gives a runner that asks everything from there and has one
    /// deadline for all of it.
    ///
    /// # Errors
    /// See [`RunError`].
    async fn session(&self) -> Result<Box<dyn QueryRunner>, RunError>;
}

/// What the database knows of a statement before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The type of each `$n`, in order; `None` for a type that no slot can have.
    pub parameters: Vec<Option<ParameterType>>,
    /// The columns of the answer.
    pub columns: Vec<Column>,
}

/// An answer's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// A JSON array of objects, as PostgreSQL wrote it: numbers are exact, digit for digit.
    pub json: String,
    /// Whether rows were left out because there were more than allowed.
    pub truncated: bool,
    /// What was seen when they were read.
    pub snapshot: Snapshot,
}

/// All rows of an answer, on their way. Dropping it ends the query.
#[derive(Debug)]
pub struct RowStream {
    first: Option<Bytes>,
    rest: mpsc::Receiver<RowPiece>,
    is_over: bool,
}

/// Some lines, each ended by CR and LF: the values as PostgreSQL writes them, separated by commas and
/// quoted as RFC 4180 has it, nothing for a null. `None` comes after the last ones.
pub type RowPiece = Result<Option<Bytes>, RunError>;

/// Whoever sent the rows is gone.
#[derive(Debug, Error)]
#[error("the rows ended before the last one")]
struct EndedEarly;

impl RowStream {
    /// Waits for the first piece of `rest`.
    ///
    /// # Errors
    /// The one that comes in its place.
    pub async fn begun(mut rest: mpsc::Receiver<RowPiece>) -> Result<Self, RunError> {
        let first = rest.recv().await.unwrap_or_else(|| Err(early()))?;
        Ok(Self { is_over: first.is_none(), first, rest })
    }

    /// The next lines, or an error in their place; nothing once all rows were given. Without that end,
    /// what was given is not the whole.
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

    /// The same, for whoever can wait.
    pub async fn next(&mut self) -> Option<Result<Bytes, RunError>> {
        poll_fn(|context| self.poll_next(context)).await
    }
}

fn early() -> RunError {
    RunError::Failed(EndedEarly.into())
}

/// Why a statement gave no rows.
#[derive(Debug, Error)]
pub enum RunError {
    /// The database does not accept the statement as it stands.
    #[error("the database rejected the query: {message}")]
    Rejected {
        /// The database's own words, for those who may see the SQL.
        message: String,
    },
    /// The statement was accepted and failed while running.
    #[error("the stored query failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The planner thinks that it costs more than allowed.
    #[error(
        "the query is too expensive: the planner estimates a cost of {cost:.0}, and the limit is {ceiling:.0}"
    )]
    TooExpensive {
        /// What the planner thinks, in its own units.
        cost: f64,
        /// The most that is allowed.
        ceiling: f64,
        /// Whether a window of fewer days may cost less.
        has_days: bool,
    },
    /// One row alone is larger than an answer may be.
    #[error("a row of the result is larger than {max_bytes} bytes")]
    RowTooLarge {
        /// The most bytes of an answer.
        max_bytes: u64,
    },
    /// So many are waiting already that it makes no sense to wait too.
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
            Self::Rejected { .. } | Self::Failed(_) => Cause::QueryFailed.into(),
            Self::TooExpensive { has_days: true, .. } => {
                Classified { hint: Some("Ask for fewer days."), ..Cause::QueryTooExpensive.into() }
            }
            Self::TooExpensive { .. } => Cause::QueryTooExpensive.into(),
            Self::RowTooLarge { .. } => Cause::RowTooLarge.into(),
            Self::QueueFull => Cause::QueueFull.into(),
            Self::Deadline => Cause::QueryTimeout.into(),
            Self::Unavailable(_) => Cause::DatabaseUnavailable.into(),
        }
    }
}

impl RunError {
    /// Whether it is the query's own fault, which its author can mend: not one of the moment.
    #[must_use]
    pub fn is_query_fault(&self) -> bool {
        matches!(self, Self::Rejected { .. } | Self::TooExpensive { .. } | Self::RowTooLarge { .. })
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
    async fn rows_are_whole_only_when_their_end_has_come() {
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
