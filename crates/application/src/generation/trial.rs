//! A trial run of a compiled query, before it is stored or shown.

use std::{sync::Arc, time::Duration};

use metricd_core::{
    actor::Actor,
    parameters::{ParameterRequest, Parameters},
    sql::{SlotNote, Template},
};
use tokio::time::timeout;

use crate::{
    context::Context,
    ports::{QueryFault, Rows, RunError, SessionNeeds, TemplateDescription},
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
    let parameters = default_parameters(context, &template, &description)?;
    let values =
        template.bind(&parameters, &scope).map_err(|fault| RunError::Failed(fault.into()))?;
    let (runner, admission) = (context.runner.as_ref(), &context.admission);
    let relations = Some(Arc::clone(&description.relations));
    let caller = Some(Arc::clone(actor.identity()));
    let needs = SessionNeeds { relations, caller, ..SessionNeeds::default() };
    let open = rows::open(runner, admission, &template, &parameters, &values, needs).await?;
    let rows = open.all(TRIAL_ROWS).await?;
    drop(open);
    Ok(Trial { template, description, parameters, rows })
}

/// The highest cost, in the planner's units, of a query that is tried before it is stored where nothing ends one that
/// takes long.
const MAX_TRIED_COST: f64 = 1_000_000.0;

/// How long such a trial may take.
const MAX_TRIED_TIME: Duration = Duration::from_secs(5);

/// Runs a compiled query that is going to be stored once, as [`try_query`] does. What only data, cost or time is to
/// blame for becomes a note of the template; a query that the database does not accept is an error.
///
/// Returns the template's notes for `actor`, who may write SQL over the tables: with the values of rows that the database
/// quotes, so they are never stored.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn try_stored(
    actor: &Actor,
    context: &Context,
    sql: &str,
    template: &mut Template,
    description: &TemplateDescription,
) -> Result<Vec<SlotNote>, RunError> {
    let mut shown = template.notes.clone();
    if let Some(TrialNote { stored, whole }) = tried(actor, context, template, description).await? {
        shown.push(SlotNote::at(sql, 0, whole.unwrap_or_else(|| stored.clone())));
        template.notes.push(SlotNote::at(sql, 0, stored));
    }
    Ok(shown)
}

/// What there is to note after a trial.
struct TrialNote {
    /// Without what the database quotes of rows.
    stored: String,
    /// With that, where it is another text.
    whole: Option<String>,
}

impl From<String> for TrialNote {
    fn from(stored: String) -> Self {
        Self { stored, whole: None }
    }
}

async fn tried(
    actor: &Actor,
    context: &Context,
    template: &Template,
    description: &TemplateDescription,
) -> Result<Option<TrialNote>, RunError> {
    let scope = match actor.scope(&template.claims) {
        Ok(scope) => scope,
        Err(fault) => return Ok(Some(format!("it was not tried, because {fault}").into())),
    };
    let parameters = default_parameters(context, template, description)?;
    let values =
        template.bind(&parameters, &scope).map_err(|fault| RunError::Failed(fault.into()))?;
    let (runner, admission) = (context.runner.as_ref(), &context.admission);
    if !runner.ends_abandoned_runs() {
        let cost = match admission.estimate(runner, template, &parameters, &values).await {
            Err(RunError::Query(fault)) if !fault.is_broken() => return Ok(Some(failed(&fault))),
            cost => cost?,
        };
        if cost > MAX_TRIED_COST {
            let note =
                format!("it was not tried, because the planner estimates a cost of {cost:.0}");
            return Ok(Some(note.into()));
        }
    }
    let time = MAX_TRIED_TIME.min(context.generation_time / 2);
    let trial = try_query(actor, context, (template.clone(), description.clone()));
    Ok(Some(match timeout(time, trial).await {
        Ok(Ok(_)) => return Ok(None),
        Err(_) => has_failed(&RunError::Deadline.to_string()).into(),
        Ok(Err(RunError::Query(fault))) if !fault.is_broken() => failed(&fault),
        Ok(Err(error @ (RunError::Deadline | RunError::RowTooLarge { .. }))) => {
            has_failed(&error.to_string()).into()
        }
        Ok(Err(error)) => return Err(error),
    }))
}

fn has_failed(reason: &str) -> String {
    format!("it failed when it was tried: {reason}")
}

fn failed(fault: &QueryFault) -> TrialNote {
    let whole = Some(has_failed(&fault.whole()));
    TrialNote { stored: has_failed(&fault.to_string()), whole }
}

/// The parameters of a request that sends none.
fn default_parameters(
    context: &Context,
    template: &Template,
    description: &TemplateDescription,
) -> Result<Parameters, RunError> {
    let slots = context.zones.slots_of(template, description);
    Parameters::resolve(&slots, &ParameterRequest::default(), context.now()).map_err(|_| {
        RunError::Rejected { message: "its default window is invalid".into(), offset: None }
    })
}
