//! A pooler between metricd and the server, such as `PgBouncer`: whether each connection has a session of its own.
//!
//! Must ask by simple queries alone: a prepared statement may be unknown to the next session.

use sqlx::{PgConnection, Row as _};

/// How often two connections are asked. Where others use the same sessions, the same answer may come by chance.
const ROUNDS: usize = 8;

/// Whether each of two connections that are open at once keeps a session to itself. A pooler that gives sessions out for one
/// transaction gives the only one that is idle to both, and one of several to each in turn.
///
/// # Errors
/// When one is lost.
pub(super) async fn keep_sessions(
    first: &mut PgConnection,
    second: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let (own, other) = (process(first).await?, process(second).await?);
    let mut keep = own != other;
    for round in 0..ROUNDS {
        // Each twice, then the other: by turns alone, two sessions in turn would seem to be kept.
        let is_first = round / 2 % 2 == 1;
        let (connection, before) =
            if is_first { (&mut *first, own) } else { (&mut *second, other) };
        keep &= process(connection).await? == before;
    }
    Ok(keep)
}

/// The process of the server that answers.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}
