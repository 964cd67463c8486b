//! What the database reports, as errors of the ports.

use std::{future::Future, io::ErrorKind, sync::Arc};

use metricd_application::ports::{StoreError, before_values};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::postgres::PgDatabaseError;
use thiserror::Error;

use super::corrupt_row::CorruptRow;

/// A database error without what it quotes of rows: its detail, and where the fault may be in the data,
/// everything from the first value in its message on.
#[derive(Debug, Error)]
#[error("{message} (SQLSTATE {code})")]
pub(crate) struct DatabaseFault {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl DatabaseFault {
    pub(crate) fn of(error: &PgDatabaseError) -> Self {
        let message = error.message();
        let message = match error.code().get(..2) {
            Some("22" | "23") => before_values(message),
            _ => message,
        };
        Self { code: error.code().to_owned(), message: message.to_owned() }
    }
}

impl DatabaseFault {
    /// With all that PostgreSQL says, for the operator alone: it may quote rows.
    pub(crate) fn whole(error: &DbErr) -> Option<Self> {
        let error = pg_error(sqlx_error(error)?)?;
        let message = match error.detail() {
            Some(detail) => format!("{}: {}", error.message(), detail.trim_end_matches('.')),
            None => error.message().to_owned(),
        };
        Some(Self { code: error.code().to_owned(), message })
    }

    /// Of a statement whose rows were being read: whatever its code, it may quote them. Only what is said
    /// of tables, columns and functions is kept whole.
    pub(crate) fn while_reading(error: &PgDatabaseError) -> Self {
        let message = match error.code() {
            "42501" | "42P01" | "42703" | "42883" => error.message(),
            _ => before_values(error.message()),
        };
        Self { code: error.code().to_owned(), message: message.to_owned() }
    }
}

/// The planner's estimate in what `EXPLAIN (FORMAT JSON)` gives, in its own units.
pub(crate) fn planner_cost(plan: &serde_json::Value) -> Option<f64> {
    plan.pointer("/0/Plan/Total Cost").and_then(serde_json::Value::as_f64)
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Whether the connection itself broke: a retry on a fresh one may succeed at once.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        // 57P01 to 57P03 and 57P05: the server ended the session; class 08: connection exception.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("57P") && code != "57P04" || code.starts_with("08")
        }),
        _ => false,
    }
}

/// Whether there is no room on its disk.
fn is_disk_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::StorageFull,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "53100"),
        _ => false,
    }
}

/// Whether reading or writing a file failed. As WebAssembly tells it, the embedded engine knows a full disk by no other code.
pub(crate) fn is_io_error(error: &sqlx::Error) -> bool {
    pg_error(error).is_some_and(|error| error.code() == "58030")
}

/// Whether the database cannot do it at present, and may later.
pub(crate) fn is_unavailable(error: &sqlx::Error) -> bool {
    let refused = match error {
        // No room in its memory; too many connections; another transaction came between.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| matches!(&*code, "53200" | "53300" | "40001" | "40P01"))
        }
        other => matches!(
            other,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_)
        ),
    };
    refused || is_disk_full(error) || is_io_error(error) || is_lost(error)
}

/// An error of setting a session's time zone: one that the statement itself is to blame for says that the database's
/// time zone data do not have the zone.
pub(crate) fn unknown_timezone(error: sqlx::Error) -> sqlx::Error {
    let is_unknown = pg_error(&error).is_some_and(|fault| fault.code() == "22023");
    if is_unknown { sqlx::Error::Configuration(error.into()) } else { error }
}

/// The sqlx error inside a SeaORM error.
fn sqlx_error(error: &DbErr) -> Option<&Arc<sqlx::Error>> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The SQLSTATE of an error that the database reports.
pub(crate) fn sqlstate(error: &DbErr) -> Option<&str> {
    pg_error(sqlx_error(error)?).map(PgDatabaseError::code)
}

/// An error of which [`retry_lost`] can tell whether a retry is worth it.
pub(crate) trait MayBeLost {
    fn is_lost(&self) -> bool;
}

impl MayBeLost for DbErr {
    fn is_lost(&self) -> bool {
        sqlx_error(self).is_some_and(|error| is_lost(error))
    }
}

impl MayBeLost for sqlx::Error {
    fn is_lost(&self) -> bool {
        is_lost(self)
    }
}

/// Retries `operation` while it meets connections that broke as they lay idle, at most as many times as
/// the pool has connections. Only for what changes nothing.
pub(crate) async fn retry_lost<T, E, F>(
    connections: u32,
    mut operation: impl FnMut() -> F,
) -> Result<T, E>
where
    E: MayBeLost,
    F: Future<Output = Result<T, E>>,
{
    for _ in 0..connections {
        match operation().await {
            Err(error) if error.is_lost() => {}
            done => return done,
        }
    }
    operation().await
}

/// A SeaORM error as an error of the port.
pub(crate) fn store_error(error: DbErr) -> StoreError {
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) =
        error
    {
        return StoreError::Unavailable(error.into());
    }
    let Some(cause) = sqlx_error(&error) else {
        return StoreError::Failed(error.into());
    };
    if is_disk_full(cause) {
        return StoreError::DiskFull(source_of(cause));
    }
    if is_unavailable(cause) {
        return StoreError::Unavailable(source_of(cause));
    }
    match pg_error(cause).map(|error| (error.code(), subject(error))) {
        Some(("23505", Some(what))) => StoreError::Duplicate { what },
        Some(("23503", Some(what))) => StoreError::Reference { what },
        _ => StoreError::Failed(source_of(cause)),
    }
}

/// A corrupt row as an error of the port.
pub(crate) fn corrupt(
    what: &'static str,
    id: impl std::fmt::Display,
) -> impl FnOnce(CorruptRow) -> StoreError {
    let id = id.to_string();
    move |corrupt| StoreError::Corrupt { what, id, source: corrupt.into() }
}

pub(crate) fn pg_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

fn source_of(error: &Arc<sqlx::Error>) -> Source {
    match pg_error(error) {
        Some(error) => DatabaseFault::of(error).into(),
        None => Arc::clone(error).into(),
    }
}

/// What a violated key is about, by the constraint's name.
fn subject(error: &PgDatabaseError) -> Option<&'static str> {
    match error.constraint()? {
        "queries_pkey" | "metric_configurations_query_id_fkey" => Some("query"),
        "metric_configurations_pkey" | "layout_items_metric_id_fkey" | "layout_items_pkey" => {
            Some("metric")
        }
        "metrics_pkey" => Some("record"),
        _ => None,
    }
}
