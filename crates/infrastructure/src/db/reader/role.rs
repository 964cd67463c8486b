//! The reader role: created, taken over or found, and granted what metricd itself needs it to read.
//!
//! Never revokes a privilege, and never alters a role that another database may be using.

use metricd_core::sql::quoted_name;
use sqlx::{Acquire, PgConnection, PgPool, Row};

use super::{error::ReaderError, scram};
use crate::db::{
    catalog_lock::CATALOG_LOCK,
    errors::pg_error,
    session_defaults::{self, OverriddenDefault},
    simple_query::execute,
};

/// What the role is to be.
pub(super) struct RoleSpec<'a> {
    pub(super) role: &'a str,
    /// What each of its sessions has, in this database.
    pub(super) settings: &'a [(&'static str, String)],
    /// The least connections that it needs.
    pub(super) connections: u32,
    /// The most bytes of temporary files that a session of it has at once.
    pub(super) max_temp_bytes: u64,
}

/// What the role may be when it is made, beside its connections and its password.
const ATTRIBUTES: &str = "LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION \
                          NOBYPASSRLS";

/// Ensures that the role exists with its grants and settings, and returns its password.
///
/// # Errors
/// When it may not be created, or may be another database's.
pub(super) async fn establish(pool: &PgPool, spec: &RoleSpec<'_>) -> Result<String, ReaderError> {
    let mut tx = pool.begin().await?;
    // Two servers may start at once.
    sqlx::query("SELECT pg_catalog.pg_advisory_xact_lock($1)")
        .bind(CATALOG_LOCK)
        .execute(&mut *tx)
        .await?;
    let may = permitted(&mut tx).await?;
    let password = match find(&mut tx, spec.role).await? {
        Some(ExistingRole { can_login: true, password: Some(password), .. }) => password,
        Some(ExistingRole { is_free: false, .. }) => {
            return Err(ReaderError::RoleExists { role: spec.role.to_owned() });
        }
        _ if !may.make_roles => return Err(may_not(&mut tx, spec, may.connections).await?),
        found => make(&mut tx, spec, found.is_some(), may.connections).await?,
    };
    if let Err(error) = grant(&mut tx, spec.role).await {
        return Err(match code(&error).as_deref() {
            Some("42501") => {
                tx.rollback().await?;
                may_not(&mut *pool.acquire().await?, spec, may.connections).await?
            }
            _ => error.into(),
        });
    }
    if may.make_roles {
        settle(&mut tx, spec).await?;
        limit_temp_files(&mut tx, spec).await?;
    }
    tx.commit().await?;
    Ok(password)
}

/// What the role of `DATABASE_URL` may do about roles.
struct Permitted {
    make_roles: bool,
    /// The connections that a role may be given: others need theirs.
    connections: u32,
}

async fn permitted(connection: &mut PgConnection) -> Result<Permitted, sqlx::Error> {
    let row = sqlx::query(
        "SELECT rolsuper OR rolcreaterole, pg_catalog.current_setting('max_connections')::int8 / 2 \
         FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    .fetch_one(connection)
    .await?;
    let half: i64 = row.try_get(1)?;
    Ok(Permitted {
        make_roles: row.try_get(0)?,
        connections: u32::try_from(half).unwrap_or(u32::MAX),
    })
}

struct ExistingRole {
    can_login: bool,
    /// It cannot sign in, and may do nothing but what it was granted.
    is_free: bool,
    /// If it is this database that made the role.
    password: Option<String>,
}

async fn find(
    connection: &mut PgConnection,
    role: &str,
) -> Result<Option<ExistingRole>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT r.rolcanlogin, NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole \
             OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls \
             OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid) \
             OR EXISTS (SELECT FROM pg_catalog.pg_shdepend d WHERE d.refobjid = r.oid \
                 AND d.refclassid = 'pg_catalog.pg_authid'::regclass::oid AND d.deptype = 'o')), \
             ours.password \
         FROM pg_catalog.pg_roles r \
         LEFT JOIN metricd.reader_roles ours ON ours.role = r.rolname WHERE r.rolname = $1",
    )
    .bind(role)
    .fetch_optional(connection)
    .await?;
    let found = found.map(|row| {
        Ok(ExistingRole {
            can_login: row.try_get(0)?,
            is_free: row.try_get(1)?,
            password: row.try_get(2)?,
        })
    });
    found.transpose()
}

/// Makes the role. One that is free becomes ours, and keeps what it was granted.
async fn make(
    connection: &mut PgConnection,
    spec: &RoleSpec<'_>,
    is_there: bool,
    connections: u32,
) -> Result<String, ReaderError> {
    let RoleSpec { role, .. } = spec;
    // The server invents the password, so that no statement and none of its values holds it.
    let password: String = sqlx::query_scalar(
        "INSERT INTO metricd.reader_roles (role, password) \
         VALUES ($1, pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text) \
         ON CONFLICT (role) DO UPDATE SET password = excluded.password RETURNING password",
    )
    .bind(role)
    .fetch_one(&mut *connection)
    .await?;
    let verifier = scram::verifier(&password).map_err(|_| ReaderError::NoRandomness)?;
    let limit = connections.max(spec.connections);
    let name = quoted_name(role);
    let statement = if is_there {
        // What only a superuser may say, even if it changes nothing, is left to the proof.
        format!("ALTER ROLE {name} LOGIN NOINHERIT CONNECTION LIMIT {limit} PASSWORD '{verifier}'")
    } else {
        format!("CREATE ROLE {name} {ATTRIBUTES} CONNECTION LIMIT {limit} PASSWORD '{verifier}'")
    };
    match execute(connection, &statement).await {
        Ok(()) => Ok(password),
        Err(error) => Err(match code(&error).as_deref() {
            // Another database of this cluster was faster.
            Some("42710" | "23505") => ReaderError::RoleExists { role: (*role).to_owned() },
            Some("42501") => ReaderError::MayNotAlter { role: (*role).to_owned() },
            _ => error.into(),
        }),
    }
}

