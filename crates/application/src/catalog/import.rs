//! Imports a catalog from files, all or nothing.
//!
//! SQL is compiled before the unit of work opens, because compiling queries the database. While the
//! unit of work is open, nothing but the store may be called; the file of records is read meanwhile.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::{AuditEvent, AuditedObject},
};
use thiserror::Error;

use super::{
    loaded::{CatalogFiles, LeftOut, LoadedQuery},
    notes::{add_notes, place_in_sql, settle},
    plan::{ChangedQuery, CompiledQuery, ImportPlan, Prepared, Stored, plan},
    reconcile,
    records::{self, Distinct, OnProgress, ReadAhead, RecordSource},
    report::{Finding, Findings, Place, Report},
};
use crate::{
    Forbidden, authorize_on,
    compile::{CompileError, compile},
    context::Context,
    error::{Classified, Classify},
    error_chain,
    ports::{RunError, StoreError, UnitOfWork},
};

/// The options of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Roll everything back at the end: the report tells what would have happened.
    pub dry_run: bool,
    /// Treat warnings and repairs as rejections.
    pub strict: bool,
    /// Remove what an earlier import created and these files lack. Records stay.
    pub prune: bool,
}

/// The reason why an import failed without a report. Faults of the files are in the report instead.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The caller may not import a catalog.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The database could not be reached to check a query.
    #[error("the query `{query}` could not be checked")]
    Check {
        /// The query's id.
        query: String,
        /// The cause.
        #[source]
        source: RunError,
    },
    /// The catalog could not be read or written.
    #[error("the catalog could not be loaded")]
    Store(#[from] StoreError),
}

impl Classify for ImportError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Check { source, .. } => source.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// Imports `files` and returns a report.
///
/// # Errors
/// See [`ImportError`]. Nothing is written then, nor when the report holds a rejection.
pub async fn import(
    actor: &Actor,
    context: &Context,
    files: CatalogFiles,
    options: ImportOptions,
    on_progress: OnProgress<'_>,
) -> Result<Report, ImportError> {
    authorize_on(actor, context, Action::Import, Object::Catalog).await?;
    let CatalogFiles { queries, metrics, records } = files;
    let mut report = Report { findings: Findings::new(options.strict), ..Report::default() };
    let catalog = CatalogFiles { queries, metrics, records: None };
    let prepared = prepare(actor, context, catalog, &mut report).await?;
    let mut work = context.store.begin().await?;
    work.lock_catalog().await?;
    let event = imported(actor, context);
    load(work, &prepared, records, options, report, &event, on_progress).await
}

/// Returns the audit event of an import.
pub(super) fn imported(actor: &Actor, context: &Context) -> AuditEvent {
    AuditEvent::done(actor, context.clock.now(), Action::Import, AuditedObject::Catalog, None)
}

/// Reconciles the files' queries and metrics and compiles the SQL.
pub(super) async fn prepare(
    actor: &Actor,
    context: &Context,
    files: CatalogFiles,
    report: &mut Report,
) -> Result<Prepared, ImportError> {
    let mut prepared = Prepared::default();
    if let Some(loaded) = files.queries {
        let (rows, mut left_out) = reconcile::take_queries(loaded, &mut report.findings);
        let mut compiled = Vec::with_capacity(rows.len());
        for row in rows {
            match compile(actor, context, &row.sql).await {
                Ok((template, description)) => {
                    prepared.warnings.extend(add_notes(&row, &template, report));
                    let columns = description.columns;
                    compiled.push(CompiledQuery { loaded: row, template, columns });
                }
                Err(CompileError::Database(source)) if !source.is_query_fault() => {
                    return Err(ImportError::Check { query: row.id.to_string(), source });
                }
                Err(fault) => reject(row, &fault, &mut left_out, &mut report.findings),
            }
        }
        prepared.queries = Some(compiled);
        prepared.faulty_queries = left_out;
    }
    if let Some(loaded) = files.metrics {
        let (metrics, left_out) = reconcile::take_metrics(loaded, &mut report.findings);
        prepared.metrics = Some(metrics);
        prepared.faulty_metrics = left_out;
    }
    Ok(prepared)
}

