//! An export: all rows of a statement, read through a cursor as fast as the receiver takes them.
//!
//! Must never hold more of them in memory than a row and a few chunks, nor anything in the database for
//! longer than the receiver is there: backpressure reaches the cursor.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use metricd_application::ports::{RowPiece, RunError, SessionNeeds};
use metricd_core::sql::{BoundValue, Template};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use thiserror::Error;
use tokio::sync::mpsc::Sender;

use super::{
    errors::{run_error, run_error_after},
    limits::RunLimits,
    query_metrics::RunningQuery,
    statement::arguments,
};
use crate::db::{engine::Engine, purpose::Purpose, queue::RunPermit};

/// How many bytes of lines are sent together.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks wait to be taken.
pub(super) const CHUNKS_AHEAD: usize = 2;

/// How many rows the database is asked for at a time. The embedded engine holds so many.
const BATCH_ROWS: u32 = 1_000;

/// A receiver that takes nothing for so long does not want the rest.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// An export of the rows of one statement to a receiver.
pub(super) struct CursorExport {
    /// The template's SQL.
    sql: String,
    statement: String,
    /// The characters of it before the template's SQL.
    before: usize,
    values: Vec<BoundValue>,
    needs: SessionNeeds,
    limits: RunLimits,
    sender: Sender<RowPiece>,
}

/// The receiver does not take the rows.
#[derive(Debug, Error)]
#[error("the client has not taken a row for {} seconds", SEND_TIMEOUT.as_secs())]
struct ReceiverStalled;

impl CursorExport {
    /// The rows of `template` with the values of its parameters, for the receiver of `sender`.
    pub(super) fn new(
        template: &Template,
        values: &[BoundValue],
        needs: SessionNeeds,
        limits: RunLimits,
        sender: Sender<RowPiece>,
    ) -> Self {
        // A record's text is a line of comma-separated values in parentheses. OFFSET keeps it from being
        // written twice, once to be measured.
        let statement = format!(
            "DECLARE metricd_export NO SCROLL CURSOR FOR \
             SELECT CASE WHEN octet_length(line) <= {} THEN line END FROM (\n\
             SELECT (q.*)::text AS line FROM (\n{}\n) AS q OFFSET 0) AS r",
            limits.max_bytes, template.sql,
        );
        let before = statement.find(&template.sql).unwrap_or_default();
        let before = statement[..before].chars().count();
        let sql = template.sql.clone();
        Self { sql, statement, before, values: values.to_vec(), needs, limits, sender }
    }

    /// Sends all rows, or as many as there is time for, and then how it ended. The receiver ends it by
    /// going away.
    pub(super) async fn run(
        self,
        engine: Arc<Engine>,
        permit: Arc<RunPermit>,
        export_permit: impl Send,
        running: RunningQuery,
    ) {
        let sender = self.sender.clone();
        let all =
            tokio::time::timeout(self.limits.export_deadline, self.send_all(&engine, &permit));
        let outcome = tokio::select! {
            done = all => done.unwrap_or(Err(RunError::Deadline)),
            () = sender.closed() => return,
        };
        running.end(&outcome);
        // A receiver that stalls learns of the outcome late.
        drop((permit, export_permit));
        // The receiver may be gone.
        let _ = sender.send(outcome.map(|()| None)).await;
    }

    /// Only a session in which all went well is used again.
    async fn send_all(&self, engine: &Engine, permit: &Arc<RunPermit>) -> Result<(), RunError> {
        let purpose = Purpose::Export { sql: &self.sql };
        let admitted = engine.admit_query(purpose).await?;
        let session = admitted.open_session(permit, self.needs.timezone);
        let mut session = session.await.map_err(run_error)?;
        let statement_timeout = self.limits.export_deadline * 2;
        session.begin_cursor(statement_timeout, SEND_TIMEOUT * 2).await.map_err(run_error)?;
        self.send_rows(session.connection()).await?;
        session.end_cursor().await.map_err(run_error)?;
        admitted.finish(&Ok(()));
        Ok(())
    }

    async fn send_rows(&self, connection: &mut PgConnection) -> Result<(), RunError> {
        let values = arguments(&self.values).map_err(run_error)?;
        let declare = sqlx::query_with(AssertSqlSafe(self.statement.as_str()), values);
        let declared = tokio::time::timeout(
            self.limits.deadline,
            declare.persistent(false).execute(&mut *connection),
        );
        let declared = declared.await.map_err(|_| RunError::Deadline)?;
        declared.map_err(|error| run_error_after(self.before, error))?;
        self.check_relations(&mut *connection).await?;
        let fetch = format!("FETCH {BATCH_ROWS} FROM metricd_export");
        // The first row is sent alone: until then it can be said what went wrong.
        let (mut chunk, mut enough) = (Vec::new(), 1);
        loop {
            let mut rows = sqlx::raw_sql(AssertSqlSafe(fetch.as_str())).fetch(&mut *connection);
            let mut count = 0;
            while let Some(row) = self.in_time(rows.try_next()).await? {
                let record: Option<&str> = row.try_get(0).map_err(run_error)?;
                let max_bytes = self.limits.max_bytes;
                let record = record.ok_or(RunError::RowTooLarge { max_bytes })?;
                chunk.extend_from_slice(line(record).as_bytes());
                chunk.extend_from_slice(b"\r\n");
                count += 1;
                if chunk.len() >= enough {
                    self.send(mem::take(&mut chunk)).await?;
                    enough = CHUNK_BYTES;
                }
            }
            if count < BATCH_ROWS {
                break;
            }
        }
        if chunk.is_empty() { Ok(()) } else { self.send(chunk).await }
    }

    /// The cursor holds its tables: what they are now, they are until its end.
    async fn check_relations(&self, connection: &mut PgConnection) -> Result<(), RunError> {
        let Some(unchanged) = self.needs.unchanged() else { return Ok(()) };
        let asked = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {unchanged}")));
        let is_unchanged: bool = self.in_time(asked.fetch_one(connection)).await?;
        if is_unchanged { Ok(()) } else { Err(RunError::Redefined) }
    }

    /// Each answer of the database takes no longer than a query may, however slow the receiver is.
    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, RunError> {
        let answer = tokio::time::timeout(self.limits.deadline, asked).await;
        answer.map_err(|_| RunError::Deadline)?.map_err(run_error)
    }

    async fn send(&self, chunk: Vec<u8>) -> Result<(), RunError> {
        let sent =
            tokio::time::timeout(SEND_TIMEOUT, self.sender.send(Ok(Some(Bytes::from(chunk)))));
        // A receiver that went away has ended all this.
        sent.await.map(|_| ()).map_err(|_| RunError::Failed(ReceiverStalled.into()))
    }
}

/// A line of RFC 4180 from the text of a record. That has the same quotes, and doubles backslashes too,
/// which stand in quotes only.
fn line(record: &str) -> Cow<'_, str> {
    let inside = record.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let inside = inside.unwrap_or(record);
    if inside.contains('\\') { inside.replace(r"\\", r"\").into() } else { inside.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line() {
        for (record, expected) in [
            ("()", ""),
            ("(1,,)", "1,,"),
            (r#"("")"#, r#""""#),
            (r#"("a ""b""","(c)")"#, r#""a ""b""","(c)""#),
            (r#"("\\","a\\\\b,")"#, r#""\","a\\b,""#),
        ] {
            assert_eq!(line(record), expected);
        }
    }
}
