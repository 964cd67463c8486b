//! Rows without a limit: read through a cursor, in a read-only transaction, as fast as somebody takes them.
//!
//! Must never hold more of them in memory than a row and a few chunks, nor anything in the database for
//! longer than whoever takes them is there.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use metricd_application::ports::{RowPiece, RunError};
use metricd_core::sql::{BoundValue, Template};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use thiserror::Error;
use tokio::sync::mpsc::Sender;

#[cfg(feature = "embedded")]
use crate::query_runner::begin_embedded;
use crate::{
    db::Reader,
    query_runner::{Engine, NotOpen, RunLimits, bound, run_error},
    queue::Place,
};

/// How many bytes of lines go on their way together.
const CHUNK: usize = 64 * 1024;

/// How many chunks wait to be taken.
pub(crate) const AHEAD: usize = 2;

/// How many rows the database is asked for at a time. The embedded engine holds so many.
const BATCH: u32 = 1_000;

/// Whoever takes nothing for so long does not want the rest.
const PATIENCE: Duration = Duration::from_secs(30);

/// The rows of one statement, and who takes them.
pub(crate) struct Export {
    statement: String,
    values: Vec<BoundValue>,
    limits: RunLimits,
    taker: Sender<RowPiece>,
}

/// Nobody takes the rows.
#[derive(Debug, Error)]
#[error("nobody has taken a row for {} seconds", PATIENCE.as_secs())]
struct NobodyTakes;

impl Export {
    /// The rows of `template` with the values of its parameters, for `taker`.
    pub(crate) fn new(
        template: &Template,
        values: &[BoundValue],
        limits: RunLimits,
        taker: Sender<RowPiece>,
    ) -> Self {
        // A record's text is a line of comma-separated values in parentheses. OFFSET keeps it from being
        // written twice, once to be measured.
        let statement = format!(
            "DECLARE metricd_export NO SCROLL CURSOR FOR \
             SELECT CASE WHEN octet_length(line) <= {} THEN line END FROM (\n\
             SELECT (q.*)::text AS line FROM (\n{}\n) AS q OFFSET 0) AS r",
            limits.max_bytes, template.sql,
        );
        Self { statement, values: values.to_vec(), limits, taker }
    }

    /// Gives all rows, or as many as there is time for, and then word of how it ended. Whoever takes them
    /// ends it by leaving.
    pub(crate) async fn run(self, engine: Arc<Engine>, place: Arc<Place>, turn: impl Send) {
        let taker = self.taker.clone();
        let all = tokio::time::timeout(self.limits.export_deadline, self.give_all(&engine, &place));
        let outcome = tokio::select! {
            done = all => done.unwrap_or(Err(RunError::Deadline)),
            () = taker.closed() => return,
        };
        // Whoever takes nothing hears of it late.
        drop((place, turn));
        // Nobody may be left to tell.
        let _ = taker.send(outcome.map(|()| None)).await;
    }

    /// Only a session in which all went well is used again.
    async fn give_all(&self, engine: &Engine, place: &Arc<Place>) -> Result<(), RunError> {
        match engine {
            Engine::Server(reader) => {
                let reader: &Reader =
                    reader.get().ok_or_else(|| RunError::Unavailable(NotOpen.into()))?;
                let mut running = reader.sessions().open(Some(place)).await.map_err(run_error)?;
                let connection = running.connection();
                let begin = format!(
                    "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; \
                     SET LOCAL idle_in_transaction_session_timeout = {}; \
                     SET LOCAL cursor_tuple_fraction = 1",
                    milliseconds(self.limits.export_deadline * 2),
                    milliseconds(PATIENCE * 2),
                );
                execute(connection, &begin).await?;
                self.give(connection).await?;
                execute(connection, "ROLLBACK").await?;
                running.end(&Ok(()));
            }
            #[cfg(feature = "embedded")]
            Engine::Embedded { pool, turns, .. } => {
                let turn = turns.take().await?;
                let mut tx = begin_embedded(pool).await.map_err(run_error)?;
                self.give(&mut tx).await?;
                tx.rollback().await.map_err(run_error)?;
                turn.end();
            }
        }
        Ok(())
    }

    async fn give(&self, connection: &mut PgConnection) -> Result<(), RunError> {
        let declare = sqlx::query_as::<_, (String,)>(AssertSqlSafe(self.statement.as_str()));
        let declare = bound(declare, &self.values).persistent(false);
        self.in_time(declare.fetch_optional(&mut *connection)).await?;
        let fetch = format!("FETCH {BATCH} FROM metricd_export");
        // The first row goes on its way alone: until then it can be said what went wrong.
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
                    enough = CHUNK;
                }
            }
            if count < BATCH {
                break;
            }
        }
        if chunk.is_empty() { Ok(()) } else { self.send(chunk).await }
    }

    /// What the database is asked takes no longer than a query may, whoever waits for it.
    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, RunError> {
        let answer = tokio::time::timeout(self.limits.deadline, asked).await;
        answer.map_err(|_| RunError::Deadline)?.map_err(run_error)
    }

    async fn send(&self, chunk: Vec<u8>) -> Result<(), RunError> {
        let sent = tokio::time::timeout(PATIENCE, self.taker.send(Ok(Some(Bytes::from(chunk)))));
        // Whoever has left has ended all this.
        sent.await.map(|_| ()).map_err(|_| RunError::Failed(NobodyTakes.into()))
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), RunError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(run_error)?;
    Ok(())
}

fn milliseconds(time: Duration) -> u128 {
    time.as_millis().min(i32::MAX.unsigned_abs().into())
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
