//! The reader: the role that stored SQL runs as on a server, its proof and its sessions.
//!
//! Nothing of an author's may ever run as another role. Whoever holds a [`Reader`] holds one of which
//! was proved that it can only read what it was granted.

mod proof;
mod role;
mod scram;
mod sessions;

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgConnectOptions};
use thiserror::Error;

use super::errors::{DatabaseFault, pg_error};
pub use proof::Breach;
pub(crate) use sessions::{Running, Sessions};

/// The connections that end queries.
const ASIDE: u32 = 2;

/// The connections that look at what may be read.
const LOOKOUT: u32 = 1;

/// Beside a query's deadline, after which we end it ourselves: should that fail, the server does.
const MARGIN: Duration = Duration::from_secs(2);

/// Why stored SQL cannot be run. It never holds a password.
#[derive(Debug, Error)]
pub enum ReaderError {
    /// The role of `DATABASE_URL` may not make another.
    #[error(
        "the role of DATABASE_URL may not make the reader role `{role}` that stored SQL runs as, or not \
         grant it what it needs. Have an administrator run\n\n{sql}\n\nand give its address as \
         READER_DATABASE_URL"
    )]
    MayNotMake {
        /// The reader role.
        role: String,
        /// What an administrator runs.
        sql: String,
    },
    /// The role is there, and somebody else may be using it.
    #[error(
        "the role `{role}` exists already, and this database does not know its password: it may be the \
         reader of another database. Give another name as `database.reader_role`, or the address of a \
         role for reading as READER_DATABASE_URL"
    )]
    Taken {
        /// The reader role.
        role: String,
    },
    /// The role is there and ours to use, but not to change.
    #[error(
        "the role `{role}` exists already, and the role of DATABASE_URL may not change it. Give another \
         name as `database.reader_role`, or the address of a role for reading as READER_DATABASE_URL"
    )]
    NotOurs {
        /// The reader role.
        role: String,
    },
    /// It is not let in.
    #[error(
        "cannot connect to PostgreSQL at {server} as the reader role `{role}`; if its password was \
         changed, give another name as `database.reader_role`"
    )]
    Connect {
        /// Host or socket, port and database.
        server: String,
        /// The reader role.
        role: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It can do more than read, or cannot read.
    #[error(
        "stored SQL is not run as the role `{role}` as it stands:\n  - {}",
        breaches.iter().map(Breach::to_string).collect::<Vec<_>>().join("\n  - ")
    )]
    Unsafe {
        /// The reader role.
        role: String,
        /// All that is wrong with it.
        breaches: Vec<Breach>,
    },
    /// The system has no randomness for a password.
    #[error("the system has no randomness to give")]
    NoRandomness,
    /// The database reports an error.
    #[error("the reader role could not be seen to")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

// A message about a role quotes no data, and one about data is cut.
impl From<sqlx::Error> for ReaderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(source_of(error))
    }
}

fn source_of(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match pg_error(&error) {
        Some(fault) => DatabaseFault::of(fault).into(),
        None => error.into(),
    }
}

/// Which role reads, and how much at once.
#[derive(Clone)]
pub(super) struct ReaderConfig {
    /// Where a role that somebody else made signs in, if there is one.
    pub(super) given: Option<PgConnectOptions>,
    /// The name of the one that is made otherwise.
    pub(super) role: String,
    /// The most sessions that run authors' statements.
    pub(super) connections: u32,
    /// How long a call waits for a connection.
    pub(super) acquire_timeout: Duration,
    /// How long a query may run.
    pub(super) query_deadline: Duration,
}

impl ReaderConfig {
    /// The name of the role that reads.
    pub(super) fn name(&self) -> &str {
        self.given.as_ref().map_or(&self.role, PgConnectOptions::get_username)
    }
}

/// A role of which was proved that it can only read, and its sessions.
pub(crate) struct Reader {
    sessions: Arc<Sessions>,
}

impl Reader {
    /// Sees to the role, unless one was given, and proves what it can do. `owner` leads to the database
    /// as the role of `DATABASE_URL`, and so does `pool`.
    pub(super) async fn open(
        pool: &PgPool,
        owner: &PgConnectOptions,
        config: &ReaderConfig,
        server_name: fn(&PgConnectOptions) -> String,
    ) -> Result<Self, ReaderError> {
        let settings = settings(config.query_deadline);
        let options = if let Some(given) = &config.given {
            given.clone()
        } else {
            let wanted = role::Wanted {
                role: &config.role,
                settings: &settings,
                connections: config.connections + ASIDE + LOOKOUT,
            };
            let password = role::establish(pool, &wanted).await?;
            owner.clone().username(&config.role).password(&password)
        };
        let options = options.application_name("metricd reader");
        let sessions = Arc::new(Sessions::new(options.clone(), &settings, config.acquire_timeout));
        let owner: String = sqlx::query_scalar("SELECT current_user").fetch_one(pool).await?;
        let refused = |error| ReaderError::Connect {
            server: server_name(&options),
            role: options.get_username().to_owned(),
            source: source_of(error),
        };
        let mut session = sessions.open(None).await.map_err(refused)?;
        let breaches = proof::breaches(session.connection(), &owner).await;
        session.end(&breaches);
        let breaches = breaches?;
        if !breaches.is_empty() {
            sessions.close().await;
            let role = options.get_username().to_owned();
            return Err(ReaderError::Unsafe { role, breaches });
        }
        drop(sessions.aside().acquire().await?);
        Ok(Self { sessions })
    }

    /// Its sessions.
    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Closes what is idle, and everything else once it has ended.
    pub(super) async fn close(&self) {
        self.sessions.close().await;
    }
}

/// What each session of the reader has, whatever its role's or the database's defaults.
fn settings(deadline: Duration) -> Vec<(&'static str, String)> {
    let milliseconds = |time: Duration| {
        let most = u128::from(i32::MAX.unsigned_abs());
        format!("{}ms", time.as_millis().clamp(1, most))
    };
    vec![
        ("default_transaction_read_only", "on".into()),
        ("statement_timeout", milliseconds(deadline + MARGIN)),
        // Whoever changes a table for longer than this keeps its readers away, not waiting.
        ("lock_timeout", milliseconds(deadline.min(Duration::from_secs(5)))),
        ("idle_in_transaction_session_timeout", "10000ms".into()),
        ("work_mem", "16MB".into()),
        ("search_path", "public".into()),
        ("TimeZone", "UTC".into()),
    ]
}
