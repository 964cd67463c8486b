//! A hot standby that stored SQL is read from: how far it is behind the server that it follows.
//!
//! Must never take a standby for newer than it is. Order is that of the write-ahead log: what the server had written when it was
//! asked, the standby has once it has replayed as much (`docs/adr/0025`).

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Row as _};
use tokio::time::{Instant, sleep};

/// How long a standby is waited for. Most are behind by milliseconds; what no commit has written out follows within the
/// 200 ms of `wal_writer_delay`.
const PATIENCE: Duration = Duration::from_millis(300);

/// The pause after the first look; each next one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// All that was committed by now is before this place in the log. The time is in microseconds of the server's clock.
const WRITTEN: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()::text, \
                       (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8";

/// Whether the standby has replayed up to a place, and when the last transaction that it has was committed by the clock of the
/// server. One that has replayed none since it was started has what its checkpoint has.
const REPLAYED: &str = "SELECT coalesce(pg_catalog.pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false), \
                        (extract(epoch FROM coalesce(pg_catalog.pg_last_xact_replay_timestamp(), \
                            (SELECT checkpoint_time FROM pg_catalog.pg_control_checkpoint()))) * 1000000)::int8";

/// How far a standby is behind.
#[derive(Debug, Clone, Copy)]
pub(in crate::db) struct Lag {
    /// What is read next may be so much older than the present; `None` where it is not.
    pub(in crate::db) behind: Option<Duration>,
}

/// Waits for a standby to have what `primary` has committed by now, but not for long.
///
/// # Errors
/// When either does not answer.
pub(super) async fn catch_up(
    primary: &PgPool,
    standby: &mut PgConnection,
) -> Result<Lag, sqlx::Error> {
    let written = sqlx::query(WRITTEN).fetch_one(primary).await?;
    let (place, now): (String, i64) = (written.try_get(0)?, written.try_get(1)?);
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let replayed = sqlx::query(REPLAYED).bind(&place).fetch_one(&mut *standby).await?;
        if replayed.try_get(0)? {
            return Ok(Lag { behind: None });
        }
        if Instant::now() >= deadline {
            let committed: i64 = replayed.try_get(1)?;
            let behind = u64::try_from(now - committed).unwrap_or_default();
            return Ok(Lag { behind: Some(Duration::from_micros(behind)) });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
