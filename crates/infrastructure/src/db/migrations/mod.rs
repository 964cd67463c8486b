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

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
    sea_query::{Alias, IntoIden},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait, sea_query::DynIden};
use thiserror::Error;

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
        "the database was migrated by a newer version of metricd ({}); run that version",
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

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20250601_000001_catalog::Migration),
            Box::new(m20250601_000002_records::Migration),
            Box::new(m20250601_000003_audit::Migration),
            Box::new(m20250601_000004_reader::Migration),
            Box::new(m20250601_000005_versions::Migration),
            Box::new(m20250601_000006_changes::Migration),
            Box::new(m20250601_000007_cache_ttl::Migration),
            Box::new(m20250601_000008_idempotency::Migration),
            Box::new(m20250601_000009_idempotency_claims::Migration),
        ]
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
}

impl SchemaState {
    fn of(applied: Vec<String>) -> Self {
        let missing = known().into_iter().filter(|name| !applied.contains(name)).collect();
        Self { applied, missing }
    }

    /// Those that this version does not know.
    #[must_use]
    pub fn newer(&self) -> Vec<String> {
        let known = known();
        self.applied.iter().filter(|name| !known.contains(name)).cloned().collect()
    }
}

/// The names of the migrations of this version, oldest first.
fn known() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// Whether this version works with a schema that has seen these migrations, once it has seen the others too.
#[cfg(feature = "embedded")]
pub(super) fn works_with_schema(migrations: &[String]) -> bool {
    SchemaState::of(migrations.to_vec()).newer().is_empty()
}

/// Reads what a database's schema has seen, and changes nothing.
pub(crate) async fn state(db: &DatabaseConnection) -> Result<SchemaState, DbErr> {
    let tx = run_to_completion::begin(db).await?;
    let state = SchemaState::of(applied(&tx).await?);
    tx.rollback().await?;
    Ok(state)
}

/// Brings the schema up to date.
pub(crate) async fn up(db: &DatabaseConnection) -> Result<(), MigrateError> {
    let tx = begin(db).await?;
    let schema = SchemaState::of(applied(&tx).await?);
    let newer = schema.newer();
    if !newer.is_empty() {
        return Err(MigrateError::Newer { migrations: newer });
    }
    if !schema.missing.is_empty() {
        if schema.applied.is_empty() {
            refuse_foreign(&tx).await?;
        }
        if !schema_exists(&tx).await? {
            tx.execute_unprepared("CREATE SCHEMA metricd").await?;
        }
        tx.execute_unprepared("SET LOCAL search_path = metricd").await?;
        Migrator::up(&tx, None).await?;
    }
    tx.execute_unprepared(FORGET_CHANGES_OF_ANOTHER_SERVER).await?;
    tx.commit().await?;
    Ok(())
}

/// A log of changes that was restored from a dump of another server may name transactions that are still to come here:
/// until then every server would take them for new.
const FORGET_CHANGES_OF_ANOTHER_SERVER: &str =
    "DELETE FROM metricd.changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";

/// Undoes the last `steps` migrations, or all of them together with the schema `metricd`. What the
/// tables held is lost.
pub(crate) async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), MigrateError> {
    let tx = begin(db).await?;
    if !applied(&tx).await?.is_empty() {
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
             ('metricd', 'idempotency_keys')) \
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
