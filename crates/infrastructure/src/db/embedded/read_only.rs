//! The session of an author's query on the embedded engine: a transaction that only reads.

use std::sync::{Arc, Mutex, PoisonError};

use chrono_tz::Tz;
use sqlx::{Connection as _, PgPool, Postgres, Transaction};

use crate::db::{
    errors::{retry_lost, unknown_timezone},
    run_to_completion::run_to_completion,
    simple_query::execute,
};

/// Begins a transaction that is READ ONLY, with the `TimeZone` `timezone`; `last` is that of the query before.
pub(in crate::db) async fn begin_read_only(
    pool: &PgPool,
    timezone: Tz,
    last: &Arc<Mutex<Tz>>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let begin = || {
        let (pool, last) = (pool.clone(), Arc::clone(last));
        run_to_completion(async move {
            let mut tx = pool.begin_with("BEGIN READ ONLY").await?;
            let known = || last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_other = *known() != timezone;
            if is_other {
                tx.clear_cached_statements().await?;
                *known() = timezone;
            }
            if timezone != Tz::UTC {
                let set = format!("SET LOCAL TimeZone = '{timezone}'");
                execute(&mut tx, &set).await.map_err(unknown_timezone)?;
            }
            Ok(tx)
        })
    };
    retry_lost(pool.options().get_max_connections(), begin).await
}
