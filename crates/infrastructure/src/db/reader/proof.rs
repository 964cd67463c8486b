//! The proof that a role can read what it was granted, and nothing else: the catalogs are asked about
//! every table and schema, and then it is tried, with read-only switched off and all of it undone.
//!
//! Never mends what it finds: each violation comes with the statement that an operator may run.

use std::fmt;

use metricd_core::sql::quoted_name;
use sqlx::{PgConnection, Row};

use crate::db::{
    errors::{is_unavailable, pg_error},
    simple_query::execute,
};

/// A privilege that the reader role has and must not have, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeViolation {
    /// What it is.
    pub what: String,
    /// What puts an end to it.
    pub remedy: String,
}

impl fmt::Display for PrivilegeViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n      {}", self.what, self.remedy)
    }
}

/// Everything that is wrong with the role that `connection` is signed in as. `owner` is a role that it
/// must not be able to become.
///
/// # Errors
/// When it could not be found out.
pub(super) async fn violations(
    connection: &mut PgConnection,
    owner: &str,
) -> Result<Vec<PrivilegeViolation>, sqlx::Error> {
    let begin =
        "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'BEGIN' ELSE 'BEGIN READ WRITE' END";
    // A hot standby takes no writes from any role, and refuses to try.
    let begin: String =
        sqlx::query_scalar(begin).persistent(false).fetch_one(&mut *connection).await?;
    execute(connection, &begin).await?;
    let found = found(connection, owner).await;
    execute(connection, "ROLLBACK").await?;
    found
}

async fn found(
    connection: &mut PgConnection,
    owner: &str,
) -> Result<Vec<PrivilegeViolation>, sqlx::Error> {
    let mut found = ask(connection, GRANTED).await?;
    if found.is_empty() {
        found = ask(connection, EFFECTIVE).await?;
    }
    // A role that is known to have too many privileges is not asked to use them.
    if found.is_empty() {
        for statement in forbidden(connection, owner).await? {
            if let Some(outcome) = outcome_of(connection, &statement).await? {
                found.push(PrivilegeViolation {
                    what: format!("`{statement}` {outcome}"),
                    remedy: "revoke the privilege that permits it".into(),
                });
            }
        }
    }
    found.extend(ask(connection, LACKING).await?);
    Ok(found)
}

/// What was granted or given to the role or to PUBLIC, each with its remedy. `pg_settings` may be
/// updated by all, which is another way to write SET.
const GRANTED: &str = "
    WITH me AS (SELECT * FROM pg_catalog.pg_roles WHERE rolname = session_user),
    grantees (oid, name) AS (SELECT 0::oid, 'PUBLIC' UNION ALL SELECT oid, pg_catalog.quote_ident(rolname) FROM me),
    relations AS (
        SELECT c.oid, c.relkind, c.relacl, n.nspname,
            pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid <> 'pg_catalog.pg_settings'::regclass::oid),
    on_relations AS (
        SELECT r.name, r.relkind, g.name AS grantee,
            pg_catalog.string_agg(DISTINCT a.privilege_type, ', ') AS privileges
        FROM relations r CROSS JOIN LATERAL pg_catalog.aclexplode(r.relacl) a JOIN grantees g ON g.oid = a.grantee
        WHERE CASE WHEN r.nspname = 'metricd' THEN true
            WHEN r.relkind = 'S' THEN a.privilege_type IN ('USAGE', 'UPDATE')
            ELSE a.privilege_type <> 'SELECT' END
        GROUP BY 1, 2, 3),
    on_columns AS (
        SELECT r.name, pg_catalog.quote_ident(c.attname) AS column_name, g.name AS grantee,
            a.privilege_type AS privilege
        FROM relations r JOIN pg_catalog.pg_attribute c ON c.attrelid = r.oid
        CROSS JOIN LATERAL pg_catalog.aclexplode(c.attacl) a JOIN grantees g ON g.oid = a.grantee
        WHERE r.nspname = 'metricd' OR a.privilege_type <> 'SELECT'),
    on_schemas AS (
        SELECT pg_catalog.quote_ident(n.nspname) AS name, g.name AS grantee, a.privilege_type AS privilege
        FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
        JOIN grantees g ON g.oid = a.grantee
        WHERE a.privilege_type = 'CREATE' OR n.nspname = 'metricd')
    SELECT 'it is ' || has.attribute, pg_catalog.format('ALTER ROLE %I NO%s', me.rolname, has.attribute)
    FROM me CROSS JOIN LATERAL (VALUES
        ('SUPERUSER', me.rolsuper), ('CREATEROLE', me.rolcreaterole), ('CREATEDB', me.rolcreatedb),
        ('REPLICATION', me.rolreplication), ('BYPASSRLS', me.rolbypassrls)) AS has (attribute, is_so)
    WHERE has.is_so
    UNION ALL
    SELECT pg_catalog.format('it is a member of %I', r.rolname), pg_catalog.format('REVOKE %I FROM %I', r.rolname, me.rolname)
    FROM me JOIN pg_catalog.pg_auth_members m ON m.member = me.oid
    JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
    UNION
    SELECT 'it owns ' || CASE
            WHEN d.dbid = 0::oid OR d.dbid = here.oid THEN pg_catalog.pg_describe_object(d.classid, d.objid, 0)
            ELSE pg_catalog.format('something in the database %I', there.datname) END,
        pg_catalog.format('REASSIGN OWNED BY %I TO CURRENT_USER', me.rolname)
    FROM me JOIN pg_catalog.pg_shdepend d ON d.refobjid = me.oid
        AND d.refclassid = 'pg_catalog.pg_authid'::regclass::oid AND d.deptype = 'o'
    JOIN pg_catalog.pg_database here ON here.datname = pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_database there ON there.oid = d.dbid
    UNION ALL
    SELECT pg_catalog.format('%s may %s %s', CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE 'it' END,
            privileges, name),
        pg_catalog.format('REVOKE %s ON %s%s FROM %s', privileges,
            CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, name, grantee)
    FROM on_relations
    UNION ALL
    SELECT pg_catalog.format('%s may %s %s of %s', CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE 'it' END,
            privilege, column_name, name),
        pg_catalog.format('REVOKE %s (%s) ON %s FROM %s', privilege, column_name, name, grantee)
    FROM on_columns
    UNION ALL
    SELECT pg_catalog.format('%s may %s the schema %s', CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE 'it' END,
            CASE privilege WHEN 'CREATE' THEN 'create in' ELSE 'look into' END, name),
        pg_catalog.format('REVOKE %s ON SCHEMA %s FROM %s', privilege, name, grantee)
    FROM on_schemas
    UNION ALL
    SELECT pg_catalog.format('%s may create schemas in this database',
            CASE g.name WHEN 'PUBLIC' THEN 'PUBLIC' ELSE 'it' END),
        pg_catalog.format('REVOKE CREATE ON DATABASE %I FROM %s', d.datname, g.name)
    FROM pg_catalog.pg_database d CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a
    JOIN grantees g ON g.oid = a.grantee
    WHERE d.datname = pg_catalog.current_database() AND a.privilege_type = 'CREATE'";