/// Grants what is missing of what metricd itself needs: an operator may have made `metrics` anew.
async fn grant(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let missing: Vec<String> = sqlx::query_scalar(
        "SELECT pg_catalog.format(needed.statement, $1::text) FROM (VALUES \
             (pg_catalog.has_database_privilege($1, pg_catalog.current_database(), 'CONNECT'), \
              'GRANT CONNECT ON DATABASE ' \
                  || pg_catalog.replace(pg_catalog.quote_ident(pg_catalog.current_database()), '%', '%%') || ' TO %I'), \
             (pg_catalog.has_schema_privilege($1, 'public', 'USAGE'), 'GRANT USAGE ON SCHEMA public TO %I'), \
             (pg_catalog.has_table_privilege($1, pg_catalog.to_regclass('public.metrics'), 'SELECT'), \
              'GRANT SELECT ON public.metrics TO %I') \
         ) AS needed (has, statement) WHERE NOT needed.has",
    )
    .bind(role)
    .fetch_all(&mut *connection)
    .await?;
    for statement in missing {
        execute(connection, &statement).await?;
    }
    Ok(())
}

/// Gives the role its settings in this database. Every session of ours sets them too: a role that we
/// may not change is no less safe.
async fn settle(connection: &mut PgConnection, spec: &RoleSpec<'_>) -> Result<(), sqlx::Error> {
    let has: Option<Vec<String>> = sqlx::query_scalar(
        "SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
         WHERE r.rolname = $1 AND d.datname = pg_catalog.current_database()",
    )
    .bind(spec.role)
    .fetch_optional(&mut *connection)
    .await?;
    let has = has.unwrap_or_default();
    let database: String = sqlx::query_scalar("SELECT pg_catalog.current_database()")
        .fetch_one(&mut *connection)
        .await?;
    let of = format!("role {} in database {database}", spec.role);
    for OverriddenDefault { of, setting, value, applied } in
        session_defaults::replaced(&of, &has, spec.settings)
    {
        let hint = "it is the reader role, and metricd has replaced the value";
        tracing::warn!(
            of,
            setting,
            value,
            applied,
            hint,
            "A default of the database does not apply to stored SQL"
        );
    }
    let (role, database) = (quoted_name(spec.role), quoted_name(&database));
    let statements: Vec<String> = spec
        .settings
        .iter()
        .filter(|(name, value)| {
            !has.iter().any(|entry| {
                let entry = entry.split_once('=');
                entry.is_some_and(|(n, v)| n.eq_ignore_ascii_case(name) && v == value)
            })
        })
        .map(|(name, value)| {
            format!("ALTER ROLE {role} IN DATABASE {database} SET {name} = '{value}'")
        })
        .collect();
    if statements.is_empty() {
        return Ok(());
    }
    let mut inner = connection.begin().await?;
    match execute(&mut inner, &statements.join("; ")).await {
        Ok(()) => inner.commit().await,
        Err(error) if code(&error).as_deref() == Some("42501") => {
            tracing::warn!(
                role = spec.role,
                "Could not store the reader role's settings; every session sets them instead"
            );
            inner.rollback().await
        }
        Err(error) => Err(error),
    }
}

/// Limits the temporary files of the role, which takes a superuser, or the right to set that.
async fn limit_temp_files(
    connection: &mut PgConnection,
    spec: &RoleSpec<'_>,
) -> Result<(), sqlx::Error> {
    let database: String = sqlx::query_scalar("SELECT pg_catalog.current_database()")
        .fetch_one(&mut *connection)
        .await?;
    let statement = format!(
        "ALTER ROLE {} IN DATABASE {} SET temp_file_limit = '{}kB'",
        quoted_name(spec.role),
        quoted_name(&database),
        spec.max_temp_bytes / 1_024
    );
    let mut inner = connection.begin().await?;
    match execute(&mut inner, &statement).await {
        Ok(()) => inner.commit().await,
        // Told once the role has signed in: it may have a limit from elsewhere.
        Err(error) if code(&error).as_deref() == Some("42501") => inner.rollback().await,
        Err(error) => Err(error),
    }
}

/// What an administrator types where we may not.
async fn may_not(
    connection: &mut PgConnection,
    spec: &RoleSpec<'_>,
    connections: u32,
) -> Result<ReaderError, sqlx::Error> {
    let database: String =
        sqlx::query_scalar("SELECT pg_catalog.current_database()").fetch_one(connection).await?;
    let (role, database) = (quoted_name(spec.role), quoted_name(&database));
    let limit = connections.max(spec.connections);
    let sql = format!(
        "CREATE ROLE {role} {ATTRIBUTES} CONNECTION LIMIT {limit} PASSWORD '…';\n\
         GRANT CONNECT ON DATABASE {database} TO {role};\n\
         GRANT USAGE ON SCHEMA public TO {role};\n\
         GRANT SELECT ON public.metrics TO {role};"
    );
    Ok(ReaderError::MayNotMake { role: spec.role.to_owned(), sql })
}

fn code(error: &sqlx::Error) -> Option<String> {
    pg_error(error).map(|error| error.code().to_owned())
}
