//! A scenario's own database, and statements that are run in it past metricd.
//!
//! Only the native engine can be reached past metricd: scenarios that do so are tagged `@native`.

use std::{
    ops::ControlFlow::{Break, Continue},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    TestRun,
    engine::{Content, DatabaseLocation},
    json::Json,
    process,
};

/// Counts the stored queries that run.
const RUNNING: &str = "SELECT count(*) AS running FROM pg_stat_activity \
                       WHERE application_name = 'metricd reader' AND state = 'active' \
                       AND datname = current_database() AND query LIKE 'SELECT string_agg(%'";

/// A database that is made on first use.
#[derive(Debug)]
pub struct ScenarioDatabase {
    /// What it holds when it is first used.
    pub content: Content,
    location: Option<DatabaseLocation>,
    open_transaction: Option<PgConnection>,
    name: String,
    folder: PathBuf,
    run: Arc<TestRun>,
}

impl ScenarioDatabase {
    pub(crate) fn new(run: Arc<TestRun>, folder: &Path, name: String) -> Self {
        let folder = folder.to_owned();
        let content = Content::default();
        Self { content, location: None, open_transaction: None, name, folder, run }
    }

    /// Returns where it is.
    ///
    /// # Errors
    /// When metricd cannot prepare it.
    pub async fn location(&mut self) -> Result<DatabaseLocation> {
        if let Some(location) = &self.location {
            return Ok(location.clone());
        }
        let location = self.run.database(self.content, &self.folder, &self.name).await?;
        Ok(self.location.insert(location).clone())
    }

    async fn connect(&mut self) -> Result<PgConnection> {
        let location = self.location().await?;
        self.run.connect(&location).await
    }

    /// Returns the rows of a query as JSON.
    ///
    /// # Errors
    /// When PostgreSQL refuses it.
    pub async fn rows(&mut self, query: &str) -> Result<Json> {
        let mut connection = self.connect().await?;
        let query = query.trim().trim_end_matches(';');
        let rows =
            format!("SELECT coalesce(json_agg(row_to_json(t)), '[]')::text FROM ({query}) t");
        let rows: String =
            sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut connection).await?;
        Json::parse(&rows)
    }

    /// Polls until a query returns these rows.
    ///
    /// # Errors
    /// When it never does.
    pub async fn wait_for_rows(&mut self, query: &str, expected: &Json) -> Result<()> {
        process::poll_until(async || {
            let actual = self.rows(query).await?;
            Ok(if actual == *expected { Break(()) } else { Continue(format!("it gives {actual}")) })
        })
        .await
    }

    /// Waits until one stored query runs.
    ///
    /// # Errors
    /// When none does.
    pub async fn wait_for_query(&mut self) -> Result<()> {
        self.wait_for_rows(RUNNING, &Json::parse(r#"[{"running": 1}]"#)?).await
    }

    /// Waits until no stored query runs, and returns whether that took less than a second.
    ///
    /// # Errors
    /// When one goes on.
    pub async fn is_idle_within_a_second(&mut self) -> Result<bool> {
        let since = Instant::now();
        self.wait_for_rows(RUNNING, &Json::parse(r#"[{"running": 0}]"#)?).await?;
        Ok(since.elapsed() < Duration::from_secs(1))
    }

    /// Runs statements.
    ///
    /// # Errors
    /// When PostgreSQL refuses them.
    pub async fn execute(&mut self, statements: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await?;
        Ok(())
    }

    /// Runs statements in a transaction that stays open.
    ///
    /// # Errors
    /// When PostgreSQL refuses them.
    pub async fn begin(&mut self, statements: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        let statements = format!("BEGIN; {statements}");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
        self.open_transaction = Some(connection);
        Ok(())
    }

    /// Commits the open transaction.
    ///
    /// # Errors
    /// When there is none, or PostgreSQL refuses.
    pub async fn commit(&mut self) -> Result<()> {
        let mut connection = self.open_transaction.take().context("no transaction is open")?;
        sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
        Ok(())
    }

    /// Removes it, whether or not a server still uses it.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn discard(&mut self) -> Result<()> {
        match self.location.take() {
            Some(location) => self.run.discard(&location).await,
            None => Ok(()),
        }
    }
}
