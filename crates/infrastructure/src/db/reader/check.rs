//! What is known of the reader role as it stands: nothing is prepared, and nothing mended.

use sqlx::{Connection as _, PgPool, postgres::PgConnectOptions};

use super::{
    error::ReaderError,
    open::ReaderConfig,
    proof::{self, PrivilegeViolation},
};
use crate::db::{
    connect::server_name,
    connection_limits::{self, Needs},
    tls::{self, ServerAddress},
};

/// The reader role, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderState {
    /// Its name.
    pub role: String,
    /// All that is wrong with it; `None` where it is not prepared yet.
    pub violations: Option<Vec<PrivilegeViolation>>,
    /// What is not given of the connections that this process may take, each with its remedy.
    pub connection_faults: Vec<String>,
}

/// Signs in as the role, if there is one yet, and finds out what it can do. `owner` leads to the database as the role of
/// `DATABASE_URL`, and so does `pool`.
pub(in crate::db) async fn check(
    pool: &PgPool,
    owner: &PgConnectOptions,
    config: &ReaderConfig,
    needs: &Needs,
) -> Result<ReaderState, ReaderError> {
    let role = config.name().to_owned();
    let address = match &config.given {
        Some(given) => given.clone(),
        None => match password(pool, &role).await? {
            Some(password) => ServerAddress {
                options: owner.clone().username(&role).password(&password),
                fallback: None,
            },
            None => {
                return Ok(ReaderState { role, violations: None, connection_faults: Vec::new() });
            }
        },
    };
    let me: String = sqlx::query_scalar("SELECT current_user").fetch_one(pool).await?;
    let connected = address.connect(config.acquire_timeout).await;
    let (mut connection, _) = connected.map_err(|(error, options)| ReaderError::Connect {
        server: server_name(options),
        role: role.clone(),
        source: tls::explain(error, options),
    })?;
    let violations = proof::violations(&mut connection, &me).await?;
    let connection_faults = connection_limits::faults(pool, &mut connection, needs).await?;
    connection.close().await?;
    Ok(ReaderState { role, violations: Some(violations), connection_faults })
}

/// The role's password, if this database has made it.
async fn password(pool: &PgPool, role: &str) -> Result<Option<String>, sqlx::Error> {
    let there: bool =
        sqlx::query_scalar("SELECT pg_catalog.to_regclass('metricd.reader_roles') IS NOT NULL")
            .fetch_one(pool)
            .await?;
    if !there {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT password FROM metricd.reader_roles WHERE role = $1")
        .bind(role)
        .fetch_optional(pool)
        .await
}
