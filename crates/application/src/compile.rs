//! Compiles an author's SQL to a template that the database has accepted. Must run before a unit of
//! work is opened, because it queries the database itself.

use std::{collections::BTreeSet, sync::Arc};

use chrono_tz::Tz;
use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditedObject,
    claim::{ClaimName, Scope},
    parameters::{ParameterRequest, Parameters},
    sql::{
        Draft, SlotNote, SqlError, TableName, Template, TimesRead, author_position, quoted_name,
    },
    window::WindowFault,
};
use thiserror::Error;

use crate::{
    Forbidden,
    admission::name_all,
    answer_columns::{ColumnFault, check_columns},
    authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify, InputField},
    error_chain,
    ports::{QueryRunner, RunError, TemplateDescription},
    rights::permits,
};

/// The reason why SQL did not compile, worded for its author.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The caller may not write SQL, or not over all of the tables that it reads.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It uses a claim that is not configured.
    #[error("`:claim_{0}` is not configured: set `claims.{0}` to the name of the token's claim")]
    UnknownClaim(ClaimName),
    /// It is not a SELECT that metricd runs.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// It reads tables that do not exist or that stored SQL may not read.
    #[error(
        "stored SQL may not read {}: there is no such table, or, on a server, it is not granted to the reader role",
        name_all(.0)
    )]
    Unreadable(Vec<TableName>),
    /// Its columns cannot be those of an answer.
    #[error(transparent)]
    Columns(#[from] ColumnFault),
    /// The database rejected it.
    #[error("{}the database rejected the query: {message}", before(*.position))]
    Rejected {
        /// Its line and column, both from 1, where they can be told.
        position: Option<(u32, u32)>,
        /// The database's message.
        message: String,
    },
    /// Its default window is invalid.
    #[error("its default window is invalid: {}", all(.0))]
    Window(Vec<WindowFault>),
    /// The database could not be asked, or it failed there.
    #[error(transparent)]
    Database(#[from] RunError),
}

impl Classify for CompileError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Database(error) if !error.is_query_fault() => error.classify(),
            // Its author may write SQL over the tables, so may see what the database quotes of them.
            Self::Database(RunError::Query(fault)) => fault.for_author(),
            Self::Database(RunError::Refused(reason)) => {
                let reason = error_chain(reason.as_ref());
                Classified::faulty(Cause::InvalidSql, InputField::Sql, &reason)
            }
            Self::Database(
                error @ (RunError::TooExpensive { .. } | RunError::RowTooLarge { .. }),
            ) => Classified::faulty(error.classify().cause, InputField::Sql, error),
            _ => Classified::faulty(Cause::InvalidSql, InputField::Sql, self),
        }
    }
}

/// What stands before a message about a place in an author's SQL.
pub(crate) fn before(position: Option<(u32, u32)>) -> String {
    position.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default()
}

