//! Opening a reader: its role is prepared, and proved to be one.

use std::{sync::Arc, time::Duration};

use chrono_tz::Tz;
use sqlx::{PgPool, postgres::PgConnectOptions};

use super::{
    error::{ReaderError, source_of},
    proof, role,
    sessions::{CATALOG_CONNECTIONS, END_CONNECTIONS, Sessions},
};
use crate::db::{
    connect::server_name,
    session_defaults::{DATE_STYLE, INTERVAL_STYLE, SEARCH_PATH},
    simple_query::milliseconds,
};

/// Beside a query's deadline, after which we end it ourselves: should that fail, the server does.
const MARGIN: Duration = Duration::from_secs(2);

/// Which role reads, and how much at once.
pub(in crate::db) struct ReaderConfig {
    /// Where a role that an administrator created signs in, if there is one.
    pub(in crate::db) given: Option<PgConnectOptions>,
    /// The name of the one that is created otherwise.
    pub(in crate::db) role: String,
    /// The most sessions that run authors' statements.
    pub(in crate::db) connections: u32,
    /// How long a call waits for a connection.
    pub(in crate::db) acquire_timeout: Duration,
    /// How long a query may run.
    pub(in crate::db) query_deadline: Duration,
}

impl ReaderConfig {
    /// The name of the role that reads.
    pub(in crate::db) fn name(&self) -> &str {
        self.given.as_ref().map_or(&self.role, PgConnectOptions::get_username)
    }
}

/// A role of which was proved that it can only read, and its sessions.
pub(in crate::db) struct Reader {
    sessions: Arc<Sessions>,
}

impl Reader {
    /// Prepares the role, unless one was given, and proves what it can do. `owner` leads to the database
    /// as the role of `DATABASE_URL`, and so does `pool`.
    pub(in crate::db) async fn open(
        pool: &PgPool,
        owner: &PgConnectOptions,
        config: &ReaderConfig,
    ) -> Result<Self, ReaderError> {
        let settings = settings(config.query_deadline);
        let options = if let Some(given) = &config.given {
            given.clone()
        } else {
            let spec = role::RoleSpec {
                role: &config.role,
                settings: &settings,
                connections: config.connections + END_CONNECTIONS + CATALOG_CONNECTIONS,
            };
            let password = role::establish(pool, &spec).await?;
            owner.clone().username(&config.role).password(&password)
        };
        let options = options.application_name("metricd reader");
        let sessions = Arc::new(Sessions::new(
            options.clone(),
            &settings,
            config.acquire_timeout,
            config.connections,
        ));
        let owner: String = sqlx::query_scalar("SELECT current_user").fetch_one(pool).await?;
        let refused = |error| ReaderError::Connect {
            server: server_name(&options),
            role: options.get_username().to_owned(),
            source: source_of(error),
        };
        let mut session = sessions.open(None, Tz::UTC).await.map_err(refused)?;
        let violations = proof::violations(session.connection(), &owner).await;
        session.end(&violations);
        let violations = violations?;
        if !violations.is_empty() {
            sessions.close().await;
            let role = options.get_username().to_owned();
            return Err(ReaderError::Unsafe { role, violations });
        }
        drop(sessions.end_connection().acquire().await?);
        Ok(Self { sessions })
    }

    /// Its sessions.
    pub(in crate::db) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Closes what is idle, and everything else once it has ended.
    pub(in crate::db) async fn close(&self) {
        self.sessions.close().await;
    }
}

/// What each session of the reader has, whatever its role's or the database's defaults.
fn settings(deadline: Duration) -> Vec<(&'static str, String)> {
    vec![
        ("default_transaction_read_only", "on".into()),
        ("statement_timeout", milliseconds(deadline + MARGIN)),
        // A table that is being altered for longer than this refuses its readers rather than keep them waiting.
        ("lock_timeout", milliseconds(deadline.min(Duration::from_secs(5)))),
        ("idle_in_transaction_session_timeout", "10000ms".into()),
        ("work_mem", "16MB".into()),
        ("search_path", SEARCH_PATH.into()),
        ("DateStyle", DATE_STYLE.into()),
        ("IntervalStyle", INTERVAL_STYLE.into()),
        ("TimeZone", "UTC".into()),
    ]
}
