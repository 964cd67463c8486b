//! A trial run of a compiled query, before it is stored or shown.

use std::sync::Arc;

use metricd_core::{
    actor::Actor,
    parameters::{ParameterRequest, Parameters},
    sql::{SlotNote, Template},
};

use crate::{
    context::Context,
    ports::{Rows, RunError, TemplateDescription},
    rows,
};

/// The maximum number of rows of a trial.
const TRIAL_ROWS: u32 = 20;

/// The result of a trial run, for the default window and a few rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The compiled SQL.
    pub template: Template,
    /// What the database says of it.
    pub description: TemplateDescription,
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
    (template, description): (Template, TemplateDescription),
) -> Result<Trial, RunError> {
    let scope = actor.scope(&template.claims).map_err(|fault| RunError::Failed(fault.into()))?;
    let slots = context.zones.slots_of(&template, &description);
    let parameters = Parameters::resolve(&slots, &ParameterRequest::default(), context.now())
        .map_err(|_| RunError::Rejected { message: "its default window is invalid".into() })?;
    let values =
        template.bind(&parameters, &scope).map_err(|fault| RunError::Failed(fault.into()))?;
    let (runner, admission) = (context.runner.as_ref(), &context.admission);
    let relations = Some(Arc::clone(&description.relations));
    let open = rows::open(runner, admission, &template, &parameters, &values, relations).await?;
    let rows = open.all(TRIAL_ROWS).await?;
    drop(open);
    Ok(Trial { template, description, parameters, rows })
}

/// Runs a compiled query that is going to be stored once, as [`try_query`] does. What only data or time is to blame for
/// becomes a note of the template; a query that the database does not accept is an error.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn try_stored(
    actor: &Actor,
    context: &Context,
    sql: &str,
    template: &mut Template,
    description: &TemplateDescription,
) -> Result<(), RunError> {
    if let Err(fault) = actor.scope(&template.claims) {
        let message = format!("not tried, because {fault}");
        template.notes.push(SlotNote::at(sql, 0, message));
        return Ok(());
    }
    let compiled = (template.clone(), description.clone());
    let reason = match try_query(actor, context, compiled).await {
        Ok(_) => return Ok(()),
        Err(RunError::Query(fault)) if !fault.is_broken() => fault.to_string(),
        Err(error @ (RunError::Deadline | RunError::RowTooLarge { .. })) => error.to_string(),
        Err(error) => return Err(error),
    };
    template.notes.push(SlotNote::at(sql, 0, format!("it failed when it was tried: {reason}")));
    Ok(())
}
