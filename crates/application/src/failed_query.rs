//! Words a failed query for its caller: one who may see the SQL learns why it failed, one who may write SQL over its tables
//! with the values that the database quotes, and all others that it did.

use chrono::SecondsFormat;
use metricd_core::{
    actor::{Action, Actor, Object},
    metric::CompiledMetric,
    sql::author_position,
};
use thiserror::Error;
use tracing::warn;

use crate::{
    compile::before,
    context::Context,
    error::{Cause, Classified, Classify},
    error_chain,
    ports::{QueryFault, RunError},
    query_health::QueryFailure,
    rights::permits,
};

/// Why a metric's query failed, in the words for one caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct FailedQuery {
    cause: Cause,
    detail: String,
}

impl Classify for FailedQuery {
    fn classify(&self) -> Classified {
        Classified::from(self.cause).with_detail(&self.detail)
    }
}

/// Records that the query of `compiled` could not be run and words it for `actor`, if that is the query's own fault.
pub(crate) fn own_fault(
    actor: &Actor,
    context: &Context,
    compiled: &CompiledMetric,
    error: &RunError,
) -> Option<FailedQuery> {
    let cause = match error {
        RunError::Query(_) | RunError::Refused(_) => error.classify().cause,
        _ => return None,
    };
    let metric = &compiled.metric;
    warn!(metric = %metric.id, error = error_chain(error), "Query failed");
    let is_broken = cause == Cause::MetricBroken;
    let known = context.health.failure(metric.id, metric.query_version);
    if is_broken && known.is_none_or(|known| !known.is_broken) {
        // Its tables are not what they were: what is cached of them ends before the change feed sees it.
        for table in &compiled.query.template.tables {
            context.change_feed.versions().redefined(&table.clone().qualified());
        }
    }
    let failure =
        QueryFailure { since: context.clock.now(), is_broken, query_version: metric.query_version };
    let since = context.health.failed(metric.id, failure).since;
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let begin = if is_broken {
        format!("The metric is broken since {since}")
    } else {
        "The metric's query failed".to_owned()
    };
    let detail = match reason(actor, context, compiled, error) {
        Some(reason) => format!("{begin}: {reason}"),
        None if is_broken => format!("{begin}: its query no longer fits the database"),
        None => format!("{begin} on the data that it reads"),
    };
    Some(FailedQuery { cause, detail })
}

/// Why the query failed, as far as `actor` may know.
fn reason(
    actor: &Actor,
    context: &Context,
    compiled: &CompiledMetric,
    error: &RunError,
) -> Option<String> {
    if !permits(actor, context, Action::ReadSql, Object::Metric(&compiled.metric)) {
        return None;
    }
    let fault = match error {
        RunError::Query(fault) => fault,
        other => return Some(error_chain(other)),
    };
    let template = &compiled.query.template;
    let writes = |table| permits(actor, context, Action::WriteSql, Object::Table(table));
    let said = if template.tables.iter().all(writes) { fault.whole() } else { fault.to_string() };
    Some(format!("{}{said}", before(position_in(compiled, fault))))
}

/// The line and column in the author's SQL that a fault is about.
pub(crate) fn position_in(compiled: &CompiledMetric, fault: &QueryFault) -> Option<(u32, u32)> {
    let (template, sql) = (&compiled.query.template.sql, &compiled.query.sql);
    fault.offset.and_then(|offset| author_position(template, sql, offset))
}
