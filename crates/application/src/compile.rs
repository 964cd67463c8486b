//! Compiles an author's SQL to a template that the database has accepted. Must run before a unit of
//! work is opened, because it queries the database itself.

use std::collections::BTreeSet;

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditedObject,
    claim::{ClaimName, Scope},
    metric::Column,
    parameters::{ParameterRequest, Parameters},
    sql::{Draft, SqlError, TableName, Template},
    window::WindowFault,
};
use thiserror::Error;

use crate::{
    Forbidden,
    admission::name_all,
    authorize, authorize_on,
    context::Context,
    error::{Cause, Classified, Classify, InputField},
    ports::RunError,
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
        "stored SQL may not read {}: no such table, or it is not granted to the reader role",
        name_all(.0)
    )]
    Unreadable(Vec<TableName>),
    /// A column of its answer has no name.
    #[error("column {0} of the answer has no name: give it one, as in `count(*) AS orders`")]
    UnnamedColumn(usize),
    /// Two columns of its answer have the same name.
    #[error("two columns of the answer are named `{0}`: give each its own name with AS")]
    DuplicateColumn(String),
    /// Its default window is invalid.
    #[error("its default window is invalid: {}", all(.0))]
    Window(Vec<WindowFault>),
    /// The database rejected it, or could not be reached.
    #[error(transparent)]
    Database(#[from] RunError),
}

impl Classify for CompileError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Database(error) if !error.is_query_fault() => error.classify(),
            Self::Database(
                error @ (RunError::TooExpensive { .. } | RunError::RowTooLarge { .. }),
            ) => Classified::faulty(error.classify().cause, InputField::Sql, error),
            _ => Classified::faulty(Cause::InvalidSql, InputField::Sql, self),
        }
    }
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
) -> Result<(Template, Vec<Column>), CompileError> {
    authorize(actor, context, Action::WriteSql, AuditedObject::Catalog).await?;
    let draft = Draft::parse(sql, context.admission.gate())?;
    for table in draft.tables() {
        authorize_on(actor, context, Action::WriteSql, Object::Table(table)).await?;
    }
    finish(actor, context, draft).await
}

/// Compiles SQL that a generator suggested. A table without permission is not audited as a denial: the
/// actor did not name it.
pub(crate) async fn compile_suggestion(
    actor: &Actor,
    context: &Context,
    sql: &str,
) -> Result<(Template, Vec<Column>), CompileError> {
    let draft = Draft::parse(sql, context.admission.gate())?;
    let may = |table| permits(actor, context, Action::WriteSql, Object::Table(table));
    if !draft.tables().iter().all(may) {
        return Err(Forbidden.into());
    }
    finish(actor, context, draft).await
}

/// Compiles a draft that the actor is authorized to write.
async fn finish(
    actor: &Actor,
    context: &Context,
    draft: Draft,
) -> Result<(Template, Vec<Column>), CompileError> {
    check_claims(&draft, &context.claims)?;
    let runner = context.runner.as_ref();
    let tables: Vec<TableName> = draft.tables().iter().cloned().collect();
    let unreadable = runner.unreadable(&tables).await?;
    if !unreadable.is_empty() {
        return Err(CompileError::Unreadable(unreadable));
    }
    context.admission.check_fields(runner, &draft.fields()).await??;
    let inferred = runner.describe(draft.sql()).await?.parameters;
    let template = draft.finish(&inferred)?;
    // Described again as it will run: a literal that is no slot may not have the type that it needs.
    let columns = runner.describe(&template.sql).await?.columns;
    check_columns(&columns)?;
    let (request, now) = (ParameterRequest::default(), context.clock.now());
    let parameters =
        Parameters::resolve(&template.slots, &request, now).map_err(CompileError::Window)?;
    if let Ok(scope) = actor.scope(&template.claims) {
        check_cost(context, &template, &parameters, &scope).await?;
    } else {
        let unscoped = template.with_unknown_claims()?;
        let scope = actor.scope(&unscoped.claims).map_err(|e| RunError::Failed(e.into()))?;
        check_cost(context, &unscoped, &parameters, &scope).await?;
    }
    Ok((template, columns))
}

async fn check_cost(
    context: &Context,
    template: &Template,
    parameters: &Parameters,
    scope: &Scope,
) -> Result<(), RunError> {
    let values =
        template.bind(parameters, scope).map_err(|fault| RunError::Failed(fault.into()))?;
    context.admission.check_cost(context.runner.as_ref(), template, parameters, &values).await
}

/// Checks that each column has a unique name, because rows are JSON objects.
fn check_columns(columns: &[Column]) -> Result<(), CompileError> {
    let mut seen = BTreeSet::new();
    for (index, Column { name, .. }) in columns.iter().enumerate() {
        if name.is_empty() || name == "?column?" {
            return Err(CompileError::UnnamedColumn(index + 1));
        }
        if !seen.insert(name) {
            return Err(CompileError::DuplicateColumn(name.clone()));
        }
    }
    Ok(())
}
