//! Hearing that there may be news, over a connection of its own. Whatever happens to that connection,
//! it hints: too often rather than too seldom.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::{sync::Notify, task::AbortHandle, time::timeout};
use tracing::{Instrument, info, warn};

use super::CHANNEL;

/// How long a connection may be silent before it is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long it may take to connect, or to answer that.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before the second attempt, twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause. A connection that has lasted longer was a good one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Listens from the first time that somebody waits, until it is dropped.
pub(super) struct Listener {
    options: PgConnectOptions,
    news: Arc<Notify>,
    listening: OnceLock<AbortHandle>,
}

impl Listener {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, news: Arc::default(), listening: OnceLock::new() }
    }

    /// Waits until there may be news.
    pub(super) async fn hint(&self) {
        self.listening.get_or_init(|| {
            let listening = listen(self.options.clone(), Arc::clone(&self.news));
            tokio::spawn(listening.in_current_span()).abort_handle()
        });
        self.news.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get() {
            listening.abort();
        }
    }
}

async fn listen(options: PgConnectOptions, news: Arc<Notify>) {
    let mut failures = 0;
    loop {
        match connect(&options).await {
            Ok(connection) => {
                if failures > 0 {
                    info!("Listening for changes again");
                }
                // What was committed before, nobody was told of.
                news.notify_one();
                let since = Instant::now();
                let error = hear(connection, &news).await;
                if since.elapsed() > LONGEST_PAUSE {
                    failures = 0;
                }
                warn!(error = error.as_deref(), "The connection that listens for changes is lost");
                news.notify_one();
            }
            Err(error) if failures == 0 => {
                warn!(error = error.as_ref(), "Listening for changes is not possible at present");
            }
            Err(_) => {}
        }
        failures += 1;
        tokio::time::sleep(pause(failures)).await;
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(options: &PgConnectOptions) -> Result<PgListener, Failure> {
    let connecting = async {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options.clone());
        let mut connection = PgListener::connect_with(&pool).await?;
        // A lost connection is to be told of, not to be replaced in silence.
        connection.eager_reconnect(false);
        connection.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(connection)
    };
    Ok(timeout(PATIENCE, connecting).await??)
}

/// Hears until the connection is lost, and gives the reason if there is one.
async fn hear(mut connection: PgListener, news: &Notify) -> Option<Failure> {
    loop {
        match timeout(SILENCE, connection.try_recv()).await {
            Ok(Ok(Some(_))) => news.notify_one(),
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => return Some(error.into()),
            Err(_) => {
                let asked = sqlx::raw_sql("SELECT").execute(&mut connection);
                match timeout(PATIENCE, asked).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Some(error.into()),
                    Err(silent) => return Some(silent.into()),
                }
            }
        }
    }
}

/// How long to wait before the next attempt: half of it by chance, so that servers that lost their
/// connections together do not all come back at once.
fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    let chance = RandomState::new().hash_one(failures) % 1_000;
    most / 2 + most.mul_f64(f64::from(u32::try_from(chance).unwrap_or_default()) / 2_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for failures in 1..100 {
            let pause = pause(failures);
            assert!(pause <= LONGEST_PAUSE, "{pause:?}");
            assert!(pause >= FIRST_PAUSE, "{pause:?}");
        }
        assert!(pause(100) >= LONGEST_PAUSE / 2);
    }
}
