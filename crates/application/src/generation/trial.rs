//! A trial run of a compiled query, before it is stored or shown.

use metricd_core::{
    actor::Actor,
    metric::Column,
    parameters::{ParameterRequest, Parameters},
    sql::Template,
};

use crate::{
    context::Context,
    ports::{Rows, RunError},
    rows,
};

/// The maximum number of rows of a trial.
const TRIAL_ROWS: u32 = 20;

/// The result of a trial run, for the default window and a few rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The compiled SQL.
    pub template: Template,
    /// The columns of its answer.
    pub columns: Vec<Column>,
    /// The parameters that it was run with.
    pub parameters: Parameters,
    /// The first rows.
    pub rows: Rows,
}

/// Runs a compiled query once, for its default window and a few rows.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn try_query(
    actor: &Actor,
    context: &Context,
    (template, columns): (Template, Vec<Column>),
) -> Result<Trial, RunError> {
    let scope = actor.scope(&template.claims).map_err(|fault| RunError::Failed(fault.into()))?;
    let (request, now) = (ParameterRequest::default(), context.clock.now());
    let parameters = Parameters::resolve(&template.slots, &request, now)
        .map_err(|_| RunError::Rejected { message: "its default window is invalid".into() })?;
    let values =
        template.bind(&parameters, &scope).map_err(|fault| RunError::Failed(fault.into()))?;
    let (runner, admission) = (context.runner.as_ref(), &context.admission);
    let open = rows::open(runner, admission, &template, &parameters, &values).await?;
    let rows = open.all(TRIAL_ROWS).await?;
    drop(open);
    Ok(Trial { template, columns, parameters, rows })
}
