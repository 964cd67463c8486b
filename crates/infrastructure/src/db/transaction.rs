//! A transaction that SeaORM works in and that rows can be copied into: SeaORM's own hides its
//! connection, and COPY needs it.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, PgPool, Postgres, query::Query};
use tokio::sync::{Mutex, mpsc};

use super::{room::Room, run_to_completion::run_to_completion};

/// A transaction. Dropped, it rolls back.
pub(super) struct CopyTransaction {
    transaction: Arc<Mutex<sqlx::Transaction<'static, Postgres>>>,
    room: Room,
}

impl CopyTransaction {
    /// Begins a transaction, which is rolled back whenever the caller is dropped.
    pub(super) async fn begin(pool: &PgPool, room: Room) -> Result<Self, DbErr> {
        let pool = pool.clone();
        let begun = run_to_completion(async move { pool.begin().await }).await;
        let begun = begun.map_err(|error| not_executed(&room, error))?;
        Ok(Self { transaction: Arc::new(Mutex::new(begun)), room })
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        // A COPY that was not waited for still holds it, and ends it with a rollback.
        let Some(transaction) = Arc::into_inner(self.transaction) else {
            return Err(DbErr::Custom("a COPY of this transaction was not waited for".to_owned()));
        };
        let committed = transaction.into_inner().commit().await;
        committed.map_err(|error| not_executed(&self.room, error))
    }

    /// Sends what `next` gives to a statement `COPY … FROM STDIN`, until it gives no more. Returns how many
    /// rows arrived. Fails where there is no room for more.
    pub(super) async fn copy_in(
        &mut self,
        statement: &str,
        mut next: impl FnMut() -> Option<Vec<u8>> + Send,
    ) -> Result<u64, DbErr> {
        let room = self.room.clone();
        let mut full = None;
        let next = || match room.check_within_write() {
            Ok(()) => Some(next()),
            Err(error) => {
                full = Some(error);
                None
            }
        };
        let copied = self.copy(statement, next).await;
        match full {
            Some(error) => Err(not_executed(&self.room, sqlx::Error::Io(error))),
            None => copied.map_err(|error| not_executed(&self.room, error)),
        }
    }

    /// Copies in a task of its own, which ends the COPY when its caller is dropped: a COPY whose beginning was not waited for
    /// would take the next statement for rows. `next` gives `None` where the COPY is to fail, and no chunk at its end.
    async fn copy(
        &mut self,
        statement: &str,
        mut next: impl FnMut() -> Option<Option<Vec<u8>>> + Send,
    ) -> Result<u64, sqlx::Error> {
        let (chunks, received) = mpsc::channel(1);
        let copying = copy_chunks(Arc::clone(&self.transaction), statement.to_owned(), received);
        let feed = async {
            while let Some(chunk) = next() {
                let is_last = chunk.is_none();
                // An error has ended the COPY.
                if chunks.send(chunk).await.is_err() || is_last {
                    break;
                }
            }
            // What was not told of an end fails.
            drop(chunks);
        };
        let (copied, ()) = tokio::join!(run_to_completion(copying), feed);
        copied
    }
}

/// Copies what is received until an end is, and fails the COPY where none is.
async fn copy_chunks(
    transaction: Arc<Mutex<sqlx::Transaction<'static, Postgres>>>,
    statement: String,
    mut chunks: mpsc::Receiver<Option<Vec<u8>>>,
) -> Result<u64, sqlx::Error> {
    let mut transaction = transaction.lock().await;
    let mut copy = transaction.copy_in_raw(&statement).await?;
    while let Some(chunk) = chunks.recv().await {
        match chunk {
            Some(chunk) => copy.send(chunk).await.map(drop)?,
            None => return copy.finish().await,
        }
    }
    copy.abort("its caller is gone").await.map(|()| 0)
}

/// A statement as sqlx takes it.
fn query(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

fn not_executed(room: &Room, error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(room.told(error))))
}

fn not_read(room: &Room, error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(room.told(error))))
}

#[async_trait]
impl ConnectionTrait for CopyTransaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut tx = self.transaction.lock().await;
        let done = query(&statement).execute(&mut **tx).await;
        done.map(Into::into).map_err(|error| not_executed(&self.room, error))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut tx = self.transaction.lock().await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await;
        done.map(Into::into).map_err(|error| not_executed(&self.room, error))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut tx = self.transaction.lock().await;
        let row = query(&statement).fetch_optional(&mut **tx).await;
        row.map(|row| row.map(Into::into)).map_err(|error| not_read(&self.room, error))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut tx = self.transaction.lock().await;
        let rows = query(&statement).fetch_all(&mut **tx).await;
        rows.map(|rows| rows.into_iter().map(Into::into).collect())
            .map_err(|error| not_read(&self.room, error))
    }
}
