//! Validates the files of an import without a database.

use std::collections::BTreeSet;

use metricd_core::{
    claim::ClaimName,
    ids::QueryId,
    sql::{Draft, Gate, Template},
};

use super::{
    import::reject,
    loaded::CatalogFiles,
    notes::{add_notes, settle},
    plan::{CompiledQuery, Prepared, Stored, plan},
    reconcile,
    records::{self, OnProgress},
    report::{Counts, Findings, Report, Tally},
};
use crate::compile::{CompileError, check_claims};

/// Validates `files` without a database, and returns the report of an import into an empty one. `claims`
/// are those that templates may use. The existence of tables and columns is not checked; the types of
/// literals and columns are assumed, by what the SQL says of them and by their names.
///
/// Duplicates are searched for among the first 1.5 million records.
#[must_use]
pub fn validate(
    files: CatalogFiles,
    strict: bool,
    gate: &Gate,
    claims: &BTreeSet<ClaimName>,
    on_progress: OnProgress<'_>,
) -> Report {
    let CatalogFiles { queries, metrics, records } = files;
    let mut report = Report { findings: Findings::new(strict), ..Report::default() };
    let mut prepared = Prepared::default();
    if let Some(loaded) = queries {
        let (rows, mut left_out) = reconcile::take_queries(loaded, &mut report.findings);
        let mut compiled = Vec::with_capacity(rows.len());
        for row in rows {
            match draft(&row.sql, gate, claims) {
                Ok(template) => {
                    prepared.warnings.extend(add_notes(&row, &template, &mut report));
                    compiled.push(CompiledQuery { loaded: row, template, columns: Vec::new() });
                }
                Err(fault) => reject(row, &fault, &mut left_out, &mut report.findings),
            }
        }
        prepared.queries = Some(compiled);
        prepared.faulty_queries = left_out;
    } else {
        // Without a file of queries, they may be in the database: none is reported as missing.
        prepared.faulty_queries.unnamed = true;
    }
    if let Some(loaded) = metrics {
        let (metrics, left_out) = reconcile::take_metrics(loaded, &mut report.findings);
        prepared.metrics = Some(metrics);
        prepared.faulty_metrics = left_out;
    }
    plan(&Stored::default(), &prepared, false, &mut report.findings);
    report.counts = count(&prepared);
    if let Some(mut source) = records {
        let known = known_queries(&prepared);
        let findings = &mut report.findings;
        let (read, has_times) =
            records::check(source.as_mut(), known.as_ref(), findings, on_progress);
        report.counts.records.created = read;
        settle(&prepared.warnings, has_times, &mut report);
    } else {
        settle(&prepared.warnings, true, &mut report);
    }
    if !report.findings.permit_writing() {
        report.counts = Counts::default();
    }
    report
}

fn draft(sql: &str, gate: &Gate, claims: &BTreeSet<ClaimName>) -> Result<Template, CompileError> {
    let draft = Draft::parse(sql, gate)?;
    check_claims(&draft, claims)?;
    Ok(draft.assume()?)
}

fn count(prepared: &Prepared) -> Counts {
    let created = |number: usize| Tally { created: number as u64, ..Tally::default() };
    let metrics = prepared.metrics.as_deref().unwrap_or_default();
    Counts {
        queries: created(prepared.queries.as_ref().map_or(0, Vec::len)),
        metrics: created(metrics.len()),
        layouts: created(metrics.iter().map(|metric| metric.layouts.len()).sum()),
        records: Tally::default(),
    }
}

/// Returns the ids of all queries, if they are known.
fn known_queries(prepared: &Prepared) -> Option<BTreeSet<QueryId>> {
    if prepared.faulty_queries.unnamed {
        return None;
    }
    let compiled = prepared.queries.iter().flatten().map(|query| query.loaded.id.clone());
    Some(compiled.chain(prepared.faulty_queries.ids.iter().cloned()).collect())
}
