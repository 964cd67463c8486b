//! Seeds an empty database when the server starts.

use metricd_core::actor::{Action, Actor, Object};

use super::{
    import::{ImportError, ImportOptions, imported, load, prepare},
    loaded::CatalogFiles,
    report::Report,
};
use crate::{
    authorize_on,
    context::Context,
    ports::{CatalogCounts, StoreError, UnitOfWork},
};

/// Imports those of `files` whose table is empty, and returns the report; `None` when there was nothing
/// to import. Several servers may start at once: the first one seeds, the others find the tables filled.
///
/// # Errors
/// See [`ImportError`]. Nothing is written then, nor when the report holds a rejection.
pub async fn seed(
    actor: &Actor,
    context: &Context,
    mut files: CatalogFiles,
) -> Result<Option<Report>, ImportError> {
    authorize_on(actor, context, Action::Import, Object::Catalog).await?;
    let mut filled = filled_tables(context.store.begin().await?.as_mut()).await?;
    loop {
        files.leave_out(filled);
        if files.is_empty() {
            return Ok(None);
        }
        let mut report = Report::default();
        let catalog = CatalogFiles {
            queries: files.queries.clone(),
            metrics: files.metrics.clone(),
            records: None,
        };
        let prepared = prepare(actor, context, catalog, &mut report).await?;
        let mut work = context.store.begin().await?;
        work.lock_catalog().await?;
        filled = filled_tables(work.as_mut()).await?;
        if !files.concern(filled) {
            let records = files.records.take();
            let options = ImportOptions::default();
            let event = imported(actor, context);
            return load(work, &prepared, records, options, report, &event, &|_| ())
                .await
                .map(Some);
        }
    }
}

/// The tables that are not empty.
#[derive(Debug, Clone, Copy)]
struct Filled {
    queries: bool,
    metrics: bool,
    records: bool,
}

async fn filled_tables(work: &mut dyn UnitOfWork) -> Result<Filled, StoreError> {
    let CatalogCounts { queries, metrics, has_records } = work.counts().await?;
    Ok(Filled { queries: queries > 0, metrics: metrics > 0, records: has_records })
}

impl CatalogFiles {
    fn is_empty(&self) -> bool {
        self.queries.is_none() && self.metrics.is_none() && self.records.is_none()
    }

    /// Whether there is a file for a table that is not empty.
    fn concern(&self, filled: Filled) -> bool {
        (filled.queries && self.queries.is_some())
            || (filled.metrics && self.metrics.is_some())
            || (filled.records && self.records.is_some())
    }

    /// Removes the files of tables that are not empty.
    fn leave_out(&mut self, filled: Filled) {
        if filled.queries {
            self.queries = None;
        }
        if filled.metrics {
            self.metrics = None;
        }
        if filled.records {
            self.records = None;
        }
    }
}
