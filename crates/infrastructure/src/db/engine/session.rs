//! The sessions in which authors' SQL runs, on either engine.

use std::{sync::Arc, time::Duration};

use chrono_tz::Tz;
use sqlx::{PgConnection, PgPool};
#[cfg(feature = "embedded")]
use sqlx::{Postgres, Transaction};

#[cfg(feature = "embedded")]
use crate::db::embedded::begin_read_only;
use crate::db::{
    connection_gate::ConnectionPermit,
    errors::is_lost,
    queue::RunPermit,
    reader::{Lag, Reader, ReaderSession},
    simple_query::{execute, milliseconds},
};
#[cfg(feature = "embedded")]
use std::sync::Mutex;

/// The `work_mem` of planning: a part of what running has.
const PLANNING_MEMORY: &str = "4MB";

/// An author's query that may have a session now.
pub(in crate::db) struct AdmittedQuery<'a> {
    pub(super) source: SessionSource<'a>,
    pub(super) permit: ConnectionPermit,
}

pub(super) enum SessionSource<'a> {
    Reader(&'a Reader),
    #[cfg(feature = "embedded")]
    Pool {
        pool: &'a PgPool,
        timezone: &'a Arc<Mutex<Tz>>,
    },
}

impl AdmittedQuery<'_> {
    /// Opens a read-only session with the `TimeZone` `timezone`, which holds `permit` until nothing of it runs any
    /// more.
    pub(in crate::db) async fn open_session(
        &self,
        permit: &Arc<RunPermit>,
        timezone: Tz,
    ) -> Result<ReadSession, sqlx::Error> {
        match self.source {
            SessionSource::Reader(reader) => {
                reader.sessions().open(Some(permit), timezone).await.map(ReadSession::Reader)
            }
            #[cfg(feature = "embedded")]
            SessionSource::Pool { pool, timezone: last } => {
                let begun = Box::pin(begin_read_only(pool, timezone, last));
                begun.await.map(ReadSession::Transaction)
            }
        }
    }

    /// Lets the next query in after `done`: nothing of this one runs any more. Dropped instead, or where the connection is
    /// lost, it is let in when the engine has answered or was started again.
    pub(in crate::db) fn finish<T>(self, done: &Result<T, sqlx::Error>) {
        if !done.as_ref().is_err_and(is_lost) {
            self.permit.release();
        }
    }
}

/// A session that runs authors' SQL and can only read: one of the reader's, or, on an engine without
/// roles, a transaction that is READ ONLY and rolled back. Dropped, it ends with what it runs on a server; the
/// embedded engine finishes that first.
pub(in crate::db) enum ReadSession {
    Reader(ReaderSession),
    #[cfg(feature = "embedded")]
    Transaction(Transaction<'static, Postgres>),
}

impl ReadSession {
    /// The connection, on which anything that only reads may run.
    pub(in crate::db) fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Reader(session) => session.connection(),
            #[cfg(feature = "embedded")]
            Self::Transaction(tx) => tx,
        }
    }

    /// On a hot standby, waits until what the database of `pool` has committed by now can be read, and says how that
    /// went.
    pub(in crate::db) async fn catch_up(
        &mut self,
        pool: &PgPool,
    ) -> Result<Option<Lag>, sqlx::Error> {
        match self {
            Self::Reader(session) => session.catch_up(pool).await,
            #[cfg(feature = "embedded")]
            Self::Transaction(_) => Ok(None),
        }
    }

    /// Functions of others are called from now on: what they set is undone before the session is used again.
    pub(in crate::db) fn will_call_functions(&mut self) {
        match self {
            Self::Reader(session) => session.will_call_functions(),
            #[cfg(feature = "embedded")]
            Self::Transaction(_) => {}
        }
    }

    /// Large values are kept with a statement from now on: the session is not used again.
    pub(in crate::db) fn will_keep_memory(&mut self) {
        match self {
            Self::Reader(session) => session.will_keep_memory(),
            #[cfg(feature = "embedded")]
            Self::Transaction(_) => {}
        }
    }

    /// Ends the session after `outcome`, which it gives back.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unused_async, reason = "a server is the only engine then")
    )]
    pub(in crate::db) async fn end<T>(
        self,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        match self {
            Self::Reader(session) => session.end(&outcome),
            #[cfg(feature = "embedded")]
            Self::Transaction(tx) => tx.rollback().await?,
        }
        outcome
    }

    /// Begins planning a statement, which computes its constants: with less time and memory than running one, where the
    /// engine can time out.
    pub(in crate::db) async fn begin_planning(
        &mut self,
        statement_timeout: Duration,
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Reader(session) => {
                let begin = format!(
                    "BEGIN READ ONLY; SET LOCAL statement_timeout = '{}'; SET LOCAL work_mem = '{PLANNING_MEMORY}'",
                    milliseconds(statement_timeout),
                );
                execute(session.connection(), &begin).await
            }
            #[cfg(feature = "embedded")]
            Self::Transaction(_) => Ok(()),
        }
    }

    /// Ends planning, whatever came of it.
    pub(in crate::db) async fn end_planning(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Reader(session) => execute(session.connection(), "ROLLBACK").await,
            #[cfg(feature = "embedded")]
            Self::Transaction(_) => Ok(()),
        }
    }

    /// Begins a read-only transaction for a cursor, in which a statement may take `statement_timeout`
    /// and the client `idle_timeout` from one to the next, where the engine can time out.
    pub(in crate::db) async fn begin_cursor(
        &mut self,
        statement_timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Reader(session) => {
                let begin = format!(
                    "BEGIN READ ONLY; SET LOCAL statement_timeout = '{}'; \
                     SET LOCAL idle_in_transaction_session_timeout = '{}'; \
                     SET LOCAL cursor_tuple_fraction = 1",
                    milliseconds(statement_timeout),
                    milliseconds(idle_timeout),
                );
                execute(session.connection(), &begin).await
            }
            #[cfg(feature = "embedded")]
            Self::Transaction(_) => Ok(()),
        }
    }

    /// Ends the cursor's transaction and the session, in which all went well.
    pub(in crate::db) async fn end_cursor(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Reader(mut session) => {
                execute(session.connection(), "ROLLBACK").await?;
                session.end(&Ok(()));
                Ok(())
            }
            #[cfg(feature = "embedded")]
            Self::Transaction(tx) => tx.rollback().await,
        }
    }
}