/// Adds a finding for SQL that does not compile.
pub(super) fn reject(
    row: LoadedQuery,
    fault: &CompileError,
    left_out: &mut LeftOut<metricd_core::ids::QueryId>,
    findings: &mut Findings,
) {
    let (message, advice) = match fault {
        CompileError::Sql(fault) => (
            format!("{}: {}", place_in_sql(&row, fault.line, fault.column), fault.message),
            fault.hint.as_deref().map_or_else(|| "Correct the SQL.".to_owned(), sentence),
        ),
        CompileError::Rejected { position: Some((line, column)), message } => (
            format!(
                "{}: the database rejected the query: {message}",
                place_in_sql(&row, *line, *column)
            ),
            "Correct the SQL.".to_owned(),
        ),
        CompileError::Unreadable(tables) => (
            format!("the SQL of `{}`: {fault}", row.id),
            format!(
                "Correct the name, create the table, or, on a server, let stored SQL read it: `GRANT SELECT \
                 ON {} TO metricd_reader` (or the reader role that is configured).",
                tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        ),
        CompileError::UnknownClaim(claim) => (
            format!("the SQL of `{}`: {fault}", row.id),
            format!("Set `claims.{claim}` to the name of the token's claim, or correct the SQL."),
        ),
        CompileError::Forbidden(_) => (
            format!("the SQL of `{}` reads tables that you may not write SQL for", row.id),
            "Request the permission `writeSql` on its tables.".to_owned(),
        ),
        CompileError::Database(RunError::TooExpensive { .. }) => (
            format!("the SQL of `{}`: {fault}", row.id),
            "Make the SQL cheaper, or raise `limits.max_cost`.".to_owned(),
        ),
        CompileError::Database(RunError::Refused(reason)) => (
            format!("the SQL of `{}`: {}", row.id, error_chain(reason.as_ref())),
            "Correct the SQL.".to_owned(),
        ),
        CompileError::Database(RunError::Query(fault)) => {
            (format!("the SQL of `{}`: {}", row.id, fault.whole()), "Correct the SQL.".to_owned())
        }
        CompileError::Rejected { .. }
        | CompileError::Columns(_)
        | CompileError::Window(_)
        | CompileError::Database(_) => {
            (format!("the SQL of `{}`: {fault}", row.id), "Correct the SQL.".to_owned())
        }
    };
    findings.add(Finding::rejection(row.place, message, advice));
    left_out.add(Some(row.id));
}

fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if hint.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Writes what was prepared and the records through `work`, whose catalog is locked. Commits, or rolls
/// back after a rejection or in a dry run.
pub(super) async fn load(
    mut work: Box<dyn UnitOfWork>,
    prepared: &Prepared,
    records: Option<Box<dyn RecordSource>>,
    options: ImportOptions,
    mut report: Report,
    event: &AuditEvent,
    on_progress: OnProgress<'_>,
) -> Result<Report, ImportError> {
    let stored = stored(work.as_mut(), prepared).await?;
    let plan = plan(&stored, prepared, options.prune, &mut report.findings);
    let mut records = records.map(ReadAhead::begin);
    if report.findings.permit_writing() {
        report.counts = plan.counts;
        write(work.as_mut(), plan, event, &mut report).await?;
        if let Some(records) = &mut records {
            store(work.as_mut(), records, &mut report, on_progress).await?;
        }
    }
    let mut work = Some(work);
    if !report.findings.permit_writing() {
        work = None;
        if let Some(records) = &mut records {
            records.read_for_faults(&mut report.findings, on_progress).await;
        }
    }
    let has_times = records.as_ref().is_none_or(ReadAhead::has_times);
    settle(&prepared.warnings, has_times, &mut report);
    match work.filter(|_| report.findings.permit_writing()) {
        None => report.counts = super::Counts::default(),
        Some(work) if !options.dry_run => {
            work.commit(event, &[]).await?;
            report.written = true;
        }
        Some(_) => {}
    }
    Ok(report)
}

/// Returns the stored catalog, locked until the end of the transaction. An import of records alone needs
/// none, and does not block changes of metrics.
async fn stored(work: &mut dyn UnitOfWork, prepared: &Prepared) -> Result<Stored, StoreError> {
    if prepared.queries.is_none() && prepared.metrics.is_none() {
        return Ok(Stored::default());
    }
    let queries = work.lock_all_queries().await?;
    Ok(Stored { queries, metrics: work.lock_all_metrics().await? })
}

async fn write(
    work: &mut dyn UnitOfWork,
    plan: ImportPlan,
    event: &AuditEvent,
    report: &mut Report,
) -> Result<(), StoreError> {
    for query in &plan.new_queries {
        work.insert_query(query).await?;
    }
    for ChangedQuery { before, after } in &plan.changed_queries {
        work.keep_version(&before.id, &before.replaced(event.at, &event.subject)).await?;
        work.update_query(after).await?;
    }
    for metric in &plan.new_metrics {
        work.insert_metric(metric).await?;
    }
    for metric in &plan.changed_metrics {
        work.update_metric(metric).await?;
    }
    for id in plan.pruned_metrics {
        work.delete_metric(id).await?;
    }
    for id in plan.pruned_queries {
        if work.delete_unused_query(&id).await? {
            report.counts.queries.removed += 1;
        } else {
            report.findings.add(Finding::note(
                Place::default(),
                format!("the query `{id}` was not pruned, because a metric uses it"),
                "Nothing; remove the metric first if both should go.",
            ));
        }
    }
    Ok(())
}

/// Stores the records as they are read. Stops at the first rejection, without reading to the end.
async fn store(
    work: &mut dyn UnitOfWork,
    records: &mut ReadAhead,
    report: &mut Report,
    on_progress: OnProgress<'_>,
) -> Result<(), StoreError> {
    let mut distinct = Distinct::default();
    while let Some(batch) = records.next(&mut report.findings, on_progress).await {
        if !report.findings.permit_writing() {
            return Ok(());
        }
        if !batch.is_empty() {
            distinct.see(&batch);
            work.stage_records(&batch).await?;
        }
    }
    if !report.findings.permit_writing() {
        return Ok(());
    }
    let outcome = work.merge_staged(distinct.holds()).await?;
    report.counts.records.created = outcome.created;
    report.counts.records.unchanged = outcome.unchanged;
    if let Some(source) = records.ended() {
        records::report_outcome(&outcome, source, &mut report.findings);
    }
    Ok(())
}
