//! metricd's own statements in the simple query protocol, which takes several in one trip.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

/// Executes one or more statements.
pub(super) async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
}

/// A time as a setting's value. Never 0, which would be no limit.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis().clamp(1, i32::MAX.unsigned_abs().into()))
}
