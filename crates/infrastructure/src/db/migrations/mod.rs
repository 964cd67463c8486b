//! The schema, step by step, up and down.
//!
//! All steps of one call run in one transaction under the lock that loading takes too, so that two
//! servers may start at once. A database that holds tables of these names from elsewhere is left
//! exactly as it is.

mod m20250601_000001_catalog;
mod m20250601_000002_records;
mod m20250601_000003_audit;
mod m20250601_000004_reader;
mod m20250601_000005_versions;
mod m20250601_000006_changes;
mod m20250601_000007_cache_ttl;
mod m20250601_000008_idempotency;
mod m20250601_000009_idempotency_claims;
mod m20250601_000010_compatibility;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
    sea_query::{Alias, IntoIden},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait, sea_query::DynIden};
use thiserror::Error;
use tracing::warn;

use super::{catalog_lock::lock_catalog, reader::ReaderError, run_to_completion};

/// Why the schema could not be brought up to date, in which case nothing was changed, or why the
/// database cannot be used although it is.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// Tables or views of metricd's names, made by something else.
    #[error(
        "the database already holds {} that metricd did not make; use another database, or rename \
         what is there",
        relations.join(", ")
    )]
    Foreign {
        /// Their names with their schemas.
        relations: Vec<String>,
    },
    /// A newer metricd has been here.
    #[error(
        "the database was migrated by a newer version of metricd ({}), and this one does not work with its schema; run that \
         version",
        migrations.join(", ")
    )]
    Newer {
        /// The migrations that this version does not know.
        migrations: Vec<String>,
    },
    /// The schema is up to date, and stored SQL cannot be run.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The database reports an error.
    #[error("the database's schema could not be brought up to date")]
    Failed(#[source] DbErr),
}

impl From<DbErr> for MigrateError {
    fn from(error: DbErr) -> Self {
        Self::Failed(error)
    }
}

/// Whether the version before a migration goes on working after it
/// (`docs/adr/0023-an-older-version-works-with-a-newer-schema-that-says-so.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    #[expect(dead_code, reason = "the first that keeps it is still to come")]
    KeepsPrevious,
    BreaksPrevious,
}

/// The migrations, oldest first. Before the tenth no version looks for what a newer schema says of it.
fn migrations() -> Vec<(Effect, Box<dyn MigrationTrait>)> {
    use Effect::BreaksPrevious;
    vec![
        (BreaksPrevious, Box::new(m20250601_000001_catalog::Migration)),
        (BreaksPrevious, Box::new(m20250601_000002_records::Migration)),
        (BreaksPrevious, Box::new(m20250601_000003_audit::Migration)),
        (BreaksPrevious, Box::new(m20250601_000004_reader::Migration)),
        (BreaksPrevious, Box::new(m20250601_000005_versions::Migration)),
        (BreaksPrevious, Box::new(m20250601_000006_changes::Migration)),
        (BreaksPrevious, Box::new(m20250601_000007_cache_ttl::Migration)),
        (BreaksPrevious, Box::new(m20250601_000008_idempotency::Migration)),
        (BreaksPrevious, Box::new(m20250601_000009_idempotency_claims::Migration)),
        (BreaksPrevious, Box::new(m20250601_000010_compatibility::Migration)),
    ]
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        migrations().into_iter().map(|(_, migration)| migration).collect()
    }

    // Unqualified: the transaction's search path puts it into the schema `metricd`.
    fn migration_table_name() -> DynIden {
        Alias::new("migrations").into_iden()
    }
}

/// The migrations that a schema has seen, beside those that this version knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// Those that it has seen, oldest first.
    pub applied: Vec<String>,
    /// Those that it has not.
    pub missing: Vec<String>,
    /// The last migration of the oldest version that works with it, if it says so.
    pub oldest: Option<String>,
}

impl SchemaState {
    pub(super) fn new(applied: Vec<String>, oldest: Option<String>) -> Self {
        let missing = known().into_iter().filter(|name| !applied.contains(name)).collect();
        Self { applied, missing, oldest }
    }

    /// Those that this version does not know.
    #[must_use]
    pub fn newer(&self) -> Vec<String> {
        let known = known();
        self.applied.iter().filter(|name| !known.contains(name)).cloned().collect()
    }

    /// Whether this version works with it, once it has seen what is missing.
    #[must_use]
    pub fn works(&self) -> bool {
        let is_allowed = |oldest: &String| known().last().is_some_and(|last| oldest <= last);
        self.newer().is_empty()
            || self.missing.is_empty() && self.oldest.as_ref().is_some_and(is_allowed)
    }
}

/// The names of the migrations of this version, oldest first.
fn known() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// Reads what a database's schema has seen, and changes nothing.
pub(crate) async fn state(db: &DatabaseConnection) -> Result<SchemaState, DbErr> {
    let tx = run_to_completion::begin(db).await?;
    let state = state_within(&tx).await?;
    tx.rollback().await?;
    Ok(state)
}

async fn state_within(tx: &DatabaseTransaction) -> Result<SchemaState, DbErr> {
    let there = "SELECT to_regclass('metricd.compatibility') IS NOT NULL AS there";
    let oldest = if ask(tx, there, "there").await? {
        strings(tx, "SELECT oldest AS name FROM metricd.compatibility").await?.pop()
    } else {
        None
    };
    Ok(SchemaState::new(applied(tx).await?, oldest))
}

