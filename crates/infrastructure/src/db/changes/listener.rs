//! Receives notifications that there may be changes, on a connection of its own. Whatever happens to that
//! connection, it hints: too often rather than too seldom.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use metricd_application::error_chain;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::{sync::Notify, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info, warn};

/// The channel that is notified at each commit with changes.
pub(super) const CHANNEL: &str = "metricd_changes";

/// How long a connection may be silent before it is pinged.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long connecting may take, or the answer to a ping.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before the second attempt, twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause. A connection that has lasted longer was a good one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Listens from the first call of [`Listener::hint`] until it is dropped.
pub(super) struct Listener {
    options: PgConnectOptions,
    notifications: Arc<Notify>,
    listening: OnceLock<AbortOnDropHandle<()>>,
}

impl Listener {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, notifications: Arc::default(), listening: OnceLock::new() }
    }

    /// Waits until there may be changes.
    pub(super) async fn hint(&self) {
        self.listening.get_or_init(|| {
            let listening = listen(self.options.clone(), Arc::clone(&self.notifications));
            AbortOnDropHandle::new(tokio::spawn(listening.in_current_span()))
        });
        self.notifications.notified().await;
    }
}

async fn listen(options: PgConnectOptions, notifications: Arc<Notify>) {
    let mut failures = 0;
    loop {
        match connect(&options).await {
            Ok(connection) => {
                if failures > 0 {
                    info!("Change notifications resumed");
                }
                // What was committed before was not notified.
                notifications.notify_one();
                let since = Instant::now();
                let error = receive(connection, &notifications).await;
                if since.elapsed() > LONGEST_PAUSE {
                    failures = 0;
                }
                warn!(
                    error = error.as_deref().map(|error| error_chain(error)),
                    "Connection for change notifications lost; reconnecting"
                );
                notifications.notify_one();
            }
            Err(error) if failures == 0 => {
                warn!(
                    error = error_chain(error.as_ref()),
                    "Cannot listen for change notifications; retrying"
                );
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
        // A lost connection must be reported, not replaced in silence.
        connection.eager_reconnect(false);
        connection.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(connection)
    };
    Ok(timeout(RESPONSE_TIMEOUT, connecting).await??)
}

/// Receives notifications until the connection is lost, and returns the reason if there is one.
async fn receive(mut connection: PgListener, notifications: &Notify) -> Option<Failure> {
    loop {
        match timeout(KEEPALIVE, connection.try_recv()).await {
            Ok(Ok(Some(_))) => notifications.notify_one(),
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => return Some(error.into()),
            Err(_) => {
                let asked = sqlx::raw_sql("SELECT").execute(&mut connection);
                match timeout(RESPONSE_TIMEOUT, asked).await {
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
