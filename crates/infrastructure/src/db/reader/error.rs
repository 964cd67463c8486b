//! Why stored SQL cannot be run.

use metricd_core::sql::quoted_name;
use thiserror::Error;

use super::proof::PrivilegeViolation;
use crate::db::errors::{DatabaseFault, pg_error};

/// Why stored SQL cannot be run. It never holds a password.
#[derive(Debug, Error)]
pub enum ReaderError {
    /// The role of `DATABASE_URL` may not create another.
    #[error(
        "the role of DATABASE_URL may not create the reader role `{role}` that stored SQL runs as, or not \
         grant it what it needs. Have an administrator run\n\n{sql}\n\nand give its address as \
         READER_DATABASE_URL"
    )]
    MayNotMake {
        /// The reader role.
        role: String,
        /// What an administrator runs.
        sql: String,
    },
    /// The role exists, and another database may be using it.
    #[error(
        "the role `{role}` exists already, and this database does not know its password: it may be the \
         reader of another database. Give another name as `database.reader_role`, or the address of a \
         role for reading as READER_DATABASE_URL"
    )]
    RoleExists {
        /// The reader role.
        role: String,
    },
    /// The role exists and is ours to use, but not to alter.
    #[error(
        "the role `{role}` exists already, and the role of DATABASE_URL may not change it. Give another \
         name as `database.reader_role`, or the address of a role for reading as READER_DATABASE_URL"
    )]
    MayNotAlter {
        /// The reader role.
        role: String,
    },
    /// The role cannot connect.
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
    /// The role, or the server, has as many sessions as it may, and none of them ended in time.
    #[error(
        "the server has no session left for the reader role `{role}`, whose sessions are:\n  - {}\nEnd them with \
         `SELECT pg_terminate_backend(pid)`. What does not end by that is within one call of a function: wait for \
         it, or raise `max_connections` or the role's limit (`ALTER ROLE {} CONNECTION LIMIT …`)",
        holders.join("\n  - "),
        quoted_name(role)
    )]
    LimitReached {
        /// The reader role.
        role: String,
        /// Which processes have its sessions.
        holders: Vec<String>,
        /// What the server said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It can do more than read, or cannot read.
    #[error(
        "stored SQL is not run as the role `{role}` as it stands:\n  - {}",
        violations.iter().map(PrivilegeViolation::to_string).collect::<Vec<_>>().join("\n  - ")
    )]
    Unsafe {
        /// The reader role.
        role: String,
        /// All that is wrong with it.
        violations: Vec<PrivilegeViolation>,
    },
    /// The system has no randomness for a password.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// The database reports an error.
    #[error("the reader role could not be prepared")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

// A message about a role quotes no data, and one about data is cut.
impl From<sqlx::Error> for ReaderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(source_of(error))
    }
}

/// The error as a source, without what it quotes of rows.
pub(super) fn source_of(error: sqlx::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match pg_error(&error) {
        Some(fault) => DatabaseFault::of(fault).into(),
        None => error.into(),
    }
}
