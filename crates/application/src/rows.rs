//! Rows: the one way in which a stored query is run.
//!
//! `open` waits for a session and admits the statement; its rows are then read at once or streamed. Never decides
//! who may read them: see [`bind`](crate::bind).

use std::sync::Arc;

use async_trait::async_trait;
use metricd_core::{
    parameters::Parameters,
    sql::{BoundValue, Template},
};

use crate::{
    admission::Admission,
    freshness::{BoundQuery, RowSource, TimedRows},
    ports::{Clock, QueryRunner, RowStream, Rows, RunError, SessionNeeds},
};

/// A statement that was admitted to a session of its own and can run now.
pub(crate) struct OpenRows<'a> {
    session: Box<dyn QueryRunner>,
    admission: &'a Admission,
    template: &'a Template,
    parameters: &'a Parameters,
    values: &'a [BoundValue],
    /// Whether such a run has ended by itself before.
    is_tried: bool,
}

/// Waits for a session and admits `template` to it with `values`, which `parameters` bind. `needs` says for which caller, and
/// for which relations.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn open<'a>(
    runner: &dyn QueryRunner,
    admission: &'a Admission,
    template: &'a Template,
    parameters: &'a Parameters,
    values: &'a [BoundValue],
    needs: SessionNeeds,
) -> Result<OpenRows<'a>, RunError> {
    let is_tried = admission.is_tried(template, parameters, values);
    let needs = SessionNeeds { timezone: parameters.window.session_timezone, is_tried, ..needs };
    let session = runner.session(needs).await?;
    admission.admit(session.as_ref(), template, parameters, values).await?;
    Ok(OpenRows { session, admission, template, parameters, values, is_tried })
}

/// The same for a bound query that is answered at once.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn open_query<'a>(
    runner: &dyn QueryRunner,
    admission: &'a Admission,
    query: &'a BoundQuery,
) -> Result<OpenRows<'a>, RunError> {
    let is_quick = admission.is_quick(query.template(), query.parameters(), query.values());
    open_bound(runner, admission, query, is_quick).await
}

/// The same for a bound query whose rows are streamed, which lasts for as long as the receiver likes.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn open_export<'a>(
    runner: &dyn QueryRunner,
    admission: &'a Admission,
    query: &'a BoundQuery,
) -> Result<OpenRows<'a>, RunError> {
    open_bound(runner, admission, query, false).await
}

async fn open_bound<'a>(
    runner: &dyn QueryRunner,
    admission: &'a Admission,
    query: &'a BoundQuery,
    is_quick: bool,
) -> Result<OpenRows<'a>, RunError> {
    let needs = SessionNeeds {
        relations: Some(Arc::clone(&query.description().relations)),
        caller: Some(Arc::clone(query.caller())),
        is_quick,
        ..SessionNeeds::default()
    };
    open(runner, admission, query.template(), query.parameters(), query.values(), needs).await
}

impl OpenRows<'_> {
    /// Reads at most `limit` rows at once.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(crate) async fn all(&self, limit: u32) -> Result<Rows, RunError> {
        let rows = self.session.run(self.template, self.values, limit).await?;
        if !self.is_tried {
            self.admission.mark_tried(self.template, self.parameters, self.values);
        }
        Ok(rows)
    }

    /// Streams every row.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(crate) async fn stream(&self) -> Result<RowStream, RunError> {
        self.session.stream(self.template, self.values).await
    }
}

/// Reads the rows of answers that are not cached.
pub struct QueryRows {
    /// Runs the statements.
    pub runner: Arc<dyn QueryRunner>,
    /// Decides whether they may run.
    pub admission: Admission,
    /// Tells when the rows are read.
    pub clock: Arc<dyn Clock>,
    /// The most rows of one answer.
    pub max_rows: u32,
}

#[async_trait]
impl RowSource for QueryRows {
    async fn read(&self, query: &BoundQuery) -> Result<TimedRows, RunError> {
        let open = open_query(self.runner.as_ref(), &self.admission, query).await?;
        let as_of = self.clock.now();
        let rows = open.all(self.max_rows).await?;
        Ok(TimedRows { rows, as_of })
    }
}