fn all(faults: &[WindowFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Rejects claims that no setting names: no token would hold them, so no caller could read the metric.
pub(crate) fn check_claims(draft: &Draft, known: &BTreeSet<ClaimName>) -> Result<(), CompileError> {
    match draft.claims().difference(known).next() {
        Some(unknown) => Err(CompileError::UnknownClaim(unknown.clone())),
        None => Ok(()),
    }
}

/// Compiles `sql`: parses it, authorizes `actor` to write it, checks what it reads, describes it by the
/// database, fixes its slots, and checks its cost.
///
/// # Errors
/// See [`CompileError`].
pub async fn compile(
    actor: &Actor,
    context: &Context,
    sql: &str,
) -> Result<(Template, TemplateDescription), CompileError> {
    authorize(actor, context, Action::WriteSql, AuditedObject::Catalog).await?;
    let draft = Draft::parse(sql, context.admission.gate())?;
    for table in draft.tables() {
        authorize_on(actor, context, Action::WriteSql, Object::Table(table)).await?;
    }
    finish(actor, context, sql, draft).await
}

/// Compiles SQL that a generator suggested. A table without permission is not audited as a denial: the
/// actor did not name it.
pub(crate) async fn compile_suggestion(
    actor: &Actor,
    context: &Context,
    sql: &str,
) -> Result<(Template, TemplateDescription), CompileError> {
    let draft = Draft::parse(sql, context.admission.gate())?;
    let may = |table| permits(actor, context, Action::WriteSql, Object::Table(table));
    if !draft.tables().iter().all(may) {
        return Err(Forbidden.into());
    }
    finish(actor, context, sql, draft).await
}

/// Compiles a draft that the actor is authorized to write.
async fn finish(
    actor: &Actor,
    context: &Context,
    sql: &str,
    draft: Draft,
) -> Result<(Template, TemplateDescription), CompileError> {
    check_claims(&draft, &context.claims)?;
    let runner = context.runner.questions(Arc::clone(actor.identity())).await?;
    let runner = runner.as_ref();
    let tables: Vec<TableName> = draft.tables().iter().cloned().collect();
    let unreadable = runner.unreadable(&tables).await?;
    if !unreadable.is_empty() {
        return Err(CompileError::Unreadable(unreadable));
    }
    context.admission.check_fields(runner, &draft.fields()).await??;
    let described = runner.describe(draft.sql()).await;
    let inferred = described.map_err(|error| rejection(error, draft.sql(), sql))?.parameters;
    let operators = draft.operators();
    let mut template = draft.finish(&inferred)?;
    // Described again as it will run: a literal that is no slot may not have the type that it needs.
    context.admission.check_operators(runner, &template, &operators).await??;
    let description = runner.describe_template(&template).await?;
    check_columns(&description.columns)?;
    let note = wall_time_note(sql, &template, &description, context.zones.timestamps);
    template.notes.extend(note);
    let slots = context.zones.slots_of(&template, &description);
    let parameters = Parameters::resolve(&slots, &ParameterRequest::default(), context.now())
        .map_err(CompileError::Window)?;
    if let Ok(scope) = actor.scope(&template.claims) {
        check_cost(context, runner, &template, &parameters, &scope).await?;
    } else {
        let unscoped = template.with_unknown_claims()?;
        let scope = actor.scope(&unscoped.claims).map_err(|e| RunError::Failed(e.into()))?;
        check_cost(context, runner, &unscoped, &parameters, &scope).await?;
    }
    Ok((template, description))
}

/// What its author is told of an error of `compiled`, which was made of `sql`.
fn rejection(error: RunError, compiled: &str, sql: &str) -> CompileError {
    match error {
        RunError::Rejected { message, offset } => {
            let position = offset.and_then(|offset| author_position(compiled, sql, offset));
            CompileError::Rejected { position, message }
        }
        error => error.into(),
    }
}

/// Says whose days the columns without a time zone have, unless the author has taken the zone in hand.
fn wall_time_note(
    sql: &str,
    template: &Template,
    description: &TemplateDescription,
    zone: Tz,
) -> Option<SlotNote> {
    let TimesRead { wall_times, instants, .. } = &description.times;
    let column = wall_times.first().filter(|_| !template.slots.timezone)?;
    let as_written = |column: &String| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if column.chars().all(is_plain) { column.clone() } else { quoted_name(column) }
    };
    let name = as_written(column);
    let mut message = format!(
        "{name} is a timestamp without a time zone: its days and hours are those of {zone} \
         (query.timestamp_zone) for every caller; for those of the caller's zone write \
         `{name} AT TIME ZONE '{zone}' AT TIME ZONE :timezone`"
    );
    if let Some(instant) = instants.first().map(as_written) {
        let more = format!(
            "; beside it the days of {instant}, which has a time zone, begin at midnight of {zone} too: for those of the \
             caller's zone read them in a metric of their own, or write `{instant} AT TIME ZONE :timezone`"
        );
        message.push_str(&more);
    }
    Some(SlotNote::at(sql, sql.find(column.as_str()).unwrap_or_default(), message))
}

async fn check_cost(
    context: &Context,
    runner: &dyn QueryRunner,
    template: &Template,
    parameters: &Parameters,
    scope: &Scope,
) -> Result<(), RunError> {
    let values =
        template.bind(parameters, scope).map_err(|fault| RunError::Failed(fault.into()))?;
    match context.admission.check_cost(runner, template, parameters, &values).await {
        // What the planner computes of the default window alone is found when it runs, and noted.
        Err(RunError::Query(fault)) if !fault.is_broken() => Ok(()),
        checked => checked,
    }
}