/// What the role may do in effect, wherever that comes from.
const EFFECTIVE: &str = "
    SELECT pg_catalog.format('it may write %I.%I', n.nspname, c.relname),
        'revoke the privilege from the role that it is inherited from'
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid <> 'pg_catalog.pg_settings'::regclass::oid
        AND (pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES'))
    UNION ALL
    SELECT pg_catalog.format('it may advance %I.%I', n.nspname, c.relname),
        'revoke the privilege from the role that it is inherited from'
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, UPDATE') END
    UNION ALL
    SELECT pg_catalog.format('it may create in the schema %I', n.nspname),
        'revoke the privilege from the role that it is inherited from'
    FROM pg_catalog.pg_namespace n WHERE pg_catalog.has_schema_privilege(n.oid, 'CREATE')
    UNION ALL
    SELECT pg_catalog.format('it may become %I', r.rolname), pg_catalog.format('REVOKE %I FROM %I', r.rolname, session_user)
    FROM pg_catalog.pg_roles r
    WHERE r.rolname <> session_user AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')";

/// What the role needs.
const LACKING: &str = "
    SELECT 'it may not read public.metrics', pg_catalog.format(
        'GRANT USAGE ON SCHEMA public TO %1$I; GRANT SELECT ON public.metrics TO %1$I', session_user)
    WHERE NOT (pg_catalog.has_schema_privilege('public', 'USAGE')
        AND coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.metrics'), 'SELECT'), false))";

async fn ask(
    connection: &mut PgConnection,
    sql: &'static str,
) -> Result<Vec<PrivilegeViolation>, sqlx::Error> {
    let rows = sqlx::query(sql).persistent(false).fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(PrivilegeViolation { what: row.try_get(0)?, remedy: row.try_get(1)? }))
        .collect()
}

/// What must be refused.
async fn forbidden(connection: &mut PgConnection, owner: &str) -> Result<Vec<String>, sqlx::Error> {
    let tables: Vec<(String, bool)> = sqlx::query_as(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), n.nspname = 'metricd' \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') \
             AND (n.nspname = 'metricd' OR (n.nspname, c.relname) = ('public', 'metrics')) \
         ORDER BY 1",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    let owner = quoted_name(owner);
    let mut statements = vec![
        format!("SET ROLE {owner}"),
        format!("SET SESSION AUTHORIZATION {owner}"),
        "CREATE ROLE metricd_proof".into(),
        "CREATE SCHEMA metricd_proof".into(),
        "CREATE TABLE public.metricd_proof ()".into(),
        "CREATE TABLE metricd.metricd_proof ()".into(),
    ];
    for (table, is_closed) in tables {
        statements.push(format!("INSERT INTO {table} DEFAULT VALUES"));
        statements.push(format!("DELETE FROM {table} WHERE false"));
        if is_closed {
            statements.push(format!("SELECT FROM {table} LIMIT 0"));
        }
    }
    Ok(statements)
}

/// What came of a statement that must be refused, unless it was.
async fn outcome_of(
    connection: &mut PgConnection,
    statement: &str,
) -> Result<Option<String>, sqlx::Error> {
    execute(connection, "SAVEPOINT proof").await?;
    let outcome = match execute(connection, statement).await {
        Ok(()) => Some("is permitted".to_owned()),
        Err(error) => match pg_error(&error).map(|error| (error.code(), error.message())) {
            // insufficient_privilege; read_only_sql_transaction on a standby, which takes no writes
            Some(("42501" | "25006", _)) => None,
            // Canceled, locked, shutting down: that says nothing of the role.
            Some(("57014" | "55P03", _)) | None => return Err(error),
            Some(_) if is_unavailable(&error) => return Err(error),
            Some((_, message)) => Some(format!("is not refused but fails: {message}")),
        },
    };
    execute(connection, "ROLLBACK TO SAVEPOINT proof").await?;
    Ok(outcome)
}