/// Brings the schema up to date. A newer one that says that this version works with it is left as it is.
pub(crate) async fn up(db: &DatabaseConnection) -> Result<(), MigrateError> {
    let tx = begin(db).await?;
    let schema = state_within(&tx).await?;
    let newer = schema.newer();
    if !schema.works() {
        return Err(MigrateError::Newer { migrations: newer });
    }
    if !newer.is_empty() {
        warn!(
            migrations = newer.join(", "),
            "A newer version of metricd has migrated the database, and this one works with it"
        );
    }
    if !schema.missing.is_empty() {
        apply(&tx, &schema, None).await?;
        let declare = format!(
            "DELETE FROM metricd.compatibility; INSERT INTO metricd.compatibility VALUES ('{}')",
            oldest_that_works()
        );
        tx.execute_unprepared(&declare).await?;
    }
    tx.execute_unprepared(FORGET_CHANGES_OF_ANOTHER_SERVER).await?;
    tx.commit().await?;
    Ok(())
}

/// Applies the first `steps` of the migrations that are missing: what an older version leaves.
pub(crate) async fn up_by(db: &DatabaseConnection, steps: u32) -> Result<(), MigrateError> {
    let tx = begin(db).await?;
    let schema = state_within(&tx).await?;
    apply(&tx, &schema, Some(steps)).await?;
    tx.commit().await?;
    Ok(())
}

async fn apply(
    tx: &DatabaseTransaction,
    schema: &SchemaState,
    steps: Option<u32>,
) -> Result<(), MigrateError> {
    if schema.applied.is_empty() {
        refuse_foreign(tx).await?;
    }
    if !schema_exists(tx).await? {
        tx.execute_unprepared("CREATE SCHEMA metricd").await?;
    }
    tx.execute_unprepared("SET LOCAL search_path = metricd").await?;
    Ok(Migrator::up(tx, steps).await?)
}

/// The last migration of the oldest version that works with this one's schema.
fn oldest_that_works() -> String {
    let breaking = migrations().into_iter().filter(|(effect, _)| *effect == Effect::BreaksPrevious);
    breaking.last().map(|(_, migration)| migration.name().to_owned()).unwrap_or_default()
}

/// A log of changes that was restored from a dump of another server may name transactions that are still to come here:
/// until then every server would take them for new.
const FORGET_CHANGES_OF_ANOTHER_SERVER: &str =
    "DELETE FROM metricd.changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";

/// Undoes the last `steps` migrations, or all of them together with the schema `metricd`. What the
/// tables held is lost. Newer ones cannot be undone.
pub(crate) async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), MigrateError> {
    let tx = begin(db).await?;
    let schema = state_within(&tx).await?;
    let newer = schema.newer();
    if !newer.is_empty() {
        return Err(MigrateError::Newer { migrations: newer });
    }
    if !schema.applied.is_empty() {
        tx.execute_unprepared("SET LOCAL search_path = metricd").await?;
        Migrator::down(&tx, steps).await?;
        if applied(&tx).await?.is_empty() {
            tx.execute_unprepared("DROP TABLE metricd.migrations; DROP SCHEMA metricd").await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let tx = run_to_completion::begin(db).await?;
    lock_catalog(&tx).await?;
    Ok(tx)
}

/// The names of the migrations that this database has seen, oldest first.
async fn applied(tx: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let ours = "SELECT count(*) = 2 AS ours FROM information_schema.columns \
                WHERE table_schema = 'metricd' AND table_name = 'migrations' \
                AND column_name IN ('version', 'applied_at')";
    if !ask(tx, ours, "ours").await? {
        return Ok(Vec::new());
    }
    strings(tx, "SELECT version AS name FROM metricd.migrations ORDER BY version").await
}

async fn schema_exists(tx: &DatabaseTransaction) -> Result<bool, DbErr> {
    ask(tx, "SELECT to_regnamespace('metricd') IS NOT NULL AS there", "there").await
}

/// Refuses a database that has anything of our names without any of our migrations.
async fn refuse_foreign(tx: &DatabaseTransaction) -> Result<(), MigrateError> {
    let relations = strings(
        tx,
        "SELECT format('%I.%I', n.nspname, c.relname) AS name \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE (n.nspname, c.relname) IN (('public', 'metrics'), ('metricd', 'queries'), \
             ('metricd', 'metric_configurations'), ('metricd', 'layout_items'), \
             ('metricd', 'audit_events'), ('metricd', 'query_versions'), \
             ('metricd', 'reader_roles'), ('metricd', 'changes'), \
             ('metricd', 'idempotency_keys'), ('metricd', 'compatibility')) \
         OR (n.nspname, c.relname) = ('metricd', 'migrations') AND NOT ( \
             SELECT count(*) = 2 FROM information_schema.columns \
             WHERE table_schema = 'metricd' AND table_name = 'migrations') \
         ORDER BY 1",
    )
    .await?;
    if relations.is_empty() { Ok(()) } else { Err(MigrateError::Foreign { relations }) }
}

async fn ask(tx: &DatabaseTransaction, sql: &str, column: &str) -> Result<bool, DbErr> {
    let row = tx.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.map_or(Ok(false), |row| row.try_get("", column))
}

async fn strings(tx: &DatabaseTransaction, sql: &str) -> Result<Vec<String>, DbErr> {
    let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}
